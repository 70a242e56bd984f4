"""Augmentations: each one's geometry and distribution, and that operations are pure."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytti_graph import Cutouts, UsageError
from pytti_graph.nodes.augment import blurring, colours, erasing, geometry, noise
from pytti_graph.nodes.augment.classic import classic
from pytti_graph.nodes.cutouts import render

MANY = 4000
OFF = dict.fromkeys(("flip", "affine", "perspective", "colour", "erase", "noise"), 0)


def plain(image, count=3, size=16):
    return Cutouts(image, torch.eye(3).repeat(count, 1, 1), size, "clamp")


def test_flips(stream):
    matrices = geometry.flips(stream, MANY, 0.3)
    flipped = matrices[:, 0, 0] < 0
    assert flipped.double().mean() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(matrices.abs(), torch.eye(3).expand(MANY, 3, 3))


def test_a_flip_mirrors_the_crop(natural, stream):
    image = natural(16, 16)
    torch.testing.assert_close(
        render(classic(plain(image), stream, **{**OFF, "flip": 1})),
        image.flip(3).expand(3, -1, -1, -1),
        atol=1e-5,
        rtol=0,
    )


def test_turns_and_shifts(stream):
    matrices = geometry.affines(stream, MANY, 0.8, math.radians(30), 0.1)
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
    points = torch.cat([square * corners[0], torch.ones(4, 1)], 1) @ geometry.square_from(corners)[0].T
    assert (points[:, 2] > 0).all()
    torch.testing.assert_close(points[:, :2] / points[:, 2:], square)


def test_tilts(stream):
    matrices = geometry.tilts(stream, MANY, 0.4, 0.2)
    chosen = (matrices - torch.eye(3)).abs().amax((1, 2)) > 1e-5
    assert chosen.double().mean() == pytest.approx(0.4, abs=0.03)
    backwards = torch.linalg.inv(matrices[chosen])
    corner = backwards @ torch.tensor([1.0, 1.0, 1.0])
    inwards = 1 - corner[:, :2] / corner[:, 2:]
    assert stats.kstest(inwards.flatten() / 0.2, "uniform").pvalue > 0.001


def test_no_tilt_brings_the_horizon_into_view(stream):
    """Beyond it a crop would show the picture a second time, upside down."""
    most = geometry.Distortion.__metadata__[0].le
    extremes = 1 - most * torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 8).view(-1, 4, 2)
    matrices = torch.cat([geometry.square_from(extremes), geometry.tilts(stream, MANY, 1.0, most)])
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    assert (matrices @ corners.T)[:, 2].min() > 0.05


def test_colours(stream):
    matrices = colours.colour_matrices(stream, MANY, 0.7, 0.01, 0.01)
    assert ((matrices - torch.eye(3)).abs().amax((1, 2)) > 1e-6).double().mean() == pytest.approx(0.7, abs=0.03)
    grey = torch.full((3, 1), 0.4)
    torch.testing.assert_close(matrices @ grey, grey.expand(MANY, 3, 1))
    red = matrices @ torch.tensor([[1.0], [0.0], [0.0]])
    assert 0.03 < (red - torch.tensor([[1.0], [0.0], [0.0]])).abs().max() < 0.05


def test_a_third_of_the_colour_circle_turns_red_into_green():
    class Fixed:
        def uniform(self, *shape, low=0.0, high=1.0):
            return torch.zeros(shape) if low == 0 else torch.full(shape, high)

    turn = colours.colour_matrices(Fixed(), 1, 1.0, 1 / 3, 0.0)[0]
    torch.testing.assert_close(turn @ torch.eye(3)[0], torch.eye(3)[1], atol=1e-6, rtol=0)


def test_erasures(stream):
    size = 64
    masks = erasing.erasures(stream, MANY, size, 0.7)
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
    made = classic(plain(torch.full((1, 3, 32, 32), 0.5), 400, 32), stream, **{**OFF, "noise": 0.1})
    grain = render(made) - 0.5
    strength = grain.flatten(1).std(1)
    assert stats.kstest(strength / 0.1, "uniform").pvalue > 0.001
    assert stats.kstest((grain / strength.view(-1, 1, 1, 1)).flatten()[::97], "norm").pvalue > 0.001


def test_off_changes_nothing(natural, stream):
    made = plain(natural(32, 32))
    torch.testing.assert_close(render(classic(made, stream, **OFF)), render(made))


def test_operations_are_pure(natural, stream):
    image = natural(32, 32).requires_grad_()
    made = plain(image)
    before = image.detach().clone(), made.transforms.clone()
    shaken = classic(made, stream)
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
    operation = classic(plain(torch.zeros(1, 3, 8, 8), 4, 8), stream).operations[0]
    crops, step, weight = (stream.normal(4, 3, 8, 8) for _ in range(3))
    crops.requires_grad_()
    (operation(crops) * weight).sum().backward()
    change = ((operation(crops + step) - operation(crops)) * weight).sum()
    torch.testing.assert_close((crops.grad * step).sum(), change.detach(), rtol=1e-3, atol=1e-3)


def test_no_global_generator(natural, stream):
    state = torch.get_rng_state()
    render(classic(plain(natural(16, 16)), stream))
    assert torch.equal(torch.get_rng_state(), state)


def test_grains_are_independent_normal_numbers(stream):
    """Within a crop, between its pixels and channels, and at the same pixel of two crops."""
    strip, places = noise.grain_strip(stream, 6, 64)
    made = strip.index_select(0, places).view(6, 3, 64, 64)
    assert abs(float(made.mean())) < 0.02
    assert float(made.std()) == pytest.approx(1, abs=0.02)
    assert float((made.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.01)
    for one, other in ((made[..., 1:], made[..., :-1]), (made[:, 1:], made[:, :-1]), (made[1:], made[:-1])):
        assert abs(float((one * other).mean())) < 0.03
    assert len({float(crop[0, 0, 0]) for crop in made}) == 6


EACH = {
    "flip": (geometry.flip, {}),
    "affine": (geometry.affine, {}),
    "perspective": (geometry.perspective, {"probability": 1}),
    "colour": (colours.colour, {"probability": 1}),
    "grey": (colours.grey, {"probability": 0.5}),
    "erase": (erasing.erase, {"probability": 1}),
    "noise": (noise.noise, {}),
    "blur": (blurring.blur, {"probability": 1}),
}


@pytest.fixture(params=EACH)
def each(request):
    """Each augmentation's node, with its arguments."""
    function, arguments = EACH[request.param]
    return lambda cutouts, stream, **more: function(cutouts, stream, **{**arguments, **more})


