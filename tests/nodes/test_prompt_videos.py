"""Prompts and masks that are videos, in whole graphs."""

import numpy as np
import pytest
import torch
from PIL import ImageColor

from pytti_graph import Graph, GraphError, Interrupted, Perceptor, node
from pytti_graph.api import resume
from pytti_graph.core.plugins import installed
from pytti_graph.nodes import video_files
from pytti_graph.nodes.prompt_pictures import PictureTarget

GRAPH = """
pytti_graph: 1
seed: 1
clock: {{frames: 4, fps: 12, warmup: 12, steps: 12}}
nodes:
  eye:      {{type: test.counting_colours}}
  story:    {{type: prompt.scenes, perceptor: eye, scenes: '{scenes}'{more}}}
  canvas:   {{type: image.rgb, width: 16, height: 12}}
  crops:    {{type: cutout.classic, image: canvas, count: 24, size: eye.size, cut_pow: 4}}
  seen:     {{type: encode.cutouts, perceptor: eye, cutouts: crops}}
  meaning:  {{type: loss.prompts, seen: seen, prompts: story}}
  optimise: {{type: optimize.adam, losses: [meaning], learning_rate: 0.3}}
  frames:   {{type: write.frames, image: canvas}}
"""
LATTICE = 65
"""Crops that are made of a picture of 12 x 8 pixels."""


class Colours(Perceptor):
    """Sees the mean colour of a crop, and reads names of colours; counts how many crops it is shown at once."""

    size, name, weights = 4, "colours", {}

    def __init__(self):
        self.shown = []

    def encode_images(self, images):
        self.shown.append(len(images))
        return torch.nn.functional.normalize(images.mean((2, 3)) - 0.5, dim=-1)

    def encode_texts(self, texts):
        colours = torch.tensor([ImageColor.getrgb(text)[:3] for text in texts]) / 255
        return torch.nn.functional.normalize(colours - 0.5, dim=-1)


EYE = Colours()


@node("test.counting_colours")
def colours() -> Perceptor:
    """An eye for colours."""
    return EYE


@pytest.fixture
def graph(tmp_path):
    """Makes a graph of prompts."""
    EYE.shown.clear()

    def make(scenes, more=""):
        path = tmp_path / "graph.yaml"
        path.write_text(GRAPH.format(scenes=scenes, more=more), "utf-8")
        return Graph.load(path, registry=installed().with_nodes(colours))

    return make


def halves(left, right):
    """A picture of two colours."""
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[:, :6], picture[:, 6:] = ImageColor.getrgb(left), ImageColor.getrgb(right)
    return picture


def redness(part):
    """How much redder than blue, -1..1."""
    red, _, blue = part.mean((1, 2))
    return float(red - blue)


def sides(graph):
    """For each frame, the redness of its left and of its right side."""
    return [(redness(frame.tensor[0, ..., :6]), redness(frame.tensor[0, ..., 10:])) for frame in graph.render()]


CHANGING = [halves("red", "blue")] * 2 + [halves("blue", "red")] * 2
MASK = [halves("white", "black")] * 2 + [halves("black", "white")] * 2


@pytest.mark.parametrize(
    ("scenes", "pictures"),
    [
        ("[clip.mkv]", CHANGING),
        ("red:1_[clip.mkv] | blue:1_[-clip.mkv]", MASK),
        ("red:1_[clip.mkv] | blue:1_[-clip.mkv] || red:1_[clip.mkv] | blue:1_[-clip.mkv]", MASK),
    ],
)
def test_a_film_follows_a_video(graph, video, scenes, pictures):
    """Each frame means what the video shows then, or where."""
    video("clip.mkv", pictures)
    found = sides(graph(scenes))
    for left, right in found[:2]:
        assert left > 0.3
        assert right < -0.3
    assert found[3][0] < -0.3
    assert found[3][1] > 0.3


