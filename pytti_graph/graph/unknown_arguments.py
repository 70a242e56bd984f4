"""What to say of an argument that a node does not take."""

from __future__ import annotations

from pytti_graph.core.errors import Problem, did_you_mean
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.graph.document import Entry, NodeText


def unknown_argument(text: NodeText, spec: NodeSpec, entry: Entry) -> Problem:
    """An argument that the node does not take, and which it was meant to be, or what there are."""
    known = [parameter.name for parameter in spec.parameters]
    hint = did_you_mean(entry.key, known)
    if hint is None:
        hint = f"it takes {', '.join(known)}" if known else "it takes no arguments"
    return Problem(f"unknown argument '{entry.key}' ({spec.type})", entry.position, text.id, entry.key, hint)
