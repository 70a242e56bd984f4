"""What all losses share: means over a mask, and weights with stops."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Loss, Mask, Number, UsageError
from pytti_graph.nodes.remembering import remembered

Stop = Annotated[Number, Bounds(infinite=True)]
"""Where a loss lets go: "-inf" never, "inf" at once."""

_FAINT = 2.5 / 255
"""What is below is meant to be black: a JPEG file is seldom exactly so."""
_TINY = 1e-12


def weighed(difference: Tensor, weight: float, stop: float | None, mask: Mask | None = None) -> Loss:
    """A loss with its weight, that ends at `stop`.

    Args:
        difference: What is to become small []: at least 0, but for prompts that push away.
        weight: Negative where it is to become large.
        stop: No gradient once the difference is at or below it, or, with a negative weight, at or above it. (PyTTI
            wrote it negative then; its sign does not matter.)
        mask: Where it counts, for a difference that is not 0 by itself if nothing lies in the mask.

    Returns:
        [], which stays at the weight times `stop` from there on (at 0 if it lets go at once).
    """
    if mask is not None:
        difference = difference * _has_something(mask)
    if stop is None:
        return weight * difference
    sign, limit = (-1, -abs(stop)) if weight < 0 else (1, stop)
    if limit == math.inf:
        return 0 * difference
    return abs(weight) * F.threshold(sign * difference, limit, limit)


def mean_over(values: Tensor, mask: Mask | None) -> Tensor:
    """The mean [] of values [1, C, H, W] over a mask's area; 0 where the mask is empty.

    Args:
        values: What to average.
        mask: Of any size [1, 1, h, w], or None for all.
    """
    if mask is None:
        return values.mean()
    share = fit_mask(mask, *values.shape[-2:])
    return (share * values).sum() / (values.shape[1] * share.sum().clamp(min=_TINY))


@remembered
def _has_something(mask: Tensor) -> Tensor:
    """Whether anything lies in a mask []; waits for no device."""
    return mask.any()


def is_empty(mask: Mask) -> bool:
    """Whether nothing at all lies in a mask; waits for the device."""
    return float(mask.max()) < _FAINT


def fit_mask(mask: Mask, height: int, width: int) -> Mask:
    """A mask at another size: each new pixel is the exact mean of the area it covers, so the mask's mean stays.

    Args:
        mask: [1, 1, h, w]
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        [1, 1, height, width]; the mask itself if it has that size.

    Raises:
        UsageError: It is not a mask.
    """
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        shapes = f"a mask has shape [1, 1, H, W], not {list(mask.shape)}"
        raise UsageError(shapes, argument="mask", hint="make one of a picture with mask.brightness")
    if mask.shape[-2:] == (height, width):
        return mask
    return _stretched(mask, height, width)


@remembered
def _stretched(mask: Tensor, height: int, width: int) -> Tensor:
    return _overlaps(mask.shape[-2], height, mask) @ mask @ _overlaps(mask.shape[-1], width, mask).mT


def _overlaps(old: int, new: int, like: Tensor) -> Tensor:
    """Which part of each of `new` pixels lies in each of `old` ones on the same line: [new, old], rows sum to 1."""
    first = torch.arange(old, device=like.device, dtype=like.dtype)
    edges = torch.linspace(0, old, new + 1, device=like.device, dtype=like.dtype).unsqueeze(1)
    lengths = edges[1:].minimum(first + 1) - edges[:-1].maximum(first)
    return lengths.clamp(min=0) * (new / old)
