"""Masks from files, of pictures, and of shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import Graph, UsageError, Warned
from pytti_graph.nodes import masks
from pytti_graph.testing import report

UNIT = st.floats(0, 1)


@pytest.fixture
def picture(tmp_path):
    """A file: its upper half white, its lower left quarter transparent."""
    pixels = np.zeros((4, 6, 4), dtype=np.uint8)
    pixels[:2] = 255
    pixels[2:, 3:, 3] = 255
    Image.fromarray(pixels, "RGBA").save(tmp_path / "m.png")
    return tmp_path / "m.png"


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("white", [[1, 1], [0, 0]]),
        ("black", [[0, 0], [1, 1]]),
        ("opaque", [[1, 1], [0, 1]]),
        ("transparent", [[0, 0], [1, 0]]),
    ],
)
def test_parts_of_a_file(picture, device, part, rows):
    mask = masks.from_file(picture, device, report(), part)
    wanted = torch.tensor(rows).float().repeat_interleave(2, 0).repeat_interleave(3, 1)
    torch.testing.assert_close(mask, wanted.view(1, 1, 4, 6))


@pytest.mark.parametrize(
    ("colour", "part", "words"),
    [
        ("black", "white", "nothing in the picture is white, so nothing counts; is 'part: black' meant?"),
        ("#010101", "white", "nothing in the picture is white, so nothing counts; is 'part: black' meant?"),
        ("white", "black", "nothing in the picture is black, so nothing counts; is 'part: white' meant?"),
        ("#202020", "white", None),
    ],
)
def test_a_file_in_which_nothing_counts_is_warned_about(tmp_path, device, colour, part, words):
    Image.new("RGB", (13, 7), colour).save(tmp_path / "m.jpg")
    notes = report()
    masks.from_file(tmp_path / "m.jpg", device, notes, part)
    assert notes.messages == ([] if words is None else [(words, "part")])


def test_sixteen_bits_and_upright(tmp_path, device):
    """What `source.image` does is done here too."""
    Image.fromarray(np.full((2, 3), 32768, dtype=np.uint16)).save(tmp_path / "deep.png")
    torch.testing.assert_close(
        masks.from_file(tmp_path / "deep.png", device, report()), torch.full((1, 1, 2, 3), 0.5), atol=1e-4, rtol=0
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (6, 4), 255).save(tmp_path / "turned.jpg", exif=exif)
    assert masks.from_file(tmp_path / "turned.jpg", device, report()).shape == (1, 1, 6, 4)


def test_a_picture_without_transparency_has_no_opaque_part(tmp_path, device):
    Image.new("RGB", (3, 3), "white").save(tmp_path / "m.png")
    with pytest.raises(UsageError, match="nothing in it is transparent") as caught:
        masks.from_file(tmp_path / "m.png", device, report(), "opaque")
    assert caught.value.problem.argument == "part"


def test_a_missing_file(tmp_path, device):
    with pytest.raises(UsageError, match="there is no picture"):
        masks.from_file(tmp_path / "none.png", device, report())


def test_brightness():
    image = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 0]]).T.reshape(1, 3, 1, 4)
    light = torch.tensor([0.299, 0.587, 1, 0]).view(1, 1, 1, 4)
    torch.testing.assert_close(masks.brightness(image), light)
    torch.testing.assert_close(masks.brightness(image, invert=True), 1 - light)


@settings(max_examples=60, deadline=None)
@given(at=UNIT, edge=UNIT, side=st.sampled_from(["left", "right", "top", "bottom"]))
def test_a_half_covers_what_it_says(at, edge, side):
    """Exactly, as long as its edge lies inside the picture, also where the edge is hard."""
    from types import SimpleNamespace

    device = SimpleNamespace(torch=torch.device("cpu"))
    mask = masks.half(device, side, at, edge, width=40, height=50)
    assert mask.shape == (1, 1, 50, 40)
    assert 0 <= mask.min() <= mask.max() <= 1
    if max(edge, 1 / 40) / 2 <= min(at, 1 - at):
        assert float(mask.mean()) == pytest.approx(at, abs=0.003)  # an eighth of a column
    falling = {"left": mask, "right": mask.flip(-1), "top": mask.mT, "bottom": mask.flip(-2).mT}[side]
    assert (falling.diff(dim=-1) <= 1e-6).all()


def test_halves_share_a_picture(device):
    left, right = (masks.half(device, side, 0.5, 0.2, 64, 8) for side in ("left", "right"))
    torch.testing.assert_close(left + right, torch.ones_like(left))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 0.9), st.floats(0.2, 0.9))
def test_an_ellipse_has_its_area(across, down):
    from types import SimpleNamespace

    device = SimpleNamespace(torch=torch.device("cpu"))
    mask = masks.ellipse(device, report(), 0.5, 0.5, across, down, 0.0, width=128, height=96)
    assert float(mask.mean()) == pytest.approx(torch.pi / 4 * across * down, rel=0.02)
    turned = masks.ellipse(device, report(), 0.5, 0.5, across, down, 0.0, invert=True, width=128, height=96)
    torch.testing.assert_close(mask + turned, torch.ones_like(mask))


def test_an_ellipse_moves(device):
    mask = masks.ellipse(device, report(), 0.25, 0.75, 0.3, 0.3, 0.1, width=64, height=64)[0, 0]
    places = (torch.arange(64) + 0.5) / 64
    assert float((mask.sum(0) * places).sum() / mask.sum()) == pytest.approx(0.25, abs=1e-3)
    assert float((mask.sum(1) * places).sum() / mask.sum()) == pytest.approx(0.75, abs=1e-3)


@settings(max_examples=150, deadline=None)
@given(x=st.floats(-1, 2), y=st.floats(-1, 2), across=st.floats(0.4, 3), edge=UNIT, invert=st.booleans())
def test_an_ellipse_warns_where_nothing_counts(x, y, across, edge, invert):
    """And nowhere else: where it says nothing, something lies in a mask that is a tenth larger."""
    from types import SimpleNamespace

    device, heard, larger = SimpleNamespace(torch=torch.device("cpu")), report(), 1 / 1.1 if invert else 1.1
    mask = masks.ellipse(device, heard, x, y, across, 0.5, edge, invert, 200, 200)
    if heard.messages:
        assert mask.max() < 1e-6
    else:
        assert masks.ellipse(device, report(), x, y, larger * across, larger * 0.5, edge, invert, 200, 200).any()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"x": 1.6}, "the ellipse lies outside the picture, whose sides go from 0 to 1, and there nothing counts"),
        ({"x": "-1 - frame"}, "the ellipse lies outside the picture"),
        ({"across": 9, "down": 9, "invert": True}, "the ellipse covers all of the picture, and with 'invert: true'"),
    ],
)
def test_a_film_says_once_that_nothing_counts(shape, words):
    nodes = {
        "spot": {"type": "mask.ellipse", "width": 8, "height": 8, **shape},
        "canvas": {"type": "image.rgb", "width": 8, "height": 8},
        "soft": {"type": "loss.smoothness", "image": "canvas", "mask": "spot"},
        "plain": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["soft", "plain"]},
    }
    heard = []
    graph = Graph.build({"seed": 1, "clock": {"frames": 3, "steps": 2}, "nodes": nodes})
    list(graph.render(output="canvas", on_event=heard.append))
    (warned,) = (event for event in heard if isinstance(event, Warned))
    assert f"spot: {words}" in str(warned.problem)


def test_combining(device):
    left, top = (
        masks.half(device, "left", edge=0, width=8, height=8),
        masks.half(device, "top", edge=0, width=4, height=4),
    )
    assert float(masks.combine([left, top]).mean()) == pytest.approx(0.25)
    assert float(masks.combine([left, top], "any").mean()) == pytest.approx(0.75)
    assert masks.combine([left, top]).shape == left.shape
    with pytest.raises(UsageError, match="no mask"):
        masks.combine([])
