"""Everything that is wrong with a graph is said at once; what harms nothing is not said."""

import pytest

from pytti_graph import GraphError, Image, Number, node
from pytti_graph.api import Graph
from pytti_graph.core.formulas import parse_reference
from pytti_graph.graph.checks import output_problem


def problems_of(make):
    """The problems of a graph, as texts."""
    with pytest.raises(GraphError) as caught:
        make().plan()
    return [str(problem) for problem in caught.value.problems]


@node("tiny.begun")
class Begun:
    """A picture that begins with another, made weaker."""

    def start(self, start: Image, strength: Number) -> None:
        """Needs both."""

    def parameters(self):
        """None."""
        return {}

    def forward(self) -> Image:
        """Nothing."""


@node("tiny.gain")
class Gain:
    """A trainable factor on a picture."""

    def parameters(self):
        """None."""
        return {}

    def forward(self, image: Image) -> Image:
        """Nothing."""


@node("tiny.either", either=("image", "value"))
def either(image: Image | None = None, value: Number | None = None) -> Image:
    """A picture, or a value."""


@node("tiny.rising", rising=("low", "high"))
def rising(low: Number = 0.2, high: Number | None = 0.4) -> Image:
    """A picture between two values."""


@node("tiny.optional")
class Optional:
    """`start` can do without a mask."""

    def start(self, start: Image, mask: Image | None = None) -> None:
        """Needs one."""

    def parameters(self):
        """None."""
        return {}

    def forward(self) -> Image:
        """Nothing."""


@pytest.fixture
def made_of(tiny):
    """A graph of tiny nodes and those of this module."""
    registry = tiny.with_nodes(Begun, Gain, Optional, either, rising)

    def make(nodes):
        written = {id: {"type": what[0], **what[1]} for id, what in nodes.items()}
        return Graph.build({"clock": {"frames": 3, "steps": 2}, "nodes": written}, registry=registry)

    return make


FILE = """\
pytti_graph: 1
clock: {frames: 3, steps: 2}
nodes:
  canvas: {type: tiny.canvas, width: frame + 1}
  noisy: {type: tiny.noise, image: canvas}
  plain: {type: tiny.plain}
  lost: {type: tiny.loss, image: plain}
  off: {type: tiny.compare, image: canvas, target: previous(noisy)}
  optimise: {type: tiny.sgd, losses: [off, lost]}
  n: {type: tiny.number, value: previous(n) + 1}
  level: {type: tiny.plain, value: n}
  out: {type: tiny.sink, image: level}
"""


def test_what_is_wrong_with_the_whole_is_said_at_once(tiny):
    """Rates, gradients, `previous` of something random, frame 0; in the order of the file."""
    found = problems_of(lambda: Graph.parse(FILE, registry=tiny))
    lines = [int(text.split(":")[1]) for text in found]
    words = ["width is read once", "is random at every step", "no way leads", "no value on frame 0"]
    assert lines == [4, 8, 9, 10]
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_a_loop_does_not_hide_a_loss_without_a_way(graph):
    """Both are said."""
    found = problems_of(
        lambda: graph(
            {
                "a": ("tiny.pass", {"image": "b"}),
                "b": ("tiny.pass", {"image": "a"}),
                "lost": ("tiny.loss", {"image": "a"}),
                "optimise": ("tiny.sgd", {"losses": "lost"}),
            }
        )
    )
    assert len([text for text in found if "a loop of nodes" in text]) == 1
    assert len([text for text in found if "no way leads" in text]) == 1


def test_a_typo_does_not_hide_a_loop(graph):
    """Loops are told as far as references can be read."""
    found = problems_of(
        lambda: graph(
            {
                "a": ("tiny.pass", {"image": "b"}),
                "b": ("tiny.pass", {"image": "a"}),
                "out": ("tiny.sink", {"image": "a"}),
                "other": ("tiny.sink", {"image": "aa"}),
                "wrong": ("tiny.plain", {"value": "sin("}),
            }
        )
    )
    assert sum("a loop of nodes: a -> b -> a" in text for text in found) == 1
    assert len(found) == 3


@pytest.mark.parametrize(
    "nodes",
    [
        {"r": ("tiny.noise", {"image": "canvas"}), "d": ("tiny.pass", {"image": "previous(r)"})},
        {"d": ("tiny.canvas", {"width": "frame + 1"})},
        {"d": ("tiny.number", {"value": "previous(d) + 1"})},
        {"d": ("tiny.pass", {"image": "f"}), "f": ("tiny.pass", {"image": "d"})},
    ],
)
def test_what_nothing_needs_can_do_no_harm(picture_graph, nodes):
    """It is only warned about."""
    made = picture_graph(nodes)
    assert made.plan().dead == tuple(nodes)
    assert [problem.node for problem in made.warnings()] == list(nodes)
    assert made.plan().timings["d"].runs == ()


def test_what_nothing_needs_must_be_written_rightly(picture_graph):
    """Its own arguments are checked."""
    assert "must be at most 9" in problems_of(lambda: picture_graph({"d": ("tiny.count", {"value": 12})}))[0]


