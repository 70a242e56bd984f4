"""Checks a document against the installed node types: every problem in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytti_graph.core.arguments import NumberType, ReferenceType
from pytti_graph.core.errors import GraphError, Position, Problem, did_you_mean
from pytti_graph.core.formulas import Reference
from pytti_graph.core.injected import Clock
from pytti_graph.core.marks import Bounds
from pytti_graph.core.nodes import MOVES, NUMBER, NodeSpec, Parameter
from pytti_graph.core.plugins import Registry
from pytti_graph.graph.binding import BindingError, Bound, Computed, Constant, bind, number
from pytti_graph.graph.checked import CheckedGraph, CheckedNode, Use
from pytti_graph.graph.document import Document, NodeText, Value
from pytti_graph.graph.outputs import output_clashes
from pytti_graph.graph.ports import meant_port, with_ports
from pytti_graph.graph.structure import loops, needed_by, sinks
from pytti_graph.graph.unknown_arguments import unknown_argument
from pytti_graph.graph.unknown_types import unknown_type

__all__ = ["CLOCK_ARGUMENTS", "CheckedGraph", "CheckedNode", "Use", "check", "in_file_order", "output_problem"]

REMEMBERED = frozenset({"Image", "Mask", "Depth", "Loss", NUMBER})
"""What `previous(...)` can keep from one frame to the next."""


def check(document: Document, registry: Registry) -> CheckedGraph:
    """Check every node.

    Raises:
        GraphError: All that is wrong with the nodes and with their references; if that is something, then also loops
            and output clashes, as far as they can be told. What else is wrong only a graph whose nodes are right can
            tell: see `compile_plan`.
    """
    problems: list[Problem] = []
    variables: dict[str, Any] = {name: entry.value.plain() for name, entry in document.variables.items()}
    clock = _clock(document, variables, problems)
    folder = document.path.parent if document.path else None
    nodes = {}
    for text in document.nodes.values():
        if (made := _node(text, registry, folder, variables, problems)) is not None:
            nodes[text.id] = made
    nodes = {id: with_ports(made, nodes) for id, made in nodes.items()}
    for made in nodes.values():
        problems.extend(_wrong_references(made, nodes, document))
    if not document.nodes:
        problems.append(Problem("the graph has no nodes", hint="add some under 'nodes:'"))
    if problems:
        raise GraphError(in_file_order([*problems, *_between(nodes)]))
    return CheckedGraph(document.name, document.title, document.seed, clock, variables, nodes)


def _between(nodes: Mapping[str, CheckedNode]) -> list[Problem]:
    """What is wrong between nodes, some of which may have arguments that could not be read."""
    whole = {node.id: node for node in nodes.values() if len(node.arguments) == len(node.spec.parameters)}
    return [*output_clashes(whole), *loops(nodes, needed_by(nodes, sinks(nodes)))]


def output_problem(reference: Reference, graph: CheckedGraph) -> str | None:
    """What is wrong with handing out the picture that a reference stands for, or None."""
    node = graph.nodes.get(reference.node)
    if reference.previous:
        wrong, hint = "a picture of the frame before cannot be handed out", f"give '{reference.node}' itself"
    elif node is None:
        wrong, hint = f"there is no node '{reference.node}'", did_you_mean(reference.node, graph.nodes) or ""
        hint = hint or _candidates("Image", graph.nodes) or ""
    else:
        mismatch, more = _mismatch(reference, node.spec, "Image", graph.nodes)
        wrong, hint = mismatch or "", more or ""
    return "; ".join(filter(None, [wrong, hint])) or None


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems as they stand in the file; those without a place first."""
    return sorted(problems, key=lambda problem: _place(problem.position))


def _place(position: Position | None) -> tuple[str, int, int]:
    return (position.file, position.line, position.column) if position else ("", 0, 0)


_MOST = 10**7
"""Frames, or steps of a frame: more is a slip, and no rendering would end."""

CLOCK_ARGUMENTS: dict[str, NumberType] = {
    "frames": NumberType(True, Bounds(ge=1, le=_MOST)),
    "fps": NumberType(False, Bounds(gt=0, le=1000)),
    "scene_frames": NumberType(True, Bounds(ge=1, le=_MOST)),
    "steps": NumberType(True, Bounds(ge=0, le=_MOST, draft=0.35)),
    "warmup": NumberType(True, Bounds(ge=0, le=_MOST, draft=0.35)),
}


