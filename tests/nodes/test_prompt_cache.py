"""Embeddings of prompts are kept on disk, and nothing about them can go wrong."""

import os

import pytest
import torch

from pytti_graph import Perceptor
from pytti_graph.nodes import prompt_cache

CPU = torch.device("cpu")


class Reader(Perceptor):
    """Counts how often it is asked."""

    size, name = 8, "reader"

    def __init__(self, weights=None, name="reader", settings=None):
        self.weights, self.name, self.asked = {"w.pt": "abc"} if weights is None else weights, name, 0
        self.image_settings = {"precision": "float32"} if settings is None else settings

    def encode_images(self, images):
        self.asked += 1
        return torch.nn.functional.normalize(images.mean((2, 3)) + 0.1, dim=-1)

    def encode_texts(self, texts):
        self.asked += 1
        return torch.nn.functional.normalize(torch.tensor([[len(texts[0]), 1.0, 2.0]]), dim=-1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path))
    return tmp_path / "prompts"


def test_a_text_is_encoded_once(folder):
    """And comes back to the last bit, whatever is in it."""
    reader, text = Reader(), "größe 山 | \n 'x'"
    first, again = (prompt_cache.text_embedding(reader, text, CPU) for _ in range(2))
    assert torch.equal(first, again)
    assert reader.asked == 1
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [Reader(name="another"), Reader({"w.pt": "abd"}), Reader({"v.pt": "abc"}), Reader({"w.pt": "abc", "x": "y"})],
)
def test_other_networks_have_their_own(other):
    """By name and by the sums of the weights."""
    prompt_cache.text_embedding(Reader(), "a", CPU)
    asked = other.asked
    prompt_cache.text_embedding(other, "a", CPU)
    assert other.asked == asked + 1


def test_networks_without_weights_are_always_asked(folder):
    """Nothing says whether they are the same."""
    reader = Reader({})
    for _ in range(2):
        prompt_cache.text_embedding(reader, "a", CPU)
    assert reader.asked == 2
    assert not folder.exists()


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff" * 200])
def test_a_damaged_file_costs_only_time(folder, damage):
    """It is made anew."""
    reader = Reader()
    expected = prompt_cache.text_embedding(reader, "a", CPU)
    [file] = folder.iterdir()
    file.write_bytes(damage)
    assert torch.equal(prompt_cache.text_embedding(reader, "a", CPU), expected)
    assert torch.equal(prompt_cache.text_embedding(reader, "a", CPU), expected)
    assert reader.asked == 2


def test_a_wrong_embedding_is_not_believed(folder):
    """Such as one that is no unit vector."""
    reader = Reader()
    prompt_cache.text_embedding(reader, "a", CPU)
    [file] = folder.iterdir()
    prompt_cache.save_file({"embedding": torch.full((1, 3), float("nan"))}, file)
    assert prompt_cache.text_embedding(reader, "a", CPU).isfinite().all()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "prompts").write_text("")
    assert prompt_cache.text_embedding(Reader(), "a", CPU).shape == (1, 3)


def test_what_was_not_used_for_longest_is_forgotten(folder, monkeypatch):
    """When there are too many."""
    monkeypatch.setattr(prompt_cache, "TEXTS", prompt_cache.Shelf("prompts", 10))
    reader = Reader()
    for number in range(10):
        prompt_cache.text_embedding(reader, f"text {number}", CPU)
    for age, file in enumerate(sorted(folder.iterdir(), key=lambda file: file.name)):
        os.utime(file, (age, age))
    old = min(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    prompt_cache.text_embedding(reader, "one more", CPU)
    assert len(list(folder.iterdir())) == 9
    assert not old.exists()


CROPS = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_picture_is_looked_at_once(tmp_path):
    """And what is seen comes back to the last bit, without gradients, beside the texts and not among them."""
    reader, crops = Reader(), CROPS.clone().requires_grad_()
    first, again = (prompt_cache.crop_embeddings(reader, crops) for _ in range(2))
    assert torch.equal(first, again)
    assert not first.requires_grad
    assert not again.requires_grad
    assert reader.asked == 1
    prompt_cache.text_embedding(reader, "a", CPU)
    assert len(list((tmp_path / "picture-prompts").iterdir())) == len(list((tmp_path / "prompts").iterdir())) == 1


@pytest.mark.parametrize(
    ("other", "crops"),
    [
        (Reader(name="another"), CROPS),
        (Reader({"w.pt": "abd"}), CROPS),
        (Reader(settings={"precision": "bfloat16"}), CROPS),
        (Reader(settings={"precision": "float32", "mean": "0.5"}), CROPS),
        (Reader(), CROPS.flip(3)),
        (Reader(), CROPS[:2]),
        (Reader(), torch.nextafter(CROPS, torch.tensor(1.0))),
        (Reader(), CROPS.view(3, 3, 4, 16)),
    ],
)
def test_what_else_is_seen_or_how_is_kept_by_itself(other, crops):
    """By network, by how it looks, and by every value that it is shown."""
    prompt_cache.crop_embeddings(Reader(), CROPS)
    asked = other.asked
    expected = other.encode_images(crops)
    assert torch.equal(prompt_cache.crop_embeddings(other, crops), expected)
    assert other.asked == asked + 2


@pytest.mark.parametrize("reader", [Reader({}), Reader()])
def test_who_does_not_tell_how_it_looks_is_always_asked(reader, tmp_path):
    """Nothing says whether it would see the same."""
    if reader.weights:
        reader.image_settings = None
    for _ in range(2):
        prompt_cache.crop_embeddings(reader, CROPS)
    assert reader.asked == 2
    assert not (tmp_path / "picture-prompts").exists()


def test_fewer_embeddings_than_crops_are_not_believed(tmp_path):
    """A file of another version may hold others."""
    reader = Reader()
    expected = prompt_cache.crop_embeddings(reader, CROPS)
    [file] = (tmp_path / "picture-prompts").iterdir()
    prompt_cache.save_file({"embedding": expected[:1]}, file)
    assert torch.equal(prompt_cache.crop_embeddings(reader, CROPS), expected)
