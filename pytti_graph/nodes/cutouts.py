"""Cutting a picture into crops, and showing them to a perceptor."""

from __future__ import annotations

from typing import Annotated

import torch

from pytti_graph import BorderMode, Bounds, Cutouts, Image, Perceptor, Seen, Stream, UsageError, node
from pytti_graph.nodes.sampling import sample

_MEAN, _SPREAD = 0.8, 0.3


@node("cutout.classic")
def classic(
    image: Image,
    stream: Stream,
    size: Annotated[int, Bounds(ge=1, unit="px")],
    count: Annotated[int, Bounds(ge=1)] = 40,
    cut_pow: Annotated[float, Bounds(ge=0)] = 2.0,
    border: Annotated[float, Bounds(ge=0, le=1)] = 0.25,
    border_mode: BorderMode = "clamp",
) -> Cutouts:
    """Cut random squares out of the picture, as PyTTI did.

    A square's side is the picture's shorter side times clip(N(0.8, 0.3), size / shorter side, 1) to the power
    `cut_pow`. The crops come in order of their size.

    Args:
        image: The picture to cut.
        size: Side of the crops once they are shrunk to what the perceptor looks at; write `eye.size`.
        count: Number of crops. More give a steadier picture and take longer.
        cut_pow: 1 prefers large crops; larger values give more small ones, and more detail.
        border: How far crops may stick out, as a part of the picture's width and height.
        border_mode: What crops that stick out see: clamp (they are pushed back inside, so edges are seen more often),
            mirror, smear, wrap or black.
    """
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


def _offsets(stream: Stream, side: torch.Tensor, length: int, border: float, border_mode: BorderMode) -> torch.Tensor:
    """Left or top edges [N] of crops of `side` [N] pixels, in pixels from the picture's."""
    room, overhang = length - side, side.new_full((), border * length)
    if border_mode != "clamp":
        overhang = side.minimum(overhang)
    drawn = stream.uniform(len(side)) * (room + 2 * overhang) - overhang
    return drawn.clamp(min=0).minimum(room) if border_mode == "clamp" else drawn


@node("encode.cutouts")
def encode(perceptor: Perceptor, cutouts: Cutouts) -> Seen:
    """Show crops to a perceptor.

    The picture is sampled once, what was done to the crops is applied, and they are embedded.

    Args:
        perceptor: The network that looks.
        cutouts: The crops, of the perceptor's size.
    """
    if cutouts.size != perceptor.size:
        raise UsageError(
            f"the crops are {cutouts.size} px wide, but {perceptor.name} looks at {perceptor.size} px",
            argument="cutouts",
            hint="give 'size' of the cutouts as the perceptor's, as in 'size: eye.size'",
        )
    return Seen(perceptor.encode_images(render(cutouts)), cutouts.transforms)


def render(cutouts: Cutouts) -> torch.Tensor:
    """The crops as pictures [N, 3, size, size], sampled and with their operations applied."""
    crops = sample(cutouts.image, cutouts.transforms, cutouts.size, cutouts.border)
    for operation in cutouts.operations:
        crops = operation(crops)
    return crops
