"""What is seen of colours without naming them: how bright and how strong they are."""

from __future__ import annotations

from torch import Tensor

LUMA = 0.299, 0.587, 0.114
"""What red, green and blue add to brightness (Rec. 601)."""


def grey(image: Tensor) -> Tensor:
    """Brightness of pictures [N, 3, H, W]: [N, 1, H, W], 0..1."""
    red, green, blue = LUMA
    return red * image[:, :1] + green * image[:, 1:2] + blue * image[:, 2:]


def chroma(image: Tensor) -> Tensor:
    """Largest less smallest of red, green and blue [N, 3, H, W]: [N, 1, H, W], 0 for grey, 1 for pure colours."""
    return image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
