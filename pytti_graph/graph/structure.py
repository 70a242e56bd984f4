"""The shape of a graph: which of its nodes are needed, and loops among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pytti_graph.core.errors import Problem
from pytti_graph.graph.checked import CheckedNode


def sinks(nodes: Mapping[str, CheckedNode], *, write: bool = True) -> list[str]:
    """Nodes that are there for what they do: optimisers and, with `write`, writers."""
    return [node.id for node in nodes.values() if node.spec.optimiser or (write and node.spec.returns is None)]


def needed_by(nodes: Mapping[str, CheckedNode], roots: Iterable[str]) -> set[str]:
    """`roots` and the nodes that they use, directly or not; what is not among `nodes` is passed over."""
    found = {id for id in roots if id in nodes}
    waiting = [*found]
    while waiting:
        used = {use.reference.node for use in nodes[waiting.pop()].references()}
        new = {id for id in used if id in nodes and id not in found}
        found |= new
        waiting += new
    return found


def loops(nodes: Mapping[str, CheckedNode], among: Collection[str]) -> list[Problem]:
    """Loops that no `previous` opens, of the nodes with the ids `among`."""
    import networkx as nx  # imported late: it takes longer than everything that does not need it

    edges: Any = nx.DiGraph()
    for node in nodes.values():
        if node.id in among:
            uses = (use.reference for use in node.references() if not use.reference.previous)
            edges.add_edges_from((reference.node, node.id) for reference in uses if reference.node in among)
    order = {id: index for index, id in enumerate(nodes)}
    problems = []
    for component in nx.strongly_connected_components(edges):
        members = sorted(component, key=order.__getitem__)
        if len(members) > 1 or edges.has_edge(members[0], members[0]):
            inside = nx.DiGraph((id, user) for id in members for user in edges[id] if user in component)
            problems.append(_loop(nodes, nx.find_cycle(inside, members[0])))
    return problems


def _loop(nodes: Mapping[str, CheckedNode], cycle: Sequence[tuple[str, str]]) -> Problem:
    path = [*(source for source, _ in cycle), cycle[0][0]]
    source, target = cycle[-1]
    uses = nodes[target].references()
    use = next(use for use in uses if use.reference.node == source and not use.reference.previous)
    hint = f"to use the value of the frame before, write previous({source}) in '{target}.{use.argument}'"
    return Problem(f"a loop of nodes: {' -> '.join(path)}", use.place, target, use.argument, hint)
