"""Palettes as pictures, to be seen beside what is painted with them."""

from __future__ import annotations

from typing import Annotated

from pytti_graph import Bounds, Image, node
from pytti_graph.nodes.palette import Palette


@node("picture.swatches")
def swatches(palette: Palette, side: Annotated[int, Bounds(ge=1, le=1024, unit="px")] = 32) -> Image:
    """Draw the colours of palettes: a row of squares for each palette, from its darkest colour to its brightest.

    Give it to a writer with a folder of its own, and each frame's colours lie there as a picture.

    Args:
        palette: The port `palette` of an `image.palette`: `canvas.palette`.
        side: Side of the squares, in pixels.
    """
    colours = palette.colours.permute(2, 1, 0).unsqueeze(0)
    return colours.repeat_interleave(side, 2).repeat_interleave(side, 3)
