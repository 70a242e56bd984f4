"""The contact sheet: the last picture of every variation, each with what makes it different under it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytti_graph.sweeps.plan import written
from pytti_graph.sweeps.results import Result

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_SMALLEST, _LARGEST = 160, 320
_PIXELS = 60e6
_MARGIN = 12
_GROUND, _EMPTY, _INK, _FAINT, _RED = (30, 30, 30), (46, 46, 46), (235, 235, 235), (165, 165, 165), (240, 120, 110)
_LINES = 3
_ELLIPSIS = "…"
_WORDS = {"waiting": "not begun", "failed": "failed", "interrupted": "no picture yet", "finished": "no picture"}


def write_sheet(results: Sequence[Result], path: Path, columns: int | None = None) -> None:
    """Write a contact sheet as PNG.

    Args:
        results: What to show, row by row.
        path: The file.
        columns: How many pictures stand side by side; None for about as many as there are rows.
    """
    from pytti_graph.engine.files import write_whole

    sheet = draw_sheet(results, columns or math.ceil(math.sqrt(len(results))))
    write_whole(path, lambda temporary: sheet.save(temporary, format="PNG"))


def draw_sheet(results: Sequence[Result], columns: int) -> Picture:
    """A contact sheet: pictures row by row, all within boxes of one size, with captions under them."""
    from PIL import Image, ImageDraw

    side = _side(results)
    sheet = _Sheet(*_box(results, side), _font(max(12, side // 18), _captions(results)))
    rows = [results[first : first + columns] for first in range(0, len(results), columns)]
    captions = [[sheet.caption(result) for result in row] for row in rows]
    heights = [sheet.height + sheet.line * (max(map(len, row)) + 1) for row in captions]
    canvas = Image.new("RGB", (columns * (sheet.width + _MARGIN) + _MARGIN, sum(heights) + _MARGIN), _GROUND)
    draw = ImageDraw.Draw(canvas)
    top = _MARGIN
    for row, lines, height in zip(rows, captions, heights, strict=True):
        for column, result in enumerate(row):
            left = _MARGIN + column * (sheet.width + _MARGIN)
            sheet.picture(canvas, draw, result, left, top)
            sheet.write(draw, lines[column], left, top + sheet.height + sheet.line // 4)
        top += height
    return canvas


def _side(results: Sequence[Result]) -> int:
    """The longer side of all pictures on the sheet, in pixels: what the largest has, within reason."""
    largest = max((max(picture.size) for result in results if (picture := _opened(result)) is not None), default=0)
    affordable = int(math.sqrt(_PIXELS / max(len(results), 1)))
    return max(_SMALLEST // 2, min(max(largest, _SMALLEST), _LARGEST, affordable))


def _box(results: Sequence[Result], side: int) -> tuple[int, int]:
    """Width and height that hold every picture, scaled to a side, and its caption."""
    sizes = [_scaled(picture.size, side) for result in results if (picture := _opened(result)) is not None]
    width, height = (max(lengths) for lengths in zip(*sizes, strict=True)) if sizes else (side, side)
    return max(width, min(side, _SMALLEST)), height


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height of a picture whose longer side is `side`."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _opened(result: Result) -> Picture | None:
    """A result's picture, or None if it cannot be read."""
    from PIL import Image

    if result.picture is None:
        return None
    try:
        return Image.open(result.picture)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _captions(results: Sequence[Result]) -> str:
    return "".join(written(value) for result in results for value in result.variation.values.values())


def _font(size: int, text: str) -> Any:
    """Pillow's own font; for letters that it may not have, the first of the system's that can be found."""
    from PIL import ImageFont

    if not text.isascii():
        for name in ("NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf", "arial.ttf"):
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


@dataclass(frozen=True)
class _Sheet:
    """How things are drawn.

    Attributes:
        width: Of the boxes, in pixels.
        height: Of the boxes, in pixels.
        font: Of everything that is written.
    """

    width: int
    height: int
    font: Any

    @cached_property
    def line(self) -> int:
        """From one line to the next, in pixels."""
        return int(self.font.size * 1.35)

    def caption(self, result: Result) -> list[tuple[str, bool]]:
        """The lines under a picture, and whether they are faint: its number, and what makes it different."""
        lines = [(line, False) for path, value in result.variation.values.items() for line in self._entry(path, value)]
        return [(str(result.variation.number), True), *lines]

    def _entry(self, path: str, value: Any) -> list[str]:
        return list(self._wrapped(f"{path} = {written(value)}"))

    def _wrapped(self, text: str, most: int = _LINES) -> Iterator[str]:
        """A text in lines that fit, broken at spaces where possible; at most so many, then an ellipsis."""
        for _ in range(most - 1):
            if self.font.getlength(text) <= self.width:
                break
            cut = self._fitting(text)
            space = text.rfind(" ", 1, cut + 1)
            cut = space if space > 0 else cut
            yield text[:cut].rstrip()
            text = text[cut:].lstrip()
        if self.font.getlength(text) > self.width:
            text = text[: self._fitting(text, _ELLIPSIS)].rstrip() + _ELLIPSIS
        yield text

    def _fitting(self, text: str, end: str = "") -> int:
        """How many characters of a text fit into a line, at least one."""
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self.font.getlength(text[:middle] + end) <= self.width:
                low = middle
            else:
                high = middle - 1
        return low

    def write(self, draw: ImageDraw, lines: Sequence[tuple[str, bool]], left: int, top: int) -> None:
        """Write lines, one under the other."""
        for index, (text, faint) in enumerate(lines):
            draw.text((left, top + index * self.line), text, _FAINT if faint else _INK, font=self.font)

    def picture(self, canvas: Picture, draw: ImageDraw, result: Result, left: int, top: int) -> None:
        """Draw a picture in the middle of its box, or say why there is none."""
        opened = _opened(result)
        try:
            picture = None if opened is None else self._fitted(opened)
        except (OSError, ValueError, SyntaxError):  # a file cut short
            picture = None
        if picture is not None:
            canvas.paste(picture, (left + (self.width - picture.width) // 2, top + (self.height - picture.height) // 2))
        else:
            draw.rectangle((left, top, left + self.width - 1, top + self.height - 1), fill=_EMPTY)
        if picture is None or result.status == "failed":
            self._mark(draw, result, left, top)

    def _mark(self, draw: ImageDraw, result: Result, left: int, top: int) -> None:
        """Write over a box what became of it."""
        gap, text = self.line // 2, _WORDS[result.status]
        width = round(self.font.getlength(text))
        draw.rectangle((left, top, left + width + 2 * gap, top + self.line + gap), fill=_EMPTY)
        draw.text((left + gap, top + gap // 2), text, _RED if result.status == "failed" else _FAINT, font=self.font)

    def _fitted(self, picture: Picture) -> Picture:
        """A picture as large as fits its box, smaller ones enlarged."""
        from PIL import Image

        side = round(max(picture.size) * min(self.width / picture.width, self.height / picture.height))
        return picture.convert("RGB").resize(_scaled(picture.size, side), Image.Resampling.LANCZOS)
