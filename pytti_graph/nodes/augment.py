"""Random changes to crops, so that a picture must mean the same however it is looked at."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pytti_graph import Bounds, Cutouts, Stream, node

Probability = Annotated[float, Bounds(ge=0, le=1)]

_FEW = 4
_STRETCHES = 1024
_ERASED_AREA = 0.1, 0.4
_ERASED_RATIO = 0.3, 1 / 0.3


@node("augment.classic")
def classic(
    cutouts: Cutouts,
    stream: Stream,
    flip: Probability = 0.3,
    affine: Probability = 0.8,
    rotate: Annotated[float, Bounds(ge=0, le=180, unit="degrees")] = 30.0,
    shift: Annotated[float, Bounds(ge=0, le=1)] = 0.1,
    perspective: Probability = 0.4,
    distortion: Annotated[float, Bounds(ge=0, lt=1)] = 0.2,
    colour: Probability = 0.7,
    hue: Annotated[float, Bounds(ge=0, le=0.5)] = 0.01,
    saturation: Annotated[float, Bounds(ge=0, le=1)] = 0.01,
    erase: Probability = 0.7,
    noise: Annotated[float, Bounds(ge=0)] = 0.1,
) -> Cutouts:
    """Shake crops at random, as PyTTI did.

    They are flipped, turned, tilted, tinted, partly erased and roughened.

    Flips, turns and tilts move where the crop looks, so what turns in at a corner is the picture around the crop.

    Args:
        cutouts: The crops to change.
        flip: Chance that a crop is mirrored left to right.
        affine: Chance that a crop is turned and shifted.
        rotate: It turns by up to this angle, either way.
        shift: It shifts by up to this part of its side, along and down.
        perspective: Chance that a crop is tilted.
        distortion: How far corners may move inwards, as a part of half the side.
        colour: Chance that a crop's colours change.
        hue: They turn by up to this part of the colour circle.
        saturation: They become stronger or weaker by up to this part.
        erase: Chance that a rectangle of 0.1 to 0.4 of a crop's area is blacked out.
        noise: Strength of the noise: each crop gets normal noise of a deviation drawn between 0 and this.
    """
    count, size = len(cutouts.transforms), cutouts.size
    geometry = (
        flips(stream, count, flip)
        @ affines(stream, count, affine, math.radians(rotate), shift)
        @ tilts(stream, count, perspective, distortion)
    )
    tints = colour_matrices(stream, count, colour, hue, saturation)
    keep = erasures(stream, count, size, erase)
    strength = stream.uniform(count, 1, 1, 1, high=noise)
    strip, places = grain_strip(stream, count, size)

    def tint_erase_roughen(crops: Tensor) -> Tensor:
        changed: Tensor = _TintEraseRoughen.apply(crops, tints, keep, strength, strip, places)
        return changed

    return cutouts.transformed(geometry).then(tint_erase_roughen)


class _TintEraseRoughen(torch.autograd.Function):
    """`tints @ crops * keep + strength * grain`, a few crops at a time, so that they stay in a processor's cache."""

    @staticmethod
    def forward(
        ctx: Any, crops: Tensor, tints: Tensor, keep: Tensor, strength: Tensor, strip: Tensor, places: Tensor
    ) -> Tensor:
        ctx.save_for_backward(tints, keep)
        changed = torch.empty_like(crops, memory_format=torch.contiguous_format)
        for few in _few(len(crops)):
            torch.bmm(tints[few], crops[few].flatten(2), out=changed[few].flatten(2))
            grain = strip.index_select(0, places[few]).view(changed[few].shape)
            changed[few].mul_(keep[few]).addcmul_(strength[few], grain)
        return changed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tints, keep = ctx.saved_tensors
        changed = torch.empty_like(gradient, memory_format=torch.contiguous_format)
        for few in _few(len(gradient)):
            kept = (gradient[few] * keep[few]).flatten(2)
            torch.bmm(tints[few].mT, kept, out=changed[few].flatten(2))
        return changed, None, None, None, None, None


