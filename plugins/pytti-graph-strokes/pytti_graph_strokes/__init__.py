"""`image.strokes` and `write.svg`: pictures made of brush strokes."""

from pytti_graph import Register, hookimpl

pytti_graph_api = 1


@hookimpl
def pytti_graph_nodes(register: Register) -> None:
    """Register the nodes by name, so that loading the plugin imports no torch."""
    register("pytti_graph_strokes.canvas:Canvas")
    register("pytti_graph_strokes.svg:SVG")
