"""Sampling square crops of a picture, averaged properly where they shrink it.

One bilinear look-up cannot average the many picture pixels under one crop pixel. So the picture is blurred first, to
several degrees, the blurred versions are stacked into one tall picture (an atlas), and each crop looks into the version
that suits its scale. The blur is chosen so that blur and look-up together have the variance of an exact area average.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph.core.types import BorderMode

_DEGREES = 5
"""Degrees of blur in each octave: what keeps crops within 35 dB of an exact area average."""
_WIDEST = 2 / 3
"""Variance of the widest blur of an octave (three equal taps), in squared pixels of that octave."""


class Octave(NamedTuple):
    """A part of the atlas: the picture pooled, in several degrees of blur.

    Attributes:
        pool: Side of the squares of picture pixels that one of its pixels averages.
        variance: Variance of its strongest blur, in its own squared pixels.
        top: Its first row in the atlas.
        rows: Rows of each degree.
    """

    pool: int
    variance: float
    top: int
    rows: int


def sample(image: Tensor, transforms: Tensor, size: int, border: BorderMode) -> Tensor:
    """Sample square crops of a picture, averaging over the area that each crop pixel covers.

    Agrees with exact area averaging to 35 dB or better on natural pictures. Gradients flow to the picture, not to the
    transforms. Nothing here waits for a GPU.

    Args:
        image: The picture [1, C, H, W].
        transforms: [N, 3, 3], from crop to picture coordinates, both -1..1 from edge to edge (x right, y down).
        size: Side of the crops, in pixels.
        border: What lies outside the picture; "clamp" is the same as "smear".

    Returns:
        The crops [N, C, size, size].

    Raises:
        ValueError: The shapes are not as above.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise ValueError(f"a picture has shape [1, C, H, W], not {list(image.shape)}")
    if transforms.ndim != 3 or transforms.shape[1:] != (3, 3):
        raise ValueError(f"transforms have shape [N, 3, 3], not {list(transforms.shape)}")
    height, width = image.shape[-2:]
    octaves, margin = plan_atlas(height, width, size)
    atlas = make_atlas(image, octaves, margin, border)
    with torch.no_grad():
        x, y = source_pixels(transforms, height, width, size)
        x, y = (fold(c, n, border, margin / 2) for c, n in ((x, width), (y, height)))
        scale, row = choose_level(shrinkage(transforms, height, width, size), octaves)
        x = x.add_(margin).mul_(scale * (2 / atlas.shape[-1])).sub_(1)
        y = torch.addcmul(row * (2 / atlas.shape[-2]) - 1, y.add_(margin), scale * (2 / atlas.shape[-2]))
    return look_up(atlas, x, y)


