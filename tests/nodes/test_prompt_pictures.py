"""Prompts that are pictures: what the picture shows at a place is meant at that place."""

import math

import pytest
import torch

from pytti_graph import Perceptor, Prompts, Seen
from pytti_graph.nodes import prompt_loss
from pytti_graph.nodes.embeddings import mean_direction, spherical_distance
from pytti_graph.nodes.prompt_pictures import PictureTarget, lattice, overlaps


class Eye(Perceptor):
    """Sees the mean colour."""

    size, name, weights = 8, "eye", {}

    def encode_images(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)) - 0.3, dim=-1)

    def encode_texts(self, texts):
        raise NotImplementedError


def box(left, top, side):
    """A crop, from left, top and side as parts of the picture."""
    return torch.tensor([[side, 0, 2 * left + side - 1], [0, side, 2 * top + side - 1], [0, 0, 1.0]])


@pytest.mark.parametrize(("height", "width", "count"), [(64, 64, 39), (64, 128, None), (90, 30, None), (1, 1, 39)])
def test_the_lattice_covers_the_picture(height, width, count):
    """Square crops inside the picture; every place is in one of each size."""
    made = lattice(height, width)
    assert count in (None, len(made))
    torch.testing.assert_close(made[:, 0, 0] * width, made[:, 1, 1] * height)
    low, high = made[:, :2, 2] - made[:, [0, 1], [0, 1]], made[:, :2, 2] + made[:, [0, 1], [0, 1]]
    assert (low >= -1 - 1e-5).all()
    assert (high <= 1 + 1e-5).all()
    points = torch.stack(torch.meshgrid(torch.linspace(-1, 1, 21), torch.linspace(-1, 1, 21), indexing="xy"), -1)
    sides = made[:, 0, 0].round(decimals=4)
    for side in sides.unique():
        chosen = sides == side
        inside = (points[..., None, :] >= low[chosen] - 1e-4) & (points[..., None, :] <= high[chosen] + 1e-4)
        assert inside.all(-1).any(-1).all()


@pytest.mark.parametrize(("height", "width"), [(1, 20_000), (20_000, 1)])
def test_the_lattice_of_a_very_long_picture_is_bounded(height, width):
    """The perceptor looks at each of them before the first frame; they still reach from end to end."""
    made = lattice(height, width)
    assert len(made) < 500
    along = 0 if width > height else 1
    assert (made[:, along, 2] - made[:, along, along]).min() == pytest.approx(-1, abs=1e-5)
    assert (made[:, along, 2] + made[:, along, along]).max() == pytest.approx(1, abs=1e-5)


def test_overlaps():
    """Intersection over union; turned crops keep their size."""
    ones = torch.stack((box(0, 0, 0.5), box(0.5, 0.5, 0.5), box(0, 0, 1)))
    assert overlaps(ones, ones).tolist() == [
        [1, 0, pytest.approx(0.25)],
        [0, 1, pytest.approx(0.25)],
        [pytest.approx(0.25), pytest.approx(0.25), 1],
    ]
    turn = torch.tensor([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1.0]])
    torch.testing.assert_close(overlaps(ones @ turn, ones), overlaps(ones, ones))


def half_and_half():
    """Red on the left, blue on the right: [1, 3, 64, 64]."""
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, :, :32], picture[:, 2, :, 32:] = 1, 1
    return picture


def test_each_crop_is_to_mean_what_is_at_its_place():
    """Small crops the colour of their half, the whole picture both."""
    target = PictureTarget.of(Eye(), half_and_half())
    crops = torch.stack((box(0.02, 0.3, 0.33), box(0.66, 0.1, 0.34), box(0, 0, 1), box(-0.3, -0.3, 0.2)))
    found = target(Seen(torch.zeros(4, 3), crops))
    red, blue = (torch.nn.functional.normalize(torch.tensor(c), dim=0) for c in ([0.7, -0.3, -0.3], [-0.3, -0.3, 0.7]))
    torch.testing.assert_close(found[0], red, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[1], blue, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[2, 0], found[2, 2], atol=1e-3, rtol=0)
    torch.testing.assert_close(found[3], found[2])


def test_the_loss_is_zero_where_the_picture_is_reached():
    """Crop by crop; other prompts beside it are as they were."""
    target = PictureTarget.of(Eye(), half_and_half())
    transforms = lattice(64, 64)
    text = torch.nn.functional.normalize(torch.tensor([[0.0, 1.0, 0.0]]), dim=1)
    view = Seen(target.embeddings, transforms)
    embeddings = torch.cat((mean_direction(target.embeddings), text))
    prompts = Prompts(embeddings, torch.ones(2), torch.full((2,), -math.inf), (), (target, None))
    found = prompt_loss.distances(view, prompts)
    assert float(found[:, 0].max()) < 1e-5
    torch.testing.assert_close(found[:, 1:], spherical_distance(target.embeddings, text))
    torch.testing.assert_close(prompt_loss.prompts(view, prompts), found.mean(0).sum())


def test_gradients_pull_each_crop_to_its_own_place():
    """And are finite."""
    target = PictureTarget.of(Eye(), half_and_half())
    start = torch.nn.functional.normalize(torch.ones(2, 3), dim=1).requires_grad_()
    view = Seen(start, torch.stack((box(0, 0, 0.35), box(0.65, 0, 0.35))))
    prompts = Prompts(start.detach()[:1], torch.ones(1), torch.full((1,), -math.inf), (), (target,))
    prompt_loss.prompts(view, prompts).backward()
    assert start.grad[0, 0] < start.grad[0, 2]
    assert start.grad[1, 2] < start.grad[1, 0]