def test_the_last_picture_stays(graph, video):
    """A video of one picture is as good as that picture."""
    video("clip.mkv", CHANGING[:1])
    left, right = sides(graph("[clip.mkv]"))[3]
    assert left > 0.3
    assert right < -0.3


def test_a_single_picture_gets_the_first(graph, video):
    """At every step, though its time is counted in steps."""
    video("clip.mkv", CHANGING)
    [(left, right)] = sides(graph("[clip.mkv] || [clip.mkv]").override({"clock.frames": 1, "clock.warmup": 30}))
    assert left > 0.3
    assert right < -0.3


def test_a_video_is_looked_at_once_a_frame(graph, video):
    """Never at a step, and not again while it stands still; in a scene that does not play, not at all."""
    video("clip.mkv", CHANGING)
    for fps, times in ((12, 4), (24, 2)):
        EYE.shown.clear()
        list(graph("[clip.mkv]:1:0.01 | red:progress").override({"clock.fps": fps}).render())
        assert EYE.shown.count(LATTICE) == times
    EYE.shown.clear()
    list(graph("red || [clip.mkv]").render())
    assert EYE.shown.count(LATTICE) == 2


def test_a_video_is_opened_once(graph, video, monkeypatch):
    """However many prompts and masks name it."""
    video("clip.mkv", CHANGING)
    opened, made = [], video_files._opened
    monkeypatch.setattr(video_files, "_opened", lambda path: (opened.append(path), made(path))[1])
    list(graph("[clip.mkv] | red:1_[clip.mkv] | blue:1_[-clip.mkv]", ", suffix: ' | [clip.mkv]'").render())
    assert len(opened) == 1


def test_no_gradient_is_kept_for_a_video(graph, video, monkeypatch):
    """Its embeddings are constants, though they may be made among steps."""
    video("clip.mkv", CHANGING)
    made, of = [], PictureTarget.of
    monkeypatch.setattr(PictureTarget, "of", lambda *given, **how: (made.append(of(*given, **how)), made[-1])[1])
    list(graph("[clip.mkv]").render())
    assert len(made) == 4
    assert not any(target.embeddings.requires_grad for target in made)


def test_resumed_in_the_middle(graph, video, tmp_path):
    """Bit for bit what it would have been."""
    video("clip.mkv", CHANGING)
    made = graph("[clip.mkv] | red:0.5_[-clip.mkv]")
    whole = [frame.tensor for frame in made.render(tmp_path / "whole")]
    seen = []

    def late():
        seen.append(1)
        return len(seen) > 30

    with pytest.raises(Interrupted):
        list(made.render(tmp_path / "part", cancelled=late))
    job = resume(tmp_path / "part", registry=made.registry, graph_folder=tmp_path)
    rest = [frame.tensor for frame in job.frames()]
    assert 0 < len(rest) < 4
    assert all(torch.equal(one, other) for one, other in zip(whole[-len(rest) :], rest, strict=True))


@pytest.mark.parametrize(
    ("scenes", "more", "place"),
    [
        ("red | [clip.mkv]:2", "", "[clip"),
        ("red | blue:1_[-clip.mkv]", "", "[-clip"),
        ("red", ", suffix: ' | blue:1_[clip.mkv]'", "[clip"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_errors_point_into_the_prompt(graph, tmp_path, scenes, more, place, content):
    """To the line and the column, for a missing file and for one that is no video."""
    if content is not None:
        (tmp_path / "clip.mkv").write_bytes(content)
    made = graph(scenes, more)
    with pytest.raises(GraphError) as caught:
        list(made.render())
    [problem] = caught.value.problems
    message = "there is no file 'clip.mkv'" if content is None else "is not a video that can be read"
    assert message in problem.message
    line = made.document.path.read_text("utf-8").splitlines()[problem.position.line - 1]
    inside = place.lstrip("[-") if content is None else place
    assert problem.position.column == line.rindex(inside) + 1
