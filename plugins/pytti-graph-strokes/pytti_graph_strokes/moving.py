"""Moving strokes by a warp."""

from __future__ import annotations

import torch
from torch import Tensor

from pytti_graph import Stream, Warp

_ROUNDS = 6
_STEP = 1e-2
"""Half the distance over which a field's slope is measured, in picture coordinates."""
_FLATTEST = 0.05
_TRIES = 8


def carried(points: Tensor, warp: Warp, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where a warp carries points, and how much larger it makes things there.

    A warp says where each point of the moved picture comes from, so this is the inverse of its field, found by Newton's
    method with slopes measured from the field: exact after one round where the field is affine.

    Args:
        points: [N, 2] in pixels.
        warp: The motion.
        height: Height of the picture.
        width: Width of the picture.

    Returns:
        Points [N, 2] in pixels, and magnifications [N].
    """
    size = points.new_tensor([width, height])
    origins = points * 2 / size - 1
    found = origins
    for _ in range(_ROUNDS):
        source, slopes, determinant = _looked_at(found, warp, height, width)
        missing = origins - source
        # Cramer's rule, for 2 x 2
        step = torch.stack((_cross(missing, slopes[1]), _cross(slopes[0], missing)), 1)
        found = found + step / determinant.unsqueeze(1)
    *_, determinant = _looked_at(found, warp, height, width)
    return (found + 1) * size / 2, determinant.abs().rsqrt()


def outside(disks: Tensor, height: int, width: int) -> Tensor:
    """Which strokes with control disks [N, 3, 3] (pixels) lie wholly beside the picture: [N]."""
    centres, radii = disks[..., :2], disks[..., 2:]
    size = disks.new_tensor([width, height])
    before, beyond = (centres + radii).amax(1) < 0, (centres - radii).amin(1) > size
    return (before | beyond).any(1)


def emptied(count: int, warp: Warp, height: int, width: int, stream: Stream) -> tuple[Tensor, Tensor]:
    """Random places of the moved picture, if possible such as nothing has moved to, and where they come from.

    Returns:
        Places and their origins, [N, 2] in pixels each.
    """
    places = stream.uniform(_TRIES, count, 2)
    sources = (warp.field((2 * places - 1).view(1, -1, 1, 2), height, width).view_as(places) + 1) / 2
    empty = ((sources - 0.5).abs() > 0.5).any(2)
    best = empty.float().argmax(0).view(1, -1, 1).expand(-1, -1, 2)
    size = places.new_tensor([width, height])
    return places.gather(0, best)[0] * size, sources.gather(0, best)[0] * size


def _looked_at(points: Tensor, warp: Warp, height: int, width: int) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Where points [N, 2] come from, the field's slopes along x and y [N, 2], and their determinant [N], never 0."""
    x, y = points.new_tensor([_STEP, 0]), points.new_tensor([0, _STEP])
    around = torch.cat((points, points - x, points + x, points - y, points + y))
    source, left, right, above, below = warp.field(around.view(1, -1, 1, 2), height, width).view(5, -1, 2)
    slopes = (right - left) / (2 * _STEP), (below - above) / (2 * _STEP)
    determinant = _cross(*slopes)
    return source, slopes, torch.where(determinant.abs() < _FLATTEST, _FLATTEST, determinant)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
