"""What is there for an author's own tests."""

import pytest
import torch

from pytti_graph import Graph, UsageError
from pytti_graph.testing import (
    TinyPerceptor,
    contract,
    device,
    files,
    moment,
    registry,
    report,
    stream,
    tiny_image,
)
from pytti_graph.testing.tiny import NODES

test_tiny_nodes_keep_the_contract_themselves = contract(*NODES)


def test_tiny_image_is_always_the_same():
    assert torch.equal(tiny_image(6, 9), tiny_image(6, 9))
    assert not torch.equal(tiny_image(6, 9), tiny_image(6, 9, seed=1))


@pytest.mark.parametrize("seed", range(20))
def test_tiny_image_has_its_size_and_range(seed):
    picture = tiny_image(64, 48, seed=seed)
    assert picture.shape == (1, 3, 64, 48)
    assert picture.min() >= 0.1 - 1e-6
    assert picture.max() <= 0.9 + 1e-6


def test_tiny_image_has_no_symmetry():
    """Whoever flips it, turns it or swaps its colours makes another picture of it."""
    picture = tiny_image(8, 8)
    for other in (picture.flip(-1), picture.flip(-2), picture.mT, picture.rot90(2, (2, 3)), picture.flip(1)):
        assert (picture - other).abs().mean() > 0.05


def test_tiny_perceptor_tells_pictures_and_texts_apart():
    eye = TinyPerceptor(size=4)
    pictures = eye.encode_images(torch.cat([tiny_image(4, 4), tiny_image(4, 4, seed=1)]))
    texts = eye.encode_texts(["a castle", "fog", "a castle"])
    assert pictures.shape == (2, 12)
    assert texts.shape == (3, 12)
    assert torch.equal(texts[0], texts[2])
    assert (pictures[0] - pictures[1]).norm() > 0.05
    assert (texts[0] - texts[1]).norm() > 0.05
    assert eye.encode_texts([]).shape == (0, 12)


def test_stream_is_that_of_the_engine():
    """The numbers of a node in a graph are those that its test has seen."""

    def drawn(*arguments, **named):
        return stream(*arguments, **named).uniform(3)

    assert torch.equal(drawn(), drawn())
    others = [drawn(1), drawn(node="other"), drawn(frame=1), drawn(step=1), drawn(phase="init")]
    assert not any(torch.equal(drawn(), other) for other in others)
    canvas = Graph.build({"seed": 5, "nodes": {"canvas": {"type": "tiny.canvas"}}}, registry=registry())
    [frame] = canvas.render(output="canvas")
    expected = torch.sigmoid(stream(5, "canvas", phase="init").normal(1, 3, 12, 16))
    torch.testing.assert_close(frame.tensor, expected, rtol=0, atol=0)


def test_moment_counts_as_the_engine_does():
    now = moment(frame=1, step=1, frames=3, fps=4, steps=5)
    assert (now.t, now.total_step, now.clock.frames) == (0.25, 6, 3)


def test_device_has_a_precision():
    assert device().torch.type == "cpu"
    assert device(dtype=torch.bfloat16).dtype is torch.bfloat16


def test_files_stay_in_their_folder(tmp_path):
    folder = files(tmp_path)
    assert folder.save_frame(tmp_path / "frames", 0, tiny_image()).is_file()
    assert not folder.network
    with pytest.raises(UsageError):
        folder.input("../secret.txt")


def test_report_keeps_warnings():
    notes = report()
    notes.warn("hm", argument="scenes")
    assert notes.messages == [("hm", "scenes")]
