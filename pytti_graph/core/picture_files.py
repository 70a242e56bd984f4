"""Decodes the files of pictures, of usual formats and bounded size only."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from pytti_graph.core.errors import UsageError

_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
_MAX_PIXELS = 80_000_000


def opened(path: Path) -> Pillow.Image:
    """The decoded picture, upright; a JPEG that has too many pixels is decoded at half its width and height.

    Raises:
        UsageError: It is not a picture that can be read, or has too many pixels.
    """
    try:
        Pillow.init()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the limit here is our own
            opened = Pillow.open(path, formats=[name for name in _FORMATS if name in Pillow.OPEN])
        with opened as picture:
            size = f"{picture.width} x {picture.height} pixels"
            if _too_large(picture):
                picture.draft(picture.mode, (picture.width // 2, picture.height // 2))  # JPEG can be decoded smaller
            if _too_large(picture):
                raise _giant(path, size)
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            return picture
    except UsageError:
        raise
    except Pillow.DecompressionBombError:
        raise _giant(path, "more pixels than a memory holds") from None
    except FileNotFoundError:
        hint = "paths are relative to the graph's folder"
        raise UsageError(f"there is no picture {path}", argument="path", hint=hint) from None
    except (IsADirectoryError, PermissionError) as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", argument="path") from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        message = f"{path} is not a picture that can be read: {_reason(error)}"
        hint = "is the file whole? PNG, JPEG, WebP and TIFF are the usual formats"
        raise UsageError(message, argument="path", hint=hint) from error


def _too_large(picture: Pillow.Image) -> bool:
    return picture.width * picture.height > _MAX_PIXELS


def _reason(error: Exception) -> str:
    return "unknown format" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__


def _giant(path: Path, size: str) -> UsageError:
    """A picture whose pixels would fill the memory is refused before it is decoded."""
    hint = f"make it smaller first; at most {_MAX_PIXELS // 1_000_000} million pixels are read"
    return UsageError(f"{path} is too large: {size}", argument="path", hint=hint)
