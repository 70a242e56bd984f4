"""Pictures whose parameters an optimiser moves."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Stream, Warp, node
from pytti_graph.nodes.layers import Layers
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.sampling import fit
from pytti_graph.nodes.squares import from_squares, square_counts, squares_of, warp_of_squares

Side = Annotated[int, Bounds(ge=1, le=16384, unit="px", draft=0.5)]

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Rows red, green, blue; columns: independent directions of natural colours (Olah et al., 2017)."""
_DARKEST = 1 / 512
"""What a picture that is encoded is kept from 0 and 1 by: half of one step of 8-bit colour."""


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
        pixel_size: Side = 1,
    ) -> None:
        self.width, self.height, self.pixel_size = width, height, min(pixel_size, max(width, height))
        rows, columns = square_counts(height, width, self.pixel_size)
        self.pixels = stream.uniform(1, 3, rows, columns).to(device.torch).requires_grad_()

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture [1, 3, h, w], averaged over the squares."""
        self.pixels.copy_(squares_of(start, self.height, self.width, self.pixel_size))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the pixels."""
        motion = warp_of_squares(warp, self.height, self.width, self.pixel_size)
        self.pixels.copy_(resample(self.pixels.clamp(0, 1), motion).clamp(0, 1))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        return from_squares(clamp_passing_inwards(self.pixels), self.height, self.width, self.pixel_size)

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


def natural_colours(contrast: float, saturation: float) -> Tensor:
    """The matrix [3, 3] from light and two independent directions of colour to red, green and blue."""
    colours = torch.tensor(_COLOURS)
    strengths = contrast * torch.tensor((1.0, saturation, saturation))
    longest: Tensor = torch.linalg.vector_norm(colours, dim=0).max()
    return colours / longest * strengths


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
        self.colours = natural_colours(contrast, saturation).to(device.torch)
        self.painted = Layers(device, stream, 3, height, width, falloff=falloff, finest=colour_size)

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
        self.painted.moved += (torch.linalg.inv(self.colours) @ logits.flatten(2)).view_as(logits)

    def _logits(self) -> Tensor:
        total, grey = self.painted()
        logits: Tensor = (self.colours @ total.flatten(2)).view_as(total)
        return logits if grey is None else logits + self.colours[:, :1, None] * grey

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        return torch.sigmoid(self._logits())

    def parameters(self) -> dict[str, Tensor]:
        """The layers, [1, 3 or 1, rows, columns] each, coarse to fine."""
        return self.painted.layers

    def state_dict(self) -> dict[str, Tensor]:
        """What the layers do not say: [1, 3, height, width], in decorrelated colours."""
        return {"moved": self.painted.moved}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.painted.moved.copy_(state["moved"])
