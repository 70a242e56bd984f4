"""A checked graph as operations on numbered slots: what has to be called, with what, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import DeclaredRate, Phase
from pytti_graph.graph.binding import Bound, Computed, Constant, FileName, Link, Parsed
from pytti_graph.graph.checked import CheckedGraph, CheckedNode
from pytti_graph.graph.order import depth_first

Kind = Literal["init", "start", "warp", "forward", "formula", "port", "values", "list", "parameters", "optimise"]

CLOCK_RATES: Mapping[str, DeclaredRate] = {
    "frames": "once",
    "last": "once",
    "fps": "once",
    "t": "frame",
    "frame": "frame",
    "now": "timeline",
    "step": "step",
    "total_step": "step",
    "progress": "step",
}


@dataclass(slots=True)
class Operation:
    """One call that the engine can make.

    Attributes:
        kind: What is called: a phase of a node, a formula, or one of the engine's own small functions.
        node: Id of the node it belongs to.
        name: As shown to users.
        inputs: Slots of its arguments.
        output: Slot of its value.
        after: Operations that must have run before it, though it does not read their values.
        detail: The formula, the port's name, or the keywords of the phase.
    """

    kind: Kind
    node: str
    name: str
    inputs: list[int]
    output: int
    after: list[int] = field(default_factory=list)
    detail: Any = None


@dataclass(frozen=True, slots=True)
class Injection:
    """Something the engine provides: what, and to which phase of which node."""

    what: str
    node: str
    phase: str


@dataclass(slots=True)
class Network:
    """Operations and slots of a whole graph.

    Attributes:
        operations: All of them, as the nodes stand in the file.
        maker: For each slot the index of the operation that fills it, or None.
        constants: Slots with a fixed value.
        files: Slots with a path to resolve.
        clock: Slots of clock names.
        injected: Slots that the engine fills.
        previous: Slots of `previous(...)` references.
        values: For each node the slot of its value.
        objects: For each stateful node the slot of its object.
        phases: Operation of each phase of each node.
    """

    graph: CheckedGraph
    operations: list[Operation] = field(default_factory=list)
    maker: list[int | None] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    files: dict[int, tuple[FileName, str, str]] = field(default_factory=dict)
    clock: dict[str, int] = field(default_factory=dict)
    injected: dict[int, Injection] = field(default_factory=dict)
    previous: dict[Reference, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)
    phases: dict[tuple[str, str], int] = field(default_factory=dict)
    _ports: dict[tuple[str, str], int] = field(default_factory=dict)

    def slot(self, maker: int | None = None) -> int:
        """A new slot."""
        self.maker.append(maker)
        return len(self.maker) - 1

    def add(self, kind: Kind, node: str, name: str, inputs: Sequence[int], **more: Any) -> Operation:
        """A new operation with a slot for its value."""
        operation = Operation(kind, node, name, list(inputs), self.slot(len(self.operations)), **more)
        self.operations.append(operation)
        return operation

    def constant(self, value: Any) -> int:
        """A slot with a fixed value."""
        slot = self.slot()
        self.constants[slot] = value
        return slot

    def clock_slot(self, name: str) -> int:
        """The slot of a clock name."""
        if name not in self.clock:
            self.clock[name] = self.slot()
        return self.clock[name]

    def read(self, reference: Reference) -> int:
        """The slot where a reference finds its value."""
        if reference.previous:
            key = Reference(reference.node, reference.port, True, reference.initial)
            if key not in self.previous:
                self.previous[key] = self.slot()
            return self.previous[key]
        return self.port(reference.node, reference.port)

    def port(self, node: str, port: str | None) -> int:
        """The slot of a node's value, or of one of its ports."""
        value = self.values[node]
        if port is None:
            return value
        if (node, port) not in self._ports:
            self._ports[node, port] = self.add("port", node, f"{node}.{port}", [value], detail=port).output
        return self._ports[node, port]

    def dependencies(self, operation: Operation) -> Iterable[int]:
        """Operations that must have run before this one."""
        yield from operation.after
        for slot in operation.inputs:
            if (maker := self.maker[slot]) is not None:
                yield maker

    def order(self) -> list[int]:
        """All operations, each after what it depends on, whatever the order of the nodes in the file.

        Autograd adds gradients up in the order in which values were made, so this order decides the last bits of a
        picture: what the optimisers need comes first, as their losses ask for it, then the writers', then the rest.
        """

        def rank(index: int) -> tuple[bool, bool, str, str]:
            operation = self.operations[index]
            writes = operation.kind == "forward" and self.graph.nodes[operation.node].spec.returns is None
            return operation.kind != "optimise", not writes, operation.node, operation.name

        roots = sorted(range(len(self.operations)), key=rank)
        return depth_first(roots, lambda index: self.dependencies(self.operations[index]))


