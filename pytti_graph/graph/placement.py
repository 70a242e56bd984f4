"""Where in the course of a rendering each operation runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pytti_graph.core.formulas import Reference
from pytti_graph.graph.network import Network
from pytti_graph.graph.rates import Change

Section = Literal["once", "frame", "step", "end"]
RUNS: Mapping[Section, str] = {
    "once": "once, before the first frame",
    "frame": "at the start of each frame",
    "step": "at every step",
    "end": "at the end of each frame",
}


class Placement:
    """The sections of each operation, by demand: it runs at the slower of what it changes at and is needed at.

    Attributes:
        sections: Of each operation; empty if nothing needs it.
        because: For operations that run, what needs them.
    """

    def __init__(self, network: Network, changes: Sequence[Change], outputs: Iterable[Reference]) -> None:
        self._network, self._changes = network, changes
        self.sections: list[set[Section]] = [set() for _ in network.operations]
        self.because: dict[int, str] = {}
        self._targets = {slot: reference for reference, slot in network.previous.items()}
        self._follow([*self._sinks(), *self._outputs(outputs)])

    def row(self, section: Section, order: Iterable[int]) -> list[int]:
        """The operations of a section, in order."""
        return [index for index in order if section in self.sections[index]]

    def _sinks(self) -> Iterator[tuple[int, Section, str]]:
        for node in self._network.graph.nodes.values():
            if node.spec.optimiser:
                yield self._network.phases[node.id, "forward"], "step", "the steps"
            elif node.spec.returns is None:
                yield self._network.phases[node.id, "forward"], "end", "the end of each frame"

    def _outputs(self, outputs: Iterable[Reference]) -> Iterator[tuple[int, Section, str]]:
        for reference in outputs:
            yield from self._demand(self._network.read(reference), "end", "the pictures")

    def _follow(self, waiting: list[tuple[int, Section, str]]) -> None:
        while waiting:
            index, wanted, user = waiting.pop()
            section = self._section(index, wanted)
            if section not in self.sections[index]:
                self.sections[index].add(section)
                self.because.setdefault(index, user)
                waiting.extend(self._needs(index, section, user))
        for sections, change in zip(self.sections, self._changes, strict=True):
            if "frame" in sections and change.rate == "frame":
                sections.discard("end")

    def _needs(self, index: int, section: Section, user: str) -> Iterator[tuple[int, Section, str]]:
        operation = self._network.operations[index]
        for other in operation.after:
            yield other, "frame", operation.node
        reader = user if operation.kind == "port" else operation.node
        for slot in operation.inputs:
            yield from self._demand(slot, section, reader)

    def _demand(self, slot: int, section: Section, user: str) -> Iterator[tuple[int, Section, str]]:
        if (maker := self._network.maker[slot]) is not None:
            yield maker, section, user
        elif (reference := self._targets.get(slot)) is not None:
            target = self._network.maker[self._network.port(reference.node, reference.port)]
            assert target is not None
            yield target, "end", f"previous({reference.node})"

    def _section(self, index: int, wanted: Section) -> Section:
        rate = self._changes[index].rate
        if rate == "once":
            return "once"
        if self._network.operations[index].kind in ("start", "warp"):
            return "frame"
        if rate == "frame":
            return "end" if wanted == "end" else "frame"
        return wanted
