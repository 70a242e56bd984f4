"""A checked graph as operations on numbered slots: what has to be called, with what, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.errors import GraphError, Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import Phase, Rate
from pytti_graph.graph.binding import Bound, Computed, Constant, FileName, Link, Parsed
from pytti_graph.graph.checks import CheckedGraph, CheckedNode

Kind = Literal["init", "start", "warp", "forward", "formula", "port", "values", "list", "parameters", "optimise"]

CLOCK_RATES: Mapping[str, Rate] = {
    "frames": "once",
    "fps": "once",
    "t": "frame",
    "frame": "frame",
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
        operations: All of them, in no particular order.
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


def build(graph: CheckedGraph, outputs: Sequence[Reference] = ()) -> Network:
    """Lay a checked graph out as operations; raises `GraphError` for loops that no `previous` closes."""
    _refuse_loops(graph)
    network = Network(graph)
    for node in graph.nodes.values():
        network.values[node.id] = network.slot()
    for node in graph.nodes.values():
        _add_node(network, node)
    for reference in (*outputs, *network.previous):
        network.port(reference.node, reference.port)
    return network


def _refuse_loops(graph: CheckedGraph) -> None:
    import networkx as nx  # imported late: it takes longer than everything that does not need it

    edges: Any = nx.DiGraph()
    edges.add_nodes_from(graph.nodes)
    for node in graph.nodes.values():
        edges.add_edges_from((use.reference.node, node.id) for use in node.references() if not use.reference.previous)
    order = {id: index for index, id in enumerate(graph.nodes)}
    problems = []
    for component in nx.strongly_connected_components(edges):
        members = sorted(component, key=order.__getitem__)
        if len(members) > 1 or edges.has_edge(members[0], members[0]):
            inside = nx.DiGraph((id, user) for id in members for user in edges[id] if user in component)
            problems.append(_loop(graph, nx.find_cycle(inside, members[0])))
    if problems:
        raise GraphError(problems)


def _loop(graph: CheckedGraph, cycle: Sequence[tuple[str, str]]) -> Problem:
    path = [*(source for source, _ in cycle), cycle[0][0]]
    source, target = cycle[-1]
    node = graph.nodes[target]
    uses = (use for use in node.references() if use.reference.node == source and not use.reference.previous)
    use = next(uses)
    hint = f"to use the value of the frame before, write previous({source}) in '{target}.{use.argument}'"
    return Problem(f"a loop of nodes: {' -> '.join(path)}", use.place, target, use.argument, hint)


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
    if phase is None or any(_is_missing(node, key) for key in phase.parameters if key not in phase.injected):
        return None
    inputs = [network.objects[node.id], *_inputs(network, node, phase, arguments)]
    earlier = network.phases.get((node.id, "start"))
    after = [] if earlier is None else [earlier]
    network.add(name, node.id, f"{node.id}.{name}", inputs, after=after, detail=phase.parameters)
    network.phases[node.id, name] = len(network.operations) - 1
    return len(network.operations) - 1


def _is_missing(node: CheckedNode, argument: str) -> bool:
    bound = node.arguments[argument]
    parameter = node.spec.parameter(argument)
    assert parameter is not None
    return isinstance(bound, Constant) and bound.value is None and isinstance(parameter.type, ReferenceType)


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
