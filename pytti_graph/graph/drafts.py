"""A draft of a graph: smaller and with fewer steps, to see whether an idea works."""

from __future__ import annotations

from collections.abc import Iterator

from pytti_graph.core.arguments import NumberType
from pytti_graph.graph.binding import Computed, Constant
from pytti_graph.graph.checked import CheckedGraph, CheckedNode
from pytti_graph.graph.checks import CLOCK_ARGUMENTS


def draft_settings(graph: CheckedGraph) -> dict[str, float | str]:
    """What to override for a draft: every number that its node type says to shrink, by that factor.

    A formula of another node's port, such as `canvas.width`, shrinks by itself if that node is made smaller.
    """
    settings: dict[str, float | str] = {}
    numbers = {node.id: list(_shrinking(node)) for node in graph.nodes.values()}
    for id, shrinking in numbers.items():
        for name, kind, bound in shrinking:
            if isinstance(bound, Constant):
                settings[f"{id}.{name}"] = _shrunk(bound.value, kind)
            elif not any(numbers[used.node] for used in bound.formula.references if used.port is not None):
                settings[f"{id}.{name}"] = _shrunk_formula(bound.formula.source, kind)
    for name, steps in (("steps", graph.clock.steps), ("warmup", graph.clock.warmup)):
        settings[f"clock.{name}"] = _shrunk(steps, CLOCK_ARGUMENTS[name])
    return settings


def _shrinking(node: CheckedNode) -> Iterator[tuple[str, NumberType, Constant | Computed]]:
    """The arguments of a node that a draft makes smaller, as far as they say anything."""
    for parameter in node.spec.parameters:
        kind, bound = parameter.type, node.arguments[parameter.name]
        if not isinstance(kind, NumberType) or kind.bounds.draft is None:
            continue
        if isinstance(bound, Computed) or (isinstance(bound, Constant) and bound.value is not None):
            yield parameter.name, kind, bound


def _shrunk_formula(source: str, kind: NumberType) -> str:
    """The formula of what `_shrunk` makes of a formula's value."""
    shrunk = f"({source})*{kind.bounds.draft:g}"
    if kind.integer:
        shrunk = f"round({shrunk})"
    return shrunk if kind.bounds.ge is None else f"max({shrunk}, {kind.bounds.ge:g})"


def _shrunk(value: float, kind: NumberType) -> float:
    """A number made smaller, as far as its bounds allow; whole numbers that count something stay at least 1."""
    assert kind.bounds.draft is not None
    shrunk = value * kind.bounds.draft
    if kind.integer:
        shrunk = round(shrunk) or (1 if value >= 1 else 0)
    return shrunk if kind.bounds.ge is None else max(shrunk, kind.bounds.ge)
