"""`perceptor.imagenet`: a perceptor for pytti-graph that needs no download."""

from pytti_graph import Register, hookimpl

pytti_graph_api = 1


@hookimpl
def pytti_graph_nodes(register: Register) -> None:
    """Register the node by name, so that loading the plugin imports no torch."""
    register("pytti_graph_imagenet.node:imagenet")
