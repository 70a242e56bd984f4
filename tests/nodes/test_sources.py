"""Pictures from files of every kind, and files that are no pictures."""

import io
import json
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageCms

from pytti_graph import Graph, UsageError
from pytti_graph.nodes import sources
from pytti_graph.nodes.sources import _scaled, image

DEVICE = SimpleNamespace(torch=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def load(tmp_path):
    """Saves a Pillow image and reads it back: `load(picture, "a.png", width=4)`."""

    def run(picture, name="a.png", save=None, **arguments):
        path = tmp_path / name
        picture.save(path, **(save or {}))
        return image(path, DEVICE, **arguments)

    return run


def solid(mode, colour, size=(3, 2)):
    """A picture of one colour."""
    return Pillow.new(mode, size, colour)


def colour(picture):
    """The one colour of a picture, in 0..255."""
    assert (picture - picture[..., :1, :1]).abs().max() < 1e-6
    return (picture[0, :, 0, 0] * 255).tolist()


def test_a_picture_becomes_a_tensor(load):
    """[1, 3, H, W], float32, 0..1, in the order of its pixels."""
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
    read = load(Pillow.fromarray(pixels))
    assert read.dtype == torch.float32
    assert torch.allclose(read, torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0) / 255)


@pytest.mark.parametrize(
    ("picture", "name", "expected"),
    [
        (solid("L", 100), "a.png", [100, 100, 100]),
        (solid("1", 1), "a.png", [255, 255, 255]),
        (solid("RGB", (10, 20, 30)).convert("P", palette=Pillow.Palette.ADAPTIVE), "a.png", [10, 20, 30]),
        (solid("CMYK", (0, 255, 255, 0)), "a.tif", [255, 0, 0]),
        (solid("LA", (100, 255)), "a.png", [100, 100, 100]),
        (solid("I;16", 32896), "a.png", [128, 128, 128]),
        (solid("I;16", 65535), "a.tif", [255, 255, 255]),
        (solid("F", 0.5), "a.tif", [127.5, 127.5, 127.5]),
        (solid("RGB", (10, 20, 30)), "a.bmp", [10, 20, 30]),
    ],
)
def test_every_kind_of_pixel(load, picture, name, expected):
    """Grey, palette, 16-bit, CMYK and float pictures have the colours they show."""
    assert colour(load(picture, name)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("opacity", "background", "expected"),
    [
        (0, "white", [255, 255, 255]),
        (255, "white", [255, 0, 0]),
        (51, "#0000ff", [51, 0, 204]),
        (0, "black", [0, 0, 0]),
    ],
)
def test_transparent_places_show_the_background(load, opacity, background, expected):
    """Alpha is composited, not dropped."""
    assert colour(load(solid("RGBA", (255, 0, 0, opacity)), background=background)) == pytest.approx(expected, abs=0.02)


def test_a_palette_may_be_transparent(load):
    """One colour of a palette, as in GIF."""
    picture = Pillow.new("P", (3, 2), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    assert colour(load(picture, "a.gif", {"transparency": 0}, background="white")) == [255, 255, 255]


@pytest.mark.parametrize(("mode", "levels"), [("I;16", (0, 255, 65535)), ("L", (0, 1, 255))])
def test_a_grey_may_be_transparent(load, mode, levels):
    """One level of a PNG, of 16 bits as of 8, and no other."""
    pixels = np.array([levels], np.uint16 if mode == "I;16" else np.uint8)
    picture = Pillow.fromarray(pixels)
    assert picture.mode == mode
    read = load(picture, save={"transparency": levels[1]}, background="#ff0000")
    assert read[0, :, 0].T.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1]]


def test_cameras_are_held_upright(load):
    """The EXIF orientation is applied."""
    exif = Pillow.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0] = 255
    read = load(Pillow.fromarray(pixels), "a.png", {"exif": exif})
    assert read.shape == (1, 3, 3, 2)
    assert read[0, 0].tolist() == [[0, 1], [0, 1], [0, 1]]


