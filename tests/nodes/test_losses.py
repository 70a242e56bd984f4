"""Losses on pixels: their values by hand, gradients, masks, and what is refused."""

import pytest
import torch

from pytti_graph import UsageError
from pytti_graph.nodes import losses
from pytti_graph.nodes.light import chroma


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PAIRED = {"match": losses.match, "edges": losses.edges}
ALONE = {"smoothness": losses.smoothness, "saturation": losses.saturation, "symmetry": losses.symmetry}
ALL = {
    **{
        name: lambda image, loss=loss, **more: loss(image, random(*image.shape, seed=1), **more)
        for name, loss in PAIRED.items()
    },
    **ALONE,
}


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    """Also those of the mask. (In a soft one the sides of a symmetry give way in part only, on purpose.)"""
    mask = torch.ones(1, 1, 5, 6).double() if name == "symmetry" else 0.2 + 0.6 * random(1, 1, 5, 6, seed=2)
    image = random(1, 3, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda image, mask: ALL[name](image, mask=mask), (image, mask.requires_grad_()))


@pytest.mark.parametrize("name", ALL)
def test_weights_and_stops(name):
    image = random(1, 3, 6, 6).requires_grad_()
    plain = ALL[name](image, weight=1.0)
    torch.testing.assert_close(ALL[name](image, weight=-2.0), -2 * plain)
    ALL[name](image, weight=1.0, stop=1.01 * plain.item()).backward()
    assert not image.grad.any()
    ALL[name](image, weight=1.0, stop=0.99 * plain.item()).backward()
    assert image.grad.any()


@pytest.mark.parametrize("name", [name for name in ALL if name != "symmetry"])
def test_a_masked_half_is_judged_like_a_cropped_one(name):
    """Masked means are over the mask's area, and nothing outside has a say."""
    image, target = random(1, 3, 8, 12), random(1, 3, 8, 12, seed=1)
    mask = torch.zeros(1, 1, 8, 12, dtype=torch.float64)
    mask[..., :7] = 1
    others = (target,) if name in PAIRED else ()
    cropped = {**PAIRED, **ALONE}[name](image[..., :7], *(other[..., :7] for other in others))
    torch.testing.assert_close({**PAIRED, **ALONE}[name](image, *others, mask=mask), cropped)


@pytest.mark.parametrize("name", ALL)
def test_a_mask_of_ones_of_any_size_is_none(name):
    image = random(1, 3, 8, 12)
    torch.testing.assert_close(ALL[name](image, mask=torch.ones(1, 1, 3, 5).double()), ALL[name](image))


@pytest.mark.parametrize("name", ALL)
def test_an_empty_mask_asks_for_nothing(name):
    image = random(1, 3, 8, 12).requires_grad_()
    ALL[name](image, mask=torch.zeros(1, 1, 8, 12).double()).backward()
    assert image.grad.isfinite().all()
    assert not image.grad.any()


def test_smoothness():
    assert losses.smoothness(torch.full((1, 3, 5, 7), 0.3)) == 0
    stripes = (torch.arange(8.0) % 2).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    assert float(losses.smoothness(stripes, 0.5)) == pytest.approx(0.5 * 7 / 8)
    assert losses.smoothness(stripes, -1) < 0
    assert losses.smoothness(torch.rand(1, 3, 1, 1, generator=torch.Generator())) == 0


def test_smoothness_gradient():
    image = torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(losses.smoothness, image)


def test_match(natural):
    picture, other = natural(16, 20), natural(16, 20, seed=1)
    assert losses.match(picture, picture) == 0
    assert losses.match(picture, other) > 0
    assert float(losses.match(picture, other, 3)) == pytest.approx(3 * float(losses.match(other, picture)))


def test_match_minds_colour_more_than_brightness():
    grey = torch.full((1, 3, 2, 2), 0.5)
    offset = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1) * 0.1
    assert losses.match(grey + offset, grey) > losses.match(grey + offset.mean(), grey)


