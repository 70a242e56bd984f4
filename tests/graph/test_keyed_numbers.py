"""Numbers by frame: what they are at each frame, and what is refused."""

import json

import pytest

from pytti_graph import Graph, GraphError, RenderError
from pytti_graph.core.arguments import NumberType
from pytti_graph.core.formulas import FormulaValueError, parse_formula
from pytti_graph.core.marks import Bounds
from pytti_graph.graph.binding import BindingError, bind
from pytti_graph.graph.document import parse_document

NUMBER = NumberType()


def value_of(text):
    """A value as a graph file would hold it."""
    document = parse_document(f"pytti_graph: 1\nnodes: {{n: {{type: a.b, x: {text}}}}}", "g.yaml")
    return document.nodes["n"].arguments["x"].value


def at_frames(text, frames, count=10, **variables):
    """What a number is at some frames of a film."""
    bound = bind(NUMBER, value_of(text), variables)
    formula = bound.formula
    names = {"last": count - 1, "fps": 10}
    compiled = formula.compile()
    return [compiled(*({**names, "now": f, "t": f / 10}[name] for name in formula.clock_names)) for f in frames]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{0: 1, 4: 3}", [1, 1.5, 2, 2.5, 3, 3]),
        ("{0: 1, 4: 3, between: eased}", [1, 1.3125, 2, 2.6875, 3, 3]),
        ("{0: 1, 4: 3, between: held}", [1, 1, 1, 1, 3, 3]),
        ("{between: held, 2: 5, 4: -3}", [5, 5, 5, 5, -3, -3]),
        (
            '{0: t, 2: "min(t, 1)", last: "speed*2"}',
            [0, 0.1, 0.2, *(x + (6 - x) * k / 7 for k, x in ((1, 0.3), (2, 0.4), (3, 0.5)))],
        ),
        ("{3: 7}", [7] * 6),
    ],
)
def test_numbers_go_from_frame_to_frame(text, expected):
    """Linear, eased or held; before the first frame and after the last they stay."""
    assert at_frames(text, range(6), speed=3.0) == pytest.approx(expected)


def test_the_last_frame_moves_with_the_film():
    """It never comes before the frame in front of it."""
    assert at_frames("{0: 0, last: 8}", [0, 4, 8], count=9) == [0, 4, 8]
    assert at_frames("{0: 0, 6: 6, last: 1}", range(5), count=5) == [0, 1, 2, 3, 4]


def test_many_frames_are_one_formula():
    """Longer than any formula that is written by hand."""
    text = "{" + ", ".join(f'{frame}: "sin({frame}*t)*0 + {frame}"' for frame in range(0, 2000, 10)) + "}"
    assert at_frames(text, [5, 995, 5000]) == [5, 995, 1990]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{}", "{}", "there are no frames"),
        ("{between: held}", "{b", "there are no frames"),
        ("{0: 1, between: step}", "step", "'between' is one of linear, eased, held"),
        ("{0: 1, between: {a: 1}}", "{a", "'between' is one of linear, eased, held"),
        ("{0: 1, lst: 2}", "lst", "'lst' is not a frame; did you mean 'last'?"),
        ("{0: 1, 1.5: 2}", "1.5", "'1.5' is not a frame"),
        ("{0: 1, -1: 2}", "-1", "'-1' is not a frame"),
        ("{4: 1, 2: 2}", "2: 2", "frame 2 comes after a later one"),
        ("{last: 1, 2: 2}", "2: 2", "frame 2 comes after a later one"),
        ("{0: 1, 2: 9}", "9", "must be at most 5"),
        ('{0: 1, 2: "3 +"}', '"}', "the formula ends too early"),
        ("{0: [1]}", "[1]", "expected a number or a formula, not a list"),
        ("{0: {0: sine(t)}}", "sine", "did you mean 'sin'"),
    ],
)
def test_what_is_refused(text, place, message):
    """At its place."""
    with pytest.raises(BindingError) as caught:
        bind(NumberType(False, Bounds(le=5)), value_of(text), {})
    assert message in f"{caught.value.message}; {caught.value.hint}"
    assert caught.value.position.column == f"nodes: {{n: {{type: a.b, x: {text}".rindex(place) + 1


