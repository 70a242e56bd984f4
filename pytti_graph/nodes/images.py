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


@node("image.rgb")
class RGB:
    """A picture of plain pixels, which starts as coloured noise.

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
        pixel_size: Annotated[int, Bounds(ge=1, unit="px")] = 1,
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
    """A picture painted at all sizes at once, from one patch of colour to single pixels: clean shapes, quickly.

    The picture is a sum of layers of 1, 2, 4, ... pixels and full size, enlarged bicubically, in decorrelated colours,
    through a sigmoid (Fort & Whitaker, Direct Ascent Synthesis, 2025, arXiv 2502.07753).

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        start: A picture to start from (fitted to the size), instead of grey.
        warp: How the picture moves from frame to frame.
    """

    learning_rate = 0.05

    def __init__(self, device: Device, stream: Stream, width: Side = 512, height: Side = 512) -> None:
        self.width, self.height = width, height
        colours = torch.tensor(_COLOURS, device=device.torch)
        self.colours = colours / colours.norm(dim=0).max()
        self.to_layers = torch.linalg.inv(self.colours)
        self.layers = {
            f"layer_{rows}x{columns}": (_NOISE * stream.normal(1, 3, rows, columns)).to(device.torch).requires_grad_()
            for rows, columns in layer_sizes(height, width)
        }
        self.full = (_NOISE * stream.normal(1, 3, height, width)).to(device.torch).requires_grad_()
        self.down = torch.cat([enlarging_matrix(layer.shape[2], height, layer) for layer in self.layers.values()], 1)
        self.along = [enlarging_matrix(layer.shape[3], width, layer).T for layer in self.layers.values()]

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture [1, 3, h, w]."""
        self._encode(fit(start, self.height, self.width))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the picture as it is seen, so that it looks as a moved picture should whatever the layers hold."""
        self._encode(resample(self.forward(), warp))

    def _encode(self, picture: Tensor) -> None:
        """Put a picture into the finest layer: how the layers share it changes neither the picture nor gradients."""
        for layer in self.layers.values():
            layer.zero_()
        logits = torch.logit(picture.clamp(_DARKEST, 1 - _DARKEST))
        self.full.copy_((self.to_layers @ logits.flatten(2)).view_as(self.full))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        rows = [layer @ along for layer, along in zip(self.layers.values(), self.along, strict=True)]
        total = self.full + self.down @ torch.cat(rows, 2)
        return torch.sigmoid(self.colours @ total.flatten(2)).view_as(total)

    def parameters(self) -> dict[str, Tensor]:
        """The layers, [1, 3, rows, columns] each, coarse to fine."""
        return {**self.layers, "full": self.full}


def layer_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of a pyramid's coarse layers: 1, 2, 4, ... along the longer side, below the full size."""
    longer = max(height, width)
    sides = [2**k for k in range(math.ceil(math.log2(longer)))] if longer > 1 else []
    return [(max(1, round(height * side / longer)), max(1, round(width * side / longer))) for side in sides] or [(1, 1)]


def enlarging_matrix(length: int, larger: int, like: Tensor) -> Tensor:
    """The matrix [larger, length] that enlarges a line bicubically."""
    identity = torch.eye(length, device=like.device, dtype=like.dtype)[None, None]
    return F.interpolate(identity, size=(larger, length), mode="bicubic", align_corners=False)[0, 0]
