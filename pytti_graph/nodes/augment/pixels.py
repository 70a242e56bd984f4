"""What happens to the pixels of sampled crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_FEW = 4

Grain = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Change:
    """An operation on crops [N, 3, S, S]: `tints @ crops * keep + strength * grain`, of which any part may be left out.

    Attributes:
        tints: Matrices [N, 3, 3] that multiply red, green and blue.
        keep: What stays [N, 1, S, S]: 0 where a crop is blacked out, else 1.
        grain: Strengths [N, 1, 1, 1], stretches of noise [M, 3 x S x S], and which one each crop takes [N].
    """

    tints: Tensor | None = None
    keep: Tensor | None = None
    grain: Grain | None = None

    def __call__(self, crops: Tensor) -> Tensor:
        """The crops, changed."""
        changed: Tensor = _Changed.apply(crops, self.tints, self.keep, self.grain)
        return changed


class _Changed(torch.autograd.Function):
    """A `Change`, a few crops at a time, so that they stay in a processor's cache."""

    @staticmethod
    def forward(ctx: Any, crops: Tensor, tints: Tensor | None, keep: Tensor | None, grain: Grain | None) -> Tensor:
        ctx.save_for_backward(tints, keep)
        changed = torch.empty_like(crops, memory_format=torch.contiguous_format)
        for few in _few(len(crops)):
            _tint(tints, crops[few], few, changed)
            if keep is not None:
                changed[few].mul_(keep[few])
            if grain is not None:
                strength, strip, places = grain
                changed[few].addcmul_(strength[few], strip.index_select(0, places[few]).view(changed[few].shape))
        return changed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tints, keep = ctx.saved_tensors
        changed = torch.empty_like(gradient, memory_format=torch.contiguous_format)
        for few in _few(len(gradient)):
            kept = gradient[few] if keep is None else gradient[few] * keep[few]
            _tint(None if tints is None else tints.mT, kept, few, changed)
        return changed, None, None, None


def _tint(tints: Tensor | None, crops: Tensor, few: slice, changed: Tensor) -> None:
    """Put a few crops, with their colours changed, where they belong."""
    if tints is None:
        changed[few].copy_(crops)
    else:
        torch.bmm(tints[few], crops.flatten(2), out=changed[few].flatten(2))


def _few(count: int) -> list[slice]:
    return [slice(first, first + _FEW) for first in range(0, count, _FEW)]
