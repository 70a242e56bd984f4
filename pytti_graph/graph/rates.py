"""How often each value changes, inferred from what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytti_graph.core.errors import Problem
from pytti_graph.core.nodes import Rate
from pytti_graph.graph.network import CLOCK_RATES, Kind, Network, Operation

ORDER: Mapping[Rate, int] = {"once": 0, "frame": 1, "step": 2}
_LIMITS: Mapping[Kind, Rate] = {"init": "once", "start": "frame", "warp": "frame"}
_WORDS: Mapping[Rate, str] = {"once": "never changes", "frame": "changes every frame", "step": "changes every step"}


@dataclass(frozen=True, slots=True)
class Change:
    """How often a value changes, and why."""

    rate: Rate
    reason: str


_FRAME_HINT = "use what changes once a frame: frame/frames instead of progress, previous(...) instead of a picture"
_NEVER = Change("once", "nothing it uses changes")


def infer(network: Network, order: Iterable[int], movers: Mapping[str, str], problems: list[Problem]) -> list[Change]:
    """The change rate of each operation's value.

    Args:
        network: The operations.
        order: All of them, each after what it depends on.
        movers: For each image that is optimised, its optimiser.
        problems: Where a phase that is called once or once a frame reads what changes faster is added to these.
    """
    outside = _outside(network)
    changes: dict[int, Change] = {}
    for index in order:
        operation = network.operations[index]
        inputs = [_slot_change(network, changes, outside, slot) for slot in operation.inputs]
        fastest = max(inputs, key=lambda change: ORDER[change.rate], default=_NEVER)
        own = _own_change(network, operation, movers)
        changes[index] = own if ORDER[own.rate] >= ORDER[fastest.rate] else fastest
        limit = _LIMITS.get(operation.kind)
        if limit is not None and ORDER[fastest.rate] > ORDER[limit]:
            problems.append(_too_fast(network, operation, inputs, fastest, limit))
            changes[index] = own
    return [changes[index] for index in range(len(network.operations))]


def _slot_change(network: Network, changes: Mapping[int, Change], outside: Mapping[int, Change], slot: int) -> Change:
    if (maker := network.maker[slot]) is not None:
        rate = changes[maker].rate
        return Change(rate, f"{network.operations[maker].name} {_WORDS[rate]}")
    return outside.get(slot, _NEVER)


def _outside(network: Network) -> dict[int, Change]:
    """How often the slots change that no operation of the graph fills."""
    clock = {
        slot: Change(CLOCK_RATES[name], f"'{name}' {_WORDS[CLOCK_RATES[name]]}") for name, slot in network.clock.items()
    }
    previous = {
        slot: Change("frame", f"previous({reference.node}) changes every frame")
        for reference, slot in network.previous.items()
    }
    return clock | previous


def _own_change(network: Network, operation: Operation, movers: Mapping[str, str]) -> Change:
    """How often an operation's value changes by itself."""
    if operation.kind in ("start", "warp"):
        return Change("frame", "once a frame")
    if operation.kind == "optimise":
        return Change("step", "it optimises")
    if operation.kind != "forward":
        return _NEVER
    spec, clock = network.graph.nodes[operation.node].spec, network.graph.clock
    if spec.trainable:
        if operation.node in movers:
            return Change("step", f"{movers[operation.node]} optimises it")
        return Change("frame" if operation.after else "once", "it moves" if operation.after else "nothing optimises it")
    if spec.returns is None:
        return Change("frame", "it writes at the end of each frame")
    match spec.rate:
        case "timeline":
            return Change("step" if clock.frames == 1 else "frame", "it follows the film's time")
        case "step" | "frame":
            return Change(spec.rate, "it draws random numbers" if spec.random else f"it changes every {spec.rate}")
        case _:
            return _NEVER


def _too_fast(network: Network, operation: Operation, inputs: list[Change], fastest: Change, limit: Rate) -> Problem:
    node = network.graph.nodes[operation.node]
    keywords = operation.detail if operation.kind == "init" else (None, *operation.detail)
    argument = keywords[inputs.index(fastest)]
    read = "once, before the first frame" if limit == "once" else "once a frame, before its steps"
    message = f"{argument} is read {read}, but {fastest.reason}"
    hint = _FRAME_HINT if limit == "frame" else "give a value that does not change"
    return Problem(message, node.places.get(argument) or node.position, node.id, argument, hint)
