"""What `previous(...)` may be of: it must be the very value that the frame before has used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytti_graph.core.errors import Problem
from pytti_graph.graph.checked import CheckedNode, Use
from pytti_graph.graph.network import Network
from pytti_graph.graph.rates import Change


def random_previous(network: Network, order: Iterable[int], changes: Sequence[Change]) -> Iterator[Problem]:
    """`previous(...)` of values that are drawn anew at every step.

    Args:
        network: The operations.
        order: All of them, each after what it depends on.
        changes: Of each operation.
    """
    random = _random_sources(network, order, changes)
    for node in network.graph.nodes.values():
        for use in node.references():
            if use.reference.previous:
                target = network.maker[network.port(use.reference.node, use.reference.port)]
                if target in random:
                    yield _problem(node, use, random[target])


def _random_sources(network: Network, order: Iterable[int], changes: Sequence[Change]) -> dict[int, str]:
    """For each operation whose value is random at every step, the node that draws the numbers."""
    sources: dict[int, str] = {}
    for index in order:
        operation = network.operations[index]
        makers = (network.maker[slot] for slot in operation.inputs)
        source = next((sources[maker] for maker in makers if maker in sources), None)
        random = operation.kind == "forward" and network.graph.nodes[operation.node].spec.random
        if random and changes[index].rate == "step":
            source = operation.node
        if source is not None:
            sources[index] = source
    return sources


def _problem(node: CheckedNode, use: Use, source: str) -> Problem:
    target = use.reference.node
    message = f"previous({target}) is not defined: {source} is random at every step"
    hint = "take previous of the picture instead, which does not draw random numbers"
    return Problem(message, use.place or node.position, node.id, use.argument, hint)
