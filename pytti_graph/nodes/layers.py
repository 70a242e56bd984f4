"""Numbers painted at all sizes at once: what changes them a little changes whole shapes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Device, Stream

_NOISE = 0.01
_FULL = "full"


class Layers:
    """Channels of numbers, each a sum of layers of 1, 2, 4, ... pixels and full size, enlarged bicubically.

    Only the coarser layers have all channels, the finer ones have the first alone.

    Args:
        device: Where they are.
        stream: Where their little noise at the beginning comes from.
        channels: Number of channels.
        height: Rows of the sum.
        width: Columns of the sum.
        falloff: A layer of n pixels weighs n to the power -falloff.
        finest: Size of the finest layer that has all channels, as a part of the full size.

    Attributes:
        layers: What is trained [1, channels or 1, rows, columns], by name, coarse to fine.
        moved: What is added to their sum and not trained [1, channels, height, width].
    """

    def __init__(
        self, device: Device, stream: Stream, channels: int, height: int, width: int, *, falloff: float, finest: float
    ) -> None:
        self.moved = torch.zeros(1, channels, height, width, device=device.torch)
        coarse = layer_sizes(height, width)
        sizes = {**{f"layer_{rows}x{columns}": (rows, columns) for rows, columns in coarse}, _FULL: (height, width)}
        whole = {name for name, size in sizes.items() if max(size) <= max(1.0, finest * max(height, width))}
        self.layers: dict[str, Tensor] = {}
        for name, (rows, columns) in sizes.items():
            noise = _NOISE * stream.normal(1, channels if name in whole else 1, rows, columns)
            self.layers[name] = noise.to(device.torch).requires_grad_()
        gains = layer_gains(sizes, falloff)
        parts = {name: layer for name, layer in self.layers.items() if name in whole}
        first = {name: layer for name, layer in self.layers.items() if name not in whole}
        self._whole, self._first = (Enlarger(part, gains, height, width) for part in (parts, first))

    def __call__(self) -> tuple[Tensor, Tensor | None]:
        """The sum [1, channels, height, width] of the coarser layers, and that [1, 1, height, width] of finer ones."""
        return self.moved + self._whole(), self._first() if self._first.layers else None


class Enlarger:
    """Enlarges layers bicubically and adds them up, as products with matrices that are made once.

    Args:
        layers: The layers [1, C, rows, columns], by name.
        gains: What each weighs, by name.
        height: Rows of the sum.
        width: Columns of the sum.
    """

    def __init__(self, layers: dict[str, Tensor], gains: dict[str, float], height: int, width: int) -> None:
        self.layers, self.gain = layers, gains[_FULL]
        self.full = layers.get(_FULL)
        self.coarse = [layer for name, layer in layers.items() if name != _FULL]
        self.along = [
            gains[name] * enlarging_matrix(layer.shape[3], width, layer).T
            for name, layer in layers.items()
            if name != _FULL
        ]
        self.down = [enlarging_matrix(layer.shape[2], height, layer) for layer in self.coarse]
        if self.down:
            self.down = [torch.cat(self.down, 1)]

    def __call__(self) -> Tensor:
        """The sum [1, C, height, width]."""
        parts = [] if self.full is None else [self.gain * self.full]
        if self.down:
            rows = [layer @ along for layer, along in zip(self.coarse, self.along, strict=True)]
            parts.append(self.down[0] @ torch.cat(rows, 2))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def layer_gains(sizes: dict[str, tuple[int, int]], falloff: float) -> dict[str, float]:
    """What layers of these sizes weigh: their longer side to the power -falloff, with a mean square of 1."""
    gains = {name: max(size) ** -falloff for name, size in sizes.items()}
    scale = math.sqrt(sum(gain * gain for gain in gains.values()) / len(gains))
    return {name: gain / scale for name, gain in gains.items()}


def layer_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of a pyramid's coarse layers: 1, 2, 4, ... along the longer side, below the full size."""
    longer = max(height, width)
    sides = [2**k for k in range(math.ceil(math.log2(longer)))] if longer > 1 else []
    return [(max(1, round(height * side / longer)), max(1, round(width * side / longer))) for side in sides] or [(1, 1)]


def enlarging_matrix(length: int, larger: int, like: Tensor) -> Tensor:
    """The matrix [larger, length] that enlarges a line bicubically."""
    identity = torch.eye(length, device=like.device, dtype=like.dtype)[None, None]
    return F.interpolate(identity, size=(larger, length), mode="bicubic", align_corners=False)[0, 0]
