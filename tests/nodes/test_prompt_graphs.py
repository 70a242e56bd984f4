"""Prompts in whole graphs: what masks do to a picture, and where errors in prompts are said to be."""

import pytest
import torch
from PIL import Image, ImageColor

from pytti_graph import Graph, GraphError, Perceptor, RenderError, node
from pytti_graph.core.plugins import installed
from pytti_graph.nodes import prompt_cache

GRAPH = """
pytti_graph: 1
seed: 1
clock: {{steps: 30}}
nodes:
  eye:      {{type: test.colours}}
  story:    {{type: prompt.scenes, perceptor: eye, scenes: '{scenes}'{more}}}
  canvas:   {{type: image.rgb, width: 16, height: 12}}
  crops:    {{type: cutout.classic, image: canvas, count: 24, size: eye.size, cut_pow: 4}}
  seen:     {{type: encode.cutouts, perceptor: eye, cutouts: crops}}
  meaning:  {{type: loss.prompts, seen: seen, prompts: story}}
  optimise: {{type: optimize.adam, losses: [meaning], learning_rate: 0.2}}
  frames:   {{type: write.frames, image: canvas}}
"""


class Colours(Perceptor):
    """Sees the mean colour of a crop, and reads names of colours."""

    size, name, weights = 4, "colours", {}

    def encode_images(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)) - 0.5, dim=-1)

    def encode_texts(self, texts):
        colours = torch.tensor([ImageColor.getrgb(text)[:3] for text in texts]) / 255
        return torch.nn.functional.normalize(colours - 0.5, dim=-1)


@node("test.colours")
def colours() -> Perceptor:
    """An eye for colours."""
    return Colours()


@pytest.fixture
def graph(tmp_path):
    """Makes a graph of prompts."""

    def make(scenes, more=""):
        path = tmp_path / "graph.yaml"
        path.write_text(GRAPH.format(scenes=scenes, more=more), "utf-8")
        return Graph.load(path, registry=installed().with_nodes(colours))

    return make


def rendered(graph):
    """The picture [3, H, W]."""
    [frame] = graph.render()
    return frame.tensor[0]


def redness(part):
    """How much redder than blue, -1..1."""
    red, _, blue = part.mean((1, 2))
    return float(red - blue)


@pytest.mark.parametrize(
    ("scenes", "red", "blue"),
    [
        ("red:1_l | blue:1_r", (..., slice(0, 6)), (..., slice(10, 16))),
        ("red:1_d | blue:1_u", (slice(None), slice(8, 12)), (slice(None), slice(0, 4))),
        ("[halves.png]", (..., slice(0, 6)), (..., slice(10, 16))),
        ("red:1_[mask.png] | blue:1_[-mask.png]", (..., slice(0, 6)), (..., slice(10, 16))),
    ],
)
def test_masks_put_things_where_they_belong(graph, tmp_path, scenes, red, blue):
    """Two halves of a picture, by name, by a picture, and by a painted mask of another size than the canvas."""
    mask = Image.new("L", (100, 30))
    mask.paste(255, (0, 0, 50, 30))
    mask.save(tmp_path / "mask.png")
    Image.composite(Image.new("RGB", mask.size, "red"), Image.new("RGB", mask.size, "blue"), mask).save(
        tmp_path / "halves.png"
    )
    picture = rendered(graph(scenes))
    assert redness(picture[red]) > 0.3
    assert redness(picture[blue]) < -0.3


def test_prefix_and_suffix_reach_the_picture(graph):
    """A suffix that is a prompt of its own pulls in every scene."""
    plain, added = rendered(graph("red:0.01_l")), rendered(graph("red:0.01_l", ", suffix: '| blue:progress'"))
    assert redness(added) < redness(plain) - 0.3


def assert_at(graph, problem, place):
    """The problem is told at the last place in its line that reads like this."""
    line = graph.document.path.read_text("utf-8").splitlines()[problem.position.line - 1]
    assert problem.position.column == line.rindex(place) + 1


@pytest.mark.parametrize(
    ("scenes", "more", "place", "message"),
    [
        ("[none.png]:2", "", "none", "scenes: there is no file 'none.png'; did you mean 'nine.png'?"),
        ("red:1_[none.png]", "", "none", "scenes: there is no file 'none.png'; did you mean 'nine.png'?"),
        ("red:1_[../mask.png]", "", "../", "scenes: '../mask.png' lies outside the graph's folder"),
        ("red", ", suffix: '| a:1_[none.png]'", "none", "suffix: there is no file 'none.png'"),
        ("red:f_lo", "", "f_lo", "scenes: there is no node 'f_lo'"),
        ("red:1_l_f_lo", "", "f_lo", "scenes: there is no node 'f_lo'"),
        ("red:progress_l", "", "progress_l", "write progress _l or (progress)_l"),
        ("red:2*t_left:0.3", "", "t_left", "no node 't_left'; for a mask after a name, write 2*t _left or (2*t)_left"),
        ("red:story_l", "", "story_l", "for a mask after a name, write story _l"),
        ("red:1 + eye.size_l", "", "eye.", "no port 'size_l' (ports: size); for a mask after a name, write 1 +"),
        ('red:1_"sky"', "", '"sky', "a mask that is a text needs a cutoff"),
        ("red:1_lfet", "", "lfet", "'lfet' is not a mask; did you mean 'left'?"),
        ("red:1 | ", "", " '", "scenes: a prompt is empty"),
        ("red", ", prefix: 'a:b '", ":b", "prefix: what the prefix adds to a prompt has no weight"),
        ("red", ", suffix: ' | a:f_lo'", "f_lo", "suffix: there is no node 'f_lo'"),
    ],
)
def test_errors_point_into_the_prompt(graph, tmp_path, scenes, more, place, message):
    """To the line and the column, before anything runs."""
    (tmp_path / "nine.png").touch()
    made = graph(scenes, more)
    with pytest.raises(GraphError) as caught:
        made.check()
    [problem] = caught.value.problems
    assert message in str(problem)
    assert_at(made, problem, place)


