"""How something is painted, whatever it shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytti_graph import Image, Loss, Mask, Number, Perceptor, Wire, node
from pytti_graph.nodes.weighing import Stop, fit_mask, weighed

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Style:
    """Which features of a picture occur together, wherever they are.

    Attributes:
        perceptor: The network that found them.
        grams: For each of its layers, fine to coarse, the Gram matrix [C, C].
    """

    __wire__ = Wire("Style", differentiable=False)

    perceptor: Perceptor
    grams: tuple[Tensor, ...]


@node("encode.style", detached=("image", "mask"))
@torch.no_grad()
def encode(perceptor: Perceptor, image: Image, mask: Mask | None = None) -> Style:
    """Find out how a picture is painted, for `loss.style`.

    Args:
        perceptor: The network that looks: perceptor.imagenet, or perceptor.open_clip with a model of the RN family.
        image: The picture. Its brush strokes are taken as large as they are in pixels, so give it a size like that of
            the picture that is to have them.
        mask: Where to look. If nothing lies in it, the style asks for nothing.
    """
    return Style(perceptor, grams(perceptor, image, mask))


@node("loss.style")
def loss(image: Image, style: Style, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None) -> Loss:
    """Paint a picture like another one.

    Colours, brush strokes and patterns become like the other's; what is to be seen, and where, is left to other losses.
    The loss compares which features occur together, by their Gram matrices (Gatys, Ecker & Bethge, Image Style Transfer
    Using Convolutional Neural Networks, 2016): the mean over layers of the squared difference, as a part of the
    wanted matrix squared.

    Args:
        image: The picture.
        style: How it should be painted: an `encode.style`.
        weight: How much it counts; negative avoids that style.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts.
    """
    pairs = zip(grams(style.perceptor, image, mask), style.grams, strict=True)
    difference = torch.stack([_away(found, wanted) for found, wanted in pairs]).mean()
    return weighed(difference, weight, stop, mask)


def _away(found: Tensor, wanted: Tensor) -> Tensor:
    """The squared difference as a part of what is wanted, squared; 0 where nothing is."""
    size = wanted.square().sum()
    return (found - wanted).square().sum() / size.clamp(min=_TINY) * (size > _TINY)


def grams(perceptor: Perceptor, image: Image, mask: Mask | None = None) -> tuple[Tensor, ...]:
    """The Gram matrix of each layer's features of a picture [1, 3, H, W], as `gram`."""
    return tuple(gram(features, mask) for features in perceptor.features(image))


def gram(features: Tensor, mask: Mask | None = None) -> Tensor:
    """The mean product of each two features [1, C, h, w] over a mask's area: [C, C]."""
    rows = features[0].flatten(1)
    if mask is None:
        return rows @ rows.T / rows.shape[1]
    share = fit_mask(mask, *features.shape[-2:]).flatten()
    return (share * rows) @ rows.T / share.sum().clamp(min=_TINY)
