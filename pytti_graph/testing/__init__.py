"""For tests of plugins: the contract that every node keeps, and tiny things to try nodes with.

One line in a test module tries all nodes of a distribution: `test_contract = contract("pytti-graph-strokes")`.
"""

from __future__ import annotations

from pytti_graph.testing.given import device, files, moment, report, stream
from pytti_graph.testing.kit import Violation, contract, violations
from pytti_graph.testing.subjects import registry
from pytti_graph.testing.tiny import TinyPerceptor, tiny_image

__all__ = [
    "TinyPerceptor",
    "Violation",
    "contract",
    "device",
    "files",
    "moment",
    "registry",
    "report",
    "stream",
    "tiny_image",
    "violations",
]
