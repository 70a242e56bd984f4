"""The node type `write.svg`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from pytti_graph import Clock, Files, Moment, OutputPath, UsageError, node
from pytti_graph_strokes.outlines import outline
from pytti_graph_strokes.strokes import Strokes


@node("write.svg")
class SVG:
    """Write the strokes of a picture as an SVG file: vectors, sharp at any size, for printing and further drawing.

    Each stroke is one path, filled with its colour and opacity, on a rectangle of paper. Drawn at the picture's size,
    the file gives the same picture. A film gives a file for each frame: strokes-00000.svg, strokes-00001.svg, ...

    Args:
        strokes: The strokes: the id of an `image.strokes`.
        path: The file, inside the run folder.
    """

    def __init__(self, clock: Clock, files: Files, path: OutputPath = "strokes.svg") -> None:  # type: ignore[assignment]
        if path.suffix.lower() != ".svg":
            raise UsageError(
                f"'{path.name}' is not an SVG file", argument="path", hint=f"write path: {path.stem or 'strokes'}.svg"
            )
        self._files, self._path, self._film = files, path, clock.frames > 1

    def forward(self, strokes: Strokes, moment: Moment) -> None:
        """Write the strokes of one frame."""
        path = self._path
        if self._film:
            path = path.with_stem(f"{path.stem}-{moment.frame:05d}")

        def write(temporary: Path) -> None:
            temporary.write_text(drawing(strokes), encoding="utf-8")

        self._files.write(path, write)


def drawing(strokes: Strokes) -> str:
    """Strokes as an SVG document."""
    size = f'width="{strokes.width}" height="{strokes.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {strokes.width} {strokes.height}">',
        f'<rect {size} fill="{_code(strokes.paper)}"/>',
        *_paths(strokes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _paths(strokes: Strokes) -> Iterator[str]:
    """A path for each stroke, the lowest first."""
    disks, opacities = strokes.disks.detach().cpu().double().tolist(), strokes.opacities.tolist()
    for stroke, colour, opacity in zip(disks, strokes.colours, opacities, strict=True):
        yield f'<path fill="{_code(colour)}" fill-opacity="{opacity:.3f}" d="{outline(stroke)}"/>'


def _code(colour: Tensor) -> str:
    """A colour [3], sRGB 0..1, as '#rrggbb'."""
    return "#" + bytes((colour.detach() * 255).round().byte().tolist()).hex()