def test_colour_profiles_are_used(load):
    """Grey of a linear profile is lighter in sRGB."""
    linear = ImageCms.ImageCmsProfile(io.BytesIO(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()))
    same = load(solid("RGB", (10, 20, 30)), save={"icc_profile": linear.tobytes()})
    assert colour(same) == pytest.approx([10, 20, 30], abs=1.01)
    swapped = bytearray(linear.tobytes())
    swapped[:] = swapped.replace(b"rXYZ", b"tmp0", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmp0", b"bXYZ", 1)
    assert colour(load(solid("RGB", (10, 20, 200)), save={"icc_profile": bytes(swapped)}))[0] > 100


def test_a_broken_profile_is_ignored(load):
    """Better the plain colours than none."""
    assert colour(load(solid("RGB", (10, 20, 30)), save={"icc_profile": b"nonsense"})) == pytest.approx([10, 20, 30])


@pytest.mark.parametrize(
    ("size", "arguments", "expected"),
    [
        ((8, 4), {}, (4, 8)),
        ((8, 4), {"width": 4}, (2, 4)),
        ((8, 4), {"height": 8}, (8, 16)),
        ((8, 4), {"width": 4, "height": 4}, (4, 4)),
        ((8, 4), {"width": 4, "height": 4, "fit": "stretch"}, (4, 4)),
        ((8, 4), {"max_side": 4}, (2, 4)),
        ((4, 8), {"max_side": 100}, (8, 4)),
        ((1, 300), {"width": 1, "height": 1}, (1, 1)),
        ((1, 300), {"max_side": 30}, (30, 1)),
        ((300, 1), {"width": 30, "max_side": 30}, (1, 30)),
        ((8, 4), {"width": 20, "max_side": 10}, (10, 20)),
        ((8, 4), {"width": 20, "height": 20, "max_side": 10}, (20, 20)),
    ],
)
def test_sizes(load, size, arguments, expected):
    """Given, followed or bounded."""
    assert load(solid("RGB", (9, 9, 9), size), **arguments).shape[2:] == expected


@pytest.mark.parametrize(
    ("size", "arguments", "message", "hint"),
    [
        (
            (32, 24),
            {"width": 2000, "max_side": 100},
            "with a width of 2000 px this picture has a height of 1500 px, above max_side (100)",
            "make the width smaller, give the height too, or write max_side: 1500",
        ),
        (
            (300, 2),
            {"height": 64},
            "with a height of 64 px this picture has a width of 9600 px, above max_side (4096)",
            "make the height smaller, give the width too, or write max_side: 9600",
        ),
        (
            (2, 300),
            {"width": 4000},
            "with a width of 4000 px this picture has a height of 600000 px, above max_side (4096)",
            "make the width smaller, or give the height too",
        ),
    ],
)
def test_a_side_that_follows_is_bounded(load, size, arguments, message, hint):
    """A long picture would fill the memory."""
    with pytest.raises(UsageError) as caught:
        load(solid("L", 9, size), **arguments)
    problem = caught.value.problem
    assert (problem.message, problem.hint, problem.argument) == (message, hint, next(iter(arguments)))


def test_cropping_keeps_the_middle_and_stretching_keeps_all(load):
    """A picture of black, white, white, black columns."""
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, 1:3] = 255
    picture = Pillow.fromarray(pixels)
    assert load(picture, width=2, height=2).mean() == 1
    assert load(picture, width=2, height=2, fit="stretch").mean() == 0.5