def test_match_gradient_is_bounded_in_the_dark():
    image = torch.zeros(1, 3, 4, 4).requires_grad_()
    losses.match(image, torch.full((1, 3, 4, 4), 0.5)).backward()
    assert image.grad.abs().max() < 1


def test_match_gradient():
    generator = torch.Generator().manual_seed(0)
    image, target = (torch.rand(1, 3, 3, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    assert torch.autograd.gradcheck(losses.match, (image.requires_grad_(), target))


def test_match_resizes_the_target(natural):
    target = natural(64, 64)
    image = torch.nn.functional.interpolate(target, (16, 16), mode="area")
    assert losses.match(image, target) < 1e-3


def test_edges_of_a_ramp():
    """Sobel's filters over 8 give the slope itself."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    ramp = (0.03 * x + 0.05 * y).expand(1, 3, -1, -1)
    found = losses.slopes(ramp)
    assert found.shape == (1, 2, 4, 5)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.tensor([0.03, 0.05]))
    assert float(losses.edges(ramp, torch.zeros_like(ramp))) == pytest.approx((0.03**2 + 0.05**2) / 2, rel=1e-4)


def test_edges_leave_light_free(natural):
    picture = natural(16, 20)
    assert losses.edges(0.5 * picture + 0.3, 0.5 * picture) < 1e-10
    assert losses.edges(picture, natural(16, 20, seed=1)) > 1e-4


def test_a_picture_without_edges_is_refused():
    with pytest.raises(UsageError, match="5 x 2 pixels has no edges"):
        losses.edges(torch.zeros(1, 3, 2, 5), torch.zeros(1, 3, 2, 5))


def test_saturation_pulls_to_its_level():
    image = random(1, 3, 8, 8).mul_(0.2).add_(0.4).requires_grad_()
    for level in (0.0, 0.5):
        moved = image.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([moved], lr=0.02)
        for _ in range(80):
            optimiser.zero_grad()
            losses.saturation(moved, level).backward()
            optimiser.step()
        assert float(chroma(moved.detach()).square().mean().sqrt()) == pytest.approx(level, abs=0.03)


def test_saturation_of_grey():
    """No division by its strength, which is 0."""
    image = torch.full((1, 3, 4, 4), 0.5).requires_grad_()
    loss = losses.saturation(image, 0.3)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.09, rel=1e-2)
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["left_right", "up_down", "half_turn", "quarter_turn"])
def test_symmetry(kind):
    """0 for what is symmetric; else pulled towards the mean of both sides."""
    image = random(1, 3, 6, 6).requires_grad_()
    loss = losses.symmetry(image, kind)
    loss.backward()
    assert loss > 0
    symmetric = image.detach()
    for _ in range(2):  # a quarter of a turn takes two
        symmetric = (symmetric + losses.mirrored(losses.mirrored(symmetric, kind), kind)) / 2
        symmetric = (symmetric + losses.mirrored(symmetric, kind)) / 2
    assert losses.symmetry(symmetric, kind) < 1e-20
    assert losses.symmetry(image.detach() - image.grad, kind) < loss


@pytest.mark.parametrize("kind", ["left_right", "half_turn", "quarter_turn"])
def test_symmetry_moves_only_what_lies_in_its_mask(kind):
    """Towards what lies outside, which stays."""
    image, mask = random(1, 3, 6, 6).requires_grad_(), torch.zeros(1, 1, 6, 6)
    mask[..., :2] = 1
    loss = losses.symmetry(image, kind, mask=mask)
    loss.backward()
    assert (image.grad[..., 2:] == 0).all()
    assert (image.grad[..., :2] != 0).all()
    assert losses.symmetry(image.detach() - image.grad, kind, mask=mask) < loss


def test_only_squares_are_the_same_after_a_quarter_of_a_turn():
    with pytest.raises(UsageError, match="6 x 4 pixels") as caught:
        losses.symmetry(torch.zeros(1, 3, 4, 6), "quarter_turn")
    assert caught.value.problem.argument == "kind"


def test_match_refuses_other_channels():
    with pytest.raises(UsageError, match="cannot match"):
        losses.match(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
