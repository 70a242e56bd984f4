"""The node type `image.strokes`."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Stream, Warp, node
from pytti_graph_strokes import colours as colour_space
from pytti_graph_strokes import layout
from pytti_graph_strokes.moving import carried, emptied, outside
from pytti_graph_strokes.raster import paint
from pytti_graph_strokes.strokes import Painting, Strokes

Side = Annotated[int, Bounds(ge=1, le=16384, unit="px", draft=0.5)]

_UNITS = 12.8
"""A point's parameters are in units of so many to the side of a square picture."""
_MOST = 0.995
"""Opacity is below this, so that something of what lies beneath can always be felt."""
_WIDTH_STEP = 0.5
_NOISE = 0.2
_PALEST = 1 / 512
"""What colours that are taken from pictures are kept from 0 and 1 by: half of one step of 8-bit colour."""


@node("image.strokes")
class Canvas:
    """A picture made of brush strokes.

    Each stroke is a curve that bends once, with a width that changes along it, a colour and an opacity. Large strokes
    lie beneath, small ones over them: there are four times as many of half the width. All of it can be optimised, and
    `write.svg` writes the strokes as vectors.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        count: Number of strokes. More show finer details and take longer.
        thickness: How wide the strokes are, beside what covers the picture evenly.
        length: How long strokes are, in their widths; 1 makes dots.
        opacity: How opaque strokes are at the beginning; less is like watercolour.
        saturation: How fast colours become strong, beside light and dark; 1 is vivid.
        paper: Colour of the paper, by name (ivory) or code ('#f4ecdf'); it is opaque.
        start: A picture to paint (fitted to the size), instead of strokes all over the place.
        warp: How the strokes move from frame to frame. Those that leave the picture come back where it has become
            empty, in the colour found there.
    """

    learning_rate = 0.05

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Side = 512,
        height: Side = 512,
        count: Annotated[int, Bounds(ge=1, le=100_000)] = 500,
        thickness: Annotated[float, Bounds(gt=0, le=10)] = 1.0,
        length: Annotated[float, Bounds(ge=1, le=50)] = 4.0,
        opacity: Annotated[float, Bounds(gt=0, lt=0.99)] = 0.9,
        saturation: Annotated[float, Bounds(gt=0, le=4)] = 0.75,
        paper: str = "#f4ecdf",
    ) -> None:
        self.width, self.height, self.length = width, height, length
        self.paper = torch.tensor(colour_space.paper_colour(paper), device=device.torch)
        self.unit = (width * height) ** 0.5 / _UNITS
        self.basis = colour_space.basis(saturation, self.paper)
        self.widths = thickness * layout.stroke_widths(count, height, width, length, self.paper)
        self.points = torch.empty(count, 3, 2, device=device.torch)
        self.radii = torch.empty(count, 3, device=device.torch)
        self.colours = (_NOISE * stream.normal(count, 3)).to(device.torch)
        self.opacities = torch.full((count,), opacity / _MOST, device=device.torch).logit()
        self._lay(layout.scatter(self.widths, length, height, width, stream))
        for parameter in self.parameters().values():
            parameter.requires_grad_()

    @torch.no_grad()
    def start(self, start: Image, stream: Stream) -> None:
        """Paint a picture [1, 3, h, w]: lay the strokes along its edges, and give them its colours."""
        picture = _fitted(start, self.height, self.width)
        self._lay(layout.trace(picture, self.widths, self.length, stream))
        self._dye(colour_space.fitted(self.strokes(), picture).clamp(_PALEST, 1 - _PALEST))

    @torch.no_grad()
    def warp(self, warp: Warp, stream: Stream) -> None:
        """Move the strokes, and lay those that have left the picture anew."""
        strokes = self.strokes()
        before = paint(strokes)
        points, magnified = carried(strokes.disks[..., :2].flatten(0, 1), warp, self.height, self.width)
        radii = strokes.disks[..., 2] * magnified.view(-1, 3)
        disks = torch.cat((points.view(-1, 3, 2), radii.unsqueeze(2)), 2)
        gone = outside(disks, self.height, self.width)
        places, origins = emptied(len(disks), warp, self.height, self.width, stream)
        angles = stream.uniform(len(disks), high=2 * math.pi).to(disks)
        fresh = layout.strokes_at(places.to(disks), angles, self.widths, self.length, stream)
        self._lay(torch.where(gone.view(-1, 1, 1), fresh, disks))
        dyes = layout.look_up(before, origins).clamp(_PALEST, 1 - _PALEST)
        self._dye(torch.where(gone.unsqueeze(1), dyes, strokes.colours))

    def strokes(self) -> Strokes:
        """What the parameters mean."""
        disks = torch.cat((self.unit * self.points, (self.unit * (_WIDTH_STEP * self.radii).exp()).unsqueeze(2)), 2)
        colours = torch.sigmoid(self.colours @ self.basis.T)
        opacities = _MOST * torch.sigmoid(self.opacities)
        return Strokes(disks, colours, opacities, self.paper, self.width, self.height)

    def forward(self) -> Painting:
        """The picture [1, 3, height, width], with its strokes."""
        strokes = self.strokes()
        return Painting(paint(strokes), strokes)

    def parameters(self) -> dict[str, Tensor]:
        """Points [N, 3, 2], radii [N, 3], colours [N, 3] and opacities [N], scaled so that one learning rate suits all.

        A step of Adam with a learning rate of 0.05 moves points by 1/256 of the picture, widths by 2.5%, and logits of
        opacities by 0.05.
        """
        return {"points": self.points, "radii": self.radii, "colours": self.colours, "opacities": self.opacities}

    def _lay(self, disks: Tensor) -> None:
        """Put the strokes where control disks [N, 3, 3] say."""
        self.points.copy_(disks[..., :2] / self.unit)
        self.radii.copy_((disks[..., 2] / self.unit).log() / _WIDTH_STEP)

    def _dye(self, colours: Tensor) -> None:
        """Give the strokes colours [N, 3], sRGB, above 0 and below 1."""
        self.colours.copy_(colours.logit() @ torch.linalg.inv(self.basis).T)


def _fitted(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture [1, 3, h, w] stretched to a size, averaged where it shrinks."""
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise ValueError(f"a picture has shape [1, 3, H, W], not {list(picture.shape)}")
    stretched = F.interpolate(picture, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return stretched.clamp(0, 1)
