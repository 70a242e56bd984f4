"""A node whose value has several ports stands for the one that is wanted, where only one can be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.formulas import Reference
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.graph.binding import Bound, Link
from pytti_graph.graph.checked import CheckedNode


def meant_port(spec: NodeSpec, wire: str) -> str | None:
    """The port that a reference to the whole node means where a `wire` is expected, or None: the value itself."""
    ports = [port for port, kind in spec.ports.items() if kind == wire]
    return ports[0] if spec.returns != wire and len(ports) == 1 else None


def spelt(reference: Reference, wire: str, nodes: Mapping[str, CheckedNode]) -> Reference:
    """A reference with the port that it means where a `wire` is expected: `canvas.image` for `canvas`."""
    target = nodes.get(reference.node)
    port = meant_port(target.spec, wire) if target is not None and reference.port is None else None
    return reference if port is None else replace(reference, port=port)


def with_ports(node: CheckedNode, nodes: Mapping[str, CheckedNode]) -> CheckedNode:
    """The node with every reference spelt out."""

    def whole(name: str, bound: Bound) -> Bound:
        parameter = node.spec.parameter(name)
        if not isinstance(bound, Link) or parameter is None or not isinstance(parameter.type, ReferenceType):
            return bound
        wire = parameter.type.wire
        return replace(bound, references=tuple(spelt(reference, wire, nodes) for reference in bound.references))

    return replace(node, arguments={name: whole(name, bound) for name, bound in node.arguments.items()})
