"""Files of weights, and of anything else: what is read, and what is wrong in words that help."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from pytti_graph.nodes.weight_files import UnreadableWeights, read_tensors, why_unfit

HELD = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.zeros(2)}


@pytest.mark.parametrize("wrap", [lambda held: held, lambda held: {"state_dict": held, "epoch": 3}])
def test_weights_are_read(tmp_path, wrap):
    torch.save(wrap(HELD), tmp_path / "held.pt")
    found = read_tensors(tmp_path / "held.pt")
    assert set(found) == set(HELD)
    assert torch.equal(found["a.weight"], HELD["a.weight"])
    save_file(HELD, tmp_path / "held.safetensors")
    assert set(read_tensors(tmp_path / "held.safetensors")) == set(HELD)


WRONG = {
    "empty.pt": (b"", "it is empty"),
    "empty.safetensors": (b"", "it is empty"),
    "text.pt": (b"hello", "it is damaged, or no file of weights"),
    "text.safetensors": (b"hello", "it is damaged, or no safetensors file"),
    "list.pt": ([1, 2], "it holds no weights by name, but a list"),
    "nan.pt": ({"a": torch.ones(2), "b": torch.tensor([1, torch.nan])}, "it is damaged: b holds what is no number"),
    "tensor.pt": (torch.zeros(3), "it holds no weights by name, but a single tensor"),
    "function.pt": (pickle.dumps({"a": print}, protocol=2), "it holds objects beside weights, which could run code"),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused_in_plain_words(tmp_path, name, recwarn):
    content, reason = WRONG[name]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        torch.save(content, tmp_path / name)
    with pytest.raises(UnreadableWeights, match=reason) as caught:
        read_tensors(tmp_path / name)
    assert "weights_only" not in str(caught.value), "torch advises to switch its safety off"
    assert not recwarn.list


def test_a_folder_and_nothing(tmp_path):
    with pytest.raises(UnreadableWeights, match="it is a folder"):
        read_tensors(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "none.pt")


def test_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    with pytest.raises(UnreadableWeights):
        read_tensors(tmp_path / "evil.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"weight": torch.zeros(2, 3)}, "it lacks bias"),
        ({}, "it lacks weight and 1 more"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "scale": torch.ones(1)}, "it also holds scale"),
        (
            {"weight": torch.zeros(5, 3), "bias": torch.zeros(2)},
            "weight has shape [5, 3], where the network has [2, 3]",
        ),
    ],
)
def test_weights_that_do_not_fit(weights, reason):
    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(3, 2).load_state_dict(weights)
    assert why_unfit(caught.value) == reason


def test_what_nobody_understands_is_not_repeated():
    assert why_unfit(KeyError(101)) == "its tensors have other names"
