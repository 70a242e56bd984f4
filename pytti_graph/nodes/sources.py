"""Pictures from files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageCms
from torch import Tensor

from pytti_graph import Bounds, Device, Integer, PicturePath, UsageError, Wire, node
from pytti_graph.core.picture_files import opened
from pytti_graph.nodes.named_colours import named_colour

LONGEST = 16384
"""The longest side that can be asked for, in pixels."""
Side = Annotated[Integer, Bounds(ge=1, le=LONGEST, unit="px", draft=0.5)]

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_STRIP = 1_000_000
"""About how many pixels of a file are floats at a time; they need many times the memory of 8-bit levels."""


class SizedPicture(Tensor):
    """An Image that also tells its size; whatever is computed from it is a plain tensor.

    Attributes:
        width: Its columns, in pixels.
        height: Its rows, in pixels.
    """

    __wire__ = Wire("Image")
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    width: int
    height: int


def sized(picture: Tensor) -> SizedPicture:
    """A picture [1, 3, H, W] that tells its size."""
    made = picture.as_subclass(SizedPicture)
    made.height, made.width = picture.shape[-2:]
    return made


@node("source.image")
def image(
    path: PicturePath,
    device: Device,
    width: Side | None = None,
    height: Side | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    max_side: Annotated[Integer, Bounds(ge=1, le=LONGEST, unit="px")] = 4096,
    background: str = "black",
) -> SizedPicture:
    """Read a picture, to start from or to compare with.

    The ports `width` and `height` tell its size, so that a canvas can take its shape: `width: photo.width`. Give the
    source the width that you want, and the height follows.

    It reads PNG, JPEG, WebP, TIFF, AVIF, GIF (the first picture), BMP, TGA, PPM and JPEG 2000, turns them upright as
    the camera says, and converts their colours to sRGB by their colour profile, if they have one. A picture may have 80
    million pixels; a JPEG may have twice as many, and is then read at half its width and height.

    Args:
        path: The file, relative to the graph's folder, or the http or https address of a picture.
        width: Make it this wide. Given alone, the height follows.
        height: Make it this high. Given alone, the width follows.
        fit: What happens if width and height give another shape: crop what sticks out at both sides, or stretch.
        max_side: A larger picture is made smaller until its longer side has this many pixels. If width or height is
            given, that side is as given, and one that follows may have at most this many.
        background: What shows through transparent places: a name ("white") or "#rrggbb".
    """
    return sized(read(path, width, height, fit, max_side, background).to(device.torch))


def read(
    path: Path,
    width: int | None = None,
    height: int | None = None,
    fit: str = "crop",
    max_side: int = 4096,
    background: str = "black",
) -> Tensor:
    """The picture of a file [1, 3, H, W] on the processor; the arguments are those of `image`."""
    picture, behind = opened(path), named_colour(background, "background")
    box, size = _fitted(picture.width, picture.height, width, height, fit, max_side)
    return _scaled(_strips(picture, box, behind), box[3] - box[1], *size)


def _strips(
    picture: Pillow.Image, box: tuple[int, int, int, int], background: tuple[float, float, float]
) -> Iterator[Tensor]:
    """The part of a picture in a box (left, top, right, bottom), as some rows [1, 3, N, W] after others."""
    left, top, right, bottom = box
    rows = max(_STRIP // (right - left), 1)
    for first in range(top, bottom, rows):
        strip = picture.crop((left, first, right, min(first + rows, bottom)))
        yield _composited(strip, background).unsqueeze(0)


def _composited(picture: Pillow.Image, background: tuple[float, float, float]) -> Tensor:
    """[3, H, W], sRGB 0..1, with the background behind transparent places."""
    if picture.mode == "F" or picture.mode in _GREY_16:
        colours, opacity = _deep_grey(picture).expand(3, -1, -1), _opaque_levels(picture)
    else:
        colours = _levels(_srgb(picture)).permute(2, 0, 1)
        opacity = _levels(picture.convert("RGBA").getchannel("A")) if picture.has_transparency_data else None
    if opacity is None:
        return colours
    return torch.lerp(torch.tensor(background).view(3, 1, 1), colours, opacity)


def _deep_grey(picture: Pillow.Image) -> Tensor:
    """[1, H, W] of a grey picture with 16-bit levels, or with floats 0..1."""
    levels = torch.from_numpy(np.asarray(picture, dtype=np.float32).copy()).unsqueeze(0)
    if picture.mode != "F":
        levels /= 65535
    return levels.nan_to_num(0).clamp(0, 1)


def _opaque_levels(picture: Pillow.Image) -> Tensor | None:
    """[H, W], 0 where a grey picture with 16-bit levels has the one level that is transparent, and 1 elsewhere."""
    level = picture.info.get("transparency")
    return None if level is None else torch.from_numpy(np.asarray(picture) != level).float()


def _levels(picture: Pillow.Image) -> Tensor:
    """8-bit levels as 0..1."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)


