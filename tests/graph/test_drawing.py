"""Graphs as text, Mermaid, DOT and pictures."""

import re

import pytest

from pytti_graph.core.errors import MissingError
from pytti_graph.graph import drawing
from pytti_graph.graph.drawing import as_dot, as_mermaid, as_picture, as_text, draw


@pytest.fixture
def drawn(picture_graph):
    """A drawing of a small graph with a port, a formula, a `previous` and two rates."""

    def make(more=None, **top):
        nodes = {
            "sample": ("tiny.pair", {"image": "canvas"}),
            "speed": ("tiny.number", {"value": "sin(t)"}),
            "level": ("tiny.plain", {"value": "speed * 0.5 + sample.first"}),
            "memory": ("tiny.compare", {"image": "canvas", "target": "previous(canvas)"}),
            "optimise": ("tiny.sgd", {"losses": ["off", "memory"], "learning_rate": 0.25}),
            "backdrop": ("tiny.sink", {"image": "level"}),
        }
        made = picture_graph({**nodes, **(more or {})}, title="A <film> & more", **top)
        return draw(made.document, made.plan())

    return make


def test_a_drawing_knows_references_ports_rates_and_what_is_moved(drawn):
    made = drawn()
    arrows = {(arrow.source, arrow.port, arrow.target, arrow.argument): arrow for arrow in made.arrows}
    assert arrows["speed", None, "level", "value"].rate == "frame"
    assert arrows["sample", "first", "level", "value"].rate == "step"
    assert arrows["canvas", None, "memory", "target"].previous
    assert [(move.source, move.target) for move in made.moves] == [("optimise", "canvas")]
    boxes = {box.id: box for box in made.boxes}
    assert boxes["level"].settings == (("value", "speed * 0.5 + sample.first"),)
    assert boxes["sample"].outputs == ("first",)
    assert boxes["optimise"].settings == (("learning_rate", "0.25"),)
    assert boxes["canvas"].family == "tiny"


def test_text_has_every_node_once_and_every_reference(drawn):
    text = as_text(drawn())
    for id, type in (("canvas", "tiny.canvas"), ("level", "tiny.plain"), ("speed", "tiny.number")):
        assert len(re.findall(rf"\b{id}  {type}", text)) == 1
    assert text.startswith("A <film> & more\n")
    assert "image: canvas (above)" in text
    assert "target: previous(canvas)\n" in text
    assert "value: sample.first" in text
    assert text.endswith("optimise moves canvas at every step\n")


def test_text_of_a_long_chain_needs_no_recursion(picture_graph):
    chain = {f"n{i}": ("tiny.pass", {"image": f"n{i - 1}" if i else "canvas"}) for i in range(2000)}
    made = picture_graph({**chain, "last": ("tiny.sink", {"image": "n1999"})})
    assert "n0  tiny.pass" in as_text(draw(made.document, made.plan()))


def test_mermaid_shows_rates_as_kinds_of_arrow(drawn):
    made = drawn()
    text = as_mermaid(made)
    number = {box.id: f"n{index}" for index, box in enumerate(made.boxes)}
    assert text.splitlines()[1] == "flowchart LR"
    assert f'{number["canvas"]} ==>|"image"| {number["off"]}' in text
    assert f'{number["speed"]} -->|"value"| {number["level"]}' in text
    assert f'{number["sample"]} ==>|"value: sample.first"| {number["level"]}' in text
    assert "previous(canvas)" in text
    assert f'{number["optimise"]} ==>|"moves"| {number["canvas"]}' in text
    assert "classDef family_tiny fill:#" in text


def test_dot_is_readable_by_graphviz_and_shows_ports(drawn):
    pygraphviz = pytest.importorskip("pygraphviz")
    text = as_dot(drawn())
    graph = pygraphviz.AGraph(string=text)
    assert {"canvas", "level", "optimise"} <= {*graph.nodes()}
    assert '"sample":"out_first":e -> "level":"in_value":w' in text
    assert "A &lt;film&gt; &amp; more" in text
    assert "style=dashed" in text
    assert "style=solid" in text


def test_pictures(drawn):
    pytest.importorskip("pygraphviz")
    assert as_picture(drawn(), "png").startswith(b"\x89PNG")
    svg = as_picture(drawn(), "svg").decode()
    assert "<svg" in svg
    assert ">canvas<" in svg


def test_names_that_dot_and_mermaid_reserve(graph):
    nodes = {
        "node": "tiny.canvas",
        "edge": ("tiny.loss", {"image": "node"}),
        "graph": ("tiny.sgd", {"losses": ["edge"]}),
        "end": ("tiny.sink", {"image": "node"}),
    }
    made = graph(nodes)
    made = draw(made.document, made.plan())
    pygraphviz = pytest.importorskip("pygraphviz")
    assert "node" in pygraphviz.AGraph(string=as_dot(made)).nodes()
    assert "  end[" not in as_mermaid(made)


def test_without_graphviz_the_error_says_what_to_install(drawn, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(MissingError, match="pygraphviz") as caught:
        as_picture(drawn(), "svg")
    assert "pytti-graph[pictures]" in str(caught.value)
    assert caught.value.exit_code == 4


def test_families_have_colours_of_their_own():
    known = {drawing.family_colours(family) for family in ("image", "loss", "prompt", "write")}
    assert len(known) == 4
    assert drawing.family_colours("somebody") == drawing.family_colours("somebody")
