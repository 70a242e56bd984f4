"""Pictures made of squares that are larger than pixels; the last ones may stick out at the right and below."""

from __future__ import annotations

import dataclasses

import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Warp
from pytti_graph.nodes.sampling import fit


def square_counts(height: int, width: int, pixel_size: int) -> tuple[int, int]:
    """Rows and columns of squares that cover a picture."""
    return -(-height // pixel_size), -(-width // pixel_size)


def squares_of(picture: Tensor, height: int, width: int, pixel_size: int) -> Tensor:
    """A picture [1, 3, h, w], fitted to a size and averaged over squares: [1, 3, rows, columns]."""
    rows, columns = square_counts(height, width, pixel_size)
    padding = (0, columns * pixel_size - width, 0, rows * pixel_size - height)
    return F.avg_pool2d(F.pad(fit(picture, height, width), padding, mode="replicate"), pixel_size)


def from_squares(squares: Tensor, height: int, width: int, pixel_size: int) -> Tensor:
    """The picture [1, 3, height, width] that squares [1, 3, rows, columns] make; those at its far edges are cut off."""
    if pixel_size > 1:
        squares = F.interpolate(squares, scale_factor=pixel_size, mode="nearest")
    return squares[..., :height, :width]


def warp_of_squares(warp: Warp, height: int, width: int, pixel_size: int) -> Warp:
    """How a motion of a picture moves its squares, which may stick out at the far edges."""
    rows, columns = square_counts(height, width, pixel_size)

    def field(points: Tensor, _: int, __: int) -> Tensor:
        covered = points.new_tensor((columns * pixel_size / width, rows * pixel_size / height))
        return (warp.field((points + 1) * covered - 1, height, width) + 1) / covered - 1

    return dataclasses.replace(warp, field=field)
