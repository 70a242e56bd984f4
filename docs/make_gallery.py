"""Renders the graphs of `graphs/` and of the plugins, and makes the gallery page of their pictures.

python docs/make_gallery.py [NAME ...]

Renders the named graphs (all of them, where no name is given) into runs/gallery, renews their pictures in
docs/images/gallery, and writes docs/gallery.md. Graphs whose weights are not on this machine keep their place without a
picture.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pytti_graph import Graph, MissingError

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PICTURES = DOCS / "images" / "gallery"
LARGEST = 60_000
"""Bytes of a picture in the documentation."""

_INTRODUCTION = """\
# Gallery

<!-- Written by docs/make_gallery.py from the graphs; do not edit. -->

Every picture here was made by the graph below it, on two processor cores, in about a minute; the film took two. Graphs
without a picture need weights that have to be fetched first. Copy a graph with `pytti-graph examples NAME`, change a
word, and render it: `pytti-graph run NAME.yaml`.
"""
_COMMENT = re.compile(r"^#\s?(.*)$")


def graphs() -> list[Path]:
    """The example graphs: the program's, then the plugins'."""
    return sorted((ROOT / "graphs").glob("*.yaml")) + sorted(ROOT.glob("plugins/*/graphs/*.yaml"))


def introduction(path: Path) -> str:
    """What a graph says about itself: the comment at its beginning."""
    lines: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if match := _COMMENT.match(line):
            lines.append(match[1])
        elif lines:
            break
    return "\n".join(lines).strip()


def render(path: Path) -> None:
    """Render a graph, and keep a picture of it for the page."""
    folder = ROOT / "runs" / "gallery" / path.stem
    shutil.rmtree(folder, ignore_errors=True)
    frames = [frame.index for frame in Graph.load(path).render(folder)]
    pictures = sorted((folder / "frames").glob("*.png"))
    chosen = (
        [pictures[round(part * (len(pictures) - 1))] for part in (0, 1 / 3, 2 / 3, 1)] if len(frames) > 3 else pictures
    )
    _save(_beside(chosen), PICTURES / f"{path.stem}.jpg")


def _beside(paths: list[Path], gap: int = 4) -> Image.Image:
    """Pictures side by side."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    width = sum(picture.width + gap for picture in pictures) - gap
    sheet = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def _save(picture: Image.Image, path: Path) -> None:
    """Save as JPEG, as well as the size for the documentation allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in range(92, 30, -4):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= LARGEST:
            return


def page() -> str:
    """The gallery page."""
    return "\n".join([_INTRODUCTION, *(line for path in graphs() for line in _entry(path))])


def _entry(path: Path) -> Iterator[str]:
    title = Graph.load(path).document.title
    place = path.relative_to(ROOT).as_posix()
    yield f"## {title}\n"
    picture = PICTURES / f"{path.stem}.jpg"
    if picture.exists():
        yield f"![{title}]({picture.relative_to(DOCS).as_posix()})\n"
    if text := introduction(path):
        yield f"{text}\n"
    yield f"[{place}](../{place})\n"


def main(names: list[str]) -> None:
    """Render what is named, and write the page."""
    for path in graphs():
        if not names or path.stem in names:
            try:
                render(path)
            except MissingError as error:
                print(f"{path.name} is left out: {error}", file=sys.stderr)
    (DOCS / "gallery.md").write_text(page(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
