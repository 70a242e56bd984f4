"""Puts frames of a film side by side, for the README.

python docs/make_contact_sheet.py runs/zoom-1/frames docs/images/zoom.jpg [COLUMNS [EVERY]]
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

GAP = 4


def contact_sheet(frames: list[Path], columns: int) -> Image.Image:
    """The pictures in rows, left to right, with a small gap between them."""
    pictures = [Image.open(path).convert("RGB") for path in frames]
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * (width + GAP), index // columns * (height + GAP)))
    return sheet


def main(folder: str, target: str, columns: str = "4", every: str = "3") -> None:
    """Every n-th frame of a folder, and the last one in place of the last of them."""
    paths = sorted(Path(folder).glob("*.png"))
    chosen = paths[:: int(every)]
    chosen[-1] = paths[-1]
    contact_sheet(chosen, int(columns)).save(target, quality=88, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
