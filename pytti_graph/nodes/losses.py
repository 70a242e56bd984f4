"""What a picture's pixels are judged by: smaller is better."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Image, Loss, Mask, Number, UsageError, node
from pytti_graph.nodes.light import chroma, grey
from pytti_graph.nodes.palette import PalettePicture
from pytti_graph.nodes.remembering import remembered
from pytti_graph.nodes.sampling import fit
from pytti_graph.nodes.weighing import Stop, fit_mask, mean_over, weighed

Level = Annotated[Number, Bounds(ge=0, le=1)]

_GREYEST = 1e-8
_TINY = 1e-12


@node("loss.match")
def match(
    image: Image, target: Image, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None
) -> Loss:
    """Pull a picture towards another one, pixel by pixel.

    Compares red, green, blue, value (their largest) and chroma (their largest less their smallest). PyTTI took
    saturation in place of chroma, which is chroma divided by value: it means nothing in the dark, where its gradient
    has no bound.

    Of an `image.palette` it compares both the picture and what this would be if it could mix its colours, which leaves
    colours alone that are the nearest there are.

    Args:
        image: The picture.
        target: What it should look like; stretched to the picture's size if it has another.
        weight: How much it counts; negative pushes away.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts.
    """
    wanted = wanted_appearance(target, image.shape)
    compared = image.compared if isinstance(image, PalettePicture) else (image,)
    away = [mean_over((appearance(picture) - wanted).square(), mask) for picture in compared]
    return weighed(torch.stack(away).mean(), weight, stop)


@remembered
def wanted_appearance(target: Tensor, shape: torch.Size) -> Tensor:
    """The appearance of a target, fitted to pictures of a shape."""
    return appearance(same_shape(target, shape))


def appearance(image: Tensor) -> Tensor:
    """Red, green, blue, value and chroma of a picture [1, 3, H, W]: [1, 5, H, W], all 0..1."""
    value = image.amax(1, keepdim=True)
    return torch.cat((image, value, chroma(image)), 1)


@node("loss.edges")
def edges(
    image: Image, target: Image, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None
) -> Loss:
    """Pull the edges of a picture towards those of another one, and leave colours and light free.

    Compares how brightness changes along and down, by Sobel's filters.

    Args:
        image: The picture.
        target: Whose edges it should have; stretched to the picture's size if it has another.
        weight: How much it counts; negative pushes away. Differences are small: 20 is a usual weight for a
            picture of 512 pixels. In a picture half as large, as in a draft, edges are steeper and count up to 4 times
            as much.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts. Edges that touch what lies outside do not count.
    """
    if min(image.shape[-2:]) < 3:
        height, width = image.shape[-2:]
        raise UsageError(f"a picture of {width} x {height} pixels has no edges; it takes 3 x 3", argument="image")
    wanted = wanted_slopes(target, image.shape)
    inner = None if mask is None else _inner(mask, *image.shape[-2:])
    return weighed(mean_over((slopes(image) - wanted).square(), inner), weight, stop)


@remembered
def wanted_slopes(target: Tensor, shape: torch.Size) -> Tensor:
    """The slopes of a target, fitted to pictures of a shape."""
    return slopes(same_shape(target, shape))


@remembered
def _inner(mask: Tensor, height: int, width: int) -> Tensor:
    """How far each pixel and all around it lie in a mask: [1, 1, height - 2, width - 2]."""
    return -F.max_pool2d(-fit_mask(mask, height, width), 3, stride=1)


def slopes(image: Tensor) -> Tensor:
    """Brightness per pixel along and down (Sobel) of a picture [1, 3, H, W]: [1, 2, H - 2, W - 2]."""
    light = grey(image)
    along, down = light[..., 2:] - light[..., :-2], light[..., 2:, :] - light[..., :-2, :]
    along = along[..., :-2, :] + 2 * along[..., 1:-1, :] + along[..., 2:, :]
    down = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return torch.cat((along, down), 1) / 8


@node("loss.smoothness")
def smoothness(image: Image, weight: Number = 0.02, stop: Stop | None = None, mask: Mask | None = None) -> Loss:
    """Penalise differences between neighbouring pixels.

    This is L2 total variation (Mahendran & Vedaldi 2015).

    Args:
        image: The picture.
        weight: How much it counts; larger is smoother, a negative weight asks for grain. 0.3 suits image.pyramid.
            In a picture half as large, as in a draft, the same shapes have steeper edges and it counts up to 4 times as
            much.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts. Differences to what lies outside do not count.
    """
    along, down = (image[..., 1:] - image[..., :-1]).square(), (image[..., 1:, :] - image[..., :-1, :]).square()
    if mask is None:
        return weighed((along.sum() + down.sum()) / image.numel(), weight, stop)
    both_along, both_down, area = _neighbours(mask, *image.shape[-2:])
    total = (both_along * along).sum() + (both_down * down).sum()
    return weighed(total / (image.shape[1] * area), weight, stop)


@remembered
def _neighbours(mask: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """How far pixels and their neighbours to the right, and below, lie in a mask together; and the mask's area []."""
    share = fit_mask(mask, height, width)
    along = share[..., 1:].minimum(share[..., :-1])
    down = share[..., 1:, :].minimum(share[..., :-1, :])
    return along, down, share.sum().clamp(min=_TINY)