def _srgb(picture: Pillow.Image) -> Pillow.Image:
    """The picture's colours as sRGB, by its own profile if that can be used."""
    if picture.mode in ("1", "P", "LA", "PA", "RGBA", "RGBa", "La"):
        picture = picture.convert("RGBA").convert("RGB") if "A" in picture.mode else picture.convert("RGB")
    profile = picture.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert made is not None
            return made
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return picture.convert("RGB")


def resized(picture: Tensor, width: int | None, height: int | None, fit: str, max_side: int) -> Tensor:
    """[1, 3, H, W] scaled: what shrinks is averaged over the area of each new pixel, what grows is bicubic."""
    box, size = _fitted(picture.shape[-1], picture.shape[-2], width, height, fit, max_side)
    left, top, right, bottom = box
    return _scaled([picture[..., top:bottom, left:right]], bottom - top, *size)


def _fitted(
    old_width: int, old_height: int, width: int | None, height: int | None, fit: str, max_side: int
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Which part of a picture is used (left, top, right, bottom), and the height and width that it gets."""
    rows, columns = old_height, old_width
    if fit == "crop" and width is not None and height is not None:
        scale = max(width / old_width, height / old_height)
        rows, columns = max(round(min(old_height, height / scale)), 1), max(round(min(old_width, width / scale)), 1)
    new_width, new_height = sides(old_width, old_height, width, height, max_side)
    left, top = (old_width - columns) // 2, (old_height - rows) // 2
    return (left, top, left + columns, top + rows), (new_height, new_width)


def sides(old_width: int, old_height: int, width: int | None, height: int | None, max_side: int) -> tuple[int, int]:
    """Width and height that a picture gets; the arguments are those of `source.image`.

    Raises:
        UsageError: The side that follows from the other is longer than `max_side`.
    """
    if width is not None and height is not None:
        return width, height
    if width is not None:
        return width, _following(old_height * width / old_width, "height", "width", width, max_side)
    if height is not None:
        return _following(old_width * height / old_height, "width", "height", height, max_side), height
    scale = min(1.0, max_side / max(old_width, old_height))
    return max(round(old_width * scale), 1), max(round(old_height * scale), 1)


def _following(length: float, name: str, given: str, side: int, max_side: int) -> int:
    """The side that was not given, if it is not too long."""
    pixels = max(round(length), 1)
    if pixels > max_side:
        message = f"with a {given} of {side} px this picture has a {name} of {pixels} px, above max_side ({max_side})"
        hint = f"make the {given} smaller, or give the {name} too"
        if pixels <= LONGEST:
            hint = f"make the {given} smaller, give the {name} too, or write max_side: {pixels}"
        raise UsageError(message, argument=given, hint=hint)
    return pixels


def _scaled(strips: Iterable[Tensor], rows: int, height: int, width: int) -> Tensor:
    """One picture [1, 3, height, width] of strips [1, 3, N, W] that together have so many rows."""
    picture = torch.zeros(1, 3, min(rows, height), width)
    first = 0
    for strip in strips:
        across = _averaged(strip, width) if width < strip.shape[-1] else _enlarged(strip, strip.shape[-2], width)
        _add_rows(picture, across, first, rows)
        first += strip.shape[-2]
    return _enlarged(picture.clamp_(0, 1), height, width)


def _add_rows(picture: Tensor, strip: Tensor, first: int, rows: int) -> None:
    """Add each of a strip's rows to the one or two rows of a lower picture that it falls into, by its part in them.

    The strip's rows are those from `first` on of so many.
    """
    ratio = picture.shape[-2] / rows
    begin = (first + torch.arange(strip.shape[-2], dtype=torch.float64)) * ratio
    row = begin.long()
    beyond = (begin + ratio - (row + 1)).clamp(min=0)
    for places, part in ((row, ratio - beyond), (row + 1, beyond)):
        picture.index_add_(-2, places.clamp(max=picture.shape[-2] - 1), strip * part.float().unsqueeze(1))


def _averaged(picture: Tensor, width: int) -> Tensor:
    """Made narrower: exact means over each new pixel's span, as differences of the integral."""
    old = picture.shape[-1]
    integral = torch.nn.functional.pad(picture.double().cumsum(-1), (1, 0))
    edges = torch.linspace(0, old, width + 1, dtype=torch.float64)
    below = edges.long().clamp(max=old - 1)
    at_edges = torch.lerp(integral[..., below], integral[..., below + 1], edges - below)
    return (at_edges.diff() * (width / old)).float()


def _enlarged(picture: Tensor, height: int, width: int) -> Tensor:
    """Enlarged, bicubic."""
    if (height, width) == picture.shape[-2:]:
        return picture
    return torch.nn.functional.interpolate(picture, (height, width), mode="bicubic").clamp(0, 1)