def test_a_damaged_mask_is_told(graph, tmp_path):
    """When it is read."""
    (tmp_path / "mask.png").write_text("no picture")
    with pytest.raises(GraphError, match=r"story: .*mask\.png is not a picture that can be read"):
        rendered(graph("red:1_[mask.png]"))


@node("test.large_colours")
def large_colours() -> Perceptor:
    """A larger eye for colours."""
    made = Colours()
    made.size = 6
    return made


SEVERAL = {
    "story.perceptor": ["eye", "other"],
    "crops.perceptor": ["eye", "other"],
    "crops.size": None,
    "seen.perceptor": ["eye", "other"],
}
OTHER = "  other: {type: test.large_colours}\n  shaken: {type: augment.classic, cutouts: crops}\n"


@pytest.fixture
def several(tmp_path):
    """A graph in which two perceptors look, with augmentation."""

    def make(scenes):
        text = GRAPH.format(scenes=scenes, more="").replace("cutouts: crops", "cutouts: shaken") + OTHER
        registry = installed().with_nodes(colours, large_colours)
        return Graph.parse(text, registry=registry).override(SEVERAL)

    return make


def test_several_perceptors_look(several):
    """Each at its own size; masks hold for both."""
    picture = rendered(several("red:1_l | blue:1_r"))
    assert redness(picture[..., :6]) > 0.3
    assert redness(picture[..., 10:]) < -0.3


def test_perceptors_that_differ_are_told(several):
    """Where one was forgotten."""
    with pytest.raises(RenderError, match=r"seen: .*cut for 2 perceptors, but 1 look"):
        rendered(several("red").override({"seen.perceptor": "eye"}))
    with pytest.raises(RenderError, match=r"meaning: .*2 perceptors look at the picture, but 1 read"):
        rendered(several("red").override({"story.perceptor": "eye"}))


def test_batches_change_no_picture(several):
    """But for the last bits, throughout a rendering."""
    whole, parts = (rendered(several("red:1_l | blue:1_r").override({"seen.batches": count})) for count in (1, 5))
    torch.testing.assert_close(parts, whole, atol=1e-3, rtol=0)


KEPT = """
pytti_graph: 1
seed: 1
clock: {frames: 3, steps: 1, warmup: 1}
nodes:
  eye:      {type: test.counting}
  photo:    {type: source.image, path: folder/a.png}
  named:    {type: prompt.scenes, perceptor: eye, scenes: '[folder/b.png] | red'}
  shown:    {type: prompt.picture, perceptor: eye, image: photo}
  common:   {type: prompt.pictures, perceptor: eye, folder: folder}
  before:   {type: prompt.picture, perceptor: eye, image: previous(canvas)}
  canvas:   {type: image.rgb, width: 16, height: 12}
  crops:    {type: cutout.classic, image: canvas, count: 2, size: eye.size}
  seen:     {type: encode.cutouts, perceptor: eye, cutouts: crops}
  meaning:  {type: loss.prompts, seen: seen, prompts: named}
  more:     {type: loss.prompts, seen: seen, prompts: shown}
  mean:     {type: loss.prompts, seen: seen, prompts: common}
  again:    {type: loss.prompts, seen: seen, prompts: before}
  optimise: {type: optimize.adam, losses: [meaning, more, mean, again]}
  frames:   {type: write.frames, image: canvas}
"""


def test_pictures_are_looked_at_once_for_all_renderings(tmp_path, monkeypatch):
    """Those named in prompts, those of a folder, and those that nodes give; a canvas is not worth keeping."""
    monkeypatch.setattr(prompt_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    (tmp_path / "folder").mkdir()
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (20, 20), colour).save(tmp_path / "folder" / f"{name}.png")
    looked = []

    class Counting(Colours):
        name, weights, image_settings = "counting", {"a.pt": "1"}, {}

        def encode_images(self, images):
            looked.append(len(images))
            return super().encode_images(images)

    @node("test.counting")
    def counting() -> Perceptor:
        """An eye that counts."""
        return Counting()

    (tmp_path / "graph.yaml").write_text(KEPT)
    graph = Graph.load(tmp_path / "graph.yaml", registry=installed().with_nodes(counting))
    first = [frame.tensor for frame in graph.render()]
    anew = len(looked)
    again = [frame.tensor for frame in graph.render()]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    pictures = 2 + 2 + 1  # named and shown; the folder's two; the canvas as it begins
    assert len(looked) - anew == anew - pictures
    assert len(list((tmp_path / "cache" / "picture-prompts").iterdir())) == pictures
    Image.new("RGB", (20, 20), "lime").save(tmp_path / "folder" / "b.png")
    before = len(looked)
    list(graph.render())
    assert len(looked) - before == anew - pictures + 2