def _clock(document: Document, variables: Mapping[str, Any], problems: list[Problem]) -> Clock:
    values: dict[str, Any] = {}
    for name, entry in document.clock.items():
        if (kind := CLOCK_ARGUMENTS.get(name)) is None:
            hint = did_you_mean(name, CLOCK_ARGUMENTS) or f"it has {', '.join(CLOCK_ARGUMENTS)}"
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
    text: NodeText, registry: Registry, folder: Path | None, variables: Mapping[str, Any], problems: list[Problem]
) -> CheckedNode | None:
    spec = registry.find(str(text.type.data))
    if spec is None:
        problems.append(unknown_type(text, registry, folder))
        return None
    before = len(problems)
    for entry in text.arguments.values():
        if spec.parameter(entry.key) is None:
            problems.append(unknown_argument(text, spec, entry))
    arguments: dict[str, Bound] = {}
    for parameter in spec.parameters:
        try:
            arguments[parameter.name] = _argument(parameter, text, variables)
        except BindingError as error:
            problems.append(error.problem(text.id, parameter.name))
    if spec.trainable:
        problems.extend(_missing_in_moves(text, spec, arguments))
    if spec.either and all(arguments.get(name) == Constant(None) for name in spec.either):
        problems.append(_missing_either(text, spec))
    problems.extend(_not_rising(text, spec, arguments))
    complete = all(parameter.name in arguments for parameter in spec.parameters)
    places = {entry.key: entry.value.position for entry in text.arguments.values()}
    if len(problems) > before and not complete:
        arguments = {name: bound for name, bound in arguments.items() if not isinstance(bound, Constant)}
    return CheckedNode(text.id, spec, arguments, text.position, places)


def _missing_in_moves(text: NodeText, spec: NodeSpec, arguments: Mapping[str, Bound]) -> Iterator[Problem]:
    """What `start` and `warp` need besides the reference that asks for them."""
    lacking = {name for name, bound in arguments.items() if bound == Constant(None)}
    missing: dict[str, None] = {}
    for phase in MOVES:
        needed = spec.needed_in(phase)
        if needed and needed[0] in arguments and needed[0] not in lacking:
            missing |= dict.fromkeys(name for name in needed if name in lacking)
    for parameter in spec.parameters:
        if parameter.name in missing:
            yield _missing(parameter, text).problem(text.id, parameter.name)


def _argument(parameter: Parameter, text: NodeText, variables: Mapping[str, Any]) -> Bound:
    entry = text.arguments.get(parameter.name)
    if entry is None:
        if parameter.required:
            raise _missing(parameter, text)
        return _default(parameter, variables)
    if entry.value.data is None and parameter.optional:
        return Constant(None)
    return bind(parameter.type, entry.value, variables)


def _missing(parameter: Parameter, text: NodeText) -> BindingError:
    hint = f"add '{parameter.name}: ...' ({parameter.type})"
    return BindingError("missing argument", text.position, hint)


def _missing_either(text: NodeText, spec: NodeSpec) -> Problem:
    """None of some arguments is given, of which one is needed."""
    ways = [f"'{name}: ...' ({parameter.type})" for name in spec.either if (parameter := spec.parameter(name))]
    message = f"either {' or '.join(spec.either)} is needed"
    return Problem(message, text.position, text.id, spec.either[0], f"add {' or '.join(ways)}")


def _not_rising(text: NodeText, spec: NodeSpec, arguments: Mapping[str, Bound]) -> Iterator[Problem]:
    """Constants that are above those that may not be below them."""
    for smaller, larger in pairwise(spec.rising):
        match arguments.get(smaller), arguments.get(larger):
            case Constant(int() | float() as low), Constant(int() | float() as high) if low > high:
                given = next(text.arguments[name] for name in (smaller, larger) if name in text.arguments)
                message = f"{smaller} ({low:.10g}) is above {larger} ({high:.10g})"
                yield Problem(message, given.value.position, text.id, given.key, f"give the smaller one as {smaller}")


def _default(parameter: Parameter, variables: Mapping[str, Any]) -> Bound:
    if not isinstance(parameter.default, str | int | float) or parameter.default in (math.inf, -math.inf):
        return Constant(parameter.default)
    if isinstance(parameter.type, ReferenceType):
        raise BindingError("missing argument", None)
    return bind(parameter.type, Value(parameter.default, None), variables)


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
            yield Problem(f"{use.argument}: {wrong}", use.place, node.id, use.argument, use.meant or hint)


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
    if reference.initial is not None and found != NUMBER:
        hint = f"write {replace(reference, initial=None)}, which on frame 0 is its first value"
        return f"only a number can be given an initial value, but '{reference.node}' gives {found}", hint
    if found != wire:
        name = reference.node + (f".{reference.port}" if reference.port else "")
        return f"expected {wire}, but '{name}' ({spec.type}) gives {found}", _candidates(wire, nodes)
    return None, None


def _candidates(wire: str, nodes: Mapping[str, CheckedNode]) -> str | None:
    fitting = [node.id for node in nodes.values() if node.spec.returns == wire or meant_port(node.spec, wire)]
    fitting += [
        f"{node.id}.{port}"
        for node in nodes.values()
        for port, kind in node.spec.ports.items()
        if kind == wire and not meant_port(node.spec, wire)
    ]
    return f"write one of: {', '.join(fitting[:8])}" if fitting else None
