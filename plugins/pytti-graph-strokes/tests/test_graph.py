"""In graphs: with the built-in nodes, from frame to frame, and the graph that comes with the plugin."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pytti_graph import Graph, GraphError, Loss, installed, node
from pytti_graph_strokes.strokes import Strokes

ROOT = Path(__file__).parents[1]
SMALL = {"canvas.width": 48, "canvas.height": 32, "canvas.count": 20, "crops.count": 2, "clock.steps": 2}


@node("loss.thin")
def thin(strokes: Strokes) -> Loss:
    """Pull strokes to a radius of 2 pixels, as other people's nodes may."""
    return (strokes.disks[..., 2] - 2).square().mean()


def made(nodes, clock):
    """A graph of a canvas of strokes and more nodes."""
    canvas = {"type": "image.strokes", "width": 40, "height": 32, "count": 30}
    canvas |= nodes.pop("canvas", {})
    written = {"canvas": canvas, **nodes}
    return Graph.build({"seed": 1, "clock": clock, "nodes": written}, registry=installed().with_nodes(thin))


def test_the_graph_renders(tmp_path):
    """At a small size, with a few steps."""
    graph = Graph.load(ROOT / "graphs" / "strokes.yaml")
    assert graph.check() == []
    [frame] = graph.override(SMALL).render(tmp_path / "run")
    assert frame.tensor.isfinite().all()
    assert (tmp_path / "run" / "strokes.svg").read_text().count("<path") == 20


def test_a_film(tmp_path):
    """The image moves, knows its frame before, is matched, and is written as vectors, frame by frame."""
    graph = made(
        {
            "drift": {"type": "motion.affine", "zoom": 1.1, "rotate": 5},
            "canvas": {"warp": "drift"},
            "steady": {"type": "loss.match", "image": "canvas", "target": "previous(canvas)"},
            "smooth": {"type": "loss.smoothness", "image": "canvas"},
            "optimise": {"type": "optimize.adam", "losses": ["steady", "smooth"]},
            "vectors": {"type": "write.svg", "strokes": "canvas", "path": "film.svg"},
        },
        {"frames": 3, "steps": 2},
    )
    frames = list(graph.render(tmp_path / "run", output="canvas"))
    assert len(frames) == 3
    assert sorted(path.name for path in (tmp_path / "run").glob("*.svg")) == [f"film-0000{n}.svg" for n in range(3)]


def test_rendering_twice_gives_the_same(tmp_path):
    def render():
        graph = made(
            {
                "smooth": {"type": "loss.smoothness", "image": "canvas"},
                "optimise": {"type": "optimize.adam", "losses": ["smooth"]},
            },
            {"steps": 3},
        )
        return [frame.tensor for frame in graph.render(output="canvas")]

    assert all(torch.equal(a, b) for a, b in zip(render(), render(), strict=True))


def test_losses_may_look_at_the_strokes_themselves():
    """Though opacities and colours do not matter to that one, something else must look at them."""
    graph = made(
        {
            "thin": {"type": "loss.thin", "strokes": "canvas.strokes"},
            "smooth": {"type": "loss.smoothness", "image": "canvas", "weight": 0.01},
            "optimise": {"type": "optimize.adam", "losses": ["thin", "smooth"], "learning_rate": 0.1},
        },
        {"steps": 60},
    )
    [frame] = graph.render(output="canvas")
    assert frame.losses["thin"] < 1


def test_a_picture_is_not_strokes():
    """The message says what to write."""
    graph = made({"vectors": {"type": "write.svg", "strokes": "dot"}, "dot": {"type": "image.rgb"}}, {"steps": 1})
    with pytest.raises(GraphError) as caught:
        graph.check()
    assert "expected Strokes, but 'dot' (image.rgb) gives Image" in str(caught.value)
    assert "write one of: canvas" in str(caught.value)


@pytest.mark.parametrize(("argument", "value"), [("count", 0), ("length", 0.5), ("opacity", 1), ("thickness", 0)])
def test_numbers_out_of_bounds(argument, value):
    with pytest.raises(GraphError) as caught:
        made({"canvas": {argument: value}}, {"steps": 1}).check()
    assert caught.value.problem.argument == argument


def test_plugin_imports_no_torch():
    """Listing the plugin's nodes is light."""
    code = "import sys, pytti_graph_strokes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
