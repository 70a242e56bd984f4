"""From a graph file to a plan; no torch."""
