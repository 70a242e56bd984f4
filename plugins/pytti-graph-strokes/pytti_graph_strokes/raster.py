"""Painting strokes: which squares of the picture each touches, how much it covers there, and what shows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pytti_graph_strokes.curves import SAMPLES, coverage, lifted, powers, sample_disks
from pytti_graph_strokes.strokes import Strokes

TILE = 8
"""Side of the squares that the picture is cut into, in pixels."""
EDGE = 0.75
"""Half the width of the soft edge of strokes, in pixels: as steep in its middle as an edge averaged over pixels."""
BUDGET = 1 << 22
"""Pixels of strokes that are painted at once: what bounds the memory."""
_ROUNDING = 1.0
"""Pixels that squares of distances, in large pictures, may be wrong by."""


class Touches(NamedTuple):
    """Which strokes touch some tiles: K pairs, ordered by tile, and within a tile from its first stroke to its last.

    Attributes:
        centres: [T, 2] the tiles' centres, in pixels.
        tiles: [K] index of the tile, among these.
        strokes: [K] index of the stroke.
        from_top: [K] how many strokes touch the tile after this one.
        most: How many strokes touch the fullest tile.
    """

    centres: Tensor
    tiles: Tensor
    strokes: Tensor
    from_top: Tensor
    most: int


def paint(strokes: Strokes) -> Tensor:
    """Paint strokes on their paper, each over those before it.

    Edges are smooth, a stroke that covers a pixel partly lets what is beneath show, and colours mix as in SVG, in sRGB.
    Where more would be kept for the gradient than fits the budget, it is painted again instead. On a GPU this waits for
    the device, to know how many tiles the strokes touch.

    Returns:
        The picture [1, 3, H, W]; gradients flow to the disks, colours and opacities.
    """
    rows, columns = -(-strokes.height // TILE), -(-strokes.width // TILE)
    inks = torch.cat((strokes.disks.flatten(1), strokes.colours, strokes.opacities.unsqueeze(1)), 1)
    groups = list(find_touches(strokes.disks.detach(), rows, columns))
    if len(groups) == 1:
        painted = paint_tiles(inks, strokes.paper, *groups[0])
    else:
        painted = torch.cat(
            [
                checkpoint(paint_tiles, inks, strokes.paper, *group, use_reentrant=False, preserve_rng_state=False)
                for group in groups
            ]
        )
    picture = painted.view(rows, columns, 3, TILE, TILE).permute(2, 0, 3, 1, 4).reshape(1, 3, rows * TILE, -1)
    return picture[..., : strokes.height, : strokes.width]


def find_touches(disks: Tensor, rows: int, columns: int) -> Iterator[Touches]:
    """Which strokes touch which of rows x columns tiles, in groups of tiles that are painted at once."""
    y, x = ((torch.arange(n, device=disks.device, dtype=disks.dtype) + 0.5) * TILE for n in (rows, columns))
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    touched = touching(disks, centres)
    tiles, touching_strokes = touched.nonzero().unbind(1)
    counts = touched.sum(1)
    ends = counts.cumsum(0)
    from_top = ends[tiles] - 1 - torch.arange(len(tiles), device=disks.device)
    for first, last in pairwise(_cuts(counts.cpu())):
        begin, end = (int(counts[:tile].sum()) for tile in (first, last))
        part = slice(begin, end)
        most = max(1, int(counts[first:last].max()))
        yield Touches(centres[first:last], tiles[part] - first, touching_strokes[part], from_top[part], most)


def touching(disks: Tensor, centres: Tensor) -> Tensor:
    """Which strokes with control disks [N, 3, 3] may touch tiles around `centres` [T, 2]: [T, N]; never one too few."""
    steps = disks[:, 1:] - disks[:, :-1]
    gap = (torch.hypot(steps[..., 0], steps[..., 1]) + steps[..., 2].abs()).amax(1) / SAMPLES
    reach = TILE * 0.5**0.5 + EDGE + gap + _ROUNDING
    samples = sample_disks(disks)
    grown = torch.cat((samples[..., :2], (samples[..., 2] + reach.unsqueeze(1)).unsqueeze(2)), 2)
    products = lifted(centres) @ powers(grown).flatten(0, 1).T
    return products.view(len(centres), len(disks), SAMPLES + 1).amin(2) <= 0


def paint_tiles(
    inks: Tensor, paper: Tensor, centres: Tensor, tiles: Tensor, strokes: Tensor, from_top: Tensor, most: int
) -> Tensor:
    """What tiles show of strokes that touch them (see `Touches`).

    With a the opacity of a stroke times its coverage, it counts by a times the product of 1 - a of those over it
    (Porter & Duff 1984, "over"); the products are sums of logarithms.

    Args:
        inks: [N, 13] each stroke's control disks, colour and opacity.
        paper: [3] the colour beneath.

    Returns:
        [T, 3, TILE * TILE]
    """
    ink, shift = inks[strokes], F.pad(centres, (0, 1))[tiles].unsqueeze(1)
    disks, colours, opacities = ink[:, :9].view(-1, 3, 3), ink[:, 9:12], ink[:, 12:]
    alpha = opacities * coverage(disks - shift, pixels(inks), EDGE)
    place, room = tiles * most + from_top, len(centres) * most
    alpha = _spread(alpha, place, room).view(-1, most, TILE**2)
    passing = torch.log1p(-alpha)
    beneath = passing.cumsum(1)
    shown = alpha * torch.exp(beneath - passing)
    colour = _spread(colours, place, room).view(-1, most, 3)
    return colour.mT @ shown + paper.unsqueeze(1) * beneath[:, -1:].exp()


def pixels(like: Tensor) -> Tensor:
    """The centres of a tile's pixels, from its centre: [TILE * TILE, 2], row by row."""
    offsets = torch.arange(TILE, device=like.device, dtype=like.dtype) - (TILE - 1) / 2
    return torch.stack(torch.meshgrid(offsets, offsets, indexing="xy"), -1).flatten(0, 1)


def _spread(values: Tensor, place: Tensor, room: int) -> Tensor:
    """Rows [K, C] put into their places of a table [room, C] of zeros."""
    return values.new_zeros(room, values.shape[1]).index_copy(0, place, values)


def _cuts(counts: Tensor) -> list[int]:
    """Where tiles with so many touches [T] are parted into groups of at most (about) the budget each."""
    total = counts.cumsum(0)
    groups = -(-int(total[-1]) * TILE**2 // BUDGET) or 1
    shares = torch.arange(1, groups) * (total[-1] / groups)
    return [0, *torch.searchsorted(total, shares).tolist(), len(counts)]