def test_each_changes_crops_and_nothing_else(each, natural, stream):
    image = natural(32, 32).requires_grad_()
    made = plain(image, 6)
    before, transforms = render(made), made.transforms.clone()
    shaken = each(made, stream)
    after = render(shaken)
    assert not torch.allclose(after, before, atol=1e-3)
    torch.testing.assert_close(render(shaken), after)
    assert torch.equal(made.transforms, transforms)
    after.sum().backward()
    assert image.grad.isfinite().all()


def test_each_with_a_chance_of_none_changes_nothing(natural, stream):
    made = plain(natural(32, 32), 6)
    for function, _ in EACH.values():
        never = {"left_right": 0} if function is geometry.flip else {"probability": 0}
        torch.testing.assert_close(render(function(made, stream, **never)), render(made))


def test_geometry_moves_and_pixels_append(stream):
    made = plain(torch.zeros(1, 3, 8, 8))
    for name, (function, arguments) in EACH.items():
        shaken = function(made, stream, **arguments)
        moves = name in ("flip", "affine", "perspective")
        assert (len(shaken.operations), torch.equal(shaken.transforms, made.transforms)) == (
            (0, False) if moves else (1, True)
        )


def test_pixel_changes_have_the_gradient_of_their_difference(stream):
    """Each is linear but for the noise."""
    made = plain(torch.zeros(1, 3, 8, 8), 5, 8)
    for name in ("colour", "grey", "erase", "noise", "blur"):
        function, arguments = EACH[name]
        [operation] = function(made, stream, **arguments).operations
        crops, step, weight = (stream.normal(5, 3, 8, 8) for _ in range(3))
        crops.requires_grad_()
        (operation(crops) * weight).sum().backward()
        change = ((operation(crops + step) - operation(crops)) * weight).sum()
        torch.testing.assert_close((crops.grad * step).sum(), change.detach(), rtol=1e-3, atol=1e-3)


def test_upside_down(natural, stream):
    image = natural(16, 16)
    turned = render(geometry.flip(plain(image), stream, left_right=0, up_down=1))
    torch.testing.assert_close(turned, image.flip(2).expand(3, -1, -1, -1), atol=1e-5, rtol=0)


def test_grey_keeps_brightness(natural, stream):
    image = natural(16, 16)
    made = render(colours.grey(plain(image), stream, probability=1))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close(made, (image * luma).sum(1, keepdim=True).expand(3, 3, -1, -1), atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 8), st.integers(1, 24))
def test_blurring_keeps_what_is_even(deviation, size):
    matrices = blurring.blurring_matrices(torch.tensor([deviation]), size)
    torch.testing.assert_close(matrices.sum(-1), torch.ones(1, size))
    assert (matrices >= 0).all()


def test_blurring_has_the_deviation_that_is_asked_for():
    line = blurring.blurring_matrices(torch.tensor([0.0, 1.5, 3.0]), 65)[:, 32]
    places = torch.arange(65.0) - 32
    torch.testing.assert_close(
        (line * places.square()).sum(-1).sqrt(), torch.tensor([0.0, 1.5, 3.0]), atol=1e-3, rtol=1e-3
    )


def test_erased_areas_can_be_chosen(stream):
    area = (1 - erasing.erasures(stream, MANY, 64, 1.0, 0.04, 0.05)).mean((1, 2, 3))
    assert 0.02 < area.min() < area.max() < 0.07
    with pytest.raises(UsageError, match="smallest"):
        erasing.erase(plain(torch.zeros(1, 3, 8, 8)), stream, smallest=0.5, largest=0.2)


@pytest.mark.parametrize(("smallest", "largest"), [(1, 1), (0.5, 0.5), (0.7, 0.9), (0, 0.02), (0, 0)])
def test_no_more_and_no_less_is_erased_than_asked_for(stream, smallest, largest):
    """To a pixel's width, though a large area leaves no room for a long rectangle."""
    area = (1 - erasing.erasures(stream, MANY, 64, 1.0, smallest, largest)).mean((1, 2, 3))
    assert smallest - 2 / 64 <= area.min() <= area.max() <= largest + 2 / 64
    assert float(area.mean()) == pytest.approx((smallest + largest) / 2, abs=0.005)


@pytest.mark.parametrize(
    "augment",
    [
        classic,
        blurring.blur,
        colours.colour,
        colours.grey,
        erasing.erase,
        geometry.affine,
        geometry.flip,
        geometry.perspective,
        noise.noise,
    ],
)
def test_crops_count_as_before(natural, stream, augment):
    weights = torch.tensor([1.0, 2, 3])
    assert augment(replace(plain(natural(16, 16)), weights=weights), stream).weights is weights
