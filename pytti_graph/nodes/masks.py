"""Masks: where in a picture something counts. What uses a mask stretches it to its picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Mask, Number, PicturePath, Report, UsageError, node
from pytti_graph.nodes import sources
from pytti_graph.nodes.light import grey
from pytti_graph.nodes.weighing import fit_mask, is_empty

Side = Annotated[int, Bounds(ge=1, le=16384, unit="px", draft=0.5)]
Part = Annotated[Number, Bounds(ge=0, le=1)]


@node("source.mask")
def from_file(
    path: PicturePath,
    device: Device,
    report: Report,
    part: Literal["white", "black", "opaque", "transparent"] = "white",
) -> Mask:
    """Read a mask from a picture: its white parts count, its greys count in part.

    It reads what `source.image` reads, and warns if nothing counts.

    Args:
        path: The file, relative to the graph's folder, or the http or https address of a picture.
        part: What counts: white, black, or, for a picture of something cut out, what is opaque or what is transparent.
    """
    mask = _part_of(path, part)
    if is_empty(mask):
        other = {"white": "black", "black": "white", "opaque": "transparent", "transparent": "opaque"}[part]
        message = f"nothing in the picture is {part}, so nothing counts; is 'part: {other}' meant?"
        report.warn(message, argument="part")
    return mask.to(device.torch)


def _part_of(path: Path, part: str) -> Tensor:
    """The mask, on the processor."""
    black = sources.read(path)
    if part in ("white", "black"):
        return brightness(black, invert=part == "black")
    transparent = (sources.read(path, background="white") - black).mean(1, keepdim=True)
    if not transparent.any():
        hint = "write white or black, or give a picture of something cut out"
        raise UsageError(f"{path}: nothing in it is transparent", argument="part", hint=hint)
    return transparent if part == "transparent" else 1 - transparent


@node("mask.brightness")
def brightness(image: Image, invert: bool = False) -> Mask:
    """Make a mask of a picture: its white parts count, its greys count in part.

    Args:
        image: The picture.
        invert: Its black parts count instead.
    """
    light = grey(image).clamp(0, 1)
    return 1 - light if invert else light


@node("mask.half")
def half(
    device: Device,
    side: Literal["left", "right", "top", "bottom"] = "left",
    at: Part = 0.5,
    edge: Part = 0.1,
    width: Side = 512,
    height: Side = 512,
) -> Mask:
    """Let one side of the picture count.

    Args:
        side: Which one.
        at: Where it ends, as a part of the picture's width or height from that side. A formula moves it.
        edge: How broad its soft edge is, as a part of the same.
        width: How fine the mask is along. It is stretched to the picture where it is used.
        height: How fine it is down.
    """
    x, y = _places(width, device), _places(height, device).unsqueeze(1)
    length, place = (width, x) if side in ("left", "right") else (height, y)
    inwards = at - (place if side in ("left", "top") else 1 - place)
    return _ramp(inwards, max(edge, 1 / length)).expand(1, 1, height, width).contiguous()


@node("mask.ellipse")
def ellipse(
    device: Device,
    report: Report,
    x: Number = 0.5,
    y: Number = 0.5,
    across: Annotated[Number, Bounds(gt=0)] = 0.7,
    down: Annotated[Number, Bounds(gt=0)] = 0.7,
    edge: Part = 0.2,
    invert: bool = False,
    width: Side = 512,
    height: Side = 512,
) -> Mask:
    """Let an ellipse count: the middle of the picture, or a spotlight that moves.

    It warns if it lies outside the picture, or with `invert` covers all of it, so that nothing counts.

    Args:
        x: Where its middle is: 0 is the picture's left border, 1 its right one.
        y: Where its middle is: 0 is the picture's upper border, 1 its lower one.
        across: How wide it is, as a part of the picture's width.
        down: How high it is, as a part of the picture's height.
        edge: How broad its soft edge is, as a part of its radius.
        invert: What is outside it counts instead.
        width: How fine the mask is along. It is stretched to the picture where it is used.
        height: How fine it is down.
    """
    along, downwards = _places(width, device), _places(height, device).unsqueeze(1)
    radius = torch.hypot((along - x) * (2 / across), (downwards - y) * (2 / down))
    pixel = 2 / min(across * width, down * height)
    edge = max(edge, pixel)
    nearest, farthest = _reach(x, y, across, down)
    if not invert and nearest >= 1 + edge / 2:
        report.warn("the ellipse lies outside the picture, whose sides go from 0 to 1, and there nothing counts")
    if invert and farthest <= 1 - edge / 2:
        report.warn("the ellipse covers all of the picture, and with 'invert: true' nothing counts then")
    inside = _ramp(1 - radius, edge).view(1, 1, height, width)
    return 1 - inside if invert else inside


def _reach(x: float, y: float, across: float, down: float) -> tuple[float, float]:
    """How far the nearest and the farthest point of the picture are from an ellipse's middle, in its radii."""
    sides = ((x, across), (y, down))
    nearest = math.hypot(*(2 * (at - min(max(at, 0), 1)) / length for at, length in sides))
    return nearest, math.hypot(*(2 * max(at, 1 - at) / length for at, length in sides))


@node("mask.combine")
def combine(masks: list[Mask], how: Literal["all", "any"] = "all") -> Mask:
    """Make one mask of several.

    Args:
        masks: The masks; the first one's size is kept.
        how: What counts: what lies in all of them, or what lies in any.
    """
    if not masks:
        raise UsageError("there is no mask to combine", argument="masks", hint="write masks: [left, bright]")
    parts = torch.cat([fit_mask(mask, *masks[0].shape[-2:]) for mask in masks])
    if how == "any":
        return 1 - (1 - parts).prod(0, keepdim=True)
    return parts.prod(0, keepdim=True)


def _places(length: int, device: Device) -> Tensor:
    """Where pixels' middles are, 0..1: [length]."""
    return torch.arange(length, device=device.torch).add(0.5) / length


def _ramp(distance: Tensor, edge: float) -> Tensor:
    """1 inside, 0 outside, 0.5 where the distance is 0; it takes `edge` to get from one to the other."""
    return (distance / edge + 0.5).clamp(0, 1)