def test_any_number_may_be_given_by_frames(graph):
    """Also to nodes that know nothing of it; bounds are checked at each value."""
    made = graph({"n": ("tiny.number", {"value": {"0": 1, "2": 5}}), "p": ("tiny.plain", {"value": "n"})})
    frames = list(made.render(output="p"))
    assert [float(frame.tensor.mean()) for frame in frames] == [1, 3, 5]


STILL = {"frames": 1, "steps": 5}
RESTING = ("tiny.sgd", {"losses": ["off"], "learning_rate": 0})


def losses_of(made, folder):
    """The loss `off` of each step."""
    list(made.render(folder / "run"))
    return [json.loads(line)["off"] for line in (folder / "run" / "losses.jsonl").read_text().splitlines()]


def test_a_single_picture_counts_its_steps(picture_graph, tmp_path):
    """As scenes do: the keys are steps, and the last one is the last step. Of a film they stay frames."""
    nodes = {"off": ("tiny.loss", {"image": "canvas", "weight": {"0": 1, "2": 3, "last": 1}}), "optimise": RESTING}
    seen = losses_of(picture_graph(nodes, STILL), tmp_path)
    assert [loss / seen[0] for loss in seen] == pytest.approx([1, 2, 3, 2, 1])
    seen = losses_of(picture_graph(nodes, {"frames": 5, "steps": 2}), tmp_path / "film")
    assert [loss / seen[0] for loss in seen] == pytest.approx([1, 1, 2, 2, 3, 3, 2, 2, 1, 1])


def test_what_is_written_of_a_single_picture_has_the_last_key(picture_graph):
    """When all steps are taken, and not a step later."""
    shown = {"value": {"0": 0.25, "4": 0.75, "5": 1}}
    made = picture_graph({"shown": ("tiny.plain", shown)}, STILL)
    assert float(next(iter(made.render(output="shown"))).tensor.mean()) == pytest.approx(0.75)


def test_a_film_with_motions_by_keys_can_be_tried_as_a_single_picture(picture_graph, tmp_path):
    """What is read before the steps is what it is at the first step, also where a loss follows it on."""
    nodes = {
        "begun": ("tiny.plain", {"value": {"0": 0.25, "last": 0.75}}),
        "drift": ("tiny.warp", {"by": {"0": 1, "last": 2}}),
        "canvas": ("tiny.canvas", {"start": "begun", "warp": "drift"}),
        "off": ("tiny.compare", {"image": "canvas", "target": "begun"}),
        "optimise": RESTING,
    }
    seen = losses_of(picture_graph(nodes, STILL), tmp_path)
    assert seen == pytest.approx([(step / 8) ** 2 for step in range(5)])
    with pytest.raises(GraphError, match="start is read once a frame"):
        picture_graph({**nodes, "begun": ("tiny.plain", {"value": {"0": "step", "last": 0.75}})}, STILL).plan()


def test_whole_numbers_hold(graph):
    """What lies between them is refused."""

    def counts(**more):
        value = {"0": 1, "2": 4, **more}
        made = graph({"c": ("tiny.count", {"value": value}), "p": ("tiny.plain", {"value": "c"})})
        return [float(frame.tensor.mean()) for frame in made.render(output="p")]

    with pytest.raises(RenderError, match=r"whole number, not 2\.5 \(frame 1\)"):
        counts()
    assert counts(between="held") == [1, 1, 4]


def test_they_read_back(graph):
    """The resolved graph says the same."""
    made = graph({"n": ("tiny.number", {"value": {"0": 1, "last": "t", "between": "eased"}}), "s": "tiny.canvas"})
    assert Graph.parse(made.yaml, registry=made.registry).document.nodes == made.document.nodes


@pytest.mark.parametrize(
    ("formula", "message"),
    [("keys_linear(1, 2, 3, 4)", "a key without a value"), ("keys_held(1, 2, 3, 1, 3)", "keys that are not in order")],
)
def test_keys_in_formulas(formula, message):
    """The functions say what is wrong with their keys."""
    with pytest.raises((FormulaValueError, ValueError), match=message):
        parse_formula(formula)


def test_keys_without_length_are_a_step():
    """Two values at the same key: the second holds from there on."""
    assert parse_formula("keys_linear(2, 0, 1, 2, 5, 2, 7, 4, 9)").value == 7
