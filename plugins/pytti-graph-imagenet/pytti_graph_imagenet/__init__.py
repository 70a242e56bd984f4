"""`perceptor.imagenet`: a perceptor for pytti-graph that needs no download."""

from collections.abc import Callable
from typing import Any

from pytti_graph import hookimpl


@hookimpl
def pytti_graph_nodes(register: Callable[[Any], None]) -> None:
    """Register the node by name, so that loading the plugin imports no torch."""
    register("pytti_graph_imagenet.node:imagenet")
