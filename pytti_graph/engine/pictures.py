"""Pictures as files: tensors to PNG, and the graph that a PNG carries."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from pytti_graph.core.errors import RenderError

KEYWORD = "pytti-graph"
GRAPH_LIMIT = 4 << 20

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNKS_READ = 100_000
_QUICK = 1


def to_picture(image: Tensor) -> Image.Image:
    """A tensor [1, 3, H, W], sRGB 0..1, as an 8-bit Pillow image, rounded to the nearest level.

    Raises:
        RenderError: It holds values that are not numbers.
    """
    assert image.shape == (1, 3, *image.shape[2:4]), f"{tuple(image.shape)} is not [1, 3, H, W]"
    pixels = image.detach()[0].float().cpu()
    if not bool(torch.isfinite(pixels).all()):
        raise RenderError("the picture holds values that are not numbers", hint="lower the learning rate")
    levels = pixels.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy(), "RGB")


def save_png(image: Tensor, path: Path, graph: str | None = None) -> None:
    """Write a tensor [1, 3, H, W] as PNG, lossless and quickly, with its graph as an uncompressed text chunk."""
    info = PngInfo()
    if graph is not None:
        info.add_itxt(KEYWORD, graph, zip=False)
    to_picture(image).save(path, format="PNG", compress_level=_QUICK, pnginfo=info)


def graph_in_png(path: Path) -> str | None:
    """The graph that a PNG carries, or None; pixels are not decoded, and at most 4 MiB are read.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return None
        for text in _international_texts(file):
            keyword, _, rest = text.partition(b"\0")
            if keyword == KEYWORD.encode() and rest[:1] == b"\0":
                return _text(rest)
    return None


def _international_texts(file: BinaryIO) -> Iterator[bytes]:
    """The `iTXt` chunks that are small enough, up to the end of the picture or of what can be read of it."""
    for _ in range(_CHUNKS_READ):
        header = file.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        if kind == b"iTXt" and length <= GRAPH_LIMIT:
            data = file.read(length)
            file.seek(4, 1)
            yield data
        elif kind == b"IEND":
            return
        else:
            file.seek(length + 4, 1)


def _text(rest: bytes) -> str | None:
    """The text of an uncompressed `iTXt` chunk after its keyword: flag, method, language, translated keyword, text."""
    fields = rest[2:].split(b"\0", 2)
    try:
        return fields[2].decode("utf-8") if len(fields) == 3 else None
    except UnicodeDecodeError:
        return None
