"""Outlines of strokes as SVG paths of curves and arcs. Points are complex numbers: x + iy, in pixels, y down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_FLAT = 0.5
"""Pixels by which a piece of a stroke's middle line may differ from a straight line."""
_TINY = 1e-9
_STRAIGHT = 1e-4
"""Radians below which two directions count as one."""


class Moving(NamedTuple):
    """A disk on its way along a stroke.

    Attributes:
        centre: Where it is.
        radius: Its radius.
        velocity: The way it goes.
        growth: How fast its radius grows.
    """

    centre: complex
    radius: float
    velocity: complex
    growth: float

    @property
    def lean(self) -> float:
        """Cosine of the angle between its way and the points where it touches the outline; beyond 1 there are none."""
        return -self.growth / abs(self.velocity) if abs(self.velocity) > _TINY else math.inf

    def normal(self, side: int) -> complex:
        """The direction in which it touches the outline, on the side 1 or -1."""
        return self.velocity / abs(self.velocity) * complex(self.lean, side * math.sqrt(1 - self.lean**2))

    def touch(self, side: int) -> complex:
        """Where it touches the outline."""
        return self.centre + self.radius * self.normal(side)


def outline(disks: Sequence[Sequence[float]]) -> str:
    """What a stroke covers, as the data of an SVG path to be filled by the rule `nonzero`.

    The stroke is cut into pieces that are nearly straight; each is a closed line around what its disks cover: a curve,
    an arc, a curve and an arc. All run the same way round, so that where pieces overlap, nothing is left out.

    Args:
        disks: The stroke's three control disks: x, y, radius.
    """
    (x0, y0, r0), (x1, y1, r1), (x2, y2, r2) = disks
    points, radii = (complex(x0, y0), complex(x1, y1), complex(x2, y2)), (r0, r1, r2)
    bend = max(abs(points[0] - 2 * points[1] + points[2]), abs(r0 - 2 * r1 + r2))
    pieces = max(1, math.ceil(math.sqrt(bend / (4 * _FLAT))))
    stops = [_at(points, radii, index / pieces) for index in range(pieces + 1)]
    return " ".join(_piece(first, last) for first, last in pairwise(stops))


def _at(points: tuple[complex, complex, complex], radii: tuple[float, float, float], t: float) -> Moving:
    """The disk at t, 0..1."""
    p, r = points, radii
    weights = (1 - t) ** 2, 2 * t * (1 - t), t * t
    centre, radius = (weights[0] * v[0] + weights[1] * v[1] + weights[2] * v[2] for v in (p, r))
    velocity, growth = (2 * ((1 - t) * (v[1] - v[0]) + t * (v[2] - v[1])) for v in (p, r))
    return Moving(centre, radius.real, velocity, growth.real)


def _piece(first: Moving, last: Moving) -> str:
    """A closed line around what a disk covers on a short way: as curved as the way if it can, else straight."""
    if max(abs(first.lean), abs(last.lean)) < 1:
        left, right = _corner(first, last, 1), _corner(first, last, -1)
        if left is not None and right is not None:
            return _around(first, last, f"Q{_point(left)} ", f"Q{_point(right)} ")
    way, growth = last.centre - first.centre, last.radius - first.radius
    if abs(growth) >= abs(way) - _TINY:
        return _circle(max(first, last, key=lambda disk: disk.radius))
    first, last = (Moving(disk.centre, disk.radius, way, growth) for disk in (first, last))
    return _around(first, last, "L", "L")


def _corner(first: Moving, last: Moving, side: int) -> complex | None:
    """Where the tangents of the outline on one side meet; None if the outline turns back there, or too far."""
    begin, end = first.touch(side), last.touch(side)
    ahead, behind = (disk.normal(side) * complex(0, -side) for disk in (first, last))
    chord = end - begin
    if min(_dot(chord, ahead), _dot(chord, behind)) <= 0 or _dot(ahead, behind) <= 0:
        return None
    turn = _cross(ahead, behind)
    if abs(turn) < _STRAIGHT:
        return (begin + end) / 2
    share, rest = _cross(chord, behind) / turn, _cross(ahead, chord) / turn
    return begin + share * ahead if min(share, rest) > 0 else (begin + end) / 2


def _around(first: Moving, last: Moving, left: str, right: str) -> str:
    """Along the left side, round the last disk's front, back along the right side, round the first disk's back."""
    return (
        f"M{_point(first.touch(1))}{left}{_point(last.touch(1))}"
        f"{_arc(last.radius, last.lean < 0)}{_point(last.touch(-1))}"
        f"{right}{_point(first.touch(-1))}"
        f"{_arc(first.radius, first.lean > 0)}{_point(first.touch(1))}Z"
    )


def _circle(disk: Moving) -> str:
    left, right = _point(disk.centre - disk.radius), _point(disk.centre + disk.radius)
    half = _arc(disk.radius, large=False)
    return f"M{left}{half}{right}{half}{left}Z"


def _arc(radius: float, large: bool) -> str:
    """The beginning of a command for an arc, anticlockwise as seen."""
    return f"A{_number(radius)} {_number(radius)} 0 {large:d} 0 "


def _point(point: complex) -> str:
    return f"{_number(point.real)} {_number(point.imag)}"


def _number(value: float) -> str:
    return f"{round(value, 2):.10g}"


def _dot(a: complex, b: complex) -> float:
    return (a * b.conjugate()).real


def _cross(a: complex, b: complex) -> float:
    return (a.conjugate() * b).imag
