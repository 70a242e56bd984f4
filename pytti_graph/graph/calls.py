"""The calls of a plan, and when the values in their slots can be let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytti_graph.graph.network import Kind, Operation


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a plan.

    Attributes:
        kind: What is called.
        node: Id of its node.
        name: As shown to users.
        inputs: Slots of its arguments.
        output: Slot of its value.
        release: Slots whose values are not needed after it.
        detail: Formula, port or keywords.
    """

    kind: Kind | Literal["store"]
    node: str
    name: str
    inputs: tuple[int, ...]
    output: int
    release: tuple[int, ...] = ()
    detail: Any = None


def call_of(operation: Operation) -> Call:
    """The call of an operation."""
    kind, node, name, inputs = operation.kind, operation.node, operation.name, tuple(operation.inputs)
    return Call(kind, node, name, inputs, operation.output, detail=operation.detail)


def read_by(calls: Iterable[Call]) -> set[int]:
    """The slots that calls read."""
    return {slot for call in calls for slot in call.inputs}


def with_releases(calls: Sequence[Call], kept: set[int]) -> tuple[Call, ...]:
    """The same calls, each letting go of what they made and none of them uses after it, except what is `kept`."""
    made = {call.output for call in calls}
    seen: set[int] = set()
    released = []
    for call in reversed(calls):
        mentioned = dict.fromkeys([*call.inputs, call.output])
        release = tuple(slot for slot in mentioned if slot in made and slot not in seen and slot not in kept)
        seen.update(mentioned)
        released.append(replace(call, release=release))
    return tuple(reversed(released))
