"""Images that start from a picture: what is told of its shape, and that films go on from where they were."""

import pytest

from pytti_graph import Graph, Image, Warned, node
from pytti_graph.core.plugins import installed
from pytti_graph.nodes.sources import SizedPicture
from pytti_graph.nodes.sources import sized as telling_its_size
from pytti_graph.testing import tiny


@node("test.sized")
def sized(image: Image) -> SizedPicture:
    """Tell the size of a picture."""
    return telling_its_size(image)


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
    film = {"seed": 1, "clock": {"frames": 2, "steps": 1}, "nodes": nodes}
    resumes(Graph.build(film, registry=installed().with_nodes(tiny.image)), tmp_path)


@pytest.mark.parametrize(
    ("photo", "canvas", "stretched"),
    [
        ((60, 40), (16, 12), True),
        ((60, 40), (12, 16), True),
        ((60, 40), (30, 20), False),
        ((60, 40), (90, 60), False),
        ((61, 43), (20, 14), False),
        ((200, 100), (203, 100), False),
        ((200, 100), (208, 100), True),
        ((3, 1), (1, 1), False),
    ],
)
def test_a_picture_that_is_stretched_is_told_of(photo, canvas, stretched):
    """Where one sees it, once, with both remedies; rounding is none."""
    nodes = {
        "photo": {"type": "tiny.image", "width": photo[0], "height": photo[1]},
        "sized": {"type": "test.sized", "image": "photo"},
        "canvas": {"type": "image.rgb", "width": canvas[0], "height": canvas[1], "start": "sized"},
        "calm": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["calm"]},
    }
    film = {"seed": 1, "clock": {"frames": 2, "steps": 2}, "nodes": nodes}
    told = []
    graph = Graph.build(film, registry=installed().with_nodes(tiny.image, sized))
    list(graph.render(output="canvas", on_event=told.append))
    told = [event for event in told if isinstance(event, Warned)]
    assert len(told) == stretched
    if stretched:
        (wide, high), (columns, rows) = photo, canvas
        message = str(told[0].problem)
        assert f"a picture of {wide} x {high} pixels is stretched to {columns} x {rows}" in message
        assert "to keep its shape, write here width: sized.width, height: sized.height" in message


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("painted", [False, True])
def test_it_is_told_of_whatever_becomes_of_the_image(between, painted, tmp_path):
    """Optimised or only moved, written or mirrored first."""
    nodes = {
        "photo": {"type": "tiny.image", "width": 60, "height": 40},
        "drift": {"type": "motion.affine", "zoom": 1.1},
        "canvas": {"type": "image.rgb", "width": 16, "height": 12, "start": "photo", "warp": "drift"},
        "mirror": {"type": "picture.symmetry", "image": "canvas"},
        "frames": {"type": "write.frames", "image": "mirror" if between else "canvas"},
    }
    if painted:
        nodes |= {
            "calm": {"type": "loss.smoothness", "image": "mirror" if between else "canvas"},
            "optimise": {"type": "optimize.adam", "losses": ["calm"]},
        }
    told = []
    graph = Graph.build(
        {"clock": {"frames": 2, "steps": 1}, "nodes": nodes}, registry=installed().with_nodes(tiny.image)
    )
    list(graph.render(tmp_path / "run", on_event=told.append))
    assert sum("is stretched to 16 x 12" in str(event.problem) for event in told if isinstance(event, Warned)) == 1
