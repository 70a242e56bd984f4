"""Augmentations: each one's geometry and distribution, and that operations are pure."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytti_graph import Cutouts
from pytti_graph.nodes import augment
from pytti_graph.nodes.cutouts import render

MANY = 4000
OFF = dict.fromkeys(("flip", "affine", "perspective", "colour", "erase", "noise"), 0)


def plain(image, count=3, size=16):
    return Cutouts(image, torch.eye(3).repeat(count, 1, 1), size, "clamp")


def test_flips(stream):
    matrices = augment.flips(stream, MANY, 0.3)
    flipped = matrices[:, 0, 0] < 0
    assert flipped.double().mean() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(matrices.abs(), torch.eye(3).expand(MANY, 3, 3))


def test_a_flip_mirrors_the_crop(natural, stream):
    image = natural(16, 16)
    torch.testing.assert_close(
        render(augment.classic(plain(image), stream, **{**OFF, "flip": 1})),
        image.flip(3).expand(3, -1, -1, -1),
        atol=1e-5,
        rtol=0,
    )


def test_turns_and_shifts(stream):
    matrices = augment.affines(stream, MANY, 0.8, math.radians(30), 0.1)
    chosen = (matrices - torch.eye(3)).abs().sum((1, 2)) > 0
    assert chosen.double().mean() == pytest.approx(0.8, abs=0.03)
    angle = torch.atan2(matrices[chosen, 0, 1], matrices[chosen, 0, 0]).rad2deg()
    assert stats.kstest(angle / 60 + 0.5, "uniform").pvalue > 0.001
    moved = -torch.linalg.solve(matrices[chosen, :2, :2], matrices[chosen, :2, 2:]).flatten()
    assert stats.kstest(moved / 0.4 + 0.5, "uniform").pvalue > 0.001
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(MANY))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 1), min_size=8, max_size=8))
def test_tilts_put_corners_where_they_were(inwards):
    corners = torch.tensor(inwards, dtype=torch.float64).view(1, 4, 2)
    square = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)
    points = torch.cat([square * corners[0], torch.ones(4, 1)], 1) @ augment.square_from(corners)[0].T
    assert (points[:, 2] > 0).all()
    torch.testing.assert_close(points[:, :2] / points[:, 2:], square)


def test_tilts(stream):
    matrices = augment.tilts(stream, MANY, 0.4, 0.2)
    chosen = (matrices - torch.eye(3)).abs().amax((1, 2)) > 1e-5
    assert chosen.double().mean() == pytest.approx(0.4, abs=0.03)
    backwards = torch.linalg.inv(matrices[chosen])
    corner = backwards @ torch.tensor([1.0, 1.0, 1.0])
    inwards = 1 - corner[:, :2] / corner[:, 2:]
    assert stats.kstest(inwards.flatten() / 0.2, "uniform").pvalue > 0.001


def test_colours(stream):
    matrices = augment.colour_matrices(stream, MANY, 0.7, 0.01, 0.01)
    assert ((matrices - torch.eye(3)).abs().amax((1, 2)) > 1e-6).double().mean() == pytest.approx(0.7, abs=0.03)
    grey = torch.full((3, 1), 0.4)
    torch.testing.assert_close(matrices @ grey, grey.expand(MANY, 3, 1))
    red = matrices @ torch.tensor([[1.0], [0.0], [0.0]])
    assert 0.03 < (red - torch.tensor([[1.0], [0.0], [0.0]])).abs().max() < 0.05


def test_a_third_of_the_colour_circle_turns_red_into_green():
    class Fixed:
        def uniform(self, *shape, low=0.0, high=1.0):
            return torch.zeros(shape) if low == 0 else torch.full(shape, high)

    turn = augment.colour_matrices(Fixed(), 1, 1.0, 1 / 3, 0.0)[0]
    torch.testing.assert_close(turn @ torch.eye(3)[0], torch.eye(3)[1], atol=1e-6, rtol=0)


def test_erasures(stream):
    size = 64
    masks = augment.erasures(stream, MANY, size, 0.7)
    area = (1 - masks).mean((1, 2, 3))
    erased = area > 0
    assert erased.double().mean() == pytest.approx(0.7, abs=0.03)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert area[erased].min() > 0.08
    assert area.max() < 0.43
    assert area[erased].mean() == pytest.approx(0.25, abs=0.01)
    rows, columns = (1 - masks[erased, 0]).amax(2).sum(1), (1 - masks[erased, 0]).amax(1).sum(1)
    torch.testing.assert_close(rows * columns, area[erased] * size**2)
    assert (rows > columns).double().mean() == pytest.approx(0.5, abs=0.04)
    assert 0.25 < (rows / columns).min() < 0.4


def test_noise(stream):
    made = augment.classic(plain(torch.full((1, 3, 32, 32), 0.5), 400, 32), stream, **{**OFF, "noise": 0.1})
    grain = render(made) - 0.5
    strength = grain.flatten(1).std(1)
    assert stats.kstest(strength / 0.1, "uniform").pvalue > 0.001
    assert stats.kstest((grain / strength.view(-1, 1, 1, 1)).flatten()[::97], "norm").pvalue > 0.001


def test_off_changes_nothing(natural, stream):
    made = plain(natural(32, 32))
    torch.testing.assert_close(render(augment.classic(made, stream, **OFF)), render(made))


def test_operations_are_pure(natural, stream):
    image = natural(32, 32).requires_grad_()
    made = plain(image)
    before = image.detach().clone(), made.transforms.clone()
    shaken = augment.classic(made, stream)
    first = render(shaken)
    first.sum().backward()
    torch.testing.assert_close(render(shaken), first)
    assert torch.equal(image, before[0])
    assert torch.equal(made.transforms, before[1])
    crops = torch.rand(3, 3, 16, 16, generator=stream.generator)
    kept = crops.clone()
    shaken.operations[0](crops)
    assert torch.equal(crops, kept)


def test_gradient(stream):
    """The operation is linear but for the noise, so its gradient is its difference."""
    operation = augment.classic(plain(torch.zeros(1, 3, 8, 8), 4, 8), stream).operations[0]
    crops, step, weight = (stream.normal(4, 3, 8, 8) for _ in range(3))
    crops.requires_grad_()
    (operation(crops) * weight).sum().backward()
    change = ((operation(crops + step) - operation(crops)) * weight).sum()
    torch.testing.assert_close((crops.grad * step).sum(), change.detach(), rtol=1e-3, atol=1e-3)


def test_no_global_generator(natural, stream):
    state = torch.get_rng_state()
    render(augment.classic(plain(natural(16, 16)), stream))
    assert torch.equal(torch.get_rng_state(), state)


def test_grains_are_independent_normal_numbers(stream):
    """Within a crop, between its pixels and channels, and at the same pixel of two crops."""
    strip, places = augment.grain_strip(stream, 6, 64)
    made = strip.index_select(0, places).view(6, 3, 64, 64)
    assert abs(float(made.mean())) < 0.02
    assert float(made.std()) == pytest.approx(1, abs=0.02)
    assert float((made.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.01)
    for one, other in ((made[..., 1:], made[..., :-1]), (made[:, 1:], made[:, :-1]), (made[1:], made[:-1])):
        assert abs(float((one * other).mean())) < 0.03
    assert len({float(crop[0, 0, 0]) for crop in made}) == 6
