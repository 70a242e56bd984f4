"""Compiles a checked graph: which operation runs when, on which slots, and when a value can be let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytti_graph.core.errors import GraphError, Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import Rate
from pytti_graph.graph.calls import Call, call_of, read_by, with_releases
from pytti_graph.graph.checked import CheckedGraph, CheckedNode
from pytti_graph.graph.checks import in_file_order
from pytti_graph.graph.firstframe import FirstFrame
from pytti_graph.graph.network import Injection, Network, build
from pytti_graph.graph.outputs import output_clashes
from pytti_graph.graph.placement import RUNS, Placement, Section
from pytti_graph.graph.previous import random_previous
from pytti_graph.graph.rates import infer
from pytti_graph.graph.structure import loops, needed_by, sinks
from pytti_graph.graph.training import Training, movers, trainings

__all__ = ["RUNS", "Call", "NodeTiming", "OptimiserPlan", "Plan", "Section", "compile_plan", "writer_images"]


@dataclass(frozen=True, slots=True)
class NodeTiming:
    """How often a node changes and runs, and why (see `pytti-graph plan`)."""

    changes: Rate
    reason: str
    runs: tuple[Section, ...]
    for_whom: str


_NEVER = NodeTiming("once", "it never runs", (), "nothing")


@dataclass(frozen=True, slots=True)
class OptimiserPlan:
    """One optimiser: the slots of its losses with their names, its images, and its call."""

    node: str
    losses: tuple[tuple[str, int], ...]
    images: tuple[str, ...]
    call: Call


@dataclass(frozen=True)
class Plan:
    """A compiled graph.

    Attributes:
        slots: Number of slots.
        once: Calls before the first frame.
        first: Calls at the start of frame 0.
        frame: Calls at the start of every other frame.
        step: Calls of every step, before the optimisers.
        end: Calls at the end of every frame.
        preview: Calls that bring the first output up to date.
        optimisers: What moves the images.
        outputs: The pictures that are written or handed out: (node, slot).
        sinks: Ids of the writers that run.
        previous: What `previous(...)` reads: (node, slot of the value, slot of its copy).
        initial: Values of `previous(x, value)` on frame 0.
        dead: Ids of nodes that nothing needs.
    """

    graph: CheckedGraph
    slots: int
    constants: Mapping[int, Any]
    files: Mapping[int, Any]
    clock: Mapping[str, int]
    injected: Mapping[int, Injection]
    objects: Mapping[str, int]
    once: tuple[Call, ...]
    first: tuple[Call, ...]
    frame: tuple[Call, ...]
    step: tuple[Call, ...]
    end: tuple[Call, ...]
    preview: tuple[Call, ...]
    optimisers: tuple[OptimiserPlan, ...]
    outputs: tuple[tuple[str, int], ...]
    sinks: tuple[str, ...]
    previous: tuple[tuple[str, int, int], ...]
    initial: Mapping[int, float]
    timings: Mapping[str, NodeTiming]
    dead: tuple[str, ...] = ()


def compile_plan(graph: CheckedGraph, *, write: bool = True, outputs: Sequence[Reference] | None = None) -> Plan:
    """Compile a graph; what nothing in it needs is left out, and whatever is wrong with that does no harm.

    Args:
        graph: The graph.
        write: Run its writers.
        outputs: Pictures to hand out; the writers' if not given.

    Raises:
        GraphError: All of these: writers that overwrite each other's files, gradients without a way, nothing to do,
            and loops or, if there are none, values read more seldom than they change, `previous` of random values,
            and values that depend on themselves on frame 0.
    """
    wanted = writer_images(graph) if outputs is None else list(outputs)
    roots = [*sinks(graph.nodes, write=write), *(reference.node for reference in wanted)]
    needed = needed_by(graph.nodes, roots)
    problems = output_clashes(graph.nodes)
    if not roots or (write and not any(_writes(node) for node in graph.nodes.values())):
        hint = "add a writer, such as 'write.frames', with the picture as its 'image'"
        problems.append(Problem("the graph writes nothing", hint=hint))
    found = trainings(graph, problems)
    if circles := loops(graph.nodes, needed):
        raise GraphError(in_file_order([*problems, *circles]))
    live = replace(graph, nodes={id: node for id, node in graph.nodes.items() if id in needed})
    plan = _Compiler(graph, build(live, wanted), found, wanted, problems).plan()
    if problems:
        raise GraphError(in_file_order(problems))
    return plan


def writer_images(graph: CheckedGraph) -> list[Reference]:
    """The pictures that writers of a graph write, each once."""
    references = [
        use.reference
        for node in graph.nodes.values()
        if _writes(node)
        for use in node.references()
        if use.wire == "Image"
    ]
    return list(dict.fromkeys(references))


def _writes(node: CheckedNode) -> bool:
    return node.spec.returns is None and not node.spec.optimiser


class _Compiler:
    """Makes the plan of a network of operations; what is wrong is added to `problems`."""

    def __init__(
        self,
        graph: CheckedGraph,
        network: Network,
        found: tuple[Training, ...],
        outputs: Sequence[Reference],
        problems: list[Problem],
    ) -> None:
        self.graph, self.network, self.trainings = graph, network, found
        _give_parameters(network, found)
        order = network.order()
        self.changes = infer(network, order, movers(found), problems)
        problems += random_previous(network, order, self.changes)
        self.placement = Placement(network, self.changes, outputs)
        rows = {section: self.placement.row(section, order) for section in RUNS}
        self.end = rows["end"]
        self.first = FirstFrame(network, self.changes, self.placement).order(rows, problems)
        self.calls = {section: self._calls(row) for section, row in rows.items()}
        self.targets = {slot: reference for reference, slot in network.previous.items()}
        self.outputs = tuple((reference.node, network.read(reference)) for reference in outputs)

    def plan(self) -> Plan:
        network, calls, kept = self.network, self.calls, self._kept()
        timings = {id: self._timing(id) for id in self.graph.nodes}
        steps = [call for call in calls["step"] if call.kind != "optimise"]
        nodes = self.graph.nodes
        return Plan(
            graph=self.graph,
            slots=len(network.maker),
            constants=network.constants,
            files=network.files,
            clock=network.clock,
            injected=network.injected,
            objects=network.objects,
            once=with_releases(calls["once"], kept["once"]),
            first=with_releases(self._first_calls(), kept["first"]),
            frame=with_releases(calls["frame"], kept["frame"]),
            step=with_releases(steps, kept["step"]),
            end=with_releases(calls["end"], kept["end"]),
            preview=with_releases(self._preview(), {slot for _, slot in self.outputs}),
            optimisers=tuple(self._optimiser(training) for training in self.trainings),
            outputs=self.outputs,
            sinks=tuple(c.node for c in calls["end"] if c.kind == "forward" and nodes[c.node].spec.returns is None),
            previous=self._stores(),
            initial={slot: target.initial for slot, target in self.targets.items() if target.initial is not None},
            timings=timings,
            dead=tuple(id for id, timing in timings.items() if not timing.runs),
        )

    def _calls(self, row: Iterable[int]) -> list[Call]:
        return [call_of(self.network.operations[index]) for index in row]

    def _first_calls(self) -> list[Call]:
        return [
            call_of(self.network.operations[item]) if isinstance(item, int) else self._store(*item)
            for item in self.first
        ]

    def _store(self, value: int, copy: int) -> Call:
        node = self.targets[copy].node
        return Call("store", node, f"previous({node})", (value,), copy)

    def _stores(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(
            (target.node, self.network.port(target.node, target.port), slot) for slot, target in self.targets.items()
        )

    def _preview(self) -> list[Call]:
        """What of the frame's end the first output needs."""
        wanted = {self.network.maker[slot] for _, slot in self.outputs[:1]}
        row = []
        for index in reversed(self.end):
            if index in wanted:
                row.append(index)
                wanted.update(self.network.maker[slot] for slot in self.network.operations[index].inputs)
        return self._calls(reversed(row))

    def _kept(self) -> dict[str, set[int]]:
        """For each list of calls the slots that something outside of it still reads."""
        used = {section: read_by(calls) for section, calls in self.calls.items()}
        used["frame"] |= read_by(self._first_calls())
        always = {slot for _, slot, _ in self._stores()} | {slot for _, slot in self.outputs}
        always |= {*self.network.objects.values(), *self.targets}
        always |= read_by(call for call in self.calls["step"] if call.kind == "optimise")
        always |= {self.network.read(loss) for training in self.trainings for loss in training.losses}
        kept: dict[str, set[int]] = {
            section: always.union(*(slots for other, slots in used.items() if other != section)) for section in RUNS
        }
        return kept | {"first": kept["frame"]}

    def _optimiser(self, training: Training) -> OptimiserPlan:
        operation = self.network.operations[self.network.phases[training.optimiser, "forward"]]
        names = [loss.node if loss.port is None else f"{loss.node}.{loss.port}" for loss in training.losses]
        slots = [self.network.read(loss) for loss in training.losses]
        losses = tuple(zip(names, slots, strict=True))
        return OptimiserPlan(training.optimiser, losses, training.images, call_of(operation))

    def _timing(self, id: str) -> NodeTiming:
        index = self.network.phases.get((id, "forward"))
        if index is None:
            return _NEVER
        change = self.changes[index]
        runs = tuple(section for section in RUNS if section in self.placement.sections[index])
        return NodeTiming(change.rate, change.reason, runs, self.placement.because.get(index, "nothing"))


def _give_parameters(network: Network, found: Iterable[Training]) -> None:
    """Tell each optimiser which images its losses reach."""
    images = {training.optimiser: training.images for training in found}
    for operation in network.operations:
        if operation.kind == "parameters":
            operation.detail = images[operation.node]
            operation.inputs = [network.objects[image] for image in operation.detail]
