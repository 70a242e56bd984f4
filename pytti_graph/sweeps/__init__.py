"""Sweeps: many variations of one graph, rendered into one folder, side by side."""

from pytti_graph.sweeps.plan import Variation
from pytti_graph.sweeps.results import Result
from pytti_graph.sweeps.sweep import Sweep

__all__ = ["Result", "Sweep", "Variation"]
