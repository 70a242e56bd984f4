"""Motions of the picture, and moving pictures by them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from torch import Tensor

from pytti_graph import Bounds, Image, Warp, node
from pytti_graph.nodes.sampling import fold, look_up, pad

Infill = Literal["mirror", "smear", "wrap", "black"]
Sampling = Literal["nearest", "bilinear", "bicubic"]
Field = Callable[[Tensor, int, int], Tensor]
"""From points [1, h, w, 2] in picture coordinates, and the picture's height and width in pixels, to their origins."""

_MARGIN = 4
"""Pixels that a bicubic look-up may need around a picture, at most two outside of where everything is alike."""


@node("motion.affine")
def affine(
    zoom: Annotated[float, Bounds(gt=0)] = 1.0,
    rotate: Annotated[float, Bounds(unit="degrees")] = 0.0,
    translate_x: Annotated[float, Bounds(unit="px", draft=0.5)] = 0.0,
    translate_y: Annotated[float, Bounds(unit="px", draft=0.5)] = 0.0,
    zoom_x: Annotated[float, Bounds(gt=0)] = 1.0,
    zoom_y: Annotated[float, Bounds(gt=0)] = 1.0,
    infill: Infill = "mirror",
    sampling: Sampling = "bicubic",
    warp: Warp | None = None,
) -> Warp:
    """Zoom, turn and shift the picture from frame to frame.

    Args:
        zoom: How much larger everything becomes: 1.03 goes in by three per cent each frame, 0.97 goes out.
        rotate: Turn, in degrees, counter-clockwise.
        translate_x: Shift to the right, in pixels.
        translate_y: Shift upwards, in pixels.
        zoom_x: Stretch along, besides `zoom`.
        zoom_y: Stretch up and down, besides `zoom`.
        infill: What moves in from outside: mirror, smear (the edge goes on), wrap (the other side) or black.
        sampling: How values between pixels are found: bicubic is sharpest, bilinear softer, nearest keeps hard pixels.
        warp: A motion that comes before this one; the picture is still sampled only once.
    """
    motion = Warp(affine_field(zoom * zoom_x, zoom * zoom_y, rotate, translate_x, translate_y), infill, sampling)
    return motion if warp is None else compose(warp, motion)


@node("motion.apply")
def apply(image: Image, warp: Warp) -> Image:
    """Move a picture.

    Args:
        image: The picture to move.
        warp: How it moves.
    """
    return resample(image, warp).clamp(0, 1)


def affine_field(zoom_x: float, zoom_y: float, rotate: float, translate_x: float, translate_y: float) -> Field:
    """Where points come from when a picture is stretched, then turned, then shifted.

    Turns are in degrees, counter-clockwise, and right whatever the picture's aspect; shifts in pixels, right and up.
    """
    cos, sin = math.cos(math.radians(rotate)), math.sin(math.radians(rotate))

    def field(points: Tensor, height: int, width: int) -> Tensor:
        x = points[..., 0] * (width / 2) - translate_x
        y = points[..., 1] * (height / 2) + translate_y
        source_x = (cos * x - sin * y) / (zoom_x * width / 2)
        source_y = (sin * x + cos * y) / (zoom_y * height / 2)
        return torch.stack((source_x, source_y), -1)

    return field


def compose(first: Warp, second: Warp) -> Warp:
    """One warp that moves as `first` and then as `second` does, with the infill and sampling of `second`."""

    def field(points: Tensor, height: int, width: int) -> Tensor:
        return first.field(second.field(points, height, width), height, width)

    return Warp(field, second.infill, second.sampling)


def pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """Picture coordinates of the pixels' centres, [1, H, W, 2]: x right, y down, -1..1 from edge to edge."""
    y, x = (
        (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) * (2 / length) - 1
        for length in (height, width)
    )
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).unsqueeze(0)


def resample(picture: Tensor, warp: Warp, *, size: tuple[int, int] | None = None) -> Tensor:
    """Move a picture, or any grid of values; bicubic values may overshoot.

    Args:
        picture: [1, C, H, W].
        warp: The motion.
        size: Height and width of the picture in the pixels that the motion counts in, if they are not the grid's own.

    Returns:
        The moved picture [1, C, H, W]; gradients flow to `picture`.

    Raises:
        ValueError: The picture has another shape, or the field gives something else than [1, H, W, 2].
    """
    if picture.ndim != 4 or picture.shape[0] != 1:
        raise ValueError(f"a picture has shape [1, C, H, W], not {list(picture.shape)}")
    height, width = picture.shape[-2:]
    points = warp.field(pixel_centres(height, width, picture), *(size or (height, width)))
    if points.shape != (1, height, width, 2):
        raise ValueError(f"the motion gives points {list(points.shape)}, not {[1, height, width, 2]}")
    x = fold((points[..., 0] + 1) * (width / 2), width, warp.infill, _MARGIN / 2) + _MARGIN
    y = fold((points[..., 1] + 1) * (height / 2), height, warp.infill, _MARGIN / 2) + _MARGIN
    return look_up_smoothly(pad(picture, _MARGIN, warp.infill), x, y, warp.sampling)


def look_up_smoothly(picture: Tensor, x: Tensor, y: Tensor, sampling: Sampling) -> Tensor:
    """Values of a picture [1, C, H, W] at x, y [1, h, w], in pixels from its left, top edge: [1, C, h, w].

    Bicubic is Catmull and Rom's spline, whose response to no frequency exceeds 1, so that pictures warped again and
    again do not ring (grid_sample's sharper spline amplifies some by up to 3% each time). Its 4 taps are looked up as
    3, the middle two in one.
    """
    if sampling == "nearest":
        x, y = x.floor() + 0.5, y.floor() + 0.5
    if sampling != "bicubic":
        return _at(picture, x, y)
    total = torch.zeros_like(picture[:, :, : x.shape[1], : x.shape[2]])
    along = catmull_rom(x)
    for place_y, weight_y in catmull_rom(y):
        for place_x, weight_x in along:
            total = total + _at(picture, place_x, place_y) * (weight_x * weight_y).unsqueeze(1)
    return total


def catmull_rom(position: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Three places and weights, such that linear look-ups there make one bicubic look-up at `position` (pixels)."""
    before = (position - 0.5).floor() + 0.5
    f = position - before
    first = f * (-0.5 + f * (1 - 0.5 * f))
    second = 1 + f * f * (-2.5 + 1.5 * f)
    third = f * (0.5 + f * (2 - 1.5 * f))
    last = f * f * (-0.5 + 0.5 * f)
    middle = second + third
    return [(before - 1, first), (before + third / middle, middle), (before + 2, last)]


def _at(picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return look_up(picture, x * (2 / picture.shape[-1]) - 1, y * (2 / picture.shape[-2]) - 1)
