"""Draws the stained glass of graphs/style.yaml: `python docs/make_glass.py graphs/style.png`."""

import sys

import numpy as np
from PIL import Image

SIDE, CELLS, FINER = 256, 13, 2
LEAD = 2.2
COLOURS = ("143c78", "286ea0", "c8a03c", "b43c28", "e6dcbe", "3c785a", "6e285a")


def glass() -> Image.Image:
    """A window of 13 x 13 cells, tileable."""
    draw = np.random.default_rng(0)  # noqa: TID251
    places = (np.stack(np.mgrid[:CELLS, :CELLS], -1).reshape(-1, 2) + draw.uniform(0.1, 0.9, (CELLS**2, 2))) / CELLS
    pixels = (np.stack(np.mgrid[: SIDE * FINER, : SIDE * FINER], -1) + 0.5) / (SIDE * FINER)
    apart = np.abs(pixels[:, :, None] - places)
    distance = SIDE * np.linalg.norm(np.minimum(apart, 1 - apart), axis=-1)
    nearest, second = np.partition(distance, 1)[..., :2].transpose(2, 0, 1)
    colours = np.array([list(bytes.fromhex(colour)) for colour in COLOURS]) / 255
    panes = colours[draw.integers(0, len(colours), CELLS**2)] * draw.uniform(0.75, 1.25, (CELLS**2, 1))
    light = 1.15 - 0.3 * np.clip(nearest / 15, 0, 1)
    picture = panes[distance.argmin(-1)] * light[..., None]
    picture[second - nearest < LEAD] = 0.04
    small = picture.clip(0, 1).reshape(SIDE, FINER, SIDE, FINER, 3).mean((1, 3))
    return Image.fromarray((255 * small).round().astype(np.uint8))


if __name__ == "__main__":
    glass().quantize(64, dither=Image.Dither.NONE).save(sys.argv[1], optimize=True)
