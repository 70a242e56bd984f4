"""A tiny picture, a tiny perceptor, and tiny nodes: what is needed around a node to run it in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph.core.injected import Device, Stream
from pytti_graph.core.nodes import node
from pytti_graph.core.types import Cutouts, Depth, Image, Loss, Mask, Number, Perceptor, Warp
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.sampling import fit

HEIGHT, WIDTH = 12, 16
SIZE = 8

_CROPS = ((0.9, 0.0, 0.0), (0.5, 0.3, -0.4), (0.6, -0.3, 0.2))
"""Of each crop: its side as a part of the picture's, and its centre."""


def tiny_image(
    height: int = HEIGHT, width: int = WIDTH, *, seed: int = 0, device: torch.device | str = "cpu"
) -> Tensor:
    """A smooth, colourful picture [1, 3, height, width], sRGB, 0.1..0.9: always the same for the same arguments.

    It has no symmetry, so that a flip, a turn, or height taken for width shows.
    """
    y, x = _coordinates(height, width, device)
    turns = torch.arange(3, device=device).view(3, 1, 1) * 2.1 + seed
    waves = torch.sin(4.3 * x + 2.1 * y + turns) + torch.sin(1.7 * x - 3.9 * y + 2.7 * turns)
    return (0.5 + 0.2 * waves).unsqueeze(0)


def _coordinates(height: int, width: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Down [H, 1] and along [1, W], 0..1."""
    down = torch.arange(height, device=device).add(0.5).div(height).unsqueeze(1)
    return down, torch.arange(width, device=device).add(0.5).div(width).unsqueeze(0)


class TinyPerceptor(Perceptor):
    """Sees the mean colours of a crop's four quarters; reads a text as numbers made of its letters.

    Equal texts have equal embeddings and different texts different ones; beyond that they mean nothing. It needs no
    weights and computes in the precision of the pictures it is shown.

    Args:
        size: Side of the crops it looks at, in pixels.
        device: Where the texts' embeddings go.
    """

    name = "tiny"
    weights: dict[str, str] = {}  # noqa: RUF012 (an attribute of the interface)

    def __init__(self, size: int = SIZE, device: torch.device | str = "cpu") -> None:
        self.size, self._device = size, torch.device(device)

    def encode_images(self, images: Tensor) -> Tensor:
        """Embed crops [N, 3, size, size] as unit vectors [N, 12], with gradients."""
        assert images.shape[1:] == (3, self.size, self.size), f"{tuple(images.shape)} is not [N, 3, size, size]"
        return F.normalize(F.adaptive_avg_pool2d(images, 2).flatten(1) + 0.1, dim=-1)

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Its layers: the pictures [N, 3, H, W] themselves, and at half the size."""
        return images, F.avg_pool2d(images, 2)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as unit vectors [P, 12]."""
        digests = [list(hashlib.blake2b(text.encode(), digest_size=12).digest()) for text in texts]
        numbers = torch.tensor(digests, dtype=torch.float32, device=self._device).view(-1, 12)
        return F.normalize(numbers + 1, dim=-1)


@node("tiny.image")
def image(device: Device, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Image:
    """Give a smooth, colourful picture.

    Args:
        width: Its width, in pixels.
        height: Its height, in pixels.
        seed: Another number gives another picture.
    """
    return tiny_image(height, width, seed=seed, device=device.torch)


@node("tiny.mask")
def mask(device: Device, width: int = WIDTH, height: int = HEIGHT) -> Mask:
    """Give a mask that rises smoothly from 0.1 to 0.9.

    Args:
        width: Its width, in pixels.
        height: Its height, in pixels.
    """
    y, x = _coordinates(height, width, device.torch)
    return (0.1 + 0.6 * x + 0.2 * y).view(1, 1, height, width)


@node("tiny.depth")
def depth(device: Device, width: int = WIDTH, height: int = HEIGHT) -> Depth:
    """Give a depth map of a plain: 1 at its lower edge, 3 at its upper one.

    Args:
        width: Its width, in pixels.
        height: Its height, in pixels.
    """
    y, x = _coordinates(height, width, device.torch)
    return (3 - 2 * y + 0.1 * x).view(1, 1, height, width)


@node("tiny.perceptor")
def perceptor(device: Device, size: int = SIZE) -> Perceptor:
    """Look with an eye that sees mean colours.

    Args:
        size: Side of the crops it looks at, in pixels.
    """
    return TinyPerceptor(size, device.torch)


@node("tiny.cutouts")
def cutouts(image: Image, size: int = SIZE) -> Cutouts:
    """Cut three crops, always at the same places.

    Args:
        image: The picture to cut.
        size: Side of the crops, in pixels.
    """
    transforms = torch.tensor([[[s, 0, x], [0, s, y], [0, 0, 1]] for s, x, y in _CROPS], device=image.device)
    return Cutouts(image, transforms, size, "mirror")


@node("tiny.loss")
def loss(image: Image, target: Number = 0.25) -> Loss:
    """Pull all pixels of a picture to one level.

    Args:
        image: The picture.
        target: The level, 0..1.
    """
    return (image - target).square().mean()


@node("tiny.canvas")
class Canvas:
    """A picture of plain pixels, through a sigmoid.

    Args:
        width: Its width, in pixels.
        height: Its height, in pixels.
        start: A picture to start from, instead of noise.
        warp: How it moves from frame to frame.
    """

    learning_rate = 0.1

    def __init__(self, device: Device, stream: Stream, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.logits = stream.normal(1, 3, height, width).to(device.torch).requires_grad_()

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture."""
        self._show(fit(start, *self.logits.shape[-2:]))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the picture."""
        self._show(resample(self.forward(), warp))

    def _show(self, picture: Tensor) -> None:
        self.logits.copy_(torch.logit(picture.clamp(1 / 512, 511 / 512)))

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        return torch.sigmoid(self.logits)

    def parameters(self) -> dict[str, Tensor]:
        """Its pixels before the sigmoid."""
        return {"logits": self.logits}


NODES = (image, mask, depth, perceptor, cutouts, loss, Canvas)
"""All of them."""
