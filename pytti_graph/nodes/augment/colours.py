"""Changes of crops' colours, each a matrix that multiplies red, green and blue."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Cutouts, Stream, node
from pytti_graph.nodes.augment.choosing import Probability, chosen
from pytti_graph.nodes.augment.pixels import Change
from pytti_graph.nodes.light import LUMA

Hue = Annotated[float, Bounds(ge=0, le=0.5)]
Saturation = Annotated[float, Bounds(ge=0, le=1)]


@node("augment.colour")
def colour(
    cutouts: Cutouts,
    stream: Stream,
    probability: Probability = 0.7,
    hue: Hue = 0.05,
    saturation: Saturation = 0.3,
) -> Cutouts:
    """Shift the colours of crops at random, so that a thing is more than its colour.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop's colours change.
        hue: They turn by up to this part of the colour circle, either way.
        saturation: They become stronger or weaker by up to this part.
    """
    tints = colour_matrices(stream, len(cutouts.transforms), probability, hue, saturation)
    return cutouts.then(Change(tints=tints))


@node("augment.grey")
def grey(cutouts: Cutouts, stream: Stream, probability: Probability = 0.2) -> Cutouts:
    """Take the colour from some crops, so that light and dark alone must show what is there.

    Args:
        cutouts: The crops to change.
        probability: Chance that a crop becomes grey.
    """
    return cutouts.then(Change(tints=grey_matrices(stream, len(cutouts.transforms), probability)))


def colour_matrices(stream: Stream, count: int, probability: float, hue: float, saturation: float) -> Tensor:
    """Turns of the hue about the grey axis, with a change of the saturation: [N, 3, 3], to multiply RGB.

    For small changes it agrees with turning and scaling in HSV, but has no kinks (Haeberli, Matrix
    Operations for Image Processing, 1993).
    """
    some = chosen(stream, count, probability).view(-1, 1, 1)
    turn = some * stream.uniform(count, 1, 1, low=-2 * math.pi * hue, high=2 * math.pi * hue)
    strength = 1 + some * stream.uniform(count, 1, 1, low=-saturation, high=saturation)
    identity = torch.eye(3, device=turn.device)
    grey = torch.full_like(identity, 1 / 3)
    next_minus_previous = identity.roll(1, 0) - identity.roll(-1, 0)
    turned = turn.cos() * (identity - grey) + turn.sin() * (next_minus_previous / math.sqrt(3))
    return grey + strength * turned


def grey_matrices(stream: Stream, count: int, probability: float) -> Tensor:
    """Brightness (Rec. 601 luma) in place of colours, with the given probability: [N, 3, 3], to multiply RGB."""
    some = chosen(stream, count, probability).view(-1, 1, 1)
    luma = torch.cat([some.new_full((3, 1), part) for part in LUMA], 1)
    return torch.lerp(torch.eye(3, device=some.device), luma, some)
