"""Which crops a prompt is about: by where they are in the picture, by their size, or by what is seen in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import CropMask, Seen
from pytti_graph.nodes.embeddings import spherical_distance
from pytti_graph.nodes.remembering import remembered
from pytti_graph.nodes.sampling import fold, sample, shrinkage, source_pixels

HALFWAY = 0.5
"""Where the halves of a picture meet, and what parts large crops from small ones, if no cutoff is given."""
_POINTS = 16
"""A crop's footprint is probed at this many places along and down."""
_FINEST = 128
"""Pixels along the longer side of a mask's picture: more do not change means over footprints."""


def crop_weights(masks: tuple[CropMask | None, ...], seen: Seen, within: CropMask | None = None) -> Tensor:
    """How much each crop counts for each prompt: [N, P], not negative, each prompt's sum 1, or 0 if no crop counts.

    A crop counts by its own weight and by the masks. So a prompt pulls as hard whether many crops fall into its mask or
    few.

    Args:
        masks: For each prompt which crops it is about, or None for all.
        seen: The crops.
        within: Which crops count at all, or None for all.
    """
    everywhere = seen.transforms.new_ones(len(seen.transforms))
    counts = torch.stack([everywhere if mask is None else mask(seen) for mask in masks], 1)
    for among in (seen.weights, None if within is None else within(seen)):
        if among is not None:
            counts = counts * among.unsqueeze(1)
    return counts / counts.sum(0).clamp(min=torch.finfo(counts.dtype).tiny)


@dataclass(frozen=True)
class Half:
    """The part of the picture beyond a line: of a crop, what part of its footprint lies there.

    Attributes:
        axis: The line is at a distance from the left (0) or the top (1) edge.
        beyond: The part to the right of the line, or below it; else the other one.
        line: That distance, as a part of the width or height.
    """

    axis: Literal[0, 1]
    beyond: bool
    line: float

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Tensor:
        """The part of each crop [N] that lies there."""
        places = fold(source_pixels(seen.transforms, 1, 1, _POINTS)[self.axis], 1, seen.border, 0)
        inside = places >= self.line if self.beyond else places < self.line
        return inside.to(places.dtype).mean((1, 2))


@dataclass(frozen=True)
class Large:
    """Large crops, or small ones.

    Attributes:
        large: Large crops count, else small ones.
        side: A crop is large from this size on: the root of the part of the picture that it covers.
    """

    large: bool
    side: float

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Tensor:
        """1 for each crop that counts, else 0: [N]."""
        large = shrinkage(seen.transforms, 1, 1, 1) >= self.side**2 - 1e-4  # the whole picture is of size 1
        return (large == self.large).to(seen.transforms.dtype)


@dataclass(frozen=True, eq=False)
class Area:
    """What is white in a picture laid over the whole canvas: of a crop, the mean over its footprint.

    Attributes:
        levels: [1, 1, h, w], 0..1.
    """

    levels: Tensor

    @classmethod
    def of(cls, picture: Tensor, inverted: bool) -> Area:
        """The white parts of a picture [1, 3, H, W] of any size, or its black ones."""
        red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
        levels = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
        scale = min(1.0, _FINEST / max(levels.shape[-2:]))
        size = [max(round(side * scale), 3) for side in levels.shape[-2:]]
        if size != list(levels.shape[-2:]):
            levels = F.interpolate(levels, size, mode="bilinear", align_corners=False, antialias=True)
        return cls(1 - levels if inverted else levels)

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Tensor:
        """The mean over each crop: [N]."""
        border = "smear" if seen.border == "black" else seen.border
        return sample(self.levels, seen.transforms, _POINTS, border).mean((1, 2, 3)).clamp(0, 1)


@remembered
def area_of(mask: Tensor) -> Area:
    """What a mask [1, 1, H, W] lets through."""
    return Area.of(mask.detach().expand(-1, 3, -1, -1), inverted=False)


@dataclass(frozen=True, eq=False)
class Meaning:
    """Crops that show what a text says.

    Attributes:
        embedding: Of the text: [1, D].
        nearest: A crop counts if its distance to the text is below this.
    """

    embedding: Tensor
    nearest: float

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Tensor:
        """1 for each crop that counts, else 0: [N]."""
        return (spherical_distance(seen.embeddings, self.embedding)[:, 0] < self.nearest).to(seen.transforms.dtype)
