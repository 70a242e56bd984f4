"""Ratings by a head from a file."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from pytti_graph import Seen, UsageError
from pytti_graph.nodes.aesthetic import Aesthetic, read_head


def layer(outputs, inputs, seed=0):
    return torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def line(tmp_path):
    """A head that rates by one number."""
    save_file({"weight": torch.tensor([[2.0, 0, 0]]), "bias": torch.tensor([1.0])}, tmp_path / "line.safetensors")
    return tmp_path / "line.safetensors"


@pytest.fixture
def file(tmp_path):
    """Makes a file of tensors."""

    def make(tensors, name="head.pth"):
        torch.save(tensors, tmp_path / name)
        return tmp_path / name

    return make


def seen(*rows):
    return Seen(torch.tensor(rows, requires_grad=True), torch.eye(3).repeat(len(rows), 1, 1))


def test_a_line_rates(line, device):
    head, view = Aesthetic(line, device), seen([1.0, 0, 0], [0.0, 1, 0])
    torch.testing.assert_close(head.ratings(view.embeddings), torch.tensor([3.0, 1.0]))
    loss = head.forward(view, level=4, weight=2)
    assert float(loss.detach()) == pytest.approx(2 * (1 + 9) / 2)
    loss.backward()
    assert (view.embeddings.grad[:, 0] < 0).all()


def test_layers_come_in_their_order(file, device):
    """layers.10 after layers.2, as LAION's head has them; bare or in a checkpoint."""
    tensors = {
        "layers.10.weight": layer(1, 4, seed=3),
        "layers.10.bias": torch.tensor([0.5]),
        "layers.2.weight": layer(4, 5, seed=2),
        "layers.2.bias": torch.zeros(4),
        "layers.0.weight": layer(5, 3, seed=1),
        "layers.0.bias": torch.ones(5),
    }
    x = layer(7, 3)
    for path in (file(tensors), file({"state_dict": tensors, "epoch": 3}, "all.ckpt")):
        head = Aesthetic(path, device)
        wanted = ((x @ layer(5, 3, seed=1).T + 1) @ layer(4, 5, seed=2).T) @ layer(1, 4, seed=3).T + 0.5
        torch.testing.assert_close(head.ratings(x), wanted[:, 0])
    bent = ((x @ layer(5, 3, seed=1).T + 1).relu() @ layer(4, 5, seed=2).T).relu() @ layer(1, 4, seed=3).T + 0.5
    torch.testing.assert_close(Aesthetic(path, device, "relu").ratings(x), bent[:, 0])


def test_a_mask_chooses_crops(line, device):
    """The left crop alone."""
    left = torch.zeros(1, 1, 8, 8)
    left[..., :4] = 1
    transforms = torch.tensor([[[0.4, 0, x], [0, 1, 0], [0, 0, 1]] for x in (-0.5, 0.5)])
    view = Seen(torch.tensor([[1.0, 0, 0], [0.0, 1, 0]]), transforms)
    assert float(Aesthetic(line, device).forward(view, level=4, weight=1, mask=left)) == pytest.approx(1, abs=0.01)


def test_crops_count_by_their_weights(line, device):
    one, other = (float(Aesthetic(line, device).forward(seen(row), level=4)) for row in ([1.0, 0, 0], [0.0, 1, 0]))
    view = replace(seen([1.0, 0, 0], [0.0, 1, 0]), weights=torch.tensor([3.0, 1.0]))
    assert one != pytest.approx(other)
    assert float(Aesthetic(line, device).forward(view, level=4)) == pytest.approx((3 * one + other) / 4)


def test_of_several_perceptors_its_own_counts(line, device):
    """The one whose embeddings it takes, wherever it stands among them."""
    own, other = seen([1.0, 0, 0]), seen([1.0, 0, 0, 0])
    alone = Aesthetic(line, device).forward(own)
    for views in ((own, other), (other, own), (other, other, own)):
        assert float(Aesthetic(line, device).forward(replace(views[0], others=views[1:])).detach()) == alone


def test_perceptors_that_are_alike_are_told_apart_by_their_number(line, device):
    first, second = seen([1.0, 0, 0]), seen([0.0, 1, 0])
    both, head = replace(first, others=(second,)), Aesthetic(line, device)
    assert head.forward(both, which=1) == head.forward(first)
    assert head.forward(both, which=2) == head.forward(second)
    assert head.forward(first, which=1) == head.forward(first)
    with pytest.raises(UsageError, match="embeddings have 3, 3") as caught:
        head.forward(both)
    assert "which: N, from 1 to 2" in caught.value.problem.hint
    with pytest.raises(UsageError, match="there is no perceptor 3: 2 look at the crops"):
        head.forward(both, which=3)


def test_no_perceptor_is_its_own(line, device):
    others = seen([1.0, 0, 0, 0]), seen([1.0, 0])
    with pytest.raises(UsageError, match="takes 3 numbers, and the perceptors' embeddings have 4, 2"):
        Aesthetic(line, device).forward(replace(others[0], others=others[1:]))
    with pytest.raises(UsageError, match="3 dimensions, but these have 2"):
        Aesthetic(line, device).forward(replace(others[0], others=others[1:]), which=2)


def test_gradient(line, device):
    head = Aesthetic(line, device)
    head._layers = [(matrix.double(), offset.double()) for matrix, offset in head._layers]
    places = torch.eye(3).double().repeat(4, 1, 1)
    x = layer(4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: head.forward(Seen(x, places)), x)


def test_another_perceptor_is_refused(line, device):
    with pytest.raises(UsageError, match="3 dimensions, but these have 5"):
        Aesthetic(line, device).ratings(torch.zeros(2, 5))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "it has no layers"),
        ({"a.weight": layer(2, 3)}, "it gives 2 numbers"),
        ({"a.weight": torch.zeros(1, 3, 3, 3)}, r"a.weight has shape \[1, 3, 3, 3\]"),
        ({"a.weight": layer(1, 3), "a.bias": torch.zeros(2)}, "no linear layer's"),
        ({"a.weight": layer(1, 3), "running_mean": torch.zeros(3)}, "it holds running_mean"),
        (
            {"0.weight": layer(4, 3), "1.weight": layer(1, 5)},
            "1.weight takes 5 numbers, but the layer before it gives 4",
        ),
    ],
)
def test_other_networks_are_refused(file, tensors, message):
    with pytest.raises(UsageError, match=message) as caught:
        read_head(file(tensors))
    assert caught.value.problem.argument == "path"


def test_files_that_cannot_be_read(tmp_path):
    for name in ("head.pth", "head.safetensors"):
        with pytest.raises(UsageError, match="there is no file"):
            read_head(tmp_path / name)
        (tmp_path / name).write_bytes(b"not weights")
        with pytest.raises(UsageError, match="cannot be read as weights: it is damaged, or no"):
            read_head(tmp_path / name)


def test_nothing_in_a_file_is_executed(tmp_path, file):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    with pytest.raises(UsageError, match="cannot be read"):
        read_head(file({"weight": Evil()}))
    assert not (tmp_path / "ran").exists()
