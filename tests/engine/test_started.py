"""Films that start from a picture go on from where they were, whatever their image is made of."""

import pytest

from pytti_graph import Graph
from pytti_graph.core.plugins import installed
from pytti_graph.testing import tiny

IMAGES = {
    "image.rgb": {},
    "image.palette": {"palettes": 2, "palette_size": 3},
    "image.fourier": {},
    "image.pyramid": {},
    "image.network": {"units": 4, "start_steps": 2},
    "image.strokes": {"count": 4},
}


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("type", IMAGES)
def test_resuming_starts_nothing_anew(type, moving, tmp_path, resumes):
    """Also where `start` draws random numbers, and between two frames, where the next one would begin with it."""
    nodes = {
        "photo": {"type": "tiny.image"},
        "canvas": {"type": type, "width": 16, "height": 12, "start": "photo", **IMAGES[type]},
        "calm": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["calm"]},
        "frames": {"type": "write.frames", "image": "canvas"},
    }
    if moving:
        nodes |= {"drift": {"type": "motion.affine", "zoom": 1.3}}
        nodes["canvas"]["warp"] = "drift"
    film = {"seed": 1, "clock": {"frames": 3, "steps": 1}, "nodes": nodes}
    resumes(Graph.build(film, registry=installed().with_nodes(tiny.image)), tmp_path)
