"""Pictures made of pictures, whatever image model they come from: seamless tiles, symmetry, inpainting."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from pytti_graph import Bounds, Image, Mask, UsageError, node
from pytti_graph.nodes.remembering import remembered
from pytti_graph.nodes.sampling import fit

fitted = remembered(fit)


@node("picture.tile")
def tile(image: Image, overlap: Annotated[int, Bounds(ge=1, unit="px", draft=0.5)] = 32) -> Image:
    """Make a picture seamless: side by side with itself, no edge can be seen.

    The last columns and rows are laid over the first ones and fade into them, so the tile is smaller than the picture
    by the overlap: a canvas of 288 pixels makes a tile of 256. Let the crops look across the edges with
    `border_mode: wrap`, and they will see the pattern rather than the tile.

    Args:
        image: The picture.
        overlap: How many columns and rows fade into each other.
    """
    most = min(image.shape[-2:]) // 2
    if overlap > most:
        raise UsageError(
            f"an overlap of {overlap} px is more than half of a picture of {image.shape[3]} x {image.shape[2]} px",
            argument="overlap",
            hint=f"write at most {most}" if most else "make the picture at least 2 px wide and high",
        )
    return _joined(_joined(image, overlap, 3), overlap, 2)


def _joined(image: Tensor, overlap: int, dim: int) -> Tensor:
    """The picture with its end faded into its beginning along one axis."""
    length = image.shape[dim] - overlap
    ramp = (torch.arange(overlap, device=image.device, dtype=image.dtype) + 0.5) / overlap
    weight = (ramp * ramp * (3 - 2 * ramp)).view(*([-1, 1] if dim == 2 else [-1]))
    begin, middle, end = torch.split(image, [overlap, length - overlap, overlap], dim)
    return torch.cat([torch.lerp(end, begin, weight), middle], dim)


@node("picture.symmetry")
def symmetry(image: Image, mirror: Literal["left-right", "up-down", "both", "diagonal"] = "left-right") -> Image:
    """Make a picture symmetrical, by showing one part of it in a mirror.

    Args:
        image: The picture. Only one part of it is shown: the left, the upper, the upper left, or that above the
            diagonal.
        mirror: Where the mirror stands: left-right shows the left half on the right too; up-down the upper half below;
            both does both; diagonal swaps rows and columns (the picture must be square).
    """
    if mirror == "diagonal":
        return _above_diagonal(image)
    if mirror in ("left-right", "both"):
        image = _mirrored(image, 3)
    return _mirrored(image, 2) if mirror in ("up-down", "both") else image


def _mirrored(image: Tensor, dim: int) -> Tensor:
    """The first half of the picture, and its mirror image."""
    length = image.shape[dim]
    half = image.narrow(dim, 0, (length + 1) // 2)
    return torch.cat([half, half.narrow(dim, 0, length // 2).flip(dim)], dim)


def _above_diagonal(image: Tensor) -> Tensor:
    if image.shape[2] != image.shape[3]:
        raise UsageError(
            f"a picture of {image.shape[3]} x {image.shape[2]} px has no diagonal to mirror it at",
            argument="mirror",
            hint="make width and height equal, or mirror it left-right",
        )
    return image.triu() + image.triu(1).transpose(2, 3)


@node("picture.inpaint")
def inpaint(image: Image, picture: Image, mask: Mask) -> Image:
    """Change a part of a picture only, and leave the rest exactly as it is.

    Args:
        image: What is painted into it.
        picture: The picture that stays. It is fitted to the size of the image.
        mask: Where the image is seen (1) and where the picture stays (0).
    """
    size = image.shape[-2], image.shape[-1]
    return torch.lerp(fitted(picture, *size), image, fitted(mask, *size))