@node("loss.saturation")
def saturation(
    image: Image, level: Level = 0.2, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None
) -> Loss:
    """Pull the strength of a picture's colours to a level.

    Strength is the largest of red, green and blue less the smallest; taken together is its root mean square, so strong
    colours give way first, and what is nearly grey stays so.

    Args:
        image: The picture.
        level: How strong colours should be: 0 is grey, 0.2 natural, 0.5 a poster, 1 nothing but pure colours.
        weight: How much it counts; negative pushes away from the level.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts.
    """
    strength = (mean_over(chroma(image).square(), mask) + _GREYEST).sqrt()
    return weighed((strength - level).square(), weight, stop, mask)


@node("loss.symmetry")
def symmetry(
    image: Image,
    kind: Literal["left_right", "up_down", "half_turn", "quarter_turn"] = "left_right",
    weight: Number = 1.0,
    stop: Stop | None = None,
    mask: Mask | None = None,
) -> Loss:
    """Pull a picture towards its own mirror image.

    Both sides give way, so each takes something of the other.

    Args:
        image: The picture.
        kind: What it should look like: its mirror image, left to right or upside down, or itself after half a turn or
            a quarter of a turn (for which it must be square).
        weight: How much it counts; negative makes the sides differ.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts. What lies outside stays as it is, and what lies inside comes to look like it.
    """
    giving = image if mask is None else _moving_inside(image, fit_mask(mask, *image.shape[-2:]))
    return weighed(mean_over((image - mirrored(giving, kind)).square(), mask), weight, stop)


def _moving_inside(image: Tensor, share: Tensor) -> Tensor:
    """The same picture; gradients pass as far as its places lie in a mask."""
    still = image.detach()
    return still + share * (image - still)


def mirrored(image: Tensor, kind: str) -> Tensor:
    """A picture [1, C, H, W] mirrored ("left_right", "up_down") or turned ("half_turn", "quarter_turn").

    Raises:
        UsageError: A quarter of a turn would change its shape.
    """
    height, width = image.shape[-2:]
    if kind == "quarter_turn":
        if height != width:
            message = f"a picture of {width} x {height} pixels is not itself after a quarter of a turn"
            raise UsageError(message, argument="kind", hint="make it square, or write half_turn")
        return image.rot90(1, (-2, -1))
    return image.flip({"left_right": (-1,), "up_down": (-2,), "half_turn": (-2, -1)}[kind])


def same_shape(target: Tensor, shape: torch.Size) -> Tensor:
    """The target at the size of pictures of a shape [1, C, H, W].

    Raises:
        UsageError: It has other channels.
    """
    wanted = fit(target, *shape[-2:])
    if wanted.shape != shape:
        raise UsageError(
            f"a picture of shape {list(shape)} cannot match one of shape {list(target.shape)}", argument="target"
        )
    return wanted
