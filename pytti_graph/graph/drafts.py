"""A draft of a graph: smaller and with fewer steps, to see whether an idea works."""

from __future__ import annotations

from pytti_graph.core.arguments import NumberType
from pytti_graph.core.types import Clock
from pytti_graph.graph.binding import Constant
from pytti_graph.graph.checks import CLOCK_ARGUMENTS, CheckedGraph


def draft_settings(graph: CheckedGraph) -> dict[str, float]:
    """What to override for a draft: every number that its node type says to shrink, by that factor."""
    settings: dict[str, float] = {}
    for node in graph.nodes.values():
        for parameter in node.spec.parameters:
            kind, bound = parameter.type, node.arguments[parameter.name]
            if not isinstance(kind, NumberType) or kind.bounds.draft is None:
                continue
            if isinstance(bound, Constant) and bound.value is not None:
                settings[f"{node.id}.{parameter.name}"] = _shrunk(bound.value, kind)
    for name in ("steps", "warmup"):
        settings[f"clock.{name}"] = _shrunk(_steps(graph.clock, name), CLOCK_ARGUMENTS[name])
    return settings


def _steps(clock: Clock, name: str) -> int:
    return clock.steps if name == "steps" else clock.warmup


def _shrunk(value: float, kind: NumberType) -> float:
    assert kind.bounds.draft is not None
    least = max(kind.bounds.ge or 0, 1 if value >= 1 else 0)
    shrunk = max(value * kind.bounds.draft, least)
    return round(shrunk) if kind.integer else shrunk