def grain_strip(stream: Stream, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Normal noise for crops [N, 3, size, size]: stretches of a strip of numbers, and which one each crop takes.

    Within a crop all numbers are independent. Crops share the strip, each from another place on, so that two of them
    have other numbers at the same pixel. To draw each crop's own would take half of the time of cutting and augmenting,
    since a processor draws one number after another.

    Returns:
        The stretches [1024, 3 x size x size], which overlap in memory, and N of their indices.
    """
    length = 3 * size * size
    step = -(-length // _STRETCHES)
    strip = stream.normal(length + step * _STRETCHES).as_strided((_STRETCHES, length), (step, 1))
    return strip, (stream.uniform(count) * _STRETCHES).long()


def _few(count: int) -> list[slice]:
    return [slice(first, first + _FEW) for first in range(0, count, _FEW)]


def _chosen(stream: Stream, count: int, probability: float) -> Tensor:
    """1 with the given probability, else 0: [N]."""
    return (stream.uniform(count) < probability).float()


def flips(stream: Stream, count: int, probability: float) -> Tensor:
    """Mirror left to right with the given probability: [N, 3, 3]."""
    flipped = _chosen(stream, count, probability)
    matrices = torch.eye(3, device=flipped.device).repeat(count, 1, 1)
    matrices[:, 0, 0] = 1 - 2 * flipped
    return matrices


def affines(stream: Stream, count: int, probability: float, angle: float, shift: float) -> Tensor:
    """Turns of up to `angle` radians and shifts of up to `shift` of the side, each way: [N, 3, 3], new to old."""
    chosen = _chosen(stream, count, probability)
    turn = chosen * stream.uniform(count, low=-angle, high=angle)
    offset = chosen.unsqueeze(1) * stream.uniform(count, 2, low=-2 * shift, high=2 * shift)
    cos, sin = turn.cos(), turn.sin()
    matrices = torch.eye(3, device=turn.device).repeat(count, 1, 1)
    matrices[:, 0, 0], matrices[:, 0, 1] = cos, sin
    matrices[:, 1, 0], matrices[:, 1, 1] = -sin, cos
    matrices[:, :2, 2:] = -matrices[:, :2, :2] @ offset.unsqueeze(2)
    return matrices


def tilts(stream: Stream, count: int, probability: float, distortion: float) -> Tensor:
    """Perspectives that move corners inwards by up to `distortion` of half the side: [N, 3, 3], new to old."""
    chosen = _chosen(stream, count, probability)
    inwards = 1 - stream.uniform(count, 4, 2, high=distortion) * chosen.view(-1, 1, 1)
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


def colour_matrices(stream: Stream, count: int, probability: float, hue: float, saturation: float) -> Tensor:
    """Turns of the hue about the grey axis, with a change of the saturation: [N, 3, 3], to multiply RGB.

    For changes as small as these it agrees with turning and scaling in HSV, but has no kinks (Haeberli, Matrix
    Operations for Image Processing, 1993).
    """
    chosen = _chosen(stream, count, probability).view(-1, 1, 1)
    turn = chosen * stream.uniform(count, 1, 1, low=-2 * math.pi * hue, high=2 * math.pi * hue)
    strength = 1 + chosen * stream.uniform(count, 1, 1, low=-saturation, high=saturation)
    identity = torch.eye(3, device=turn.device)
    grey = torch.full_like(identity, 1 / 3)
    next_minus_previous = identity.roll(1, 0) - identity.roll(-1, 0)
    turned = turn.cos() * (identity - grey) + turn.sin() * (next_minus_previous / math.sqrt(3))
    return grey + strength * turned


def erasures(stream: Stream, count: int, size: int, probability: float) -> Tensor:
    """Masks [N, 1, size, size] that are 0 in a random rectangle, with the given probability, and 1 elsewhere.

    The rectangle covers 0.1 to 0.4 of the crop, at an aspect of 0.3 to 3.3 (uniform in its logarithm), cut where it
    would be longer than the crop.
    """
    chosen = _chosen(stream, count, probability)
    area = chosen * stream.uniform(count, low=_ERASED_AREA[0], high=_ERASED_AREA[1])
    aspect = stream.uniform(count, low=math.log(_ERASED_RATIO[0]), high=math.log(_ERASED_RATIO[1])).exp()
    pixels = torch.arange(size, device=area.device).add(0.5) / size
    inside = []
    for length in ((area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)):
        first = stream.uniform(count) * (1 - length)
        inside.append(((pixels - (first + length / 2).unsqueeze(1)).abs() < length.unsqueeze(1) / 2).float())
    down, along = inside
    return 1 - (down.unsqueeze(2) * along.unsqueeze(1)).unsqueeze(1)