def look_up(picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear values of a picture [1, C, H, W] at coordinates x, y [N, S, T] in -1..1, as [N, C, S, T].

    The crops are shared out among a few equal batches, which CPU threads work on at once, rather than one batch each,
    which would need a gradient of the whole picture for each crop.
    """
    count, rows, columns = x.shape
    batches = math.gcd(count, min(torch.get_num_threads(), 4))
    grid = torch.stack((x, y)).view(2, batches, -1, columns).permute(1, 2, 3, 0)
    values = F.grid_sample(picture.expand(batches, -1, -1, -1), grid, padding_mode="border", align_corners=False)
    return values.view(batches, -1, count // batches, rows, columns).transpose(1, 2).reshape(count, -1, rows, columns)


def source_pixels(transforms: Tensor, height: int, width: int, size: int) -> tuple[Tensor, Tensor]:
    """Where the crops' pixels' centres lie in the picture: x, y [N, size, size], in pixels from its left, top edge."""
    centres = (torch.arange(size, device=transforms.device, dtype=transforms.dtype) + 0.5) * (2 / size) - 1
    along, down, constant = transforms.unsqueeze(-1).unbind(2)
    x, y, w = ((along * centres).add(constant).unsqueeze(2) + (down * centres).unsqueeze(3)).unbind(1)
    return (x / w).add_(1).mul_(width / 2), (y / w).add_(1).mul_(height / 2)


def shrinkage(transforms: Tensor, height: int, width: int, size: int) -> Tensor:
    """Picture pixels under one crop pixel at each crop's centre: [N]; below 1 where the picture is enlarged."""
    determinants = (transforms[:, 0] * torch.linalg.cross(transforms[:, 1], transforms[:, 2])).sum(-1)
    areas: Tensor = (determinants / transforms[:, 2, 2] ** 3).abs()
    return areas * (height * width / size**2)


def fold(x: Tensor, length: int, border: BorderMode, reach: float) -> Tensor:
    """Bring coordinates, in pixels from the picture's edge, to where the padded picture shows what lies outside.

    Args:
        x: Coordinates of any shape.
        length: Width or height of the picture.
        border: What lies outside.
        reach: How far coordinates may stay outside (used where all is alike out there).
    """
    if border == "mirror":
        return length - (x.remainder(2 * length) - length).abs()
    if border == "wrap":
        return x.remainder(length)
    return x.clamp(-reach, length + reach)


def pad(image: Tensor, margin: int, border: BorderMode) -> Tensor:
    """A picture [1, C, H, W] with `margin` more pixels on each side, of what lies outside."""
    if border == "black":
        return F.pad(image, (margin,) * 4)
    if border not in ("mirror", "wrap"):
        return F.pad(image, (margin,) * 4, mode="replicate")
    for dim in (-1, -2):
        missing = margin
        while missing > 0:
            step = min(missing, image.shape[dim])
            first, last = image.narrow(dim, 0, step), image.narrow(dim, image.shape[dim] - step, step)
            ends = (last, first) if border == "wrap" else (first.flip(dim), last.flip(dim))
            image = torch.cat((ends[0], image, ends[1]), dim)
            missing -= step
    return image


def plan_atlas(height: int, width: int, size: int) -> tuple[list[Octave], int]:
    """The octaves that crops of `size` pixels of a picture need, and the margin around the picture in pixels.

    A picture pooled by p and looked up bilinearly has variance (3p² - 1) / 12 in squared picture pixels, an exact
    average over s pixels (s² + 1) / 12: an octave adds the difference, in its own pixels, as a blur of up to 2/3.
    """
    largest = (max(height, width) / size) ** 2
    pools = [1]
    while 11 * pools[-1] ** 2 - 2 < largest and 12 * pools[-1] <= min(height, width):
        pools.append(2 * pools[-1])
    margin = 3 * pools[-1]
    octaves, top = [], 0
    for pool in pools:
        rows = -(-(height + 2 * margin) // pool)
        variance = min(max(missing_variance(largest, pool), 0.0), _WIDEST)
        octaves.append(Octave(pool, variance, top, rows))
        top += rows * _DEGREES
    return octaves, margin


def missing_variance(area: Tensor | float, pool: int) -> Any:
    """The blur that an octave still needs where crop pixels cover `area` picture pixels, in its own squared pixels."""
    return ((area + 2) / pool**2 - 3) / 12


def make_atlas(image: Tensor, octaves: list[Octave], margin: int, border: BorderMode) -> Tensor:
    """The picture [1, C, H, W] in all octaves and degrees of blur, one below the other."""
    padded = pad(image, margin, border)
    parts = []
    for octave in octaves:
        pooled = F.avg_pool2d(padded, octave.pool, ceil_mode=True) if octave.pool > 1 else padded
        blurred = blur(pooled, octave.variance)
        strength = torch.linspace(0, 1, _DEGREES, device=image.device, dtype=image.dtype)
        mixed = torch.stack((1 - strength, strength), 1) @ torch.stack((pooled, blurred), 2).flatten(3)
        part = mixed.view(*mixed.shape[:2], -1, pooled.shape[-1])
        parts.append(F.pad(part, (0, padded.shape[-1] - part.shape[-1])))
    return torch.cat(parts, 2)


def blur(picture: Tensor, variance: float) -> Tensor:
    """Blur with three taps along and three down, of a variance of at most 2/3; ends of lines stay as they are."""
    side = variance / 2
    for dim in (-1, -2):
        inner = picture.shape[dim] - 2
        first, middle, last = (picture.narrow(dim, start, inner) for start in range(3))
        ends = picture.narrow(dim, 0, 1), picture.narrow(dim, inner + 1, 1)
        picture = torch.cat((ends[0], (1 - 2 * side) * middle + side * (first + last), ends[1]), dim)
    return picture


def choose_level(area: Tensor, octaves: list[Octave]) -> tuple[Tensor, Tensor]:
    """Which part of the atlas suits crops whose pixels cover `area` [N] picture pixels.

    Returns:
        Atlas pixels per picture pixel, and the part's first row in the atlas, both [N, 1, 1].
    """
    scale, row = torch.ones_like(area), torch.zeros_like(area)
    for octave, finer in zip(octaves, [None, *octaves], strict=False):
        blur_needed = missing_variance(area, octave.pool) / max(octave.variance, 1e-6)
        degree = (blur_needed * (_DEGREES - 1)).round().clamp(0, _DEGREES - 1)
        here = area > (0 if finer is None else 11 * finer.pool**2 - 2)
        scale = torch.where(here, 1 / octave.pool, scale)
        row = torch.where(here, octave.top + degree * octave.rows, row)
    return scale.view(-1, 1, 1), row.view(-1, 1, 1)


def fit(image: Tensor, height: int, width: int) -> Tensor:
    """A picture [1, C, H, W] stretched to a size, averaged where it shrinks; itself if it has that size."""
    if image.ndim != 4 or image.shape[0] != 1:
        raise ValueError(f"a picture has shape [1, C, H, W], not {list(image.shape)}")
    if image.shape[-2:] == (height, width):
        return image
    stretched = F.interpolate(image, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return stretched.clamp(0, 1)
