"""The JSON Schema of graph files accepts what the checker accepts, and refuses what it refuses."""

import json
import re
from pathlib import Path

import pytest

from pytti_graph.api import Graph
from pytti_graph.core.errors import GraphError
from pytti_graph.core.plugins import Registry, installed
from pytti_graph.graph.schema import graph_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "graphs").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema():
    """The schema for everything installed."""
    return graph_schema(installed().specs)


def validator(schema):
    """A validator, where the package is installed."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def plain(path):
    """A graph file as Python data."""
    import yaml

    return yaml.safe_load(path.read_text())


def test_it_is_json(schema):
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_type_has_its_own_arguments(schema):
    for type, spec in installed().specs.items():
        node = schema["$defs"][type]
        assert {*node["properties"]} == {"type", *(parameter.name for parameter in spec.parameters)}
        assert node["required"] == ["type", *(p.name for p in spec.parameters if p.required)]
        assert node["additionalProperties"] is False
        assert node["properties"]["type"]["const"] == type


def test_the_type_chooses_the_arguments(schema):
    node = schema["$defs"]["node"]
    assert node["properties"]["type"]["enum"] == sorted(installed().specs)
    for choice in node["allOf"]:
        type = choice["if"]["properties"]["type"]["const"]
        assert choice["then"] == {"$ref": f"#/$defs/{type}"}


def test_bounds_defaults_choices_and_help_are_there(schema):
    width = schema["$defs"]["image.rgb"]["properties"]["width"]
    assert width["default"] == 512
    assert width["description"]
    number, formula, by_frame = width["anyOf"]
    assert number["type"] == "integer"
    assert number["minimum"] == 1
    assert formula["type"] == "string"
    assert by_frame["type"] == "object"
    fit = schema["$defs"]["source.image"]["properties"]["fit"]
    assert fit["anyOf"][0]["enum"] == ["crop", "stretch"]


def test_every_argument_of_every_node_is_explained(schema):
    unexplained = [
        f"{type}.{name}"
        for type in installed().specs
        for name, argument in schema["$defs"][type]["properties"].items()
        if not argument.get("description")
    ]
    assert unexplained == []


def test_references_are_references(schema):
    losses = schema["$defs"]["optimize.adam"]["properties"]["losses"]
    one, many = losses["anyOf"]
    assert many["items"] == one
    for text in ("canvas", "eye.size", "previous(canvas)", "previous(bass.level, 0)", " canvas "):
        assert re.search(one["pattern"], text)
    for text in ("", "3", "a b", "canvas.", "f(canvas)"):
        assert not re.search(one["pattern"], text)


def test_notes_are_allowed_and_other_keys_are_not(schema):
    assert "^x-" in schema["patternProperties"]
    assert schema["additionalProperties"] is False
    assert {*schema["properties"]} == {"pytti_graph", "title", "seed", "clock", "vars", "nodes", "requires", "versions"}


def test_no_nodes_installed_is_no_error():
    assert graph_schema(Registry().specs)["$defs"]["node"]["properties"]["type"]["enum"] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_graphs_fit(schema, path):
    assert list(validator(schema).iter_errors(plain(path))) == []


MINIMAL = {
    "pytti_graph": 1,
    "nodes": {"canvas": {"type": "image.rgb", "width": "4*8"}, "out": {"type": "write.frames", "image": "canvas"}},
}
GOOD = [
    {},
    {"seed": None},
    {"title": 2024},
    {"vars": {"speed": 2, "who": "a cat"}},
    {"clock": {"frames": "2*6", "fps": 12.5}},
    {"x-notes": [1, 2]},
    {"nodes": {**MINIMAL["nodes"], "crops": {"type": "cutout.classic", "image": "canvas", "size": 8}}},
]
BAD = [
    {"pytti_graph": 2},
    {"sed": 3},
    {"seed": -1},
    {"clock": {"frame": 3}},
    {"clock": {"frames": 0}},
    {"vars": {"a-b": 1}},
    {"nodes": {"canvas": {"type": "image.rbg"}}},
    {"nodes": {"canvas": {"type": "image.rgb", "widht": 3}}},
    {"nodes": {"canvas": {"type": "image.rgb", "width": 0}}},
    {"nodes": {"canvas": {"type": "image.rgb", "width": [3]}}},
    {"nodes": {"same": {"type": "loss.match", "image": "canvas"}}},
    {"nodes": {"write": {"type": "write.frames", "image": {"type": "image.rgb"}}}},
    {"nodes": {}},
    {"nodes": {**MINIMAL["nodes"], "crops": {"type": "cutout.classic", "image": "canvas"}}},
    {"nodes": {"photo": {"type": "source.image", "path": "a.png", "fit": "squash"}}},
]


@pytest.mark.parametrize("change", GOOD)
def test_what_the_checker_accepts_fits(schema, change):
    graph = {**MINIMAL, **change}
    Graph.build(graph).check()
    assert list(validator(schema).iter_errors(graph)) == []


@pytest.mark.parametrize("change", BAD)
def test_what_does_not_fit_the_checker_refuses_too(schema, change):
    graph = {**MINIMAL, **change}
    with pytest.raises(GraphError):
        Graph.build(graph).check()
    assert list(validator(schema).iter_errors(graph))
