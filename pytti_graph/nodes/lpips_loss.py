"""Likeness as people judge it."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Device, Files, Image, Loss, Mask, Number, Report, node
from pytti_graph.core.downloads import Download, downloads
from pytti_graph.nodes.losses import same_shape
from pytti_graph.nodes.remembering import remembered
from pytti_graph.nodes.weighing import Stop, mean_over, weighed

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_SMALLEST = 32


def _downloads(network: str, pretrained: str) -> list[Download]:
    from pytti_graph.nodes.lpips_weights import downloads_for

    return downloads_for(network, pretrained)


@downloads(_downloads)
@node("loss.lpips")
class Lpips:
    """Pull a picture towards another one, as people compare pictures.

    Shapes and textures must agree, not single pixels. This is LPIPS (Zhang et al., The Unreasonable Effectiveness of
    Deep Features as a Perceptual Metric, 2018): features of a network are brought to length 1, and their squared
    differences are weighed as people's judgements taught.

    What people's judgements taught is in the package lpips (`pip install 'pytti-graph[lpips]'`). The network's own
    weights come from torchvision: `pytti-graph fetch GRAPH` gets them once.

    Args:
        image: The picture.
        target: What it should look like; stretched to the picture's size if it has another.
        network: Which network compares: alex is the usual one, squeeze is small (5 MB), vgg is large (528 MB) and makes
            the smoothest gradients.
        pretrained: Its weights: "imagenet" for torchvision's, or a file with them, relative to the graph's folder.
            "random" takes untrained ones and needs no lpips, to try a graph out: its likeness will mean little.
        weight: How much it counts; negative pushes away.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts.
    """

    def __init__(
        self,
        device: Device,
        files: Files,
        report: Report,
        network: Literal["alex", "squeeze", "vgg"] = "alex",
        pretrained: str = "imagenet",
    ) -> None:
        from pytti_graph.nodes.lpips_weights import load

        self._stages, self._heads = load(network, pretrained, files, report, device.torch)
        self._wanted = remembered(self._fitted_features)
        self._shift, self._scale = (torch.tensor(v, device=device.torch).view(1, 3, 1, 1) for v in (_SHIFT, _SCALE))

    def forward(
        self, image: Image, target: Image, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None
    ) -> Loss:
        """The distance of two pictures."""
        seen, wanted = self._features(image), self._wanted(target, image.shape)
        parts = [
            mean_over(F.conv2d((one - other).square(), head), mask)
            for one, other, head in zip(seen, wanted, self._heads, strict=True)
        ]
        return weighed(torch.stack(parts).sum(), weight, stop)

    def _fitted_features(self, target: Tensor, shape: torch.Size) -> list[Tensor]:
        """Those of a target, fitted to pictures of a shape."""
        return self._features(same_shape(target, shape))

    def _features(self, image: Tensor) -> list[Tensor]:
        """Unit vectors [1, C, h, w] of each stage."""
        found = (_enlarged(image) * 2 - 1 - self._shift) / self._scale
        made = []
        for stage in self._stages:
            found = stage(found)
            made.append(F.normalize(found, dim=1, eps=1e-10))
        return made


def _enlarged(image: Tensor) -> Tensor:
    """A picture with sides of at least as many pixels as the networks need."""
    height, width = image.shape[-2:]
    if min(height, width) >= _SMALLEST:
        return image
    factor = _SMALLEST / min(height, width)
    size = math.ceil(height * factor), math.ceil(width * factor)
    return F.interpolate(image, size, mode="bilinear", align_corners=False)
