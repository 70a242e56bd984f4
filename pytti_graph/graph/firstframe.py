"""Orders the calls of frame 0, where nothing moves and `previous(x)` is x itself, after `start`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytti_graph.core.errors import Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import NUMBER
from pytti_graph.graph.checked import CheckedNode, Use
from pytti_graph.graph.network import Network, Operation
from pytti_graph.graph.order import CircleError, depth_first
from pytti_graph.graph.placement import Placement, Section
from pytti_graph.graph.rates import Change

Item = int | tuple[int, int]
"""An operation, or a copy of a value's slot to the slot of its `previous(...)`."""

_LATER: tuple[Section, ...] = ("step", "end")


class FirstFrame:
    """Finds what frame 0 needs before its steps."""

    def __init__(self, network: Network, changes: Sequence[Change], placement: Placement) -> None:
        self._network, self._changes, self._placement = network, changes, placement
        self._targets = {slot: reference for reference, slot in network.previous.items()}

    def order(self, rows: Mapping[Section, Sequence[int]], problems: list[Problem]) -> list[Item]:
        """What frame 0 does before its steps, each after what it needs.

        Args:
            rows: The operations of each section, in order.
            problems: A value that depends on itself is added to these.
        """
        later = [index for section in _LATER for index in rows[section]]
        try:
            return depth_first([*self._roots(rows["frame"], later), *self._copies(later)], self._needed)
        except CircleError as circle:
            problems.append(self._problem(circle.items))
            return []

    def _roots(self, row: Iterable[int], later: Iterable[int]) -> Iterator[int]:
        """Operations whose values or effects are needed: `start`, and what steps, frame ends and copies read."""
        operations, maker = self._network.operations, self._network.maker
        yield from (index for index in row if operations[index].kind == "start")
        read: list[int | None] = []
        for index in later:
            read += [*(maker[slot] for slot in operations[index].inputs), *operations[index].after]
        read += [maker[self._network.port(target.node, target.port)] for target in self._network.previous]
        yield from (index for index in read if index is not None and self._begins(index))

    def _begins(self, index: int) -> bool:
        return "frame" in self._placement.sections[index] and self._network.operations[index].kind != "warp"

    def _copies(self, later: Iterable[int]) -> Iterator[tuple[int, int]]:
        for index in later:
            for slot in self._network.operations[index].inputs:
                if self._is_copied(slot):
                    yield self._copy(slot)

    def _is_copied(self, slot: int) -> bool:
        return slot in self._targets and self._targets[slot].initial is None

    def _copy(self, slot: int) -> tuple[int, int]:
        reference = self._targets[slot]
        return self._network.port(reference.node, reference.port), slot

    def _needed(self, item: Item) -> Iterator[Item]:
        if isinstance(item, tuple):
            value, _ = item
            yield from self._sources([value])
            return
        operation = self._network.operations[item]
        yield from (other for other in operation.after if self._network.operations[other].kind != "warp")
        yield from self._sources(operation.inputs)

    def _sources(self, slots: Iterable[int]) -> Iterator[Item]:
        for slot in slots:
            maker = self._network.maker[slot]
            if maker is not None and self._changes[maker].rate != "once":
                yield maker
            elif self._is_copied(slot):
                yield self._copy(slot)

    def _problem(self, circle: Sequence[Item]) -> Problem:
        operations = [self._network.operations[item] for item in reversed(circle) if isinstance(item, int)]
        copied = [self._targets[item[1]] for item in circle if isinstance(item, tuple)]
        reference = next((reference for reference in copied if self._is_number(reference)), copied[0])
        path = _path([operation.node for operation in operations], reference.node)
        node, use = self._use(reference, path)
        message = f"{reference} has no value on frame 0: its first value depends on itself"
        message += f" ({' -> '.join(path)})" if len(path) > 2 else ""
        hint = self._hint(reference, operations)
        return Problem(message, use.place or node.position, node.id, use.argument, hint)

    def _is_number(self, reference: Reference) -> bool:
        spec = self._network.graph.nodes[reference.node].spec
        return (spec.returns if reference.port is None else spec.ports[reference.port]) == NUMBER

    def _use(self, reference: Reference, path: Sequence[str]) -> tuple[CheckedNode, Use]:
        nodes = (self._network.graph.nodes[id] for id in path)
        return next((node, use) for node in nodes for use in node.references() if use.reference == reference)

    def _hint(self, reference: Reference, circle: Sequence[Operation]) -> str:
        if self._is_number(reference):
            name = reference.node if reference.port is None else f"{reference.node}.{reference.port}"
            return f"give it one: previous({name}, 0)"
        started = next((operation for operation in circle if operation.kind == "start"), None)
        if started is not None:
            argument = started.detail[0]
            return f"give '{started.node}.{argument}' a picture that does not depend on it, such as a source.image"
        return "use it in the warp or the losses of an image, such as image.pyramid, whose first picture is its own"


def _path(nodes: Sequence[str], start: str) -> list[str]:
    """The nodes of a circle, each once, from `start` and back to it."""
    once = list(dict.fromkeys(nodes))
    begin = once.index(start)
    return [*once[begin:], *once[:begin], start]
