"""Checks a document against the installed node types: every problem in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytti_graph.core.arguments import NumberType, ReferenceType
from pytti_graph.core.errors import GraphError, Position, Problem, did_you_mean
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import NUMBER, NodeSpec, Parameter
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import Bounds, Clock
from pytti_graph.graph.binding import BindingError, Bound, Computed, Constant, Link, Parsed, bind, number
from pytti_graph.graph.document import Document, Entry, NodeText, Value

QUOTE_HINT = "if this belongs to the text, write the text in double quotes"


@dataclass(frozen=True, slots=True)
class Use:
    """A reference that an argument makes: to what, of which wire type it must be, and where it stands."""

    argument: str
    reference: Reference
    wire: str
    place: Position | None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedNode:
    """A node whose arguments fit its schema.

    Attributes:
        id: Its name in the graph.
        spec: Its type.
        arguments: Every argument of the schema, given or default.
        position: Of its id.
        places: Where the given arguments stand.
    """

    id: str
    spec: NodeSpec
    arguments: Mapping[str, Bound]
    position: Position | None = None
    places: Mapping[str, Position | None] = field(default_factory=dict)

    def references(self) -> Iterator[Use]:
        """Every reference it makes."""
        for name, bound in self.arguments.items():
            match bound:
                case Link(references, _, places):
                    parameter = self.spec.parameter(name)
                    assert parameter is not None
                    assert isinstance(parameter.type, ReferenceType)
                    for reference, place in zip(references, places, strict=True):
                        yield Use(name, reference, parameter.type.wire, place)
                case Computed():
                    yield from _uses(name, bound)
                case Parsed(formulas=formulas):
                    for computed in formulas:
                        yield from _uses(name, computed, QUOTE_HINT)
                case _:
                    pass


def _uses(name: str, computed: Computed, hint: str | None = None) -> Iterator[Use]:
    for reference in computed.formula.references:
        yield Use(name, reference, NUMBER, computed.at(reference.offset), hint)


@dataclass(frozen=True)
class CheckedGraph:
    """A graph whose every node, argument and reference is right.

    Attributes:
        name: For the run folder.
        seed: As given in the file, or None.
    """

    name: str
    title: str
    seed: int | None
    clock: Clock
    variables: Mapping[str, float | str]
    nodes: Mapping[str, CheckedNode]


REMEMBERED = frozenset({"Image", "Mask", "Depth", "Loss", NUMBER})
"""What `previous(...)` can keep from one frame to the next."""


def check(document: Document, registry: Registry) -> CheckedGraph:
    """Check every node; raises `GraphError` with all problems found."""
    problems: list[Problem] = []
    variables: dict[str, Any] = {name: entry.value.plain() for name, entry in document.variables.items()}
    clock = _clock(document, variables, problems)
    nodes = {}
    for text in document.nodes.values():
        if (made := _node(text, registry, variables, problems)) is not None:
            nodes[text.id] = made
    for made in nodes.values():
        problems.extend(_wrong_references(made, nodes, document))
    if not document.nodes:
        problems.append(Problem("the graph has no nodes", hint="add some under 'nodes:'"))
    if problems:
        raise GraphError(in_file_order(problems))
    return CheckedGraph(document.name, document.title, document.seed, clock, variables, nodes)


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems as they stand in the file; those without a place first."""
    return sorted(problems, key=lambda problem: _place(problem.position))


def _place(position: Position | None) -> tuple[str, int, int]:
    return (position.file, position.line, position.column) if position else ("", 0, 0)


CLOCK_ARGUMENTS: dict[str, NumberType] = {
    "frames": NumberType(True, Bounds(ge=1)),
    "fps": NumberType(False, Bounds(gt=0)),
    "scene_frames": NumberType(True, Bounds(ge=1)),
    "steps": NumberType(True, Bounds(ge=0, draft=0.35)),
    "warmup": NumberType(True, Bounds(ge=0, draft=0.35)),
}


def _clock(document: Document, variables: Mapping[str, Any], problems: list[Problem]) -> Clock:
    values: dict[str, Any] = {}
    for name, entry in document.clock.items():
        if (kind := CLOCK_ARGUMENTS.get(name)) is None:
            hint = did_you_mean(name, CLOCK_ARGUMENTS)
            problems.append(Problem(f"clock has no '{name}'", entry.position, argument=name, hint=hint))
            continue
        try:
            bound = number(kind, entry.value, variables)
            if isinstance(bound, Computed):
                raise BindingError("must be a number that does not change", entry.value.position)
            values[name] = bound.value
        except BindingError as error:
            problems.append(Problem(f"clock.{name}: {error.message}", error.position, argument=name, hint=error.hint))
    steps = values.setdefault("steps", Clock().steps)
    return Clock(**{"warmup": steps, **values})


