"""Prompts that are pictures: each crop is to mean what the picture shows at the same place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pytti_graph import Perceptor, Seen
from pytti_graph.nodes.prompt_cache import crop_embeddings
from pytti_graph.nodes.sampling import sample

_SIZES = (1.0, 0.7, 0.5, 0.35)
"""Sides of a picture's crops, as parts of its shorter side."""
_STEP = 0.5
"""Crops of one size are at most this part of their side apart."""
_MOST = 32
"""Crops of one size along a side of the picture: as many as one needs that is five times as long as it is high."""


@dataclass(frozen=True, eq=False)
class PictureTarget:
    """What a picture shows at many places.

    Crops of the picture are embedded once, in a fixed lattice of places and sizes. A crop of the canvas is to mean what
    the crop shows that it overlaps most. PyTTI drew crops at random and matched them one to one, by an optimal
    assignment of their centres; with a lattice nothing has to be assigned, since there is a near crop for every place,
    and a large crop is not matched with a small one.

    Attributes:
        embeddings: Of the picture's crops: [K, D], unit vectors.
        transforms: From these crops to the picture: [K, 3, 3], as in `Cutouts`.
    """

    embeddings: Tensor
    transforms: Tensor

    @classmethod
    def of(cls, perceptor: Perceptor, picture: Tensor, *, keep: bool = False) -> PictureTarget:
        """The target that a picture [1, 3, H, W] is for a perceptor.

        With `keep`, it is looked up on the disk first and kept there: for pictures that will be shown again.
        """
        transforms = lattice(*picture.shape[-2:]).to(picture.device)
        crops = sample(picture, transforms, perceptor.size, "clamp")
        return cls(crop_embeddings(perceptor, crops) if keep else perceptor.encode_images(crops), transforms)

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Tensor:
        """What each crop is to mean: [N, D]."""
        return self.embeddings[overlaps(seen.transforms, self.transforms).argmax(1)]


def lattice(height: int, width: int) -> Tensor:
    """Square crops of a picture in several sizes, each size covering it: [K, 3, 3], the largest first.

    Of a square picture there are 39. In a picture many times as long as it is high they lie further apart, so that
    there are never many more of them than a perceptor can look at before the first frame.
    """
    crops = []
    for size in _SIZES:
        side = size * min(height, width)
        for top in _starts(height, side):
            for left in _starts(width, side):
                along, down = side / width, side / height
                x, y = (2 * left + side) / width - 1, (2 * top + side) / height - 1
                crops.append([[along, 0.0, x], [0.0, down, y], [0.0, 0.0, 1.0]])
    return torch.tensor(crops)


def _starts(length: int, side: float) -> list[float]:
    """Where crops of a side begin, from one edge to the other."""
    room = length - side
    count = min(math.ceil(room / (_STEP * side) - 1e-6) + 1, _MOST)
    return [room * index / (count - 1) for index in range(count)] if count > 1 else [room / 2]


def overlaps(ones: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of crops [N, 3, 3] and [K, 3, 3], as if they were upright: [N, K], 0..1."""
    (centre, half), (other_centre, other_half) = _box(ones), _box(others)
    ends = torch.minimum((centre + half).unsqueeze(1), other_centre + other_half)
    starts = torch.maximum((centre - half).unsqueeze(1), other_centre - other_half)
    shared = (ends - starts).clamp(min=0).prod(-1)
    return shared / ((2 * half).prod(-1).unsqueeze(1) + (2 * other_half).prod(-1) - shared)


def _box(transforms: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and half sides [N, 2] of crops, in picture coordinates."""
    scale = transforms[:, 2, 2, None]
    return transforms[:, :2, 2] / scale, transforms[:, :2, :2].norm(dim=-1) / scale
