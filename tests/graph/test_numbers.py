"""Numbers that are none, or too large for what they count."""

import pytest

from pytti_graph import GraphError, RenderError
from pytti_graph.api import Graph
from pytti_graph.core.arguments import NumberType
from pytti_graph.graph.binding import bind
from pytti_graph.graph.values import Value


@pytest.fixture
def problems(tiny):
    """The problems of a graph with one number in it, as texts."""

    def of(node, clock="{}"):
        text = f"pytti_graph: 1\nclock: {clock}\nnodes:\n  n: {{{node}}}\n  p: {{type: tiny.plain}}\n"
        with pytest.raises(GraphError) as caught:
            Graph.parse(text + "  out: {type: tiny.sink, image: p}\n", registry=tiny).check()
        return [str(problem).partition("error: ")[2] for problem in caught.value.problems]

    return of


@pytest.mark.parametrize("written", ["0x" + "f" * 2000, "0o" + "7" * 2000, "9" * 2000])
def test_numbers_with_too_many_digits(problems, written):
    """Decimal or not."""
    expected = "the number has too many digits; write fewer digits"
    assert expected in problems(f"type: tiny.number, value: {written}")
    assert expected in problems(f"type: tiny.pass, image: {written}")
    assert expected in problems("type: tiny.number", f"{{frames: {written}}}")


@pytest.mark.parametrize("data", [10**400, -(10**400)])
def test_numbers_of_python_with_too_many_digits(graph, data):
    """They are told where they stand."""
    with pytest.raises(GraphError, match=r"nodes\.p\.width: the number has too many digits"):
        graph({"p": ("tiny.plain", {"width": data}), "out": ("tiny.sink", {"image": "p"})})


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("type: tiny.number, value: .nan", "n: value: must be a number, not nan"),
        ("type: tiny.count, value: .nan", "n: value: must be a number, not nan"),
        ("type: tiny.plain, width: .inf", "n: width: must be finite, such as 1000000, not inf"),
        ("type: tiny.plain, width: 9007199254740993", "n: width: must be from -2**53 to 2**53, not 9.007199255e+15"),
        ("type: tiny.plain, width: -1e300", "n: width: must be from -2**53 to 2**53, not -1e+300"),
        ("type: tiny.count, value: 1e300", "n: value: must be at most 9, not 1e+300"),
        ("type: tiny.count, value: .inf", "n: value: must be at most 9, not inf"),
        ("type: tiny.number, value: -.inf", "n: value: must be finite, such as -1000000, not -inf"),
        ('type: tiny.number, value: "inf"', "n: value: must be finite, such as 1000000, not inf"),
        ("type: tiny.number, value: {0: 1, 9: inf}", "n: value: must be finite, such as 1000000, not inf"),
    ],
)
def test_numbers_that_are_refused(problems, node, expected):
    """Not a number, without end, or too large to count with."""
    assert problems(node) == [expected]


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("{frames: 10000001}", "clock.frames: must be at most 10000000, not 10000001"),
        ("{steps: 1e13}", "clock.steps: must be at most 10000000, not 1e+13"),
        ("{warmup: 1e13}", "clock.warmup: must be at most 10000000, not 1e+13"),
        ("{scene_frames: 1e13}", "clock.scene_frames: must be at most 10000000, not 1e+13"),
        ("{fps: .inf}", "clock.fps: must be at most 1000, not inf"),
        ("{fps: .nan}", "clock.fps: must be a number, not nan"),
    ],
)
def test_the_clock_has_bounds(problems, clock, expected):
    """No rendering would end."""
    assert problems("type: tiny.number", clock) == [expected]


@pytest.mark.parametrize(
    "stop", [float("-inf"), "-inf", {"0": 0.1, "1": "-inf", "between": "held"}, "-inf if frame < 1 else 0.1"]
)
def test_infinity_where_it_means_something(stop):
    """No loss is below it, and no gradient beyond it."""
    nodes = {
        "canvas": {"type": "image.rgb", "width": 4, "height": 4},
        "smooth": {"type": "loss.smoothness", "image": "canvas", "stop": stop},
        "optimise": {"type": "optimize.adam", "losses": ["smooth"], "clip": "inf"},
        "frames": {"type": "write.frames", "image": "canvas"},
    }
    made = Graph.build({"clock": {"frames": 2, "steps": 1}, "nodes": nodes})
    assert len(list(made.render())) == 2


def test_an_infinite_formula_where_it_means_nothing(graph):
    """It is told which formula, and when."""
    made = graph(
        {"p": ("tiny.plain", {"value": "1 if frame < 1 else inf"}), "out": ("tiny.sink", {"image": "p"})},
        clock={"frames": 2},
    )
    wrong = r"p: value: the formula '1 if frame < 1 else inf' must be finite, such as 1000000, not inf \(frame 1\)"
    with pytest.raises(RenderError, match=wrong):
        list(made.render())


def test_whole_numbers_are_floats_where_numbers_are_wanted():
    """However many digits they have: torch takes no whole number of more than 64 bits."""
    value = bind(NumberType(), Value(10**20), {}).value
    assert (value, type(value)) == (1e20, float)
