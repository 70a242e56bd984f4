"""Flips, turns and tilts: they move where a crop looks, so what turns in at a corner is the picture around the crop."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Cutouts, Stream, node
from pytti_graph.nodes.augment.choosing import Probability, chosen

Angle = Annotated[float, Bounds(ge=0, le=180, unit="degrees")]
Shift = Annotated[float, Bounds(ge=0, le=1)]
Distortion = Annotated[float, Bounds(ge=0, le=0.45)]
"""From 0.48 on there are tilts that bring the horizon into the crop."""


@node("augment.flip")
def flip(cutouts: Cutouts, stream: Stream, left_right: Probability = 0.5, up_down: Probability = 0.0) -> Cutouts:
    """Mirror crops at random, for things that may look either way.

    Args:
        cutouts: The crops to change.
        left_right: Chance that a crop is mirrored left to right.
        up_down: Chance that a crop is turned upside down, for pictures without an up and a down.
    """
    count = len(cutouts.transforms)
    return cutouts.transformed(flips(stream, count, left_right) @ flips(stream, count, up_down, axis=1))


@node("augment.affine")
def affine(
    cutouts: Cutouts, stream: Stream, probability: Probability = 1.0, rotate: Angle = 15.0, shift: Shift = 0.1
) -> Cutouts:
    """Turn and shift crops at random, so that things hold when they are looked at askew.

    What comes in at the corners is the picture around the crop.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop is turned and shifted.
        rotate: It turns by up to this angle, either way.
        shift: It shifts by up to this part of its side, along and down.
    """
    count = len(cutouts.transforms)
    return cutouts.transformed(affines(stream, count, probability, math.radians(rotate), shift))


@node("augment.perspective")
def perspective(
    cutouts: Cutouts, stream: Stream, probability: Probability = 0.5, distortion: Distortion = 0.2
) -> Cutouts:
    """Tilt crops at random, as if the picture hung on a wall seen from one side.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop is tilted.
        distortion: How far corners may move inwards, as a part of half the side. With more than 0.45 crops might look
            beyond the horizon.
    """
    return cutouts.transformed(tilts(stream, len(cutouts.transforms), probability, distortion))


def flips(stream: Stream, count: int, probability: float, axis: int = 0) -> Tensor:
    """Mirror left to right (axis 0) or up to down (axis 1) with the given probability: [N, 3, 3]."""
    flipped = chosen(stream, count, probability)
    matrices = torch.eye(3, device=flipped.device).repeat(count, 1, 1)
    matrices[:, axis, axis] = 1 - 2 * flipped
    return matrices


def affines(stream: Stream, count: int, probability: float, angle: float, shift: float) -> Tensor:
    """Turns of up to `angle` radians and shifts of up to `shift` of the side, each way: [N, 3, 3], new to old."""
    some = chosen(stream, count, probability)
    turn = some * stream.uniform(count, low=-angle, high=angle)
    offset = some.unsqueeze(1) * stream.uniform(count, 2, low=-2 * shift, high=2 * shift)
    cos, sin = turn.cos(), turn.sin()
    matrices = torch.eye(3, device=turn.device).repeat(count, 1, 1)
    matrices[:, 0, 0], matrices[:, 0, 1] = cos, sin
    matrices[:, 1, 0], matrices[:, 1, 1] = -sin, cos
    matrices[:, :2, 2:] = -matrices[:, :2, :2] @ offset.unsqueeze(2)
    return matrices


def tilts(stream: Stream, count: int, probability: float, distortion: float) -> Tensor:
    """Perspectives that move corners inwards by up to `distortion` of half the side: [N, 3, 3], new to old."""
    some = chosen(stream, count, probability)
    inwards = 1 - stream.uniform(count, 4, 2, high=distortion) * some.view(-1, 1, 1)
    return square_from(inwards)


def square_from(corners: Tensor) -> Tensor:
    """The projective maps that take four corners back to those of the square -1..1.

    Args:
        corners: [N, 4, 2]; how far out each corner is, along and down, top left, top right, bottom right, bottom left;
            (1, 1) is the square's own.

    Returns:
        [N, 3, 3]: the map of the unit square to the corners (Heckbert 1989), inverted.
    """
    x, y = corners.unbind(-1)
    x0, x1, x2, x3 = -x[:, 0], x[:, 1], x[:, 2], -x[:, 3]
    y0, y1, y2, y3 = -y[:, 0], -y[:, 1], y[:, 2], y[:, 3]
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    denominator = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = (sum_x * (y3 - y2) - (x3 - x2) * sum_y) / denominator
    h = ((x1 - x2) * sum_y - sum_x * (y1 - y2)) / denominator
    along = torch.stack((x1 - x0 + g * x1, y1 - y0 + g * y1, g), 1)
    down = torch.stack((x3 - x0 + h * x3, y3 - y0 + h * y3, h), 1)
    constant = torch.stack((x0, y0, torch.ones_like(x0)), 1)
    along, down = along / 2, down / 2
    constant = constant + along + down
    cross = torch.linalg.cross
    inverse = torch.stack((cross(down, constant), cross(constant, along), cross(along, down)), 1)
    return inverse / inverse[:, 2:, 2:]
