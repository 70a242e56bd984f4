"""Rectangles that hide a part of crops."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Cutouts, Stream, UsageError, node
from pytti_graph.nodes.augment.choosing import Probability, chosen
from pytti_graph.nodes.augment.pixels import Change

Area = Annotated[float, Bounds(ge=0, le=1)]

_LONGEST = 1 / 0.3
"""Of a rectangle's sides, the longer by the shorter."""


@node("augment.erase", rising=("smallest", "largest"))
def erase(
    cutouts: Cutouts, stream: Stream, probability: Probability = 0.7, smallest: Area = 0.1, largest: Area = 0.4
) -> Cutouts:
    """Black out a rectangle of some crops, so that no one place carries all the meaning.

    It works against one small thing in the middle (Zhong et al., Random Erasing, 2017).

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop loses a rectangle.
        smallest: The rectangle covers at least this part of the crop's area.
        largest: It covers at most this part.
    """
    if smallest > largest:
        message = f"smallest ({smallest:g}) is above largest ({largest:g})"
        raise UsageError(message, argument="smallest", hint="give the smaller of the two as smallest")
    keep = erasures(stream, len(cutouts.transforms), cutouts.size, probability, smallest, largest)
    return cutouts.then(Change(keep=keep))


def erasures(
    stream: Stream, count: int, size: int, probability: float, smallest: float = 0.1, largest: float = 0.4
) -> Tensor:
    """Masks [N, 1, size, size] that are 0 in a random rectangle, with the given probability, and 1 elsewhere.

    The rectangle covers a part of the crop from `smallest` to `largest`, in whole pixels, at an aspect of 0.3 to 3.3
    (uniform in its logarithm), or less where it would be longer than the crop.
    """
    some = chosen(stream, count, probability)
    area = some * stream.uniform(count, low=smallest, high=largest)
    longest = area.log().neg().clamp(max=math.log(_LONGEST))
    aspect = (longest * stream.uniform(count, low=-1, high=1)).exp()
    pixels = torch.arange(size, device=area.device).add(0.5) / size
    inside = []
    for length in ((area * aspect).sqrt(), (area / aspect).sqrt()):
        first = stream.uniform(count) * (1 - length)
        inside.append(((pixels - (first + length / 2).unsqueeze(1)).abs() < length.unsqueeze(1) / 2).float())
    down, along = inside
    return 1 - (down.unsqueeze(2) * along.unsqueeze(1)).unsqueeze(1)
