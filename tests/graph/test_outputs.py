"""Writers that would overwrite each other."""

import pytest

from pytti_graph import GraphError
from pytti_graph.api import Graph
from pytti_graph.nodes.writers import Frames, Video


@pytest.fixture
def clashes(tiny):
    """The messages of all problems: `clashes(one=("write.frames", {...}))`; two pictures, `canvas` and `other`."""

    def find(**writers):
        nodes = {"canvas": {"type": "tiny.plain"}, "other": {"type": "tiny.plain"}}
        for id, (type, arguments) in writers.items():
            nodes[id] = {"type": type, "image": "canvas", **arguments}
        document = {"pytti_graph": 1, "clock": {"frames": 2}, "nodes": nodes}
        try:
            Graph.build(document, registry=tiny.with_nodes(Frames, Video)).plan()
        except GraphError as error:
            return [f"{problem.node}: {problem.message}" for problem in error.problems]
        return []

    return find


def test_writers_of_one_picture_share_a_folder(clashes):
    """As in the first example of the documentation."""
    assert clashes(frames=("write.frames", {}), film=("write.video", {"path": "zoom.mp4"})) == []


def test_two_pictures_in_one_folder(clashes):
    """Also where the folder is spelled another way."""
    found = clashes(one=("write.frames", {}), two=("write.frames", {"image": "other", "folder": "./Frames/"}))
    assert found == ["two: folder: 'frames' already holds the frames of another picture, of 'one'"]


def test_each_picture_in_a_folder_of_its_own(clashes):
    """Nothing is wrong with that."""
    assert clashes(one=("write.frames", {}), two=("write.frames", {"image": "other", "folder": "other"})) == []


def test_two_films_of_one_path(clashes):
    """Even of the same picture."""
    found = clashes(one=("write.video", {}), two=("write.video", {}))
    assert found == ["two: path: 'film.mp4' is also written by 'one'"]


@pytest.mark.parametrize("path", ["run.json", "x/../RUN.JSON"])
def test_files_of_the_engine(clashes, path):
    """No writer may take them."""
    assert clashes(film=("write.video", {"path": path})) == ["film: path: 'run.json' is written by the engine itself"]