def test_an_initial_value_is_for_numbers(picture_graph):
    """A picture has a first value of its own."""
    nodes = {"late": ("tiny.pass", {"image": "previous(canvas, 0)"}), "out": ("tiny.sink", {"image": "late"})}
    (problem,) = problems_of(lambda: picture_graph(nodes))
    assert "only a number can be given an initial value, but 'canvas' gives Image" in problem
    assert "write previous(canvas)" in problem


def test_what_starts_an_image_needs_all_its_arguments(made_of):
    """They have no default."""
    nodes = {"p": ("tiny.plain", {}), "out": ("tiny.sink", {"image": "c"})}
    (problem,) = problems_of(lambda: made_of({**nodes, "c": ("tiny.begun", {"start": "p"})}))
    assert "c: strength: missing argument; add 'strength: ...' (number)" in problem
    whole = made_of({**nodes, "c": ("tiny.begun", {"start": "p", "strength": "1/(frame+1)"})}).plan()
    assert "start" in [call.kind for call in whole.first]
    without = made_of({**nodes, "c": ("tiny.begun", {"strength": 1})}).plan()
    assert "start" not in [call.kind for call in without.first]


@pytest.mark.parametrize("given", [{}, {"image": None}, {"image": None, "value": None}])
def test_one_of_either_arguments_is_needed(made_of, given):
    """Left out or left empty."""
    nodes = {"p": ("tiny.plain", {}), "out": ("tiny.sink", {"image": "one"})}
    (problem,) = problems_of(lambda: made_of({**nodes, "one": ("tiny.either", given)}))
    assert "one: either image or value is needed; add 'image: ...' (Image) or 'value: ...' (number)" in problem
    for enough in ({"image": "p"}, {"value": "1/(frame+1)"}, {"image": "p", "value": 0}):
        assert made_of({**nodes, "one": ("tiny.either", enough)}).plan().dead == (() if "image" in enough else ("p",))


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        ({"low": 0.5, "high": 0.3}, "low", "low (0.5) is above high (0.3); give the smaller one as low"),
        ({"low": "1/2"}, "low", "low (0.5) is above high (0.4); give the smaller one as low"),
        ({"high": 0.1}, "high", "low (0.2) is above high (0.1); give the smaller one as low"),
    ],
)
def test_numbers_that_do_not_rise(made_of, given, place, words):
    """Whether both are given, or one of them is the default."""
    nodes = {"p": ("tiny.rising", given), "out": ("tiny.sink", {"image": "p"})}
    with pytest.raises(GraphError) as caught:
        made_of(nodes).plan()
    (problem,) = caught.value.problems
    assert problem.argument == place
    assert f"p: {words}" in str(problem)


@pytest.mark.parametrize("given", [{}, {"low": 0.4}, {"low": "frame"}, {"low": 9, "high": None}, {"high": "progress"}])
def test_numbers_that_rise_or_may(made_of, given):
    """Equal ones, formulas, and what has no end."""
    assert made_of({"p": ("tiny.rising", given), "out": ("tiny.sink", {"image": "p"})}).plan()


def test_an_optional_reference_does_not_keep_an_image_from_starting(made_of):
    """Only what has no default is needed."""
    nodes = {
        "p": ("tiny.plain", {}),
        "c": ("tiny.optional", {"start": "p"}),
        "out": ("tiny.sink", {"image": "c"}),
    }
    assert "start" in [call.kind for call in made_of(nodes).plan().first]


def test_an_image_below_an_image_is_moved_too(made_of):
    """Gradients go on through what is trainable itself."""
    nodes = {
        "canvas": ("tiny.canvas", {}),
        "gain": ("tiny.gain", {"image": "canvas"}),
        "off": ("tiny.loss", {"image": "gain"}),
        "optimise": ("tiny.sgd", {"losses": "off"}),
    }
    assert made_of(nodes).plan(write=False, output="gain").optimisers[0].images == ("gain", "canvas")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("canvas", None),
        ("q.picture", None),
        ("canvass", "there is no node 'canvass'; did you mean 'canvas'?"),
        ("zzz", "there is no node 'zzz'; write one of: canvas, q"),
        ("canvas.T", "'canvas' (tiny.canvas) has no port 'T' (ports: none)"),
        ("q.pictur", "did you mean 'picture'?"),
        ("q.first", "expected Image, but 'q.first' (tiny.pair) gives Number; write one of: canvas, q"),
        ("out", "'out' (tiny.sink) has no value to refer to"),
        ("previous(canvas)", "a picture of the frame before cannot be handed out; give 'canvas' itself"),
    ],
)
def test_only_pictures_can_be_handed_out(picture_graph, output, words):
    """And it is said what would be one."""
    checked = picture_graph({"q": ("tiny.pair", {"image": "canvas"})}).checked
    found = output_problem(parse_reference(output), checked)
    assert found is None if words is None else words in (found or "")
