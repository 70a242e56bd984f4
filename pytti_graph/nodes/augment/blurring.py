"""Blurred crops."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Cutouts, Stream, node
from pytti_graph.nodes.augment.choosing import Probability, chosen

_SHARP = 0.05
"""A deviation, in pixels, that leaves a line of pixels as it is."""


@node("augment.blur")
def blur(
    cutouts: Cutouts,
    stream: Stream,
    probability: Probability = 0.3,
    radius: Annotated[float, Bounds(ge=0, le=64, unit="px")] = 2.0,
) -> Cutouts:
    """Blur crops at random, so that large shapes must carry the meaning.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop is blurred.
        radius: Each is blurred by a deviation drawn between 0 and this, in pixels of the crop.
    """
    count = len(cutouts.transforms)
    deviations = chosen(stream, count, probability) * stream.uniform(count, high=radius)
    lines = blurring_matrices(deviations, cutouts.size).unsqueeze(1)
    return cutouts.then(lambda crops: lines @ crops @ lines.mT)


def blurring_matrices(deviations: Tensor, size: int) -> Tensor:
    """Matrices [N, size, size] that blur a line of pixels by Gaussians of these deviations [N].

    Each pixel becomes a weighted mean of those on the line, so nothing darkens at its ends.
    """
    places = torch.arange(size, device=deviations.device, dtype=deviations.dtype)
    distances = places.unsqueeze(1) - places
    widths = deviations.clamp(min=_SHARP).view(-1, 1, 1)
    return torch.softmax(-0.5 * (distances / widths).square(), -1)
