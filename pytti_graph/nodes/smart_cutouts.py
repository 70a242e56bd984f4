"""Crops that are spread evenly over the picture and over all scales."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import BorderMode, Bounds, Cutouts, Image, Number, Perceptor, Stream, node
from pytti_graph.nodes.cutouts import crop_sizes

_GOLDEN = 0.7548776662466927, 0.5698402909980532
"""Steps of the sequence R2 (Roberts 2018), whose points are spread evenly over a square, however many there are."""
_WOBBLE = 0.06
"""How much the side of a view of the whole picture varies."""
_SHIFT = 0.1
"""How far a view of the whole picture sticks out at most, as a part of its side, so that it stays one."""


@node("cutout.smart", either=("size", "perceptor"))
def smart(
    image: Image,
    stream: Stream,
    size: Annotated[int, Bounds(ge=1, le=16384, unit="px")] | None = None,
    count: Annotated[int, Bounds(ge=1)] = 12,
    overview: Annotated[float, Bounds(ge=0, le=1)] = 0.25,
    smallest: Annotated[float, Bounds(gt=0, le=1)] = 0.3,
    detail: Annotated[Number, Bounds(ge=0, le=1)] = 1.0,
    border: Annotated[float, Bounds(ge=0, le=1)] = 0.1,
    border_mode: BorderMode = "mirror",
    coherence: Annotated[Number, Bounds(ge=0)] = 2.0,
    perceptor: list[Perceptor] | None = None,
) -> Cutouts:
    """Cut squares out of the picture: some of the whole, the rest spread evenly over places and scales.

    Random squares leave gaps and crowd elsewhere, and now and then show nothing but parts. Here a share of them always
    shows the picture as a whole, which keeps it one thing; sides of the others are drawn one from each of equal parts
    of the range (on a scale of ratios), and places from a sequence that covers the picture evenly.

    Args:
        image: The picture to cut.
        size: Side of the crops once they are shrunk to what the perceptor looks at; or give the perceptor instead. A
            perceptor that can look at smaller crops looks at them in less time:
            "round(eye.size*min(1, 0.5 + progress))".
        count: Number of crops, for each perceptor. More give a steadier picture and take longer.
        overview: Which part of them show the picture as a whole (of a long picture, as large a square as there is); at
            least one, unless it is 0. No two are quite the same: their sides vary by 3 percent, and they stick out as
            `border` says, but at most by 0.1 of their side. So each shows at least three quarters of a square picture,
            and nine tenths on average. Where crops do not stick out, with `border: 0` or clamp, each shows at least
            94 percent.
        smallest: The side of the smallest crops, as a part of the picture's shorter side.
        detail: How far crops go towards the smallest: 0 is only large ones, 1 all. With "min(1, 2*progress)" a picture
            begins as a whole, and its details come later.
        border: How far crops may stick out, as a part of their own side.
        border_mode: What crops that stick out see: mirror, smear, wrap or black; with clamp they stay inside.
        coherence: How much more large crops count than small ones: a crop counts by its side to this power, so at 2 by
            the area that it shows. At 0 all count alike, which suits prompts with masks. Large crops know whether the
            picture holds together, small ones only whether their detail is right; with "2*(1 - progress)" details have
            more say towards the end.
        perceptor: The network that looks at the crops, or several; needed if `size` is not given.
    """
    sizes = crop_sizes(size, perceptor)
    whole = max(round(overview * count), 1) if overview else 0
    return Cutouts.of_each(
        [
            _cut(image, stream, side, count - whole, whole, smallest**detail, border, border_mode, coherence)
            for side in sizes
        ]
    )


def _cut(
    image: Tensor,
    stream: Stream,
    size: int,
    parts: int,
    whole: int,
    smallest: float,
    border: float,
    border_mode: BorderMode,
    coherence: float,
) -> Cutouts:
    height, width = image.shape[-2:]
    over = 0.0 if border_mode == "clamp" else border
    shift = min(over, _SHIFT)
    small = _stratified(stream, parts, smallest)
    large = (1 + _WOBBLE * (stream.uniform(whole) - 0.5)).clamp(max=1 / (1 - 2 * shift))  # sticks out no further
    sides, reach = torch.cat([small, large]), torch.cat([over * small, shift * large])
    places = torch.cat([_even(stream, parts), _even(stream, whole)])  # [N, 2], 0..1
    side = min(height, width) * sides
    lengths = places.new_tensor([width, height])
    room = lengths - side[:, None]
    free = (room + 2 * min(height, width) * reach[:, None]).clamp(min=0)
    corner = room / 2 + (places - 0.5) * free
    scale, centre = side[:, None] / lengths, (2 * corner + side[:, None]) / lengths - 1
    transforms = torch.zeros(len(side), 3, 3, device=side.device, dtype=side.dtype)
    transforms[:, 0, 0], transforms[:, 1, 1], transforms[:, 2, 2] = scale[:, 0], scale[:, 1], 1
    transforms[:, 0, 2], transforms[:, 1, 2] = centre[:, 0], centre[:, 1]
    return Cutouts(image, transforms, size, border_mode, weights=coherent(sides, coherence) if coherence else None)


def coherent(sides: Tensor, coherence: float) -> Tensor:
    """How much crops of these sides [N] count: side ** coherence, divided by the mean of that, so their mean is 1.

    As a softmax of logarithms it neither overflows nor vanishes, however small the sides.
    """
    return len(sides) * torch.softmax(coherence * sides.log(), 0)


def _stratified(stream: Stream, count: int, smallest: float) -> Tensor:
    """Sides [count] from `smallest` to 1, one from each of as many equal parts of the logarithmic range, ascending."""
    drawn = stream.uniform(count)
    return smallest ** (1 - (torch.arange(count, device=drawn.device) + drawn) / max(count, 1))


def _even(stream: Stream, count: int) -> Tensor:
    """Places [count, 2] in the unit square, spread evenly, each time otherwise."""
    start = stream.uniform(1, 2)
    index = torch.arange(count, device=start.device, dtype=start.dtype)[:, None]
    return (start + index * start.new_tensor(_GOLDEN)) % 1
