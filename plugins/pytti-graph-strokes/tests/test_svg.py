"""`write.svg`: drawn by something else, the file gives the same picture."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor, ImageDraw

from pytti_graph import Clock, Moment, UsageError
from pytti_graph_strokes.outlines import outline
from pytti_graph_strokes.raster import paint
from pytti_graph_strokes.svg import SVG, drawing

NAMESPACE = "{http://www.w3.org/2000/svg}"
TIMES = 6


def arc(begin, end, radius, large, sweep):
    """Points on an arc between two points, as section B.2.4 of SVG 2 says; points are complex."""
    half = (end - begin) / 2
    radius = max(radius, abs(half))
    away = math.sqrt(max(radius**2 - abs(half) ** 2, 0)) * (1 if large == sweep else -1)
    centre = (begin + end) / 2 + away * -1j * half / max(abs(half), 1e-9)
    first = np.angle(begin - centre)
    turn = (
        (np.angle(end - centre) - first) % (2 * np.pi) if sweep else -((first - np.angle(end - centre)) % (2 * np.pi))
    )
    return [centre + radius * np.exp(1j * (first + turn * share)) for share in np.linspace(0, 1, 24)]


def polygons(data):
    """The closed lines of a path of M, L, Q, A and Z commands."""
    lines, here = [], 0j
    for command, text in re.findall(r"([MLQAZ])([^MLQAZ]*)", data):
        numbers = [float(number) for number in text.split()]
        end = complex(*numbers[-2:]) if numbers else here
        if command == "M":
            lines.append([end])
        elif command == "L":
            lines[-1].append(end)
        elif command == "Q":
            corner = complex(*numbers[:2])
            lines[-1] += [(1 - t) ** 2 * here + 2 * t * (1 - t) * corner + t * t * end for t in np.linspace(0, 1, 12)]
        elif command == "A":
            lines[-1] += arc(here, end, numbers[0], numbers[3], numbers[4])
        here = end
    return lines


def covered(data, width, height):
    """What a path covers, [height, width] 0..1; its pieces all run the same way, so their union is filled."""
    mask = Image.new("L", (width * TIMES, height * TIMES))
    for line in polygons(data):
        ImageDraw.Draw(mask).polygon([(p.real * TIMES - 0.5, p.imag * TIMES - 0.5) for p in line], fill=255)
    return torch.from_numpy(np.asarray(mask.reduce(TIMES), dtype=np.float32).copy()) / 255


def drawn(svg):
    """A tiny SVG renderer: a rectangle and paths, filled."""
    root = ET.fromstring(svg)
    width, height = int(root.get("width")), int(root.get("height"))
    ground, *paths = root
    assert ground.tag == NAMESPACE + "rect"
    picture = colour(ground).expand(3, height, width)
    for path in paths:
        assert path.tag == NAMESPACE + "path"
        alpha = float(path.get("fill-opacity")) * covered(path.get("d"), width, height)
        picture = alpha * colour(path) + (1 - alpha) * picture
    return picture[None]


def colour(element):
    return torch.tensor(ImageColor.getrgb(element.get("fill"))).view(3, 1, 1) / 255


@pytest.mark.parametrize("seed", range(4))
def test_the_file_gives_the_same_picture(random_strokes, psnr, seed):
    strokes = random_strokes(12, 64, 48, seed=seed)
    assert psnr(drawn(drawing(strokes)), paint(strokes)) > 30


@pytest.mark.parametrize(
    "disks",
    [
        [[20, 14, 5], [20, 14, 5], [20, 14, 5]],  # a dot
        [[20, 14, 2], [21, 14, 9], [22, 14, 2]],  # the middle hides the ends
        [[6, 14, 1], [34, 14, 5], [6, 14, 3]],  # there and back
        [[5, 5, 6], [35, 5, 6], [20, 24, 6]],  # thicker than its bend is wide
        [[5, 14, 0.5], [20, 14, 8], [35, 14, 0.5]],  # pointed
        [[5, 20, 3], [20, -10, 3], [35, 20, 3]],  # an arch
    ],
)
def test_odd_strokes(random_strokes, psnr, disks):
    strokes = replace(random_strokes(1), disks=torch.tensor([disks], dtype=torch.float32))
    assert psnr(drawn(drawing(strokes)), paint(strokes)) > 30


def test_straight_strokes_are_one_piece():
    assert outline([[0, 0, 2], [10, 0, 2], [20, 0, 2]]).count("M") == 1


def area(line):
    """With its sign: negative for lines that run anticlockwise as seen, with y downwards."""
    return sum((a.conjugate() * b).imag for a, b in zip(line, [*line[1:], line[0]], strict=True)) / 2


def test_all_pieces_run_the_same_way_round(random_strokes):
    """So that the rule `nonzero` fills their union."""
    for disks in random_strokes(40).disks.tolist():
        assert all(area(line) < 0 for line in polygons(outline(disks)))


@pytest.fixture
def files(tmp_path):
    """Keeps what is written."""
    return SimpleNamespace(write=lambda path, write: write(path))


def test_one_file_for_a_picture_and_many_for_a_film(random_strokes, files, tmp_path):
    strokes = random_strokes(3)
    for clock in (Clock(frames=1), Clock(frames=9)):
        SVG(clock, files, tmp_path / "a.svg").forward(strokes, Moment(clock, frame=clock.frames - 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-00008.svg", "a.svg"]
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "a-00008.svg").read_text() == drawing(strokes)


def test_a_path_that_is_no_svg(files, tmp_path):
    with pytest.raises(UsageError, match=r"'fish.png' is not an SVG file") as caught:
        SVG(Clock(), files, tmp_path / "fish.png")
    assert caught.value.problem.hint == "write path: fish.svg"