def _node(
    text: NodeText, registry: Registry, variables: Mapping[str, Any], problems: list[Problem]
) -> CheckedNode | None:
    spec = registry.specs.get(str(text.type.data))
    if spec is None:
        problems.append(_unknown_type(text, registry))
        return None
    before = len(problems)
    for entry in text.arguments.values():
        if spec.parameter(entry.key) is None:
            problems.append(_unknown_argument(text, spec, entry))
    arguments: dict[str, Bound] = {}
    for parameter in spec.parameters:
        try:
            arguments[parameter.name] = _argument(parameter, text, variables)
        except BindingError as error:
            problems.append(error.problem(text.id, parameter.name))
    complete = all(parameter.name in arguments for parameter in spec.parameters)
    places = {entry.key: entry.value.position for entry in text.arguments.values()}
    if len(problems) > before and not complete:
        arguments = {name: bound for name, bound in arguments.items() if not isinstance(bound, Constant)}
    return CheckedNode(text.id, spec, arguments, text.position, places)


def _argument(parameter: Parameter, text: NodeText, variables: Mapping[str, Any]) -> Bound:
    entry = text.arguments.get(parameter.name)
    if entry is None:
        if parameter.required:
            hint = f"add '{parameter.name}: ...' ({parameter.type})"
            raise BindingError("missing argument", text.position, hint)
        return _default(parameter, variables)
    if entry.value.data is None and parameter.optional:
        return Constant(None)
    return bind(parameter.type, entry.value, variables)


def _default(parameter: Parameter, variables: Mapping[str, Any]) -> Bound:
    if parameter.default is None or not isinstance(parameter.default, str | int | float):
        return Constant(parameter.default)
    if isinstance(parameter.type, ReferenceType):
        raise BindingError("missing argument", None)
    return bind(parameter.type, Value(parameter.default, None), variables)


def _unknown_type(text: NodeText, registry: Registry) -> Problem:
    name = str(text.type.data)
    broken = [plugin for plugin in registry.plugins if plugin.failure]
    hint = did_you_mean(name, registry.specs)
    if hint is None and broken:
        hint = f"the plugin {broken[0].distribution} could not be used: see 'pytti-graph plugins'"
    hint = hint or "'pytti-graph nodes' lists the installed types; a plugin may be missing"
    return Problem(f"unknown node type '{name}'", text.type.position, text.id, "type", hint)


def _unknown_argument(text: NodeText, spec: NodeSpec, entry: Entry) -> Problem:
    known = [parameter.name for parameter in spec.parameters]
    hint = did_you_mean(entry.key, known)
    if hint is None:
        hint = f"it takes {', '.join(known)}" if known else "it takes no arguments"
    return Problem(f"unknown argument '{entry.key}' ({spec.type})", entry.position, text.id, entry.key, hint)


def _wrong_references(node: CheckedNode, nodes: Mapping[str, CheckedNode], document: Document) -> Iterator[Problem]:
    for use in node.references():
        id, wrong, hint = use.reference.node, None, None
        if (target := nodes.get(id)) is not None:
            wrong, hint = _mismatch(use.reference, target.spec, use.wire, nodes)
        elif id not in document.nodes and id not in document.unreadable:
            wrong = f"there is no node '{id}'"
            hint = did_you_mean(id, [*document.nodes, *document.variables]) or use.hint
            hint = hint or f"nodes here: {', '.join(list(document.nodes)[:12])}"
        if wrong:
            yield Problem(f"{use.argument}: {wrong}", use.place, node.id, use.argument, hint)


def _mismatch(
    reference: Reference, spec: NodeSpec, wire: str, nodes: Mapping[str, CheckedNode]
) -> tuple[str | None, str | None]:
    """What is wrong with a reference to a node of that type where `wire` is expected, and what to write instead."""
    if spec.returns is None:
        return f"'{reference.node}' ({spec.type}) has no value to refer to", _candidates(wire, nodes)
    if reference.port is not None and reference.port not in spec.ports:
        known = ", ".join(spec.ports) or "none"
        hint = did_you_mean(reference.port, spec.ports)
        return f"'{reference.node}' ({spec.type}) has no port '{reference.port}' (ports: {known})", hint
    found = spec.returns if reference.port is None else spec.ports[reference.port]
    if reference.previous and found not in REMEMBERED:
        return f"previous(...) cannot keep {found}", f"it keeps {', '.join(sorted(REMEMBERED))}"
    if found != wire:
        name = reference.node + (f".{reference.port}" if reference.port else "")
        return f"expected {wire}, but '{name}' ({spec.type}) gives {found}", _candidates(wire, nodes)
    return None, None


def _candidates(wire: str, nodes: Mapping[str, CheckedNode]) -> str | None:
    fitting = [node.id for node in nodes.values() if node.spec.returns == wire]
    fitting += [
        f"{node.id}.{port}" for node in nodes.values() for port, kind in node.spec.ports.items() if kind == wire
    ]
    return f"write one of: {', '.join(fitting[:8])}" if fitting else None
