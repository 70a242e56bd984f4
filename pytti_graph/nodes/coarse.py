"""A picture at a lower resolution, for what looks at it while its large shapes are found."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F

from pytti_graph import Bounds, Image, Number, node

_SMALLEST = 16
"""No picture becomes smaller than this along its shorter side, in pixels."""


@node("picture.coarse")
def coarse(image: Image, resolution: Annotated[Number, Bounds(ge=0, le=1)]) -> Image:
    """Show a picture at a lower resolution, so that only its large shapes count.

    Put it between the canvas and the crops, and let the resolution rise: the picture begins with large shapes, and
    details come when they have their place. Writers still get the canvas, at its full size.

    Args:
        image: The picture.
        resolution: The part of its width and height that is left, such as "min(1, 0.25 + progress)". At 1 it is the
            picture itself. It does not become smaller than 16 pixels.
    """
    height, width = image.shape[-2:]
    size = coarse_size(height, width, resolution)
    if size == (height, width):
        return image
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def coarse_size(height: int, width: int, resolution: float) -> tuple[int, int]:
    """Height and width at a lower resolution.

    The shorter side is a whole number of pixels, and the longer one is rounded to keep the aspect.
    """
    shorter = min(height, width)
    side = min(shorter, max(round(resolution * shorter), _SMALLEST))
    return round(height * side / shorter), round(width * side / shorter)