def test_shrinking_averages(load):
    """A fine chessboard becomes grey, not stripes."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    read = load(Pillow.fromarray(board), width=10, height=10)
    assert (read - 0.5).abs().max() < 0.02


def test_shrinking_is_exact():
    """A pixel that covers three halves of pixels weighs them so."""
    old = torch.tensor([0.0, 0.3, 0.9]).expand(1, 3, 3, 3)
    assert _scaled([old], 3, 3, 2)[0, 0, 0].tolist() == pytest.approx([0.1, 0.7])


def test_shrinking_keeps_the_mean(load):
    """And stays within 0..1."""
    noise = np.random.default_rng(0).integers(0, 2, (60, 90, 3), np.uint8) * 255
    read = load(Pillow.fromarray(noise), width=9, height=6)
    assert read.mean() == pytest.approx(noise.mean() / 255, abs=1e-4)
    assert 0 <= read.min() <= read.max() <= 1


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"max_side": 31},
        {"width": 30, "height": 7},
        {"width": 9, "height": 200, "fit": "stretch"},
        {"width": 200, "height": 9, "fit": "stretch"},
        {"width": 150},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_strips_of_a_picture_are_one_picture(load, monkeypatch, arguments, mode):
    """However few rows are read at a time, whether it shrinks or grows."""
    levels = {"RGB": (60, 90, 3), "RGBA": (60, 90, 4), "I;16": (60, 90)}[mode]
    kind, top = (np.uint16, 65536) if mode == "I;16" else (np.uint8, 256)
    picture = Pillow.fromarray(np.random.default_rng(0).integers(0, top, levels, kind))
    assert picture.mode == mode
    whole = load(picture, **arguments)
    monkeypatch.setattr(sources, "_STRIP", 640)
    torch.testing.assert_close(load(picture, **arguments), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_a_large_picture_is_never_all_floats(load, monkeypatch, mode):
    """They would need many times the memory of its levels."""
    seen, composited = [], sources._composited

    def watched(strip, background):
        seen.append(strip.width * strip.height)
        return composited(strip, background)

    monkeypatch.setattr(sources, "_composited", watched)
    assert load(Pillow.new(mode, (1500, 2000)), width=3).shape == (1, 3, 4, 3)
    assert sum(seen) == 1500 * 2000
    assert max(seen) <= sources._STRIP


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.tif", "a.png"])
def test_animations_of_every_kind_are_read_upright(load, name):
    """Their first picture, after the file is closed."""
    first = Pillow.fromarray(np.repeat(np.arange(0, 240, 15, dtype=np.uint8), 16).reshape(16, 16).T.copy())
    exif = Pillow.Exif()
    exif[0x0112] = 3
    options = {"save_all": True, "append_images": [solid("L", 200, (16, 16))]}
    read = load(first, name, options | ({} if name == "a.gif" else {"exif": exif}))
    steps = read[0, 0, 8].diff()
    assert (steps > 0).all() if name == "a.gif" else (steps < 0).all()


def test_the_first_picture_of_an_animation(load):
    """Later ones are left out."""
    later = solid("L", 200)
    assert colour(load(solid("L", 0), "a.gif", {"save_all": True, "append_images": [later]})) == [0, 0, 0]


def giant(side=100_000):
    """A PNG that says it is so wide and high."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def truncated():
    """The first half of a PNG."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    Pillow.fromarray(noise).save(file, "PNG")
    return file.getvalue()[:600]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        truncated(),
        giant(),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    ],
    ids=["empty", "text", "truncated", "giant", "postscript", "damaged"],
)
def test_files_that_are_no_pictures(tmp_path, data):
    """The error names the file and the argument, and has a hint."""
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"broken\.png") as caught:
        image(path, DEVICE)
    assert caught.value.problem.argument == "path"
    assert caught.value.problem.hint


def test_a_missing_picture(tmp_path):
    """It says what is missing."""
    with pytest.raises(UsageError, match=r"there is no picture .*gone\.png"):
        image(tmp_path / "gone.png", DEVICE)


def test_a_folder_is_no_picture(tmp_path):
    """Nor does it give a traceback."""
    with pytest.raises(UsageError, match="cannot be read"):
        image(tmp_path, DEVICE)


def test_an_unknown_colour(load):
    """It names the argument."""
    with pytest.raises(UsageError, match="'transparant' is not a colour") as caught:
        load(solid("RGB", (0, 0, 0)), background="transparant")
    assert caught.value.problem.argument == "background"


@pytest.mark.parametrize("background", ["#ff800080", "#f808", "rgba(255, 128, 0, 128)"])
def test_a_transparent_background(load, background):
    """Nothing lies behind it; it says which colour is meant."""
    with pytest.raises(UsageError, match="is transparent, and here colours are opaque") as caught:
        load(solid("RGBA", (0, 0, 0, 0)), background=background)
    assert caught.value.problem.argument == "background"
    assert caught.value.problem.hint in ('write "#ff8000"', 'write "#ff8800"')


def test_an_opaque_background_with_an_alpha(load):
    assert colour(load(solid("RGBA", (0, 0, 0, 0)), background="#ff8000ff")) == [255, 128, 0]


def test_large_pictures_are_refused_before_they_are_decoded(load, monkeypatch):
    """By their header alone."""
    monkeypatch.setattr("pytti_graph.core.picture_files._MAX_PIXELS", 10)
    with pytest.raises(UsageError, match="too large: 8 x 4"):
        load(solid("L", 0, (8, 4)))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photograph_above_the_limit_is_decoded_at_half_its_size(load, monkeypatch, mode):
    """As JPEG can be; its colours and its shape stay."""
    monkeypatch.setattr("pytti_graph.core.picture_files._MAX_PIXELS", 3_000)
    assert load(solid(mode, 0, (81, 121)), "a.jpg").shape == (1, 3, 61, 41)
    ramp = np.repeat(np.arange(0, 240, 3, dtype=np.uint8), 80).reshape(80, 80).T.copy()
    read = load(Pillow.fromarray(ramp), "a.jpg", width=20)
    assert (read[0, 0, 10] * 255 - torch.arange(4.5, 240, 12)).abs().max() < 4
    with pytest.raises(UsageError, match="too large: 200 x 200 pixels"):
        load(solid(mode, 0, (200, 200)), "a.jpg")


@pytest.mark.parametrize("side", [10_000, 30_000, 2**31 - 1])
def test_giants_are_refused_in_our_own_words(tmp_path, side, recwarn):
    """Pillow has limits too, and speaks of attacks."""
    path = tmp_path / "giant.png"
    path.write_bytes(giant(side))
    with pytest.raises(UsageError, match=r"giant\.png is too large") as caught:
        image(path, DEVICE)
    assert "attack" not in str(caught.value)
    assert caught.value.problem.hint == "make it smaller first; at most 80 million pixels are read"
    assert not recwarn.list


@pytest.mark.parametrize(
    ("source", "width", "height", "size", "draft"),
    [
        ({"width": 24}, "photo.width", "photo.height", (16, 24), (8, 12)),
        ({}, "photo.width", "photo.height", (40, 60), (20, 30)),
        ({}, "photo.width", 24, (24, 60), (12, 30)),
        ({}, "photo.width/4", "2*photo.height + 1", (81, 15), (40, 8)),
        ({"height": 20}, "2*photo.width", "photo.height", (20, 60), (10, 30)),
        ({}, "photo.width/60", "photo.height/40", (1, 1), (1, 1)),
    ],
)
def test_a_canvas_takes_the_shape_of_a_picture(tmp_path, source, width, height, size, draft):
    """From the source's ports; in a draft, either the source is smaller or what follows from it."""
    solid("RGB", "red", (60, 40)).save(tmp_path / "a.png")
    nodes = {
        "photo": {"type": "source.image", "path": "a.png", **source},
        "canvas": {"type": "image.rgb", "width": width, "height": height, "start": "photo"},
        "like": {"type": "loss.match", "image": "canvas", "target": "photo"},
        "optimise": {"type": "optimize.adam", "losses": ["like"]},
    }
    (tmp_path / "a.yaml").write_text(json.dumps({"pytti_graph": 1, "clock": {"steps": 1}, "nodes": nodes}))
    made = Graph.load(tmp_path / "a.yaml")
    for graph, expected in ((made, size), (made.draft(), draft)):
        assert next(iter(graph.render(output="canvas"))).tensor.shape[-2:] == expected
