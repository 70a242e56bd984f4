"""How far points are from strokes: the distance to the nearest of the disks that a stroke is the union of."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

SAMPLES = 8
"""Places along a curve, besides its beginning, from which the nearest point is looked for."""
_REFINEMENTS = 2
_TINY = 1e-6


class Polynomial(NamedTuple):
    """Coefficients of disk curves, [K, 1] each: x, y and radius are constant + t * (linear + t * square)."""

    constant: tuple[Tensor, ...]
    linear: tuple[Tensor, ...]
    square: tuple[Tensor, ...]

    @classmethod
    def of(cls, disks: Tensor) -> Polynomial:
        """Of control disks [K, 3, 3]."""
        first, middle, last = disks.unsqueeze(-1).unbind(1)
        linear, square = 2 * (middle - first), first - 2 * middle + last
        return cls(first.unbind(1), linear.unbind(1), square.unbind(1))

    @property
    def middle(self) -> Tensor:
        """Where the third derivative of distance² - radius² vanishes: [K, 1], the same for all points."""
        (along_x, along_y, along_r), (x, y, r) = self.linear, self.square
        return (along_x * x + along_y * y - along_r * r) / (-2 * (x * x + y * y - r * r)).clamp(max=-_TINY)

    def at(self, t: Tensor) -> tuple[Tensor, ...]:
        """x, y and radius at t [K, P], [K, P] each."""
        return tuple(
            torch.addcmul(constant, t, torch.addcmul(linear, t, square))
            for constant, linear, square in zip(*self, strict=True)
        )


def bernstein(t: Tensor) -> Tensor:
    """What the three control disks weigh at t [...]: [..., 3], summing to 1."""
    return torch.stack(((1 - t) ** 2, 2 * t * (1 - t), t * t), -1)


def sample_disks(disks: Tensor) -> Tensor:
    """`SAMPLES` + 1 disks [K, SAMPLES + 1, 3] along curves with control disks [K, 3, 3], ends included."""
    return bernstein(torch.linspace(0, 1, SAMPLES + 1, device=disks.device, dtype=disks.dtype)) @ disks


def lifted(points: Tensor) -> Tensor:
    """Points [..., 2] as [..., 4], such that products with `powers` compare distances."""
    return torch.cat((points, points.square().sum(-1, keepdim=True), torch.ones_like(points[..., :1])), -1)


def powers(disks: Tensor) -> Tensor:
    """Vectors [..., 4] of disks [..., 3]; their products with `lifted` points are distance² - radius²."""
    centre, radius = disks[..., :2], disks[..., 2:]
    constant = centre.square().sum(-1, keepdim=True) - radius.square()
    return torch.cat((-2 * centre, torch.ones_like(radius), constant), -1)


@torch.no_grad()
def nearest(disks: Tensor, points: Tensor) -> Tensor:
    """Where along each curve the disk lies whose edge is nearest to each point, for points that are near an edge.

    What is made small first is distance² - radius², a polynomial of fourth degree: the best of `SAMPLES` + 1 places is
    improved by Newton's method. Where a stroke turns back on itself there may be a second minimum; it lies beyond
    the place where the third derivative vanishes, which is the same for all points, and is looked for from there. For
    points on the edge the lower minimum is also that of distance - radius, and close to it for points beside the edge,
    so that few more steps reach that.

    Args:
        disks: Control disks [K, 3, 3].
        points: [P, 2].

    Returns:
        t, 0..1, [K, P].
    """
    products = lifted(points) @ powers(sample_disks(disks)).mT
    curve = Polynomial.of(disks)
    t = _settled(curve, products.argmin(2).to(disks.dtype) / SAMPLES, points)
    other = _settled(curve, (2 * curve.middle - t).clamp(0, 1), points)
    t = _nearer(curve, other, t, points)
    for _ in range(_REFINEMENTS):
        t = _nearer(curve, _refined(curve, t, points, by_power=False), t, points)
    return t


def _settled(curve: Polynomial, t: Tensor, points: Tensor) -> Tensor:
    """The minimum of distance² - radius² nearest to t."""
    for _ in range(_REFINEMENTS):
        t = _refined(curve, t, points, by_power=True)
    return t


def _nearer(curve: Polynomial, t: Tensor, other: Tensor, points: Tensor) -> Tensor:
    """Of two places along each curve the one whose disk is nearer."""
    return torch.where(gap(curve, t, points) < gap(curve, other, points), t, other)


def gap(curve: Polynomial, t: Tensor, points: Tensor) -> Tensor:
    """How far points [P, 2] are from the edges of the disks at t [K, P]: [K, P], negative inside."""
    x, y, radius = curve.at(t)
    return torch.hypot(x - points[:, 0], y - points[:, 1]) - radius


def _refined(curve: Polynomial, t: Tensor, points: Tensor, *, by_power: bool) -> Tensor:
    """One step of Newton's method towards the least distance² - radius², or towards the least distance - radius."""
    x, y, radius = curve.at(t)
    x, y = x - points[:, 0], y - points[:, 1]
    speed_x, speed_y, growth = (
        torch.addcmul(linear, t, square, value=2) for linear, square in zip(curve.linear, curve.square, strict=True)
    )
    along = x * speed_x + y * speed_y
    if by_power:
        against, less = radius, growth.square()
    else:
        against = torch.hypot(x, y).clamp_(min=_TINY)
        less = (along / against).square()
    slope = along - growth * against
    bend = 2 * (x * curve.square[0] + y * curve.square[1] - against * curve.square[2])
    bend += speed_x.square() + speed_y.square() - less
    step = slope / bend.clamp(min=_TINY)
    return (t - step.clamp(-1 / SAMPLES, 1 / SAMPLES)).clamp(0, 1)


class _Coverage(torch.autograd.Function):
    """Coverage of points by strokes. The nearest disk is kept; its distance is computed again for the gradient.

    Where along the curve the nearest disk lies need not be differentiated: the derivative of a minimum is that of what
    is minimised, at the place of the minimum (Danskin's theorem).
    """

    @staticmethod
    def forward(ctx: Any, disks: Tensor, points: Tensor, edge: float) -> Tensor:
        t = nearest(disks, points)
        ctx.save_for_backward(disks, points, t)
        ctx.edge = edge
        return smooth_step(gap(Polynomial.of(disks), t, points).div_(-2 * edge).add_(0.5).clamp_(0, 1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        disks, points, t = ctx.saved_tensors
        x, y, radius = Polynomial.of(disks).at(t)
        x, y = x - points[:, 0], y - points[:, 1]
        distance = torch.hypot(x, y).clamp_(min=_TINY)
        ramp = ((radius - distance) / (2 * ctx.edge)).add_(0.5).clamp_(0, 1)
        slope = gradient * ramp * (1 - ramp) * (3 / ctx.edge)
        pull = slope / distance
        by_disk = torch.stack((-x * pull, -y * pull, slope), -1)
        return bernstein(t).mT @ by_disk, None, None


def smooth_step(ramp: Tensor) -> Tensor:
    """0 to 1 without corners, for a ramp from 0 to 1."""
    return ramp * ramp * (3 - 2 * ramp)


def coverage(disks: Tensor, points: Tensor, edge: float) -> Tensor:
    """How much strokes cover points: 1 inside, 0 outside, smooth in a band of `edge` pixels on both sides of the edge.

    Args:
        disks: Control disks [K, 3, 3]; gradients flow to them.
        points: [P, 2].
        edge: Half the width of the band.

    Returns:
        [K, P], 0..1.
    """
    covered: Tensor = _Coverage.apply(disks, points, edge)
    return covered
