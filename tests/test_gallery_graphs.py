"""The example graphs of each family render, small; every graph in `graphs/` is tested here or in `test_graphs.py`."""

from pathlib import Path

import pytest

from pytti_graph import Graph

GRAPHS = Path(__file__).parents[1] / "graphs"
SIZE = {"canvas.width": 48, "canvas.height": 32, "crops.count": 2, "clock.steps": 2}
SMALL = {
    "fourier": SIZE,
    "halves": SIZE,
    "ink": SIZE,
    "latent": {**SIZE, "canvas.model": "random"},
    "lines": SIZE,
    "mirror": SIZE,
    "mix": SIZE,
    "network": {**SIZE, "canvas.units": 16},
    "palette": SIZE,
    "pixels": SIZE,
    "style": SIZE,
    "symmetry": SIZE,
    "tile": {**SIZE, "tile.overlap": 8},
    "window": SIZE,
}
ELSEWHERE = {"clip", "still", "zoom"}
WITHOUT_PICTURE = {"clip", "latent"}
"""Their weights are not installed with the program."""


def test_every_graph_is_tested():
    assert {path.stem for path in GRAPHS.glob("*.yaml")} == SMALL.keys() | ELSEWHERE


def test_the_gallery_shows_what_every_graph_makes():
    pictures = {path.stem for path in (GRAPHS.parent / "docs" / "images" / "gallery").iterdir()}
    assert pictures == {path.stem for path in GRAPHS.glob("*.yaml")} - WITHOUT_PICTURE | {"strokes"}


def test_every_family_has_a_graph():
    """And every image, and whatever is made of an image."""
    graphs = [Graph.load(path) for path in GRAPHS.glob("*.yaml")]
    used = {str(text.type.data) for graph in graphs for text in graph.document.nodes.values()}
    built_in = [spec.type for spec in graphs[0].registry.specs.values() if spec.target.startswith("pytti_graph.")]
    assert {type.partition(".")[0] for type in built_in} == {type.partition(".")[0] for type in used}
    assert {type for type in built_in if type.startswith(("image.", "picture."))} <= used | {"picture.swatches"}


@pytest.mark.parametrize("name", SMALL)
def test_a_graph_renders(name, tmp_path):
    if name == "latent":
        pytest.importorskip("diffusers")
    graph = Graph.load(GRAPHS / f"{name}.yaml")
    assert graph.check() == []
    [frame] = graph.override(SMALL[name]).render(tmp_path / "run")
    assert frame.tensor.shape[:2] == (1, 3)
    assert frame.tensor.isfinite().all()
    assert (tmp_path / "run" / "frames" / "00000.png").is_file()
