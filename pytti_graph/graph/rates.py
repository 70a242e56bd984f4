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
    """How often a value changes, and why.

    Attributes:
        rate: How often.
        reason: Why, in plain words.
        early: It follows the steps only as a single picture has no frames to follow. Start pictures and motions, which
            are read before the steps, may read it: it is then what it is at the first step.
    """

    rate: Rate
    reason: str
    early: bool = False

    @property
    def order(self) -> tuple[int, bool]:
        """What sorts changes, the fastest and strictest last."""
        return ORDER[self.rate], not self.early


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
        fastest = max(inputs, key=lambda change: change.order, default=_NEVER)
        own = _own_change(network, operation, movers)
        changes[index] = own if own.order >= fastest.order else fastest
        limit = _LIMITS.get(operation.kind)
        if limit is not None and ORDER[fastest.rate] > ORDER[limit] and not (fastest.early and limit == "frame"):
            problems.append(_too_fast(network, operation, inputs, fastest, limit))
            changes[index] = own
    return [changes[index] for index in range(len(network.operations))]


def _slot_change(network: Network, changes: Mapping[int, Change], outside: Mapping[int, Change], slot: int) -> Change:
    if (maker := network.maker[slot]) is not None:
        change = changes[maker]
        return Change(change.rate, f"{network.operations[maker].name} {_WORDS[change.rate]}", change.early)
    return outside.get(slot, _NEVER)


def _outside(network: Network) -> dict[int, Change]:
    """How often the slots change that no operation of the graph fills."""
    clock = {slot: _clock_change(network, name) for name, slot in network.clock.items()}
    previous = {
        slot: Change("frame", f"previous({reference.node}) changes every frame")
        for reference, slot in network.previous.items()
    }
    return clock | previous


def _clock_change(network: Network, name: str) -> Change:
    declared = CLOCK_RATES[name]
    rate, early = _timeline(network) if declared == "timeline" else (declared, False)
    return Change(rate, f"'{name}' {_WORDS[rate]}", early)


def _timeline(network: Network) -> tuple[Rate, bool]:
    """How often what follows the film's time changes, and whether it may be read before the steps nevertheless."""
    return ("step", True) if network.graph.clock.frames == 1 else ("frame", False)


def _own_change(network: Network, operation: Operation, movers: Mapping[str, str]) -> Change:
    """How often an operation's value changes by itself."""
    if operation.kind in ("start", "warp"):
        return Change("frame", "once a frame")
    if operation.kind == "optimise":
        return Change("step", "it optimises")
    if operation.kind != "forward":
        return _NEVER
    spec = network.graph.nodes[operation.node].spec
    if spec.trainable:
        if operation.node in movers:
            return Change("step", f"{movers[operation.node]} optimises it")
        return Change("frame" if operation.after else "once", "it moves" if operation.after else "nothing optimises it")
    if spec.returns is None:
        return Change("frame", "it writes at the end of each frame")
    match spec.rate:
        case "timeline":
            rate, early = _timeline(network)
            return Change(rate, "it follows the film's time", early)
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
