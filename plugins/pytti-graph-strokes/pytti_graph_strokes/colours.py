"""Colours of strokes: parameters that keep to natural colours, the paper's name, and fitting to a picture."""

from __future__ import annotations

from dataclasses import replace

import torch
from PIL import ImageColor
from torch import Tensor

from pytti_graph import UsageError
from pytti_graph_strokes.layout import look_up
from pytti_graph_strokes.raster import paint
from pytti_graph_strokes.strokes import Strokes

_DIRECTIONS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Rows red, green, blue; columns: independent directions of natural colours (Olah et al., 2017)."""
_ROUNDS = 10
_RIDGE = 1.0


def basis(saturation: float, like: Tensor) -> Tensor:
    """The matrix [3, 3] from parameters to logits of red, green and blue: light and dark, then two hues."""
    directions = like.new_tensor(_DIRECTIONS)
    strengths = like.new_tensor([1, saturation, saturation])
    scaled: Tensor = directions * (strengths / directions.norm(dim=0).max())
    return scaled


def paper_colour(text: str) -> tuple[float, ...]:
    """A colour [3], 0..1, from its name or code; raises UsageError, also if one can see through it."""
    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        hint = "write a name such as ivory, or a code such as '#f4ecdf'"
        raise UsageError(f"'{text}' is not a colour", argument="paper", hint=hint) from None
    if alpha not in ([], [255]):
        hint = f"write '#{red:02x}{green:02x}{blue:02x}'"
        raise UsageError(f"'{text}' is transparent, which paper cannot be", argument="paper", hint=hint)
    return red / 255, green / 255, blue / 255


def fitted(strokes: Strokes, picture: Tensor) -> Tensor:
    """The colours [N, 3] with which strokes come nearest to a picture [1, 3, H, W].

    What strokes show is linear in their colours, so this is a problem of least squares. It is solved by conjugate
    gradients (Hestenes & Stiefel 1952), beginning with the picture's colours at the strokes' middles, which strokes
    that hardly show keep.
    """
    first = look_up(picture, strokes.disks.mean(1)[:, :2])
    with torch.enable_grad():
        colours = first.clone().requires_grad_()
        shown = paint(replace(strokes, colours=colours))

    def gathered(difference: Tensor) -> Tensor:
        return torch.autograd.grad(shown, colours, difference, retain_graph=True)[0]

    change, unpainted = torch.zeros_like(first), replace(strokes, paper=torch.zeros_like(strokes.paper))
    residual = gathered(picture - shown.detach())
    search, power = residual, residual.square().sum()
    for _ in range(_ROUNDS):
        image = gathered(paint(replace(unpainted, colours=search))) + _RIDGE * search
        step = power / (search * image).sum().clamp(min=1e-12)
        change = change + step * search
        residual = residual - step * image
        before, power = power, residual.square().sum()
        search = residual + power / before.clamp(min=1e-12) * search
    return first + change
