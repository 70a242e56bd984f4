"""Pictures from files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageCms, ImageColor
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Integer, PicturePath, UsageError, node
from pytti_graph.core.picture_files import opened

Side = Annotated[Integer, Bounds(ge=1, le=16384, unit="px", draft=0.5)]

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@node("source.image")
def image(
    path: PicturePath,
    device: Device,
    width: Side | None = None,
    height: Side | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    max_side: Annotated[Integer, Bounds(ge=1, le=16384, unit="px")] = 4096,
    background: str = "black",
) -> Image:
    """Read a picture, to start from or to compare with.

    It reads PNG, JPEG, WebP, TIFF, AVIF, GIF (the first picture), BMP, TGA, PPM and JPEG 2000, turns them upright as
    the camera says, and converts their colours to sRGB by their colour profile, if they have one.

    Args:
        path: The file, relative to the graph's folder, or the http or https address of a picture.
        width: Make it this wide. Given alone, the height follows.
        height: Make it this high. Given alone, the width follows.
        fit: What happens if width and height give another shape: crop what sticks out at both sides, or stretch.
        max_side: A larger picture is made smaller until its longer side has this many pixels.
        background: What shows through transparent places: a name ("white") or "#rrggbb".
    """
    return read(path, width, height, fit, max_side, background).to(device.torch)


def read(
    path: Path,
    width: int | None = None,
    height: int | None = None,
    fit: str = "crop",
    max_side: int = 4096,
    background: str = "black",
) -> Tensor:
    """The picture of a file [1, 3, H, W] on the processor; the arguments are those of `image`."""
    picture = opened(path)
    pixels = _composited(picture, colour(background)).unsqueeze(0)
    return resized(pixels, width, height, fit, max_side)


def colour(name: str) -> tuple[float, float, float]:
    """A colour by its name, sRGB 0..1; raises `UsageError` for what is none."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(name)
    except ValueError:
        hint = 'write a name, such as white, or "#rrggbb"'
        raise UsageError(f"'{name}' is not a colour", argument="background", hint=hint) from None
    return red / 255, green / 255, blue / 255


def _composited(picture: Pillow.Image, background: tuple[float, float, float]) -> Tensor:
    """[3, H, W], sRGB 0..1, with the background behind transparent places."""
    if picture.mode == "F" or picture.mode in _GREY_16:
        return _deep_grey(picture).expand(3, -1, -1)
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colours = _levels(_srgb(picture)).permute(2, 0, 1)
    if alpha is None:
        return colours
    opacity = _levels(alpha)
    return torch.lerp(torch.tensor(background).view(3, 1, 1), colours, opacity)


def _deep_grey(picture: Pillow.Image) -> Tensor:
    """[1, H, W] of a grey picture with 16-bit levels, or with floats 0..1."""
    levels = torch.from_numpy(np.asarray(picture, dtype=np.float32).copy()).unsqueeze(0)
    if picture.mode != "F":
        levels /= 65535
    return levels.nan_to_num(0).clamp(0, 1)


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
    old_height, old_width = picture.shape[-2:]
    if width is None and height is None:
        scale = min(1.0, max_side / max(old_height, old_width))
        return _scaled(picture, round(old_height * scale), round(old_width * scale))
    if width is None or height is None:
        scale = width / old_width if width is not None else (height or 1) / old_height
        return _scaled(picture, height or round(old_height * scale), width or round(old_width * scale))
    if fit == "crop":
        scale = max(width / old_width, height / old_height)
        picture = _cropped(picture, min(old_height, height / scale), min(old_width, width / scale))
    return _scaled(picture, height, width)


def _cropped(picture: Tensor, height: float, width: float) -> Tensor:
    """The middle of the picture."""
    rows, columns = max(round(height), 1), max(round(width), 1)
    top, left = (picture.shape[-2] - rows) // 2, (picture.shape[-1] - columns) // 2
    return picture[..., top : top + rows, left : left + columns]


def _scaled(picture: Tensor, height: int, width: int) -> Tensor:
    for axis, length in ((-1, max(width, 1)), (-2, max(height, 1))):
        scale = _averaged if length < picture.shape[axis] else _enlarged
        picture = scale(picture, axis, length)
    return picture.contiguous()


def _averaged(picture: Tensor, axis: int, length: int) -> Tensor:
    """Shrunk along one axis: exact means over each new pixel's span, as differences of the integral."""
    old = picture.shape[axis]
    integral = torch.nn.functional.pad(picture.transpose(axis, -1).double().cumsum(-1), (1, 0))
    edges = torch.linspace(0, old, length + 1, dtype=torch.float64)
    below = edges.long().clamp(max=old - 1)
    at_edges = torch.lerp(integral[..., below], integral[..., below + 1], edges - below)
    return (at_edges.diff() * (length / old)).float().clamp(0, 1).transpose(axis, -1)


def _enlarged(picture: Tensor, axis: int, length: int) -> Tensor:
    """Enlarged along one axis, bicubic."""
    if length == picture.shape[axis]:
        return picture
    size = (picture.shape[-2], length) if axis == -1 else (length, picture.shape[-1])
    return torch.nn.functional.interpolate(picture, size, mode="bicubic").clamp(0, 1)
