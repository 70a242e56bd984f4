"""The JSON Schema of graph files, for editors: what the installed node types allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytti_graph.core.arguments import (
    ArgumentType,
    BooleanType,
    ChoiceType,
    ListType,
    MappingType,
    NumberType,
    PathType,
    ReferenceType,
    TextType,
)
from pytti_graph.core.injected import Clock
from pytti_graph.core.marks import Bounds
from pytti_graph.core.nodes import NodeSpec, Parameter
from pytti_graph.graph.checks import CLOCK_ARGUMENTS
from pytti_graph.graph.document import VERSION

Schema = dict[str, Any]

_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_REFERENCE = r"^\s*([A-Za-z_]\w*(\s*\.\s*[A-Za-z_]\w*)?|previous\s*\(.*\))\s*$"
_FRAMES = r"^([0-9]{1,9}|last|between)$"
_INSERTED = r"\$\{[^}]*\}"
_SEED_LIMIT = 2**63 - 1

_CLOCK_HELP = {
    "frames": "How many frames the film has; 1 makes a single picture.",
    "fps": "Frames a second: t = frame / fps.",
    "scene_frames": "Frames that the scenes share, all if not given; the last scene stays for the rest.",
    "steps": "Optimisation steps of each frame.",
    "warmup": "Optimisation steps of the first frame; as many as `steps` if not given.",
}


def graph_schema(specs: Mapping[str, NodeSpec]) -> Schema:
    """The JSON Schema (draft 2020-12) of graph files that use these node types."""
    types = sorted(specs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"pytti-graph, graph format {VERSION}",
        "type": "object",
        "required": ["pytti_graph", "nodes"],
        "properties": _properties(),
        "patternProperties": {"^x-": {"description": "Ignored; a place for notes and anchors."}},
        "additionalProperties": False,
        "$defs": {"node": _any_node(types, specs), **{name: _node(name, specs[name]) for name in types}},
    }


def _properties() -> Schema:
    clock = {name: _clock(name, kind) for name, kind in CLOCK_ARGUMENTS.items()}
    seed = {"type": ["integer", "null"], "minimum": 0, "maximum": _SEED_LIMIT}
    return {
        "pytti_graph": {"const": VERSION, "description": "Version of the graph format."},
        "title": {"type": ["string", "number", "boolean", "null"], "description": "What the graph makes."},
        "seed": {**seed, "description": "Of all random numbers; a new one each time if not given."},
        "clock": _section("Frames and steps.", {"properties": clock, "additionalProperties": False}),
        "vars": _section(
            "Numbers and texts with a name: numbers for formulas, and ${name} in texts.",
            {"propertyNames": {"pattern": _NAME}, "additionalProperties": {"type": ["number", "string"]}},
        ),
        "nodes": {
            "type": "object",
            "description": "The nodes by id; their order means nothing.",
            "propertyNames": {"pattern": _NAME},
            "minProperties": 1,
            "additionalProperties": {"$ref": "#/$defs/node"},
        },
        "requires": {"description": "Versions of plugins that the graph needs."},
        "versions": _section(
            "For which version of each node type the graph was written; rendered pictures say so.",
            {"additionalProperties": {"type": "integer", "minimum": 1}},
        ),
    }


def _section(description: str, schema: Schema) -> Schema:
    return {"type": ["object", "null"], "description": description, **schema}


def _clock(name: str, kind: NumberType) -> Schema:
    schema = {"description": _CLOCK_HELP[name], **_type(kind)}
    if name not in ("warmup", "scene_frames"):
        schema["default"] = getattr(Clock(), name)
    return schema


def _any_node(types: list[str], specs: Mapping[str, NodeSpec]) -> Schema:
    """Any node: its type says which arguments it has."""
    chosen = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{name.replace('/', '~1')}"},
        }
        for name in types
    ]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {
                "description": "Which kind of node: `pytti-graph nodes` lists them.",
                "enum": types,
                "enumDescriptions": [specs[name].summary for name in types],
            }
        },
        "allOf": chosen,
    }


def _node(name: str, spec: NodeSpec) -> Schema:
    arguments = {parameter.name: _argument(parameter) for parameter in spec.parameters}
    schema: Schema = {
        "description": spec.summary,
        "type": "object",
        "required": ["type", *(parameter.name for parameter in spec.parameters if parameter.required)],
        "properties": {"type": {"const": name, "description": spec.summary}, **arguments},
        "additionalProperties": False,
    }
    if spec.either:
        schema["anyOf"] = [{"required": [name]} for name in spec.either]
    return schema


def _argument(parameter: Parameter) -> Schema:
    schema = _type(parameter.type)
    if parameter.optional:
        schema = _either({"type": "null"}, *schema.get("anyOf", [schema]))
    if parameter.help:
        schema = {"description": parameter.help, **schema}
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _type(kind: ArgumentType) -> Schema:
    match kind:
        case ReferenceType(wire, many):
            one = {"type": "string", "pattern": _REFERENCE, "title": f"a node that makes a {wire}"}
            return _either(one, {"type": "array", "items": one, "minItems": 1}) if many else one
        case NumberType(integer, bounds):
            keyed = {"type": "object", "title": "numbers by frame", "propertyNames": {"pattern": _FRAMES}}
            return _either(_number(integer, bounds), {"type": "string", "title": "a formula"}, keyed)
        case TextType(keys=str()):
            return {"type": ["string", "array"]}
        case TextType() | PathType():
            return {"type": "string"}
        case BooleanType():
            return {"type": "boolean"}
        case ChoiceType(choices):
            return _either({"enum": list(choices)}, {"type": "string", "pattern": _INSERTED})
        case ListType(item):
            return {"type": "array", "items": _type(item)}
        case MappingType(value):
            return {"type": "object", "additionalProperties": _type(value)}


def _number(integer: bool, bounds: Bounds) -> Schema:
    limits = {
        "minimum": bounds.ge,
        "exclusiveMinimum": bounds.gt,
        "maximum": bounds.le,
        "exclusiveMaximum": bounds.lt,
    }
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return {"type": "integer" if integer else "number", **({"title": bounds.unit} if bounds.unit else {}), **given}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}
