"""Mixing directions, taking directions out, and the mean of pictures."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import Perceptor, Prompts, Seen, UsageError
from pytti_graph.nodes import prompt_arithmetic, prompt_images
from pytti_graph.nodes.embeddings import mean_direction, slerp, without_direction
from pytti_graph.nodes.prompt_loss import distances

AMOUNTS = st.floats(0, 1)
RED, BLUE = (torch.nn.functional.normalize(torch.tensor([c]), dim=1) for c in ([0.7, -0.3, -0.3], [-0.3, -0.3, 0.7]))


def unit(seed, count=1, size=6):
    """Random unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, size, generator=generator, dtype=torch.float64), dim=1)


def angle(x, y):
    """Between unit vectors, row by row; precise for small angles too."""
    return 2 * ((x - y).norm(dim=-1) / 2).clamp(max=1).asin()


def prompts(vectors, weights=None, **more):
    weights = torch.ones_like(vectors[:, 0]) if weights is None else torch.tensor(weights, dtype=vectors.dtype)
    return Prompts(vectors, weights, torch.full_like(weights, -math.inf), **more)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), AMOUNTS)
def test_slerp_goes_at_one_speed(seed, amount):
    """The angle to either end is its share of the whole angle; every step is a unit vector."""
    x, y = unit(seed, 3), unit(seed + 5000)
    mixed = slerp(x, y, amount)
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(angle(x, mixed), amount * angle(x, y), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(angle(mixed, y.expand(3, -1)), (1 - amount) * angle(x, y), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("distance", [0, 1e-9, 1e-5, 1e-3, math.pi - 1e-9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slerp_between_equal_and_opposite_directions(distance, dtype):
    """Finite, a unit vector, and both ends are reached."""
    x = torch.tensor([[1.0, 0.0, 0.0]], dtype=dtype)
    y = torch.tensor([[math.cos(distance), math.sin(distance), 0.0]], dtype=dtype)
    for amount, end in ((0.0, x), (1.0, y), (0.3, None)):
        mixed = slerp(x, y, amount)
        assert mixed.isfinite().all()
        assert float(mixed.norm()) == pytest.approx(1, abs=1e-5)
        if end is not None:
            torch.testing.assert_close(mixed, end, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000))
def test_nothing_of_a_direction_is_left(seed):
    """And the rest is as it was: taking it out twice changes nothing more."""
    x, y = unit(seed, 3), unit(seed + 5000)
    rest = without_direction(x, y)
    torch.testing.assert_close((rest * y).sum(1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(rest.norm(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(without_direction(rest, y), rest)
    torch.testing.assert_close(without_direction(x, y, 0.0), x)


def test_a_prompt_that_is_nothing_else_stays():
    """Nothing would be left."""
    x = unit(1)
    torch.testing.assert_close(without_direction(torch.cat((x, -x)), x), torch.cat((x, -x)))


def test_mixing_keeps_weights_stops_and_masks():
    """Of the first; the other ones count by their weights."""
    masks = (lambda seen: None, None)
    first = prompts(unit(1, 2), [2.0, -1.0], masks=masks)
    other = prompts(unit(2, 2), [1.0, 3.0])
    mixed = prompt_arithmetic.mix(first, other, 0.25)
    towards = mean_direction(other.embeddings * torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(mixed.embeddings, slerp(first.embeddings, towards, 0.25))
    assert mixed.weights is first.weights
    assert mixed.stops is first.stops
    assert mixed.masks is masks
    torch.testing.assert_close(prompt_arithmetic.mix(first, other, 0.0).embeddings, first.embeddings)


def test_every_perceptor_mixes_its_own():
    """They have spaces of their own."""
    first = Prompts.of_each([prompts(unit(1, 1, 4)), prompts(unit(2, 1, 9))])
    other = Prompts.of_each([prompts(unit(3, 1, 4)), prompts(unit(4, 1, 9))])
    taken = prompt_arithmetic.without(first, other)
    for one, beside, made in zip(first.each, other.each, taken.each, strict=True):
        torch.testing.assert_close(made.embeddings, without_direction(one.embeddings, beside.embeddings))
    with pytest.raises(UsageError, match="2 perceptors read the prompts, but 1 the other ones"):
        prompt_arithmetic.mix(first, other.each[0])


class Eye(Perceptor):
    """Sees the mean colour."""

    size, name, weights = 8, "eye", {}

    def encode_images(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)) - 0.3, dim=-1)

    def encode_texts(self, texts):
        raise NotImplementedError


def test_a_picture_goes_on_place_by_place():
    """Also when something is mixed into it."""
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0, :, :32], image[:, 2, :, 32:] = 1, 1
    shown = prompt_images.Picture().forward([Eye()], image.requires_grad_())
    left = torch.tensor([[[0.3, 0, -0.7], [0, 0.3, 0], [0, 0, 1]]])
    right = left * torch.tensor([[1.0, 1, -1], [1, 1, 1], [1, 1, 1]])
    assert not shown.embeddings.requires_grad
    assert float(distances(Seen(RED, left), shown)) < 1e-4
    assert float(distances(Seen(RED, right), shown)) > 0.5
    mixed = prompt_arithmetic.mix(shown, prompts(RED), 1.0)
    assert float(distances(Seen(RED, right), mixed)) < 1e-4


@pytest.fixture
def folder(tmp_path):
    """Two red pictures, a blue one, and a text."""
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    Image.new("RGB", (60, 10), "red").save(tmp_path / "b.BMP")
    Image.new("RGB", (9, 30), "blue").save(tmp_path / "c.webp", lossless=True)
    (tmp_path / "notes.txt").write_text("nothing")
    return tmp_path


class Inputs:
    """Gives paths as they are."""

    def input(self, path):
        return path


def test_the_mean_of_a_folder(folder, device):
    """Each picture counts once, whatever its shape."""
    made = prompt_images.pictures([Eye(), Eye()], folder, device, Inputs())
    expected = torch.nn.functional.normalize(2 * RED + BLUE, dim=1)
    for one in made.each:
        torch.testing.assert_close(one.embeddings, expected, atol=5e-3, rtol=0)
        assert (one.weights.tolist(), one.stops.tolist(), one.targets) == ([1], [-math.inf], ())


def test_folders_without_pictures_are_refused(tmp_path, device):
    """Empty, damaged, or none."""
    with pytest.raises(UsageError, match="there are no pictures in"):
        prompt_images.pictures([Eye()], tmp_path, device, Inputs())
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(UsageError, match="not a picture that can be read"):
        prompt_images.pictures([Eye()], tmp_path, device, Inputs())
    with pytest.raises(UsageError, match="cannot be read: Not a directory"):
        prompt_images.pictures([Eye()], tmp_path / "a.png", device, Inputs())
