"""Compiles a checked graph: which operation runs when, on which slots, and when a value can be let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytti_graph.core.errors import GraphError, Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import NUMBER, Rate
from pytti_graph.graph.checks import CheckedGraph
from pytti_graph.graph.network import Injection, Kind, Network, Operation, build
from pytti_graph.graph.outputs import output_clashes
from pytti_graph.graph.rates import Change, infer, topological_order
from pytti_graph.graph.training import Training, movers, trainings

Section = Literal["once", "frame", "step", "end"]
RUNS: Mapping[Section, str] = {
    "once": "once, before the first frame",
    "frame": "at the start of each frame",
    "step": "at every step",
    "end": "at the end of each frame",
}


_LATER: tuple[Section, ...] = ("step", "end")


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


@dataclass(frozen=True, slots=True)
class NodeTiming:
    """How often a node changes and runs, and why (see `pytti-graph plan`)."""

    changes: Rate
    reason: str
    runs: tuple[Section, ...]
    for_whom: str


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
        outputs: Slots of the pictures that are written or handed out.
        previous: Slots of `previous(...)`: (slot of the value, slot of its copy).
        initial: Values of `previous(x, value)` on frame 0.
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
    previous: tuple[tuple[str, int, int], ...]
    initial: Mapping[int, float]
    timings: Mapping[str, NodeTiming]
    dead: tuple[str, ...] = field(default=())

    @property
    def sinks(self) -> list[str]:
        """Ids of the writers that run."""
        nodes = self.graph.nodes
        return [call.node for call in self.end if call.kind == "forward" and nodes[call.node].spec.returns is None]


def compile_plan(graph: CheckedGraph, *, write: bool = True, outputs: Sequence[Reference] | None = None) -> Plan:
    """Compile a graph.

    Args:
        graph: The graph.
        write: Run its writers.
        outputs: Pictures to hand out; the writers' if not given.

    Raises:
        GraphError: Loops, gradients without a way, values read more seldom than they change, nothing to do.
    """
    if clashes := output_clashes(graph):
        raise GraphError(clashes)
    wanted = writer_images(graph) if outputs is None else list(outputs)
    network = build(graph, wanted)
    found = trainings(graph)
    changes = infer(network, movers(found))
    return _Compiler(network, found, changes, write, wanted).plan()


def writer_images(graph: CheckedGraph) -> list[Reference]:
    """The pictures that writers of a graph write, each once."""
    references = [
        use.reference
        for node in graph.nodes.values()
        if node.spec.returns is None and not node.spec.optimiser
        for use in node.references()
        if use.wire == "Image"
    ]
    return list(dict.fromkeys(references))


class _Compiler:
    """Places operations into sections by demand, orders them and finds where each value is used last."""

    def __init__(
        self,
        network: Network,
        found: tuple[Training, ...],
        changes: list[Change],
        write: bool,
        outputs: Sequence[Reference],
    ) -> None:
        self.network, self.graph, self.trainings, self.changes = network, network.graph, found, changes
        self.operations = network.operations
        self.write = write
        self.outputs = outputs
        self.targets = {slot: reference for reference, slot in network.previous.items()}
        self.sections: list[set[Section]] = [set() for _ in self.operations]
        self.because: dict[int, str] = {}
        self._give_parameters()

    def plan(self) -> Plan:
        self._place()
        self._refuse_random_previous()
        order = topological_order(self.network)
        rows = {section: [index for index in order if section in self.sections[index]] for section in RUNS}
        step = [index for index in rows["step"] if self.operations[index].kind != "optimise"]
        first = self._first_frame(rows)
        kept = self._kept(rows, first)
        stores = self._stores()
        outputs = tuple((reference.node, self.network.read(reference)) for reference in self.outputs)
        preview = self._upstream(rows["end"], outputs[:1])
        return Plan(
            graph=self.graph,
            slots=len(self.network.maker),
            constants=self.network.constants,
            files=self.network.files,
            clock=self.network.clock,
            injected=self.network.injected,
            objects=self.network.objects,
            once=self._calls(rows["once"], kept["once"]),
            first=self._first_calls(first, kept["first"]),
            frame=self._calls(rows["frame"], kept["frame"]),
            step=self._calls(step, kept["step"]),
            end=self._calls(rows["end"], kept["end"]),
            preview=self._calls(preview, {slot for _, slot in outputs}),
            optimisers=tuple(self._optimiser(training) for training in self.trainings),
            outputs=outputs,
            previous=stores,
            initial={
                slot: reference.initial for slot, reference in self.targets.items() if reference.initial is not None
            },
            timings=self._timings(),
            dead=tuple(id for id in self.graph.nodes if not self.sections[self.network.phases[id, "forward"]]),
        )

    def _give_parameters(self) -> None:
        for training in self.trainings:
            for operation in self.operations:
                if operation.kind == "parameters" and operation.node == training.optimiser:
                    operation.inputs = [self.network.objects[image] for image in training.images]
                    operation.detail = training.images

    # Placement

    def _place(self) -> None:
        """Follow demand from the sinks: an operation runs at the slower of what it changes at and is needed at."""
        waiting: list[tuple[int, Section, str]] = list(self._roots())
        if not waiting:
            hint = "add a writer, such as 'write.frames', with the picture as its 'image'"
            raise GraphError([Problem("the graph writes nothing", hint=hint)])
        while waiting:
            index, wanted, user = waiting.pop()
            section = self._section(index, wanted)
            if section in self.sections[index]:
                continue
            self.sections[index].add(section)
            self.because.setdefault(index, user)
            operation = self.operations[index]
            waiting.extend((other, "frame", operation.node) for other in operation.after)
            reader = user if operation.kind == "port" else operation.node
            for slot in operation.inputs:
                waiting.extend(self._demand(slot, section, reader))
        for sections in self.sections:
            if "frame" in sections:
                sections.discard("end")

    def _roots(self) -> Iterator[tuple[int, Section, str]]:
        for training in self.trainings:
            yield self.network.phases[training.optimiser, "forward"], "step", "the steps"
        for node in self.graph.nodes.values() if self.write else ():
            if node.spec.returns is None and not node.spec.optimiser:
                yield self.network.phases[node.id, "forward"], "end", "the end of each frame"
        for reference in self.outputs:
            yield from self._demand(self.network.read(reference), "end", "the pictures")

    def _demand(self, slot: int, section: Section, user: str) -> Iterator[tuple[int, Section, str]]:
        if (maker := self.network.maker[slot]) is not None:
            yield maker, section, user
        elif (reference := self.targets.get(slot)) is not None:
            target = self.network.port(reference.node, reference.port)
            maker = self.network.maker[target]
            assert maker is not None
            yield maker, "end", f"previous({reference.node})"

    def _section(self, index: int, wanted: Section) -> Section:
        rate = self.changes[index].rate
        if rate == "once":
            return "once"
        if self.operations[index].kind in ("start", "warp"):
            return "frame"
        if rate == "frame":
            return "end" if wanted == "end" else "frame"
        return "end" if wanted == "end" else "step"

    def _refuse_random_previous(self) -> None:
        problems = []
        for reference in self.targets.values():
            maker = self.network.maker[self.network.port(reference.node, reference.port)]
            random = self._random_source(maker)
            if random is not None:
                hint = "take previous of the picture instead, which does not draw random numbers"
                message = f"previous({reference.node}) is not defined: {random} is random at every step"
                node = self.graph.nodes[reference.node]
                problems.append(Problem(message, node.position, reference.node, hint=hint))
        if problems:
            raise GraphError(problems)

    def _random_source(self, start: int | None) -> str | None:
        """A node upstream, not behind an image's parameters, that is random at every step."""
        seen, waiting = set(), [start]
        while waiting:
            index = waiting.pop()
            if index is None or index in seen:
                continue
            seen.add(index)
            operation = self.operations[index]
            spec = self.graph.nodes[operation.node].spec
            if operation.kind == "forward" and spec.random and self.changes[index].rate == "step":
                return operation.node
            if operation.kind == "forward" and spec.trainable:
                continue
            waiting.extend(self.network.maker[slot] for slot in operation.inputs)
        return None

    # Order

    def _first_frame(self, rows: Mapping[Section, list[int]]) -> list[int | tuple[int, int]]:
        """Frame 0, in order: operations, and (value, slot) copies. Nothing moves; `previous(x)` is x after `start`."""
        roots = [index for index in rows["frame"] if self.operations[index].kind == "start"]
        roots += [
            maker
            for section in _LATER
            for index in rows[section]
            for maker in (*self._makers(index), *self.operations[index].after)
            if "frame" in self.sections[maker] and self.operations[maker].kind != "warp"
        ]
        roots += [
            maker
            for _, value, _ in self._stores()
            if (maker := self.network.maker[value]) is not None and "frame" in self.sections[maker]
        ]
        copies = [
            slot
            for section in _LATER
            for index in rows[section]
            for slot in self.operations[index].inputs
            if slot in self.targets and self.targets[slot].initial is None
        ]
        return _FirstFrame(self).order(roots, copies)

    def _makers(self, index: int) -> list[int]:
        return [maker for slot in self.operations[index].inputs if (maker := self.network.maker[slot]) is not None]

    def _upstream(self, row: Sequence[int], outputs: Sequence[tuple[str, int]]) -> list[int]:
        wanted = {self.network.maker[slot] for _, slot in outputs}
        for index in reversed(row):
            if index in wanted:
                wanted.update(self._makers(index))
        return [index for index in row if index in wanted]

    # Slots

    def _stores(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(
            (str(reference.node), self.network.port(reference.node, reference.port), slot)
            for slot, reference in self.targets.items()
            if self._is_live(reference)
        )

    def _is_live(self, reference: Reference) -> bool:
        maker = self.network.maker[self.network.port(reference.node, reference.port)]
        return maker is not None and bool(self.sections[maker])

    def _kept(self, rows: Mapping[Section, list[int]], first: Sequence[Any]) -> dict[str, set[int]]:
        """For each list of calls the slots that something outside of it still reads."""
        used: dict[str, set[int]] = {section: self._used(row) for section, row in rows.items()}
        used["first"] = self._used(index for index in first if isinstance(index, int))
        always = {slot for _, slot, _ in self._stores()}
        always |= {self.network.read(reference) for reference in self.outputs}
        always |= set(self.network.objects.values())
        losses = {self.network.read(loss) for training in self.trainings for loss in training.losses}
        kept = {}
        for name in ("once", "first", "frame", "step", "end"):
            inside = {name} | ({"frame", "first"} if name in ("frame", "first") else set())
            others = [slots for section, slots in used.items() if section not in inside]
            kept[name] = always | losses | set().union(*others)
        kept["first"] |= set(self.targets)
        return kept

    def _used(self, row: Iterable[int]) -> set[int]:
        return {slot for index in row for slot in self.operations[index].inputs}

    def _calls(self, row: Sequence[int], kept: set[int]) -> tuple[Call, ...]:
        made = {self.operations[index].output for index in row}
        seen: set[int] = set()
        calls = []
        for index in reversed(row):
            operation = self.operations[index]
            mentioned = dict.fromkeys([*operation.inputs, operation.output])
            release = tuple(s for s in mentioned if s in made and s not in seen and s not in kept)
            seen.update(mentioned)
            calls.append(self._call(operation, release))
        return tuple(reversed(calls))

    def _call(self, operation: Operation, release: tuple[int, ...]) -> Call:
        return Call(
            operation.kind,
            operation.node,
            operation.name,
            tuple(operation.inputs),
            operation.output,
            release,
            operation.detail,
        )

    def _first_calls(self, first: Sequence[int | tuple[int, int]], kept: set[int]) -> tuple[Call, ...]:
        calls = []
        for item in first:
            if isinstance(item, int):
                calls.append(self._call(self.operations[item], ()))
            else:
                value, copy = item
                node = self.targets[copy].node
                calls.append(Call("store", node, f"previous({node})", (value,), copy))
        return tuple(calls)

    def _optimiser(self, training: Training) -> OptimiserPlan:
        operation = self.operations[self.network.phases[training.optimiser, "forward"]]
        names = [loss.node if loss.port is None else f"{loss.node}.{loss.port}" for loss in training.losses]
        slots = [self.network.read(loss) for loss in training.losses]
        losses = tuple(zip(names, slots, strict=True))
        return OptimiserPlan(training.optimiser, losses, training.images, self._call(operation, ()))

    def _timings(self) -> dict[str, NodeTiming]:
        timings = {}
        for id in self.graph.nodes:
            index = self.network.phases[id, "forward"]
            change = self.changes[index]
            runs = tuple(section for section in RUNS if section in self.sections[index])
            timings[id] = NodeTiming(change.rate, change.reason, runs, self.because.get(index, "nothing"))
        return timings


class _FirstFrame:
    """Orders the calls of frame 0, where `previous(x)` reads x itself."""

    def __init__(self, compiler: _Compiler) -> None:
        self.compiler, self.network = compiler, compiler.network
        self.done: dict[int | tuple[int, int], bool] = {}
        self.row: list[int | tuple[int, int]] = []

    def order(self, roots: Sequence[int], copies: Sequence[int]) -> list[int | tuple[int, int]]:
        """Depth first, without recursion: what something needs comes before it."""
        waiting: list[int | tuple[int, int]] = [*reversed([self._copy(slot) for slot in copies]), *reversed(roots)]
        while waiting:
            item = waiting[-1]
            state = self.done.get(item)
            if state is None:
                self.done[item] = False
                waiting.extend(self._new(item))
            else:
                waiting.pop()
                if state is False:
                    self.done[item] = True
                    self.row.append(item)
        return self.row

    def _new(self, item: int | tuple[int, int]) -> list[int | tuple[int, int]]:
        needed = list(self._needed(item))
        for other in needed:
            if self.done.get(other) is False:
                self._refuse(other if isinstance(other, tuple) else item)
        return [other for other in needed if other not in self.done]

    def _needed(self, item: int | tuple[int, int]) -> Iterator[int | tuple[int, int]]:
        if isinstance(item, tuple):
            maker = self.network.maker[item[0]]
            assert maker is not None
            if self.compiler.changes[maker].rate != "once":
                yield maker
            return
        operation = self.compiler.operations[item]
        for other in operation.after:
            if self.compiler.operations[other].kind != "warp":
                yield other
        for slot in operation.inputs:
            maker = self.network.maker[slot]
            if maker is not None and self.compiler.changes[maker].rate != "once":
                yield maker
            elif slot in self.compiler.targets and self.compiler.targets[slot].initial is None:
                yield self._copy(slot)

    def _copy(self, slot: int) -> tuple[int, int]:
        reference = self.compiler.targets[slot]
        return self.network.port(reference.node, reference.port), slot

    def _refuse(self, item: int | tuple[int, int]) -> None:
        compiler = self.compiler
        node = compiler.targets[item[1]].node if isinstance(item, tuple) else compiler.operations[item].node
        position = compiler.graph.nodes[node].position
        message = f"previous({node}) has no value on frame 0: its first value depends on itself"
        is_number = compiler.graph.nodes[node].spec.returns == NUMBER
        hint = (
            f"give it one: previous({node}, 0)" if is_number else "begin with another picture, such as a source.image"
        )
        raise GraphError([Problem(message, position, node, hint=hint)])
