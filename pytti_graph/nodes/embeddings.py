"""Geometry of embeddings, which are unit vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_STRAIGHT = 1e-3
"""Sine of the angle below which two directions are taken as one."""


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared angle between unit vectors x [N, D] and y [P, D]: [N, P], 0 to 4.93 (Crowson, 2021).

    y may differ from x to x: [N, P, D].

    Its gradient is finite everywhere: zero between equal vectors, and between opposite ones.
    """
    quarter_squares = (x.unsqueeze(1) - y).square().sum(-1) / 4
    return 2 * quarter_squares.clamp(1e-12, 1 - 1e-6).sqrt().asin().square()


def mean_direction(vectors: Tensor) -> Tensor:
    """The unit vector in the middle of unit vectors [N, D]: [1, D]."""
    return F.normalize(vectors.mean(0, keepdim=True), dim=-1)


def slerp(x: Tensor, y: Tensor, amount: float) -> Tensor:
    """From unit vectors x [N, D] to unit vectors y [1, D] along the shortest arc: unit vectors [N, D].

    Between vectors that are almost equal or opposite, where the arc is short or not defined, it is the straight line.
    """
    angle = (x * y).sum(-1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    straight = sine < _STRAIGHT
    parts = [torch.where(straight, part, (part * angle).sin() / sine) for part in (1 - amount, amount)]
    return F.normalize(parts[0] * x + parts[1] * y, dim=-1)


def without_direction(x: Tensor, y: Tensor, amount: float = 1.0) -> Tensor:
    """Unit vectors x [N, D] without their part along a unit vector y [1, D]; those that are nothing else stay."""
    rest = x - amount * (x * y).sum(-1, keepdim=True) * y
    length = rest.norm(dim=-1, keepdim=True)
    return torch.where(length < _STRAIGHT, x, rest / length.clamp(min=_STRAIGHT))
