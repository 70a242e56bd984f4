"""A draft of a graph: smaller and with fewer steps, to see whether an idea works."""

from __future__ import annotations

from pytti_graph.core.arguments import NumberType
from pytti_graph.graph.binding import Computed, Constant
from pytti_graph.graph.checked import CheckedGraph
from pytti_graph.graph.checks import CLOCK_ARGUMENTS


def draft_settings(graph: CheckedGraph) -> dict[str, float | str]:
    """What to override for a draft: every number that its node type says to shrink, by that factor."""
    settings: dict[str, float | str] = {}
    for node in graph.nodes.values():
        for parameter in node.spec.parameters:
            kind, bound = parameter.type, node.arguments[parameter.name]
            if not isinstance(kind, NumberType) or kind.bounds.draft is None:
                continue
            if isinstance(bound, Constant) and bound.value is not None:
                settings[f"{node.id}.{parameter.name}"] = _shrunk(bound.value, kind)
            elif isinstance(bound, Computed) and not kind.integer:
                settings[f"{node.id}.{parameter.name}"] = f"({bound.formula.source})*{kind.bounds.draft:g}"
    for name, steps in (("steps", graph.clock.steps), ("warmup", graph.clock.warmup)):
        settings[f"clock.{name}"] = _shrunk(steps, CLOCK_ARGUMENTS[name])
    return settings


def _shrunk(value: float, kind: NumberType) -> float:
    """A number made smaller, as far as its bounds allow; whole numbers that count something stay at least 1."""
    assert kind.bounds.draft is not None
    shrunk = value * kind.bounds.draft
    if kind.integer:
        shrunk = round(shrunk) or (1 if value >= 1 else 0)
    return shrunk if kind.bounds.ge is None else max(shrunk, kind.bounds.ge)
