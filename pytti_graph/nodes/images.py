"""Pictures whose parameters an optimiser moves."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Stream, Warp, node
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.sampling import fit

Side = Annotated[int, Bounds(ge=1, unit="px", draft=0.5)]

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Rows red, green, blue; columns: independent directions of natural colours (Olah et al., 2017)."""
_DARKEST = 1 / 512
"""What a picture that is encoded is kept from 0 and 1 by: half of one step of 8-bit colour."""
_NOISE = 0.01
_FULL = "full"


@node("image.rgb")
class RGB:
    """A picture of plain pixels; it starts as coloured noise.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        pixel_size: Side of the squares that the picture is made of, in pixels.
        start: A picture to start from (fitted to the size), instead of noise.
        warp: How the picture moves from frame to frame.
    """

    learning_rate = 0.02

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Side = 512,
        height: Side = 512,
        pixel_size: Annotated[int, Bounds(ge=1, unit="px", draft=0.5)] = 1,
    ) -> None:
        self.width, self.height, self.pixel_size = width, height, pixel_size
        rows, columns = -(-height // pixel_size), -(-width // pixel_size)
        self.pixels = stream.uniform(1, 3, rows, columns).to(device.torch).requires_grad_()

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture [1, 3, h, w], averaged over the squares."""
        rows, columns = self.pixels.shape[-2:]
        padding = columns * self.pixel_size - self.width, rows * self.pixel_size - self.height
        whole = F.pad(fit(start, self.height, self.width), (0, padding[0], 0, padding[1]), mode="replicate")
        self.pixels.copy_(F.avg_pool2d(whole, self.pixel_size))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the pixels."""
        self.pixels.copy_(resample(self.pixels.clamp(0, 1), warp, size=(self.height, self.width)).clamp(0, 1))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        picture = clamp_passing_inwards(self.pixels)
        if self.pixel_size > 1:
            picture = F.interpolate(picture, scale_factor=self.pixel_size, mode="nearest")
        return picture[..., : self.height, : self.width]

    def parameters(self) -> dict[str, Tensor]:
        """The pixels, [1, 3, rows, columns]."""
        return {"pixels": self.pixels}


class _ClampPassingInwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        outside = values - values.clamp(0, 1)
        passed: Tensor = gradient * (gradient * outside >= 0)
        return passed


def clamp_passing_inwards(values: Tensor) -> Tensor:
    """Clamp to 0..1; where outside, only gradients whose descent leads back inside pass."""
    clamped: Tensor = _ClampPassingInwards.apply(values)
    return clamped


@node("image.pyramid")
class Pyramid:
    """A picture painted at all sizes at once: clean shapes.

    The picture is a sum of layers of 1, 2, 4, ... pixels and full size, enlarged bicubically, in decorrelated colours,
    through a sigmoid (Fort & Whitaker, Direct Ascent Synthesis, 2025, arXiv 2502.07753). Only the coarser layers have
    colour; the finer ones have only light and dark, as in a JPEG file, which keeps coloured grain away.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        falloff: How much less finer layers weigh: a layer of n pixels weighs n to the power -falloff. 0 gives the most
            detail and grain, 0.3 soft clouds of colour.
        colour_size: Size of the finest layer that has colour, as a part of the full size; 1 gives colour to all.
        saturation: How fast colours become strong, beside light and dark; 1 is vivid.
        contrast: How fast the picture gains contrast; 1 is strong.
        start: A picture to start from (fitted to the size), instead of grey.
        warp: How the picture moves from frame to frame.
    """

    learning_rate = 0.05

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Side = 512,
        height: Side = 512,
        falloff: Annotated[float, Bounds(ge=0, le=1)] = 0.1,
        colour_size: Annotated[float, Bounds(ge=0, le=1)] = 0.25,
        saturation: Annotated[float, Bounds(gt=0, le=4)] = 0.75,
        contrast: Annotated[float, Bounds(gt=0, le=4)] = 0.8,
    ) -> None:
        self.width, self.height = width, height
        colours = torch.tensor(_COLOURS, device=device.torch)
        strengths = contrast * torch.tensor((1.0, saturation, saturation), device=device.torch)
        self.colours = colours / colours.norm(dim=0).max() * strengths
        self.moved = torch.zeros(1, 3, height, width, device=device.torch)
        coarse = layer_sizes(height, width)
        sizes = {**{f"layer_{rows}x{columns}": (rows, columns) for rows, columns in coarse}, _FULL: (height, width)}
        finest = max(1.0, colour_size * max(height, width))
        self.layers: dict[str, Tensor] = {}
        for name, (rows, columns) in sizes.items():
            noise = _NOISE * stream.normal(1, 3 if max(rows, columns) <= finest else 1, rows, columns)
            self.layers[name] = noise.to(device.torch).requires_grad_()
        gains = layer_gains(sizes, falloff)
        self.coloured = Enlarger(
            {name: layer for name, layer in self.layers.items() if layer.shape[1] == 3}, gains, height, width
        )
        self.grey = Enlarger(
            {name: layer for name, layer in self.layers.items() if layer.shape[1] == 1}, gains, height, width
        )

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture [1, 3, h, w]."""
        self._show(fit(start, self.height, self.width))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the picture as it is seen, so that it looks as a moved picture should whatever the layers hold."""
        self._show(resample(self.forward(), warp))

    def _show(self, picture: Tensor) -> None:
        """Make `forward` give a picture: what the layers do not say already goes into the part that is not trained."""
        logits = torch.logit(picture.clamp(_DARKEST, 1 - _DARKEST)) - self._logits()
        self.moved += (torch.linalg.inv(self.colours) @ logits.flatten(2)).view_as(self.moved)

    def _logits(self) -> Tensor:
        total = self.moved + self.coloured()
        logits: Tensor = (self.colours @ total.flatten(2)).view_as(total)
        if self.grey.layers:
            logits = logits + self.colours[:, :1, None] * self.grey()
        return logits

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        return torch.sigmoid(self._logits())

    def parameters(self) -> dict[str, Tensor]:
        """The layers, [1, 3 or 1, rows, columns] each, coarse to fine."""
        return self.layers

    def state_dict(self) -> dict[str, Tensor]:
        """What the layers do not say: [1, 3, height, width], in decorrelated colours."""
        return {"moved": self.moved}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.moved.copy_(state["moved"])


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
