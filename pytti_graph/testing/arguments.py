"""Makes up arguments for a node by their types, and lays the nodes that it needs around it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
from pytti_graph.core.errors import UsageError, did_you_mean
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.marks import Bounds
from pytti_graph.core.nodes import NodeSpec, Parameter
from pytti_graph.core.plugins import Registry

SUBJECT = "subject"
"""Id of the node that is tried."""

Examples = Mapping[str, Mapping[str, Any]]
"""For node types, arguments as a graph file gives them; instead of an id, a node to make (`{"type": ...}`)."""
Nodes = dict[str, dict[str, Any]]

WIRES: Mapping[str, Mapping[str, Any]] = {
    "Image": {"type": "tiny.image"},
    "Mask": {"type": "tiny.mask"},
    "Depth": {"type": "tiny.depth"},
    "Loss": {"type": "tiny.loss", "image": {"type": "tiny.canvas"}},
    "Perceptor": {"type": "tiny.perceptor"},
    "Cutouts": {"type": "tiny.cutouts"},
    "Seen": {"type": "encode.cutouts"},
    "Prompts": {"type": "prompt.scenes", "scenes": "a castle | fog:-0.5"},
    "Warp": {"type": "motion.affine"},
}
"""What is given for each kind of wire."""

_SIDE, _SIDES = 16, {"height": 12}
_REQUIRED_SIDE = 8
_TEXT = "a castle"
_DEEPEST = 6


class UnmadeError(Exception):
    """An argument for which nothing can be made up."""

    def __init__(self, type: str, parameter: Parameter) -> None:
        self.message = (
            f"nothing can be made up for its argument '{parameter.name}' ({parameter.type}); "
            f'write contract(..., examples={{"{type}": {{"{parameter.name}": ...}}}})'
        )
        super().__init__(self.message)


@dataclass
class _Layout:
    registry: Registry
    examples: Examples
    wires: Mapping[str, Mapping[str, Any]]
    nodes: Nodes = field(default_factory=dict)

    def add(self, id: str, node: Mapping[str, Any], depth: int = 0) -> str:
        """Lay a node down, and before it those that its arguments refer to."""
        spec = self.registry.find(node["type"])
        if spec is None:
            hint = did_you_mean(node["type"], self.registry.specs)
            raise UsageError(f"there is no node type '{node['type']}', which the examples want", hint=hint)
        given = {**self.examples.get(spec.type, {}), **node}
        written: dict[str, Any] = {"type": node["type"]}
        for parameter in spec.parameters:
            value = given[parameter.name] if parameter.name in given else self._make(spec, parameter, depth)
            if value is not _DEFAULT:
                written[parameter.name] = self._linked(f"{id}_{parameter.name}", value, depth)
        unknown = {key: value for key, value in given.items() if spec.parameter(key) is None and key != "type"}
        self.nodes[id] = {**written, **unknown}
        return id

    def _linked(self, id: str, value: Any, depth: int) -> Any:
        """The value to write: nodes to make become ids, paths texts."""
        if isinstance(value, _Port):
            return f"{self.add(id, value.node, depth + 1)}.{value.name}"
        if isinstance(value, Mapping) and "type" in value:
            return self.add(id, value, depth + 1)
        if isinstance(value, list | tuple):
            return [self._linked(f"{id}_{index}", item, depth) for index, item in enumerate(value)]
        return str(value) if isinstance(value, Path) else value

    def _make(self, spec: NodeSpec, parameter: Parameter, depth: int) -> Any:
        kind = parameter.type
        if depth > 0 and not parameter.required:
            return _small(parameter)
        if isinstance(kind, ReferenceType):
            maker = self._maker(kind.wire) if depth < _DEEPEST else None
            if maker is None:
                if parameter.required:
                    raise UnmadeError(spec.type, parameter)
                return _DEFAULT
            return [maker] if kind.many else maker
        if not parameter.required and not parameter.conditional:
            return _small(parameter)
        value = made_up(kind, parameter.name)
        if value is None:
            raise UnmadeError(spec.type, parameter)
        return value

    def _maker(self, wire: str) -> Mapping[str, Any] | _Port | None:
        """A node that gives a kind of wire, or has a port of it."""
        if wire in self.wires:
            return {**self._another(self.wires[wire]["type"]), **self.wires[wire]}
        for spec in self.registry.specs.values():
            if spec.returns == wire:
                return {"type": spec.type}
        for spec in self.registry.specs.values():
            if (port := next((name for name, kind in spec.ports.items() if kind == wire), None)) is not None:
                return _Port({"type": spec.type}, port)
        return None

    def _another(self, type: str) -> dict[str, Any]:
        """What makes each tiny picture another one."""
        count = sum(node["type"] == type for node in self.nodes.values())
        return {"seed": count} if count and type == "tiny.image" else {}


@dataclass(frozen=True)
class _Port:
    """A port of a node to make."""

    node: Mapping[str, Any]
    name: str


_DEFAULT = object()


def layout(
    type: str,
    registry: Registry,
    examples: Examples,
    *,
    wires: Mapping[str, Mapping[str, Any]] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Nodes:
    """The nodes of a graph in which a node (`SUBJECT`) has all it needs, as a graph file would say.

    The node is given every reference, also those that may be left out. Numbers of pixels are made small; everything
    else keeps its default, if it has one.

    Args:
        type: The node's type.
        registry: Where all nodes are.
        examples: Arguments that cannot be made up.
        wires: Other nodes to give for some kinds of wire.
        given: Arguments of the node itself, which go before examples.

    Raises:
        UnmadeError: Something must be given for an argument and cannot be made up.
    """
    laid = _Layout(registry, examples, {**WIRES, **(wires or {})})
    laid.add(SUBJECT, {"type": type, **(given or {})})
    return laid.nodes


def folders(examples: Examples) -> list[Path]:
    """Where the files of the examples are, which may be read."""
    paths = [value for given in examples.values() for value in given.values() if isinstance(value, Path)]
    return list(dict.fromkeys(path.resolve().parent for path in paths))


def _small(parameter: Parameter) -> Any:
    """A side in pixels that is smaller than its default, if the parameter is one."""
    kind, default = parameter.type, parameter.default
    if not isinstance(kind, NumberType) or not kind.integer or kind.bounds.unit != "px":
        return _DEFAULT
    side = _SIDES.get(parameter.name, _SIDE)
    if not isinstance(default, int) or default <= side:
        return _DEFAULT
    return within(kind.bounds, side)


def made_up(kind: ArgumentType, name: str) -> Any:
    """A value for an argument of a type, as a graph file gives it, or None if nothing can be made up."""
    match kind:
        case NumberType(integer, bounds):
            number = within(bounds, _REQUIRED_SIDE if integer and bounds.unit == "px" else 1)
            return round(number) if integer else number
        case BooleanType():
            return True
        case ChoiceType(choices):
            return choices[0]
        case TextType(parser=str(parser)):
            return _TEXT if _reads(parser, _TEXT) else None
        case PathType("output"):
            return f"{name}.out"
        case ListType(item):
            value = made_up(item, name)
            return None if value is None else [value]
        case MappingType(item):
            value = made_up(item, name)
            return None if value is None else {"one": value}
        case _:
            return None


def _reads(parser: str, text: str) -> bool:
    module, _, name = parser.partition(":")
    try:
        getattr(importlib.import_module(module), name)(text, {})
    except TextSyntaxError:
        return False
    return True


def within(bounds: Bounds, number: float) -> float:
    """The number, or one near it that the bounds allow."""
    least = max((limit for limit in (bounds.ge, bounds.gt) if limit is not None), default=None)
    most = min((limit for limit in (bounds.le, bounds.lt) if limit is not None), default=None)
    if bounds.violated(number) is None:
        return number
    if least is not None and most is not None:
        return least if bounds.violated(least) is None else (least + most) / 2
    if least is not None:
        return least if bounds.violated(least) is None else least + 1
    assert most is not None
    return most if bounds.violated(most) is None else most - 1
