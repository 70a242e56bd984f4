"""The built-in node types, one family a module, offered through the same hook as any plugin's."""

from __future__ import annotations

from pytti_graph.core.hooks import Register, hookimpl

NODES = (
    "pytti_graph.nodes.perceptors:open_clip",
    "pytti_graph.nodes.prompts:Scenes",
    "pytti_graph.nodes.prompt_images:Picture",
    "pytti_graph.nodes.prompt_images:pictures",
    "pytti_graph.nodes.prompt_arithmetic:mix",
    "pytti_graph.nodes.prompt_arithmetic:without",
    "pytti_graph.nodes.images:RGB",
    "pytti_graph.nodes.images:Pyramid",
    "pytti_graph.nodes.fourier:Fourier",
    "pytti_graph.nodes.network:Network",
    "pytti_graph.nodes.latent:Latent",
    "pytti_graph.nodes.palette:LimitedPalette",
    "pytti_graph.nodes.palette:palette_brightness",
    "pytti_graph.nodes.palette:palette_use",
    "pytti_graph.nodes.cutouts:classic",
    "pytti_graph.nodes.smart_cutouts:smart",
    "pytti_graph.nodes.cutouts:encode",
    "pytti_graph.nodes.augment.classic:classic",
    "pytti_graph.nodes.augment.geometry:flip",
    "pytti_graph.nodes.augment.geometry:affine",
    "pytti_graph.nodes.augment.geometry:perspective",
    "pytti_graph.nodes.augment.colours:colour",
    "pytti_graph.nodes.augment.colours:grey",
    "pytti_graph.nodes.augment.erasing:erase",
    "pytti_graph.nodes.augment.noise:noise",
    "pytti_graph.nodes.augment.blurring:blur",
    "pytti_graph.nodes.prompt_loss:prompts",
    "pytti_graph.nodes.losses:smoothness",
    "pytti_graph.nodes.losses:match",
    "pytti_graph.nodes.losses:edges",
    "pytti_graph.nodes.losses:saturation",
    "pytti_graph.nodes.losses:symmetry",
    "pytti_graph.nodes.spectrum:spectrum",
    "pytti_graph.nodes.style:encode",
    "pytti_graph.nodes.style:loss",
    "pytti_graph.nodes.lpips_loss:Lpips",
    "pytti_graph.nodes.aesthetic:Aesthetic",
    "pytti_graph.nodes.optimize:Adam",
    "pytti_graph.nodes.optimize:ScheduleFree",
    "pytti_graph.nodes.motion:affine",
    "pytti_graph.nodes.motion:apply",
    "pytti_graph.nodes.sources:image",
    "pytti_graph.nodes.videos:Video",
    "pytti_graph.nodes.masks:from_file",
    "pytti_graph.nodes.masks:brightness",
    "pytti_graph.nodes.masks:half",
    "pytti_graph.nodes.masks:ellipse",
    "pytti_graph.nodes.masks:combine",
    "pytti_graph.nodes.coarse:coarse",
    "pytti_graph.nodes.swatches:swatches",
    "pytti_graph.nodes.compositions:tile",
    "pytti_graph.nodes.compositions:symmetry",
    "pytti_graph.nodes.compositions:inpaint",
    "pytti_graph.nodes.writers:Frames",
    "pytti_graph.nodes.writers:Video",
)


@hookimpl
def pytti_graph_nodes(register: Register) -> None:
    """Offer the built-in node types."""
    for target in NODES:
        register(target)
