"""The built-in node types, one family a module, offered through the same hook as any plugin's."""

from __future__ import annotations

from pytti_graph.core.hooks import Register, hookimpl

NODES = (
    "pytti_graph.nodes.perceptors:open_clip",
    "pytti_graph.nodes.prompts:Scenes",
    "pytti_graph.nodes.images:RGB",
    "pytti_graph.nodes.images:Pyramid",
    "pytti_graph.nodes.cutouts:classic",
    "pytti_graph.nodes.cutouts:encode",
    "pytti_graph.nodes.augment:classic",
    "pytti_graph.nodes.losses:prompts",
    "pytti_graph.nodes.losses:smoothness",
    "pytti_graph.nodes.losses:match",
    "pytti_graph.nodes.optimize:Adam",
    "pytti_graph.nodes.motion:affine",
    "pytti_graph.nodes.motion:apply",
    "pytti_graph.nodes.sources:image",
    "pytti_graph.nodes.writers:Frames",
    "pytti_graph.nodes.writers:Video",
)


@hookimpl
def pytti_graph_nodes(register: Register) -> None:
    """Offer the built-in node types."""
    for target in NODES:
        register(target)
