"""`source.video`: pictures of a video, frame by frame of the film."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from pytti_graph import Graph, UsageError
from pytti_graph.core.nodes import spec_of
from pytti_graph.nodes.sources import image
from pytti_graph.nodes.videos import Video
from pytti_graph.testing import moment

DEVICE = SimpleNamespace(torch=torch.device("cpu"), dtype=torch.float32)
GREYS = [(20 * index,) * 3 for index in range(10)]


def levels(node, frames, fps=12):
    """Which pictures of `GREYS` the frames of a film get."""
    pictures = [node.forward(moment(frame, frames=frames, fps=fps), DEVICE) for frame in range(frames)]
    return [round(float(picture.mean()) * 255 / 20) for picture in pictures]


@pytest.mark.parametrize(
    ("arguments", "fps", "expected"),
    [
        ({}, 12, [0, 1, 2, 3, 4, 5]),
        ({}, 6, [0, 2, 4, 6, 8, 9]),
        ({"start": 0.5}, 12, [6, 7, 8, 9, 9, 9]),
        ({"start": 0.55}, 12, [6, 7, 8, 9, 9, 9]),
        ({"start": 0.5, "end": "loop"}, 12, [6, 7, 8, 9, 6, 7]),
        ({"end": "loop"}, 4, [0, 3, 6, 9, 2, 5]),
        ({"stride": 1}, 6, [0, 1, 2, 3, 4, 5]),
        ({"stride": 3}, 6, [0, 3, 6, 9, 9, 9]),
        ({"stride": 3, "end": "loop", "start": 0.1}, 6, [1, 4, 7, 1, 4, 7]),
    ],
)
def test_which_picture_a_frame_gets(video, arguments, fps, expected):
    """By time, or by counting; from where it begins; and after the end."""
    assert levels(Video(video("a.mkv", GREYS), **arguments), 6, fps) == expected


def test_any_frame_may_be_the_first(video):
    """A film that is resumed goes on with the same pictures."""
    path = video("a.mkv", GREYS)
    for arguments in ({}, {"end": "loop"}, {"stride": 4, "end": "loop"}):
        whole = levels(Video(path, **arguments), 20)
        for frame in (3, 14, 19):
            picture = Video(path, **arguments).forward(moment(frame, frames=20), DEVICE)
            assert round(float(picture.mean()) * 255 / 20) == whole[frame]


def test_it_changes_every_frame_and_no_oftener():
    """And is the same tensor while the video stands still, so that nothing is done again."""
    assert spec_of(Video).rate == "frame"


def test_a_picture_that_stays_is_the_same_tensor(video):
    """While the video stands still; another size is made anew."""
    node = Video(video("a.mkv", GREYS))
    first = node.forward(moment(0, fps=24), DEVICE)
    assert node.forward(moment(1, fps=24), DEVICE) is first
    assert node.forward(moment(1, fps=24), DEVICE, width=4).shape == (1, 3, 3, 4)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"width": 20},
        {"height": 30},
        {"width": 20, "height": 20},
        {"width": 90, "height": 10},
        {"width": 20, "height": 20, "fit": "stretch"},
        {"width": 100, "height": 20, "fit": "stretch"},
        {"width": 100, "height": 100},
        {"max_side": 30},
    ],
)
def test_it_fits_as_pictures_do(video, natural, tmp_path, arguments):
    """The same sizes as source.image gives, and nearly the same pixels."""
    pixels = (natural(48, 64)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    expected = image(tmp_path / "a.png", DEVICE, **arguments)
    found = Video(video("a.mkv", [pixels])).forward(moment(), DEVICE, **arguments)
    assert found.shape == expected.shape
    assert found.is_contiguous()
    differences = (found - expected).abs()
    assert differences.mean() < 0.015
    assert differences.max() < 0.03 or arguments == {"width": 20, "height": 20}  # cropped to half a pixel


def test_a_start_after_the_end(video):
    """Would show nothing but the last picture."""
    with pytest.raises(UsageError, match=r"a\.mkv is only 0\.833 seconds long") as caught:
        Video(video("a.mkv", GREYS), start=2)
    assert caught.value.problem.argument == "start"


GRAPH = """
pytti_graph: 1
clock: {frames: 4, fps: 12}
nodes:
  clip:   {type: source.video, path: a.mkv}
  frames: {type: write.frames, image: clip}
"""


@pytest.fixture
def graph(tmp_path):
    """A graph that writes a video's pictures."""
    path = tmp_path / "graph.yaml"
    path.write_text(GRAPH)
    return Graph.load(path)


def test_in_a_graph(video, graph, tmp_path):
    """Every frame of the film is a picture of the video; without optimisation it is a pipeline."""
    video("a.mkv", GREYS)
    found = [round(float(frame.tensor.mean()) * 255 / 20) for frame in graph.render(tmp_path / "run")]
    assert found == [0, 1, 2, 3]


def test_errors_have_a_place(graph, tmp_path):
    """A missing file before rendering, a broken one when it is opened."""
    with pytest.raises(Exception, match=r"graph\.yaml:5:38: error: clip: path: there is no file 'a\.mkv'"):
        graph.check()
    (tmp_path / "a.mkv").write_text("nothing")
    with pytest.raises(Exception, match=r"graph\.yaml:5:38: error: clip: .*is not a video that can be read"):
        list(graph.render())
    with pytest.raises(Exception, match=r"path: '\.\./a\.mkv' lies outside the graph's folder"):
        graph.override({"clip.path": "../a.mkv"}).check()
    with pytest.raises(Exception, match=r"path: this is not read from the network, only pictures are; save it"):
        graph.override({"clip.path": "https://a.b/c.mkv"}).check()


def test_masks_of_a_video_come_for_free(video, tmp_path):
    """What is white in the video counts."""
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:, :4] = 255
    video("a.mkv", [picture])
    text = GRAPH.replace("image: clip", "image: mixed") + (
        "  other:  {type: source.image, path: b.png}\n"
        "  mask:   {type: mask.brightness, image: clip}\n"
        "  mixed:  {type: picture.inpaint, image: clip, picture: other, mask: mask}\n"
    )
    Pillow.new("RGB", (8, 6), "red").save(tmp_path / "b.png")
    (tmp_path / "graph.yaml").write_text(text)
    frame = next(iter(Graph.load(tmp_path / "graph.yaml").render()))
    assert frame.tensor[0, :, 2, 1].tolist() == pytest.approx([1, 1, 1])
    assert frame.tensor[0, :, 2, 6].tolist() == pytest.approx([1, 0, 0])
