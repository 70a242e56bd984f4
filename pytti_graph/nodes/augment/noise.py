"""Grain on crops."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from pytti_graph import Bounds, Cutouts, Stream, node
from pytti_graph.nodes.augment.choosing import Probability, chosen
from pytti_graph.nodes.augment.pixels import Change

Strength = Annotated[float, Bounds(ge=0)]

_STRETCHES = 1024


@node("augment.noise")
def noise(cutouts: Cutouts, stream: Stream, probability: Probability = 1.0, strength: Strength = 0.1) -> Cutouts:
    """Roughen crops at random, so that faint patterns that nobody can see do not count.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop gets noise.
        strength: Each gets normal noise of a deviation drawn between 0 and this.
    """
    count = len(cutouts.transforms)
    strengths = chosen(stream, count, probability).view(-1, 1, 1, 1) * stream.uniform(count, 1, 1, 1, high=strength)
    return cutouts.then(Change(grain=(strengths, *grain_strip(stream, count, cutouts.size))))


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
