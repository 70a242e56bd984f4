"""The contract: what every node promises, clause by clause."""

from __future__ import annotations

from pytti_graph.testing.clauses.clause import Clause, gives_a_value, gives_tensors
from pytti_graph.testing.clauses.determinism import deterministic
from pytti_graph.testing.clauses.devices import computes, on_accelerator, precise
from pytti_graph.testing.clauses.documentation import documented
from pytti_graph.testing.clauses.gradients import has_gradients, right_gradients
from pytti_graph.testing.clauses.graphs import works_in_a_graph
from pytti_graph.testing.clauses.images import is_image, starts_and_moves
from pytti_graph.testing.clauses.imports import light, usable
from pytti_graph.testing.clauses.inputs import takes_references, unchanged
from pytti_graph.testing.clauses.refusals import refuses
from pytti_graph.testing.clauses.sizes import any_size, takes_pictures
from pytti_graph.testing.clauses.usage import used
from pytti_graph.testing.clauses.values import as_declared

CLAUSES = (
    Clause("documented", documented, runs=False),
    Clause("used", used, runs=False),
    Clause("values", as_declared, gives_a_value),
    Clause("sizes", any_size, takes_pictures),
    Clause("arguments", refuses),
    Clause("deterministic", deterministic),
    Clause("inputs", unchanged, takes_references),
    Clause("device", on_accelerator, computes),
    Clause("dtype", precise, gives_tensors),
    Clause("gradients", right_gradients, has_gradients),
    Clause("image", starts_and_moves, is_image),
    Clause("graph", works_in_a_graph),
)
"""What is tried on each node."""

__all__ = ["CLAUSES", "Clause", "light", "usable"]
