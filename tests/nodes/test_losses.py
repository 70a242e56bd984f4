"""Losses: their values by hand, gradients, stops, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Prompts, Seen, UsageError
from pytti_graph.nodes import losses


def circle(*degrees):
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack((angles.cos(), angles.sin()), 1)


def prompts(degrees, weights=None, stops=None):
    count = len(degrees)
    return Prompts(
        circle(*degrees),
        torch.tensor(weights or [1.0] * count, dtype=torch.float64),
        torch.tensor(stops or [-math.inf] * count, dtype=torch.float64),
    )


def seen(*degrees):
    embeddings = circle(*degrees).requires_grad_()
    return Seen(embeddings, torch.eye(3).repeat(len(degrees), 1, 1))


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 179))
def test_distance_is_half_the_squared_angle(angle):
    distance = losses.spherical_distance(circle(0), circle(angle))
    assert float(distance) == pytest.approx(math.radians(angle) ** 2 / 2, rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("angle", [0, 1e-9, 90, 180 - 1e-9, 180])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distance_gradients_are_finite(angle, dtype):
    x = circle(0).to(dtype).requires_grad_()
    losses.spherical_distance(x, circle(angle).to(dtype)).sum().backward()
    assert x.grad.isfinite().all()


def test_distance_gradient():
    x, y = circle(3, 80, 150).requires_grad_(), circle(20, 100).requires_grad_()
    assert torch.autograd.gradcheck(losses.spherical_distance, (x, y))


def test_prompts_are_summed_and_crops_averaged():
    loss = losses.prompts(seen(0, 30), prompts([90, 60], [1.0, 0.5]), weight=2)
    d = [math.radians(angle) ** 2 / 2 for angle in (90, 60, 60, 30)]
    assert float(loss) == pytest.approx(2 * ((d[0] + d[1]) / 2 + 0.5 * (d[2] + d[3]) / 2))


def test_negative_weights_push_away():
    view = seen(0)
    loss = losses.prompts(view, prompts([40], [-3.0]))
    assert float(loss.detach()) == pytest.approx(-3 * math.radians(40) ** 2 / 2)
    loss.backward()
    assert view.embeddings.grad[0, 1] > 0


def test_stops_end_gradients_crop_by_crop_and_prompt_by_prompt():
    stop = math.radians(50) ** 2 / 2
    view = seen(0, 60)
    losses.prompts(view, prompts([100], stops=[stop])).backward()
    assert view.embeddings.grad[0].abs().sum() > 0
    assert view.embeddings.grad[1].abs().sum() == 0
    view = seen(0)
    losses.prompts(view, prompts([40, -90], [1.0, -1.0], [stop, -stop])).backward()
    assert view.embeddings.grad.abs().sum() == 0
    assert float(losses.prompts(seen(0), prompts([40], stops=[stop]))) == pytest.approx(stop)


def test_a_prompt_of_no_weight_does_nothing():
    view = seen(0)
    losses.prompts(view, prompts([40], [0.0])).backward()
    assert view.embeddings.grad.abs().sum() == 0


def test_prompts_of_another_perceptor_are_refused():
    other = Prompts(torch.ones(1, 5), torch.ones(1), torch.zeros(1))
    with pytest.raises(UsageError, match="2 dimensions, the prompts in 5"):
        losses.prompts(seen(0), other)


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


def test_match_refuses_other_channels():
    with pytest.raises(UsageError, match="cannot match"):
        losses.match(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
