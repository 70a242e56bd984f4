"""Where strokes are laid: anywhere, or along the edges of a picture; large ones first, small ones over them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Stream
from pytti_graph_strokes.raster import paint
from pytti_graph_strokes.strokes import Strokes

PROFILE = 0.6, 1.0, 0.5
"""Width at the control points, as parts of the stroke's width: strokes taper towards both ends."""
_FIRST = 4
_LAYERS = 2.0
"""How many times the strokes of an octave of sizes would cover the picture, if none were over another."""
_GROUND = 12
"""Strokes wider than this part of a picture's side are laid evenly everywhere."""
_EMPTINESS = 0.5
"""How much bare paper counts beside details that are missing, when strokes are laid along a picture."""
_ROUNDNESS = 0.2
_WAVES = 3
_WAYWARDNESS = 0.3
"""Radians by which strokes differ from their neighbours' direction."""
_PLASTIC = 1.3247179572447460
"""The ratio of the sequence that places strokes evenly, whatever their number (Roberts 2018)."""
_RESTLESSNESS = 0.02
"""How much chance turns strokes where a picture has edges, beside its strongest ones."""


def stroke_widths(count: int, height: int, width: int, length: float, like: Tensor) -> Tensor:
    """Widths [N] of strokes in pixels, falling: there are four times as many of half the width.

    So the strokes of each octave of sizes cover the picture equally often.

    Args:
        count: N.
        height: Height of the picture.
        width: Width of the picture.
        length: Length of a stroke, in its widths.
        like: Tells device and type.
    """
    numbers = torch.arange(count, device=like.device, dtype=like.dtype)
    return (0.75 * _LAYERS * height * width / length / (numbers + _FIRST)).sqrt()


def scatter(widths: Tensor, length: float, height: int, width: int, stream: Stream) -> Tensor:
    """Strokes of these widths all over the picture, as if they followed a slow stream: control disks [N, 3, 3]."""
    centres = evenly(widths, height, width, stream)
    waves = stream.normal(2, _WAVES).to(widths) * (math.pi / max(height, width))
    phases = stream.uniform(_WAVES + 1, high=2 * math.pi).to(widths)
    angles = phases[-1] + (centres @ waves + phases[:-1]).sin().sum(1)
    angles = angles + _WAYWARDNESS * stream.normal(len(widths)).to(widths)
    return strokes_at(centres, angles, widths, length, stream)


def evenly(widths: Tensor, height: int, width: int, stream: Stream) -> Tensor:
    """Middles [N, 2] of strokes, in pixels, spread evenly over the picture, and so are the first n of them.

    They stick out by up to half of their widths, so that borders are covered too.
    """
    size = widths.new_tensor([width, height])
    numbers = torch.arange(len(widths), device=widths.device).unsqueeze(1)
    steps = widths.new_tensor([1 / _PLASTIC, 1 / _PLASTIC**2])
    places = (stream.uniform(1, 2).to(widths) + numbers * steps).remainder(1)
    return size / 2 + (places - 0.5) * (size + widths.unsqueeze(1))


def strokes_at(centres: Tensor, angles: Tensor, widths: Tensor, length: float, stream: Stream) -> Tensor:
    """Strokes around centres [N, 2], in directions [N] (radians), slightly bent: control disks [N, 3, 3]."""
    half = spine(widths, length) * torch.stack((angles.cos(), angles.sin()), 1)
    bend = (_ROUNDNESS * stream.normal(len(widths), 1).to(widths)) * half.flip(1) * half.new_tensor([-1, 1])
    return curve_through(centres - half, centres + bend, centres + half, widths)


def spine(widths: Tensor, length: float) -> Tensor:
    """Half the length [N, 1] of strokes without their round ends."""
    return (widths * ((length - 1) / 2)).clamp(min=0).unsqueeze(1)


def curve_through(first: Tensor, middle: Tensor, last: Tensor, widths: Tensor) -> Tensor:
    """Strokes [N, 3, 3] of these widths [N] from point to point [N, 2]: they pass through the middle one."""
    points = torch.stack((first, 2 * middle - (first + last) / 2, last), 1)
    radii = widths.view(-1, 1, 1) / 2 * widths.new_tensor(PROFILE).view(1, 3, 1)
    return torch.cat((points, radii.expand(-1, 3, 1)), 2)


