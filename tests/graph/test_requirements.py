"""`requires:` is checked before anything runs."""

import pytest

from pytti_graph import Graph, GraphError, MissingError

GRAPH = """pytti_graph: 1
requires: {}
nodes:
  photo: {{type: source.image, path: x.png}}
  out: {{type: write.frames, image: photo}}
"""


@pytest.mark.parametrize("requires", ["[pytti-graph>=0.1]", "pytti-graph", "", "[torch, 'pytti-graph<99']"])
def test_what_is_installed_will_do(requires):
    Graph.parse(GRAPH.format(requires)).plan()


def test_what_is_missing_is_named_with_what_to_type():
    with pytest.raises(MissingError) as caught:
        Graph.parse(GRAPH.format("[pytti-graph, pytti-graph-moonlight>=2]"), "g.yaml").plan()
    assert str(caught.value) == (
        "g.yaml:2:25: error: pytti-graph-moonlight is not installed; type: pip install 'pytti-graph-moonlight>=2'"
    )


def test_all_that_is_missing_is_told_at_once():
    with pytest.raises(MissingError) as caught:
        Graph.parse(GRAPH.format("[pytti-graph>=5, torch, pytti-graph-moonlight]"), "g.yaml").plan()
    assert str(caught.value).splitlines() == [
        "g.yaml:2:12: error: this graph needs pytti-graph>=5, and 0.1.0 is installed; "
        "type: pip install 'pytti-graph>=5'",
        "g.yaml:2:35: error: pytti-graph-moonlight is not installed; type: pip install 'pytti-graph-moonlight'",
    ]


def test_what_is_needed_elsewhere_only_need_not_be_here():
    """A condition as pip knows it."""
    entry = "pytti-graph-moonlight; python_version {} '3'"
    Graph.parse(GRAPH.format(f'["{entry.format("<")}"]')).plan()
    with pytest.raises(MissingError, match="pytti-graph-moonlight is not installed"):
        Graph.parse(GRAPH.format(f'["{entry.format(">=")}"]')).plan()


def test_another_version_is_refused():
    with pytest.raises(MissingError, match=r"this graph needs pytti-graph>=99, and 0\.1\.0 is installed"):
        Graph.parse(GRAPH.format("[pytti-graph>=99]")).plan()


@pytest.mark.parametrize("requires", ["[12]", "[a b]", "{a: b}", "['']", "['evil @ http://x/y.zip']"])
def test_what_is_no_requirement_is_refused(requires):
    with pytest.raises(GraphError, match="requires"):
        Graph.parse(GRAPH.format(requires)).plan()


def test_all_that_is_no_requirement_is_told_at_once():
    with pytest.raises(GraphError) as caught:
        Graph.parse(GRAPH.format("[a b, torch, 12]"), "g.yaml").plan()
    assert [str(problem.position) for problem in caught.value.problems] == ["g.yaml:2:12", "g.yaml:2:24"]
