import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytti_graph.core.errors import GraphError, Position, UsageError
from pytti_graph.graph.document import dump, parse_document
from pytti_graph.graph.overrides import override

GRAPH = parse_document(
    """pytti_graph: 1
seed: 7
vars: {speed: 2}
clock: {frames: 3}
nodes:
  canvas: {type: image.pyramid, width: 256}
  clock: {type: x}
""",
    "g.yaml",
)


@pytest.mark.parametrize(
    ("setting", "data"),
    [
        ("canvas.width=512", 512),
        ("canvas.width= 512 ", 512),
        ("canvas.width=1e3", 1000.0),
        ("canvas.name=", None),
        ("canvas.name=off", "off"),
        ("canvas.name='off'", "off"),
        ("canvas.name=a: b # c", "a: b # c"),
        ("canvas.name=2*sin(t) = 3", "2*sin(t) = 3"),
        ('canvas.name="12:30":2 | "b"', '"12:30":2 | "b"'),
        ("canvas.name=*a", "*a"),
        ("canvas.name=- a", "- a"),
        ("canvas.losses=[a, b.c]", ["a", "b.c"]),
        ("canvas.options={a: 1}", {"a": 1}),
        ("nodes.canvas.width=3", 3),
    ],
)
def test_arguments(setting, data):
    """A setting replaces or adds an argument; its value is a YAML scalar or flow collection."""
    node = override(GRAPH, [setting]).nodes["canvas"]
    name = setting.split("=")[0].split(".")[-1]
    assert node.arguments[name].value.plain() == data


def test_places():
    """Errors in a setting point into the setting."""
    value = override(GRAPH, ["canvas.scenes= a volcano:2t"]).nodes["canvas"].arguments["scenes"].value
    file = "--set canvas.scenes= a volcano:2t"
    assert value.position == Position(file, 1, 16)
    assert value.at(len("a volcano:2")) == Position(file, 1, 27)
    value = override(GRAPH, ['canvas.scenes="a volcano:2t"']).nodes["canvas"].arguments["scenes"].value
    assert value.at(0) == Position('--set canvas.scenes="a volcano:2t"', 1, 16)


def test_sections():
    """Seed, title, clock, variables and types can be set; the document given is left as it is."""
    before = dump(GRAPH)
    settings = [
        "seed=0x1F",
        "title=a: b",
        "clock.steps=9",
        "vars.speed=fast",
        "canvas.type=image.rgb",
        "nodes.clock.x=1",
    ]
    document = override(GRAPH, settings)
    assert (document.seed, document.title) == (31, "a: b")
    assert document.clock["steps"].value.data == 9
    assert document.clock["frames"].value.data == 3
    assert document.variables["speed"].value.data == "fast"
    assert document.nodes["canvas"].type.data == "image.rgb"
    assert document.nodes["clock"].arguments["x"].value.data == 1
    assert dump(GRAPH) == before
    assert parse_document(dump(document), "g.yaml") == document


def test_python_values():
    """A program gives paths and values."""
    document = override(GRAPH, {"clock.frames": 4, "canvas.losses": ["a", "b"], "seed": None})
    assert document.clock["frames"].value.data == 4
    assert document.nodes["canvas"].arguments["losses"].value.plain() == ["a", "b"]
    assert document.seed is None
    with pytest.raises(GraphError, match=r"canvas.width: a object cannot stand in a graph"):
        override(GRAPH, {"canvas.width": object()})


def test_all_problems():
    """Everything that is wrong with settings is reported at once."""
    settings = [
        "canvs.width=3",
        "vars.sped=3",
        "seed=x",
        "canvas.a=[1,",
        "canvas.b=1e999",
        "canvas.type=3",
        "vars.speed=[1]",
    ]
    with pytest.raises(GraphError) as caught:
        override(GRAPH, settings)
    shown = [str(problem) for problem in caught.value.problems]
    assert len(shown) == len(settings)
    assert shown[0] == "--set canvs.width=3:1:1: error: the graph has no node 'canvs'; did you mean 'canvas'?"
    assert shown[1] == "--set vars.sped=3:1:1: error: the graph has no variable 'sped'; did you mean 'speed'?"
    assert shown[2].startswith("--set seed=x:1:6: error: the seed must be")
    assert "not closed" in shown[3]


@pytest.mark.parametrize(
    "setting", ["", "canvas.width", "=3", "canvas=3", "a.b.c.d=3", ".=3", "canvas.=3", "canvas.a-b=3"]
)
def test_malformed(setting):
    """What is no setting is refused with the forms there are."""
    with pytest.raises(UsageError, match=r"cannot read the setting.*node\.argument=value"):
        override(GRAPH, [setting])


@given(st.text(max_size=30))
def test_any_value_is_read_or_refused(text):
    """No value makes anything but our own errors come out, and what is read can be written."""
    try:
        document = override(GRAPH, [f"canvas.name={text}"])
    except (GraphError, UsageError):
        return
    assert parse_document(dump(document), "g.yaml") == document
