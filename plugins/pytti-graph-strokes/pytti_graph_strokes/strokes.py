"""What the plugin's nodes hand to each other: strokes, and a picture with its strokes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pytti_graph import Image, Wire


@dataclass(frozen=True, slots=True)
class Strokes:
    """Brush strokes on paper. All lengths are in pixels, from the picture's left, top edge: x right, y down.

    A stroke is what a disk covers that moves along a quadratic Bezier curve while its radius changes, also as a
    quadratic Bezier polynomial (a disk Bezier curve; Lin & Rokne 1998). Its ends are round.

    Attributes:
        disks: [N, 3, 3] the control disks of each stroke: x, y and radius.
        colours: [N, 3] sRGB, 0..1.
        opacities: [N] 0..1, below 1.
        paper: [3] the colour beneath all strokes, sRGB, 0..1.
        width: Width of the picture.
        height: Height of the picture.

    The first stroke is painted first: later ones lie over it.
    """

    __wire__ = Wire("Strokes")

    disks: Tensor
    colours: Tensor
    opacities: Tensor
    paper: Tensor
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Painting:
    """A picture and what it is made of. Where a graph wants a picture or strokes, it may name the node alone.

    Attributes:
        image: The picture.
        strokes: What it shows.
    """

    image: Image
    strokes: Strokes
