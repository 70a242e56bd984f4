"""Cutting a picture into crops, and showing them to a perceptor."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pytti_graph import BorderMode, Bounds, Cutouts, Image, Perceptor, Seen, Stream, UsageError, node
from pytti_graph.nodes.sampling import sample

_MEAN, _SPREAD = 0.8, 0.3


@node("cutout.classic", either=("size", "perceptor"))
def classic(
    image: Image,
    stream: Stream,
    size: Annotated[int, Bounds(ge=1, le=16384, unit="px")] | None = None,
    count: Annotated[int, Bounds(ge=1)] = 40,
    cut_pow: Annotated[float, Bounds(ge=0)] = 2.0,
    border: Annotated[float, Bounds(ge=0, le=1)] = 0.25,
    border_mode: BorderMode = "clamp",
    perceptor: list[Perceptor] | None = None,
) -> Cutouts:
    """Cut random squares out of the picture, as PyTTI did.

    A square's side is the picture's shorter side times clip(N(0.8, 0.3), size / shorter side, 1) to the power
    `cut_pow`. The crops come in order of their size. Several perceptors get crops of their own, each of its own size.

    Args:
        image: The picture to cut.
        size: Side of the crops once they are shrunk to what the perceptor looks at; write `eye.size`, or give the
            perceptor instead. A perceptor that can look at smaller crops looks at them in less time:
            "round(eye.size*min(1, 0.5 + progress))".
        count: Number of crops, for each perceptor. More give a steadier picture and take longer.
        cut_pow: 1 prefers large crops; larger values give more small ones, and more detail.
        border: How far crops may stick out, as a part of the picture's width and height.
        border_mode: What crops that stick out see: clamp (they are pushed back inside, so edges are seen more often),
            mirror, smear, wrap or black.
        perceptor: The network that looks at the crops, or several; needed if `size` is not given.
    """
    sizes = crop_sizes(size, perceptor)
    return Cutouts.of_each([_cut(image, stream, side, count, cut_pow, border, border_mode) for side in sizes])


def crop_sizes(size: int | None, perceptors: list[Perceptor] | None) -> list[int]:
    """The sides of the crops for each perceptor."""
    if perceptors is not None:
        return [size or eye.size for eye in perceptors]
    if size is None:
        hint = "give the perceptor, or 'size: eye.size'"
        raise UsageError("the size of the crops is missing", argument="size", hint=hint)
    return [size]


def _cut(
    image: Tensor,
    stream: Stream,
    size: int,
    count: int,
    cut_pow: float,
    border: float,
    border_mode: BorderMode,
) -> Cutouts:
    height, width = image.shape[-2:]
    shorter = min(height, width)
    drawn = stream.normal(count, mean=_MEAN, std=_SPREAD).sort().values  # crops of one scale share a part of the atlas
    side = shorter * drawn.clamp(min(size / shorter, 1.0), 1.0) ** cut_pow
    left = _offsets(stream, side, width, border, border_mode)
    top = _offsets(stream, side, height, border, border_mode)
    transforms = torch.zeros(count, 3, 3, device=side.device, dtype=side.dtype)
    transforms[:, 0, 0], transforms[:, 0, 2] = side / width, (2 * left + side) / width - 1
    transforms[:, 1, 1], transforms[:, 1, 2] = side / height, (2 * top + side) / height - 1
    transforms[:, 2, 2] = 1
    return Cutouts(image, transforms, size, border_mode)


def _offsets(stream: Stream, side: Tensor, length: int, border: float, border_mode: BorderMode) -> Tensor:
    """Left or top edges [N] of crops of `side` [N] pixels, in pixels from the picture's."""
    room, overhang = length - side, side.new_full((), border * length)
    if border_mode != "clamp":
        overhang = side.minimum(overhang)
    drawn = stream.uniform(len(side)) * (room + 2 * overhang) - overhang
    return drawn.clamp(min=0).minimum(room) if border_mode == "clamp" else drawn


@node("encode.cutouts")
def encode(perceptor: list[Perceptor], cutouts: Cutouts, batches: Annotated[int, Bounds(ge=1)] = 1) -> Seen:
    """Show crops to a perceptor.

    The picture is sampled once, what was done to the crops is applied, and they are embedded.

    Args:
        perceptor: The network that looks. Or several of them, if the crops were cut for the same ones.
        cutouts: The crops, of the perceptor's size. perceptor.imagenet looks at smaller ones too, which takes less
            time: half the side a quarter.
        batches: In how many parts the crops are looked at. More need less memory, and about a third more time: what a
            part needs for its gradient is computed again when its turn comes. The result is the same.
    """
    each = cutouts.each
    if len(each) != len(perceptor):
        raise UsageError(
            f"the crops are cut for {len(each)} perceptors, but {len(perceptor)} look at them",
            argument="perceptor",
            hint="give the cutouts and 'encode.cutouts' the same list of perceptors",
        )
    return Seen.of_each([_seen(eye, crops, batches) for eye, crops in zip(perceptor, each, strict=True)])


def _seen(perceptor: Perceptor, cutouts: Cutouts, batches: int) -> Seen:
    smallest = perceptor.size if perceptor.smallest is None else perceptor.smallest
    if not smallest <= cutouts.size <= perceptor.size:
        sides = f"{perceptor.size} px" if smallest == perceptor.size else f"{smallest} to {perceptor.size} px"
        raise UsageError(
            f"the crops are {cutouts.size} px wide, but {perceptor.name} looks at {sides}",
            argument="cutouts",
            hint="give 'size' of the cutouts as the perceptor's, as in 'size: eye.size'",
        )
    embeddings = _embedded(perceptor, render(cutouts), batches)
    return Seen(embeddings, cutouts.transforms, cutouts.border, weights=cutouts.weights)


def _embedded(perceptor: Perceptor, crops: Tensor, batches: int) -> Tensor:
    """Embeddings [N, D] of crops, looked at in parts.

    Of each part only the crops and the embeddings are kept; the rest is computed again on the way back (Chen et al.,
    Training Deep Nets with Sublinear Memory Cost, 2016). So the gradient of all crops is known before it goes on, once,
    into the picture.
    """
    if batches == 1:
        return perceptor.encode_images(crops)
    look = perceptor.encode_images
    parts = crops.chunk(batches)
    return torch.cat([checkpoint(look, part, use_reentrant=False, preserve_rng_state=False) for part in parts])


def render(cutouts: Cutouts) -> Tensor:
    """The crops as pictures [N, 3, size, size], sampled and with their operations applied."""
    crops = sample(cutouts.image, cutouts.transforms, cutouts.size, cutouts.border)
    for operation in cutouts.operations:
        crops = operation(crops)
    return crops
