"""Pictures painted with waves."""

from __future__ import annotations

from typing import Annotated

import torch
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


@node("image.fourier")
class Fourier:
    """A picture painted with waves of all lengths at once: fine, even detail, and edges that join seamlessly.

    It is a sum of waves, in decorrelated colours, through a sigmoid; long waves move faster than short ones (Olah,
    Mordvintsev & Schubert, Feature Visualization, Distill 2017). Lengths count in pictures and not in pixels, so a
    larger picture looks the same, with more detail. The sum repeats itself beyond each edge: the left edge continues at
    the right one.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        decay: How much slower short waves move: as their length to this power. 1, as in natural pictures, gives much
            detail and grain, 2 soft clouds.
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
        decay: Annotated[float, Bounds(ge=0, le=3)] = 1.5,
        saturation: Annotated[float, Bounds(gt=0, le=4)] = 0.75,
        contrast: Annotated[float, Bounds(gt=0, le=4)] = 0.8,
    ) -> None:
        self.width, self.height = width, height
        self.colours = natural_colours(contrast, saturation).to(device.torch)
        self.gains = (_STRENGTH * wave_numbers(height, width).clamp(min=1) ** -decay).to(device.torch)
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
        """Make `forward` give a picture."""
        logits = torch.logit(picture.clamp(_DARKEST, 1 - _DARKEST))
        total = (torch.linalg.inv(self.colours) @ logits.flatten(2)).view_as(logits)
        self.waves.copy_(torch.view_as_real(torch.fft.rfft2(total, norm="forward") / self.gains))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        waves = torch.view_as_complex(self.waves) * self.gains
        total = torch.fft.irfft2(waves, s=(self.height, self.width), norm="forward")
        return torch.sigmoid((self.colours @ total.flatten(2)).view_as(total))

    def parameters(self) -> dict[str, Tensor]:
        """Real and imaginary parts of the waves, [1, 3, height, width // 2 + 1, 2]."""
        return {"waves": self.waves}


def wave_numbers(height: int, width: int) -> Tensor:
    """How many times the wave of each coefficient goes up and down along the longer side: [height, width // 2 + 1]."""
    longer = max(height, width)
    along, down = torch.fft.rfftfreq(width) * longer, torch.fft.fftfreq(height) * longer
    return torch.hypot(down.unsqueeze(1), along)
