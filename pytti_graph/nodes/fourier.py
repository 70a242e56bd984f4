"""Pictures painted with waves."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Stream, Warp, node
from pytti_graph.nodes.images import Side, natural_colours
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.sampling import fit

_DARKEST = 1 / 512
"""What a picture that is encoded is kept from 0 and 1 by: half of one step of 8-bit colour."""
_NOISE = 0.01
_STRENGTH = 1.2
"""Of the longest waves, so that the picture is there after about 100 steps of the learning rate."""
_FIELD = 1.25
"""Sides of the field of waves, beside those of the picture: enough that opposite edges have little in common."""


@node("image.fourier")
class Fourier:
    """A picture painted with waves of all lengths at once: soft light, clear shapes, fine and even detail.

    It is a sum of waves, in decorrelated colours, through a sigmoid; long waves move faster than short ones (Olah,
    Mordvintsev & Schubert, Feature Visualization, Distill 2017). Lengths count in pictures and not in pixels, so a
    larger picture looks the same, with more detail. A sum of waves repeats itself, so the picture is a part of a larger
    field of waves, unless it is to be seamless.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        decay: How much slower short waves move: as their length to this power. 1, as in natural pictures, gives much
            detail and grain, 2 soft clouds.
        saturation: How fast colours become strong, beside light and dark; 1 is vivid.
        contrast: How fast the picture gains contrast; 1 is strong.
        seamless: Let the waves repeat themselves at the picture's edges, so that the left edge continues at the right
            one, and the upper at the lower one. Crops should then look across the edges (`border_mode: wrap`).
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
        decay: Annotated[float, Bounds(ge=0, le=3)] = 1.5,
        saturation: Annotated[float, Bounds(gt=0, le=4)] = 0.75,
        contrast: Annotated[float, Bounds(gt=0, le=4)] = 0.8,
        seamless: bool = False,
    ) -> None:
        self.width, self.height = width, height
        self.field = (height, width) if seamless else (field_length(height), field_length(width))
        self.colours = natural_colours(contrast, saturation).to(device.torch)
        numbers = wave_numbers(*self.field, max(height, width))
        self.gains = (_STRENGTH * numbers.clamp(min=1) ** -decay).to(device.torch)
        self.waves = (_NOISE * stream.normal(1, 3, *self.gains.shape, 2)).to(device.torch).requires_grad_()

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture [1, 3, h, w]."""
        self._show(fit(start, self.height, self.width))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the picture as it is seen."""
        self._show(resample(self.forward(), warp))

    def _show(self, picture: Tensor) -> None:
        """Make `forward` give a picture; beyond its edges the field goes on with their colours."""
        logits = torch.logit(picture.clamp(_DARKEST, 1 - _DARKEST))
        total = (torch.linalg.inv(self.colours) @ logits.flatten(2)).view_as(logits)
        rows, columns = self.field
        around = F.pad(total, (0, columns - self.width, 0, rows - self.height), mode="replicate")
        self.waves.copy_(torch.view_as_real(torch.fft.rfft2(around, norm="forward") / self.gains))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        waves = torch.view_as_complex(self.waves) * self.gains
        field = torch.fft.irfft2(waves, s=self.field, norm="forward")
        total = field[..., : self.height, : self.width]
        return torch.sigmoid((self.colours @ total.flatten(2)).view_as(total))

    def parameters(self) -> dict[str, Tensor]:
        """Real and imaginary parts of the waves, [1, 3, rows, columns // 2 + 1, 2] of a field of rows and columns."""
        return {"waves": self.waves}


def field_length(length: int) -> int:
    """The side of the field for a side of the picture, in pixels: a product of 2, 3 and 5, of which FFTs are fast."""
    longer = math.ceil(_FIELD * length)
    while not _is_smooth(longer):
        longer += 1
    return longer


def _is_smooth(number: int) -> bool:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1


def wave_numbers(rows: int, columns: int, unit: int) -> Tensor:
    """How often the wave of each coefficient of a field goes up and down in `unit` pixels: [rows, columns // 2 + 1]."""
    along, down = torch.fft.rfftfreq(columns) * unit, torch.fft.fftfreq(rows) * unit
    return torch.hypot(down.unsqueeze(1), along)
