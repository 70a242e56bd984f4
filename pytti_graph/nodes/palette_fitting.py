"""Palettes from colours: written by name, or found in a picture."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from pytti_graph import Stream, UsageError
from pytti_graph.nodes.named_colours import named_colour

_PERCEIVED = (0.299, 0.587, 0.114)
"""Weights of squared red, green and blue in squared brightness (Finley's HSP model, 2006)."""
_ABOVE_BLACK = 1e-4
"""How far from black brightness is measured, since there it has no slope; the brightness of greys stays the same."""
_SAMPLES = 1 << 14
"""Pixels that clusters are found among."""
_ROUNDS = 12
_CHUNK = 1 << 16
"""Pixels that are compared with all colours at once."""


def brightness(colours: Tensor) -> Tensor:
    """Perceived brightness, 0..1, of colours [..., 3]: [...]. Its gradient leads up from black, too."""
    above = (colours + _ABOVE_BLACK) * colours.new_tensor(_PERCEIVED).sqrt()
    norms: Tensor = torch.linalg.vector_norm(above, dim=-1)
    return norms - _ABOVE_BLACK


def in_order(palettes: Tensor) -> Tensor:
    """Palettes [size, palettes, 3], each from its darkest colour to its brightest."""
    order = brightness(palettes.detach()).argsort(0)
    return palettes.gather(0, order.unsqueeze(-1).expand_as(palettes))


def read_palettes(text: str) -> Tensor:
    """Palettes [size, palettes, 3] as written: colours divided by spaces or commas, palettes by '|'.

    Raises:
        UsageError: A word is not an opaque colour, or the palettes have different numbers of colours.
    """
    palettes = [
        [named_colour(word, "colours") for word in re.split(r"[\s,]+", part.strip()) if word]
        for part in text.split("|")
    ]
    sizes = [len(palette) for palette in palettes]
    if min(sizes) == 0:
        hint = 'write names or "#rrggbb", divided by spaces, and | between palettes: "black #804020 white"'
        raise UsageError("a palette has no colours", argument="colours", hint=hint)
    if len(set(sizes)) > 1:
        message = f"the palettes have {', '.join(map(str, sizes[:-1]))} and {sizes[-1]} colours"
        raise UsageError(message, argument="colours", hint="give each palette the same number; colours may repeat")
    return torch.tensor(palettes).transpose(0, 1)


def fit_palettes(picture: Tensor, palettes: int, size: int, stream: Stream) -> Tensor:
    """The palettes [size, palettes, 3] with which a picture [1, 3, H, W] is shown best.

    Their colours are the means of clusters. The darkest colours of the palettes are the darkest of all, and so on, so
    that a level means much the same brightness in each; neighbours in a palette have similar hues.
    """
    colours = cluster(picture.flatten(2)[0].T, palettes * size, stream)
    strata = colours[brightness(colours).argsort()].view(size, palettes, 3)
    hues = strata - strata.mean(-1, keepdim=True)
    middle = hues[size // 2]
    return torch.stack([stratum[pair(middle, hue)] for stratum, hue in zip(strata, hues, strict=True)])


def cluster(points: Tensor, count: int, stream: Stream) -> Tensor:
    """The means [count, 3] of clusters of points [N, 3]: k-means, begun as k-means++ (Arthur & Vassilvitskii 2007)."""
    if len(points) > _SAMPLES:
        points = points[stream.uniform(len(points)).to(points.device).topk(_SAMPLES).indices]
    means = spread_out(points, count, stream)
    for _ in range(_ROUNDS):
        nearest = torch.cdist(points, means).argmin(1)
        members = torch.zeros_like(means[:, 0]).index_add(0, nearest, torch.ones_like(points[:, 0])).unsqueeze(1)
        totals = torch.zeros_like(means).index_add(0, nearest, points)
        means = torch.where(members > 0, totals / members.clamp(min=1), means)
    return means


def spread_out(points: Tensor, count: int, stream: Stream) -> Tensor:
    """Some of the points [N, 3], each drawn with a chance that grows with its squared distance from those before it."""
    draws = stream.uniform(count, 1).to(points.device)
    chosen = points[(draws[0] * len(points)).long()]
    squares = torch.cdist(points, chosen)[:, 0].square()
    for draw in draws[1:]:
        sums = squares.double().cumsum(0)
        index = torch.searchsorted(sums, draw * sums[-1], right=True).clamp(max=len(points) - 1)
        chosen = torch.cat((chosen, points[index]))
        squares = torch.minimum(squares, torch.cdist(points, points[index])[:, 0].square())
    return chosen


def pair(wanted: Tensor, offered: Tensor) -> Tensor:
    """Which of the points `offered` [N, D] suits each of `wanted` [N, D], each taken once, the nearest pairs first."""
    distances = torch.cdist(wanted, offered)
    taken = torch.zeros(len(wanted), dtype=torch.long, device=wanted.device)
    for _ in range(len(wanted)):
        row, column = divmod(int(distances.argmin()), len(offered))
        taken[row] = column
        distances[row], distances[:, column] = torch.inf, torch.inf
    return taken


def nearest_colours(picture: Tensor, palettes: Tensor) -> tuple[Tensor, Tensor]:
    """For each pixel and palette the nearest colour.

    Args:
        picture: [1, 3, H, W].
        palettes: [size, palettes, 3].

    Returns:
        Its number in the palette, and its squared distance from the pixel's, both [1, palettes, H, W].
    """
    size, count, _ = palettes.shape
    pixels = picture.flatten(2)[0].T
    parts = torch.split(pixels, _CHUNK)
    found = [torch.cdist(part, palettes.view(-1, 3)).view(-1, size, count).min(1) for part in parts]
    shape = (1, count, *picture.shape[-2:])
    numbers, distances = torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])
    return numbers.T.reshape(shape), distances.T.square().reshape(shape)
