"""The contract that every node of a plugin keeps."""

from pytti_graph.testing import contract

test_contract = contract("pytti-graph-strokes")