def build(graph: CheckedGraph, outputs: Sequence[Reference] = ()) -> Network:
    """Lay a checked graph without loops out as operations."""
    network = Network(graph)
    for node in graph.nodes.values():
        network.values[node.id] = network.slot()
    for node in graph.nodes.values():
        _add_node(network, node)
    for reference in (*outputs, *network.previous):
        network.port(reference.node, reference.port)
    return network


def _add_node(network: Network, node: CheckedNode) -> None:
    spec = node.spec
    arguments = {name: _argument(network, node, name, bound) for name, bound in node.arguments.items()}
    if not spec.stateful:
        _forward(network, node, arguments, [])
        return
    init = spec.phase("init")
    assert init is not None
    made = network.add("init", node.id, node.id, _inputs(network, node, init, arguments), detail=init.parameters)
    network.phases[node.id, "init"] = len(network.operations) - 1
    network.objects[node.id] = made.output
    moves = [index for name in ("start", "warp") if (index := _move(network, node, name, arguments)) is not None]
    _forward(network, node, arguments, moves)


def _move(
    network: Network, node: CheckedNode, name: Literal["start", "warp"], arguments: Mapping[str, int]
) -> int | None:
    """`start` or `warp`, if the graph gives all that it needs."""
    phase = node.spec.phase(name)
    if phase is None or any(node.lacks(argument) for argument in node.spec.needed_in(name)):
        return None
    inputs = [network.objects[node.id], *_inputs(network, node, phase, arguments)]
    earlier = network.phases.get((node.id, "start"))
    after = [] if earlier is None else [earlier]
    network.add(name, node.id, f"{node.id}.{name}", inputs, after=after, detail=phase.parameters)
    network.phases[node.id, name] = len(network.operations) - 1
    return len(network.operations) - 1


def _forward(network: Network, node: CheckedNode, arguments: Mapping[str, int], after: list[int]) -> None:
    phase = node.spec.phase("forward")
    assert phase is not None
    inputs = _inputs(network, node, phase, arguments)
    if node.spec.stateful:
        inputs = [network.objects[node.id], *inputs]
    index = len(network.operations)
    kind: Kind = "optimise" if node.spec.optimiser else "forward"
    slot = network.values[node.id]
    network.operations.append(Operation(kind, node.id, node.id, inputs, slot, after, phase.parameters))
    network.maker[slot] = index
    network.phases[node.id, "forward"] = index


def _inputs(network: Network, node: CheckedNode, phase: Phase, arguments: Mapping[str, int]) -> list[int]:
    return [
        arguments[name] if name not in phase.injected else _injected(network, node, phase, name)
        for name in phase.parameters
    ]


def _injected(network: Network, node: CheckedNode, phase: Phase, name: str) -> int:
    what = phase.injected[name]
    if what == "FormulaValues":
        bound = node.arguments[name]
        assert isinstance(bound, Parsed)
        slots = [_formula(network, node, name, computed) for computed in bound.formulas]
        return network.add("values", node.id, f"{node.id}.{name}", slots).output
    if what == "Parameters":
        return network.add("parameters", node.id, f"{node.id}.{name}", []).output
    slot = network.slot()
    network.injected[slot] = Injection(what, node.id, phase.name)
    return slot


def _argument(network: Network, node: CheckedNode, name: str, bound: Bound) -> int:
    match bound:
        case Constant(value):
            return network.constant(value)
        case Parsed(parsed):
            return network.constant(parsed)
        case FileName():
            slot = network.slot()
            network.files[slot] = (bound, node.id, name)
            return slot
        case Computed():
            return _formula(network, node, name, bound)
        case Link(references, many):
            slots = [network.read(reference) for reference in references]
            return network.add("list", node.id, f"{node.id}.{name}", slots).output if many else slots[0]


def _formula(network: Network, node: CheckedNode, name: str, computed: Computed) -> int:
    formula = computed.formula
    if formula.value is not None:
        return network.constant(formula.value)
    slots = [network.clock_slot(clock) for clock in formula.clock_names]
    slots += [network.read(reference) for reference in formula.references]
    operation = network.add("formula", node.id, f"{node.id}.{name}", slots, detail=computed)
    return operation.output
