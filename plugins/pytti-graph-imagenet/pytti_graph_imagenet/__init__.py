"""`perceptor.imagenet`: a perceptor for pytti-graph that needs no download."""

from pytti_graph import Register, hookimpl


@hookimpl
def pytti_graph_nodes(register: Register) -> None:
    """Register the node by name, so that loading the plugin imports no torch."""
    register("pytti_graph_imagenet.node:imagenet")
