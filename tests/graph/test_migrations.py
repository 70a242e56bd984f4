"""Graphs that were written for former versions of their nodes."""

import pytest

from pytti_graph import Graph, GraphError, node
from pytti_graph.core.plugins import Registry


def from_1(arguments):
    """`level` was called `brightness`, in per cent."""
    arguments = dict(arguments)
    if "brightness" in arguments:
        arguments["level"] = arguments.pop("brightness") / 100
    return arguments


def from_2(arguments):
    """`mode` has gone, and `gain` came."""
    return {name: value for name, value in arguments.items() if name != "mode"} | {"gain": 2}


@node("value.light", version=3, migrations={1: from_1, 2: from_2})
def light(level: float = 0.5, gain: float = 1.0) -> float:
    """A number."""
    return level * gain


@node("write.light")
def write(value: float) -> None:
    """Takes it."""


REGISTRY = Registry().with_nodes(light, write)


def graph(arguments="", versions=""):
    text = f"pytti_graph: 1\n{versions}nodes:\n  lamp: {{type: value.light{arguments}}}\n"
    text += "  sink: {type: write.light, value: lamp}\n"
    return Graph.parse(text, "old.yaml", registry=REGISTRY)


def arguments_of(made):
    return {name: entry.value.plain() for name, entry in made.present.nodes["lamp"].arguments.items()}


def test_a_graph_that_says_its_version_is_brought_forward():
    """One version after the other, and the user is told what changed."""
    made = graph(", brightness: 80, mode: old", "versions: {value.light: 1}\n")
    assert arguments_of(made) == {"level": 0.8, "gain": 2}
    [warning] = made.warnings()
    assert str(warning) == (
        "old.yaml:4:3: warning: lamp: written for version 1 of value.light, and read as version 3: "
        "'brightness' is gone, 'mode' is gone, 'level' is 0.8, 'gain' is 2; change the graph so"
    )


def test_a_graph_without_versions_is_recognised_by_its_arguments():
    """Where the present version does not know one, the newest former version that does."""
    made = graph(", mode: old, level: 0.3")
    assert arguments_of(made) == {"level": 0.3, "gain": 2}
    assert "version 2 of value.light" in str(made.warnings()[0])


def test_a_present_graph_stays_as_it_is():
    """Without a word."""
    for made in (graph(", level: 0.3"), graph(", level: 0.3", "versions: {value.light: 3}\n")):
        assert arguments_of(made) == {"level": 0.3}
        assert made.warnings() == []


def test_an_argument_that_no_version_knows():
    """It is an error as ever."""
    with pytest.raises(GraphError, match="unknown argument 'levle'"):
        graph(", levle: 0.3").check()


def test_a_migration_that_fails_where_the_graph_does_not_say_its_version():
    """The unknown argument may be a former one: the user learns of both."""
    with pytest.raises(GraphError) as caught:
        graph(", brightness: bright").check()
    assert str(caught.value) == (
        "old.yaml:3:29: error: lamp: unknown argument 'brightness' (value.light); it takes level, gain; "
        "or, if the graph is older, the migration of value.light from version 1 failed: "
        "TypeError: unsupported operand type(s) for /: 'str' and 'int' (this is a bug of value.light)"
    )


def test_an_unknown_argument_beside_a_former_one():
    """It is the user's, though the migration passes it on."""
    with pytest.raises(GraphError) as caught:
        graph(", brightness: 80, levle: 0.3", "versions: {value.light: 1}\n").check()
    assert caught.value.problem.message == "unknown argument 'levle' (value.light)"


def test_what_is_brought_forward_keeps_its_place():
    """An error in a renamed argument points to where it stands."""

    def renamed(arguments):
        return {"level" if name == "height" else name: value for name, value in arguments.items()}

    @node("value.hill", version=2, migrations={1: renamed})
    def hill(level: float) -> float:
        """A number."""
        return level

    text = "pytti_graph: 1\nversions: {value.hill: 1}\nnodes:\n  lamp: {type: value.hill, height: high}\n"
    with pytest.raises(GraphError) as caught:
        Graph.parse(text, "old.yaml", registry=REGISTRY.with_nodes(hill)).check()
    assert (caught.value.problem.position.line, caught.value.problem.position.column) == (4, 36)


def test_a_graph_for_a_newer_version():
    """What to do."""
    with pytest.raises(GraphError, match=r"needs version 4 of value\.light, and version 3 is installed"):
        graph("", "versions: {value.light: 4}\n").check()


def test_a_version_that_nothing_brings_forward():
    """A gap in the migrations."""

    @node("value.new", version=3, migrations={2: from_2})
    def new(x: float = 1.0) -> float:
        """A number."""
        return x

    text = "pytti_graph: 1\nversions: {value.new: 1}\nnodes:\n  lamp: {type: value.new}\n"
    with pytest.raises(GraphError, match=r"version 1 of value\.new, which version 3 cannot read"):
        Graph.parse(text, registry=REGISTRY.with_nodes(new)).check()


def test_a_migration_that_fails():
    """It is not the user's fault."""
    with pytest.raises(GraphError, match=r"the migration of value\.light from version 1 failed: TypeError"):
        graph(", brightness: bright", "versions: {value.light: 1}\n").check()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda arguments: None, "it gives nothing, not the arguments of the next version"),
        (lambda arguments: 3, "it gives a value of type int, not the arguments of the next version"),
        (lambda arguments: {"x": object()}, "x: a object cannot stand in a graph"),
        (lambda arguments: {"x": [1, {"y": {2}}]}, "x.y: a set cannot stand in a graph"),
        (lambda arguments: {"x": 1, 3: 4}, "it gives an argument called 3; a name is a text"),
        (lambda arguments: {"y": 1}, "it gives 'y', which version 2 does not take"),
        (lambda arguments: {"type": "value.even"}, "it gives 'type', which version 2 does not take"),
    ],
)
def test_a_migration_that_gives_no_arguments(given, words):
    """The message says which one, and whose graph it is."""

    @node("value.odd", version=2, migrations={1: given})
    def odd(x: float = 1.0) -> float:
        """A number."""
        return x

    text = "pytti_graph: 1\nversions: {value.odd: 1}\nnodes:\n  lamp: {type: value.odd}\n"
    with pytest.raises(GraphError) as caught:
        Graph.parse(text, "old.yaml", registry=REGISTRY.with_nodes(odd)).check()
    problem = caught.value.problem
    assert problem.message == f"the migration of value.odd from version 1 failed: TypeError: {words}"
    assert (problem.node, problem.position.line, problem.hint) == ("lamp", 4, "this is a bug of value.odd")


@pytest.mark.parametrize("former", [0, 2, 3])
def test_a_migration_must_be_from_a_former_version(former):
    """The author is told."""
    with pytest.raises(TypeError, match="makes no sense"):
        node("value.wrong", version=2, migrations={former: from_1})


@pytest.mark.parametrize("versions", ["versions: {value.light: new}\n", "versions: {value.light: 0}\n"])
def test_versions_are_whole_numbers(versions):
    """From 1."""
    with pytest.raises(GraphError, match="must be a whole number, 1 or more"):
        graph("", versions)


def test_a_kept_graph_says_its_versions(tmp_path):
    """So that it can be read for ever."""
    from pytti_graph.jobs import portable

    made = graph(", mode: old")
    kept = portable(made, 1)
    assert kept.versions == {"value.light": 3, "write.light": 1}
    assert "mode" not in kept.nodes["lamp"].arguments