def trace(picture: Tensor, widths: Tensor, length: float, stream: Stream) -> Tensor:
    """Strokes along the edges of a picture, close together where it has details of their size.

    Strokes of a size are placed where the picture differs from what brushes of twice that size can show, and follow
    the direction in which it changes least there (Hertzmann, Painterly Rendering with Curved Brush Strokes of Multiple
    Sizes, 1998).

    Args:
        picture: [1, 3, H, W].
        widths: [N] in pixels, falling.
        length: Length of a stroke, in its widths.
        stream: Random numbers.

    Returns:
        Control disks [N, 3, 3].
    """
    height, width = picture.shape[-2:]
    octaves = torch.log2(widths[0] / widths).floor().long()
    tensor = structure(picture)
    even = evenly(widths, height, width, stream)
    disks = widths.new_empty(0, 3, 3)
    for octave in range(int(octaves[-1]) + 1):
        chosen = octaves == octave
        size = float(widths[chosen].mean())
        centres = even[chosen]
        if size * _GROUND < max(height, width):
            density = detail(picture, 2 * size) + _EMPTINESS * bare(disks, height, width)
            centres = drawn_by(density, len(centres), stream)
        disks = torch.cat((disks, along(coarse(tensor, size), centres, widths[chosen], length, stream)))
    return disks


def bare(disks: Tensor, height: int, width: int) -> Tensor:
    """Where strokes [N, 3, 3] leave the paper bare: [1, 1, height, width], 0..1."""
    black, opacities = torch.zeros_like(disks[:, 0]), torch.full_like(disks[:, 0, 0], 0.99)
    return paint(Strokes(disks, black, opacities, disks.new_ones(3), width, height))[:, :1]


def coarse(picture: Tensor, size: float) -> Tensor:
    """A picture [1, C, H, W] as pixels of `size` pixels show it, smoothly enlarged."""
    height, width = picture.shape[-2:]
    small = [max(1, round(side / max(size, 1))) for side in (height, width)]
    shrunk = F.interpolate(picture, small, mode="bilinear", antialias=True)
    return F.interpolate(shrunk, (height, width), mode="bilinear")


def detail(picture: Tensor, size: float) -> Tensor:
    """How much of a picture [1, 3, H, W] pixels of `size` pixels do not show: [1, 1, H, W], and a little everywhere."""
    missing = (picture - coarse(picture, size)).abs().mean(1, keepdim=True)
    return missing + 0.3 * missing.mean() + 1e-4


def drawn_by(density: Tensor, count: int, stream: Stream) -> Tensor:
    """Points [N, 2] in pixels, as close together as a density [1, 1, H, W] says, in random order."""
    width = density.shape[-1]
    total = density.flatten().cumsum(0)
    shares = (torch.arange(count, device=density.device) + stream.uniform(count).to(density)) / count
    cells = torch.searchsorted(total, shares * total[-1]).clamp(max=len(total) - 1)
    corners = torch.stack((cells % width, cells // width), 1)
    order = stream.uniform(count).to(density).argsort()
    return (corners + stream.uniform(count, 2).to(density))[order]


def structure(picture: Tensor) -> Tensor:
    """How a picture [1, 3, H, W] changes, [1, 2, H, W]: of twice the angle of the steepest direction, cos and sin.

    They are as long as the change is steep, squared, so that opposite edges agree (structure tensor; Bigun & Granlund
    1987).
    """
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.stack(((x * x - y * y).sum(1), 2 * (x * y).sum(1)), 1)


def along(tensor: Tensor, centres: Tensor, widths: Tensor, length: float, stream: Stream) -> Tensor:
    """Strokes [N, 3, 3] that cross the steepest direction (see `structure`) at a right angle, from their centres."""
    half = spine(widths, length) / 2
    noise = _RESTLESSNESS * tensor.abs().amax() * stream.normal(len(centres), 2).to(tensor)
    ahead = direction(tensor, centres, noise)
    ends = []
    for sign in (-1, 1):
        middle = centres + sign * half * ahead
        turned = direction(tensor, middle, noise)
        turned = turned * torch.where((turned * ahead).sum(1, keepdim=True) < 0, -1, 1)
        ends.append(middle + sign * half * turned)
    return curve_through(ends[0], centres, ends[1], widths)


def direction(tensor: Tensor, points: Tensor, noise: Tensor) -> Tensor:
    """Unit vectors [N, 2] at points [N, 2] (pixels) along which a picture changes least; either way round."""
    doubled = look_up(tensor, points) + noise
    angle = torch.atan2(doubled[:, 1], doubled[:, 0]) / 2 + math.pi / 2
    return torch.stack((angle.cos(), angle.sin()), 1)


def look_up(picture: Tensor, points: Tensor) -> Tensor:
    """Values [N, C] of a picture [1, C, H, W] at points [N, 2] in pixels; what lies outside is a mirror image."""
    size = points.new_tensor([picture.shape[-1], picture.shape[-2]])
    grid = (points * 2 / size - 1).view(1, 1, -1, 2)
    return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)[0, :, 0].T
