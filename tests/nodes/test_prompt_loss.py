"""The distance to prompts: its value, gradients, stops, and what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Prompts, Seen, UsageError
from pytti_graph.nodes import prompt_loss


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
    distance = prompt_loss.spherical_distance(circle(0), circle(angle))
    assert float(distance) == pytest.approx(math.radians(angle) ** 2 / 2, rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("angle", [0, 1e-9, 90, 180 - 1e-9, 180])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distance_gradients_are_finite(angle, dtype):
    x = circle(0).to(dtype).requires_grad_()
    prompt_loss.spherical_distance(x, circle(angle).to(dtype)).sum().backward()
    assert x.grad.isfinite().all()


def test_distance_gradient():
    x, y = circle(3, 80, 150).requires_grad_(), circle(20, 100).requires_grad_()
    assert torch.autograd.gradcheck(prompt_loss.spherical_distance, (x, y))


def test_prompts_are_summed_and_crops_averaged():
    loss = prompt_loss.prompts(seen(0, 30), prompts([90, 60], [1.0, 0.5]), weight=2)
    d = [math.radians(angle) ** 2 / 2 for angle in (90, 60, 60, 30)]
    assert float(loss.detach()) == pytest.approx(2 * ((d[0] + d[1]) / 2 + 0.5 * (d[2] + d[3]) / 2))


def test_negative_weights_push_away():
    view = seen(0)
    loss = prompt_loss.prompts(view, prompts([40], [-3.0]))
    assert float(loss.detach()) == pytest.approx(-3 * math.radians(40) ** 2 / 2)
    loss.backward()
    assert view.embeddings.grad[0, 1] > 0


def test_stops_end_gradients_crop_by_crop_and_prompt_by_prompt():
    stop = math.radians(50) ** 2 / 2
    view = seen(0, 60)
    prompt_loss.prompts(view, prompts([100], stops=[stop])).backward()
    assert view.embeddings.grad[0].abs().sum() > 0
    assert view.embeddings.grad[1].abs().sum() == 0
    view = seen(0)
    prompt_loss.prompts(view, prompts([40, -90], [1.0, -1.0], [stop, -stop])).backward()
    assert view.embeddings.grad.abs().sum() == 0
    assert float(prompt_loss.prompts(seen(0), prompts([40], stops=[stop]))) == pytest.approx(stop)


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_an_infinite_stop_lets_go_at_once(weight):
    """As in a formula that ends a prompt in the middle of a film, and in the loss's own."""
    for stops, stop in (([math.inf], None), (None, math.inf)):
        view = seen(0, 100)
        loss = prompt_loss.prompts(view, prompts([40], [weight], stops), stop=stop)
        loss.backward()
        assert loss.isfinite()
        assert not view.embeddings.grad.any()


def test_a_prompt_of_no_weight_does_nothing():
    view = seen(0)
    prompt_loss.prompts(view, prompts([40], [0.0])).backward()
    assert view.embeddings.grad.abs().sum() == 0


def test_prompts_of_another_perceptor_are_refused():
    other = Prompts(torch.ones(1, 5), torch.ones(1), torch.zeros(1))
    with pytest.raises(UsageError, match="2 dimensions, the prompts in 5"):
        prompt_loss.prompts(seen(0), other)


def test_perceptors_are_averaged():
    one, other = seen(0, 30), seen(50)
    read, reread = prompts([90, 60], [1.0, 0.5]), prompts([10, 20], [1.0, 0.5])
    both = prompt_loss.prompts(replace(one, others=(other,)), replace(read, others=(reread,)), weight=2)
    expected = (prompt_loss.prompts(one, read, 2) + prompt_loss.prompts(other, reread, 2)) / 2
    torch.testing.assert_close(both, expected)


def test_prompts_must_be_read_by_as_many_perceptors():
    with pytest.raises(UsageError, match="2 perceptors look at the picture, but 1 read the prompts"):
        prompt_loss.prompts(replace(seen(0), others=(seen(1),)), prompts([3]))


def left(view):
    """A mask that lets half of the first crop through, and all of the others but the last."""
    share = torch.ones(len(view.embeddings), dtype=torch.float64)
    share[0], share[-1] = 0.5, 0
    return share


def pull(view, weights, masks=()):
    """The loss of crops that count by weights, and its gradient."""
    embeddings = view.embeddings.detach().requires_grad_()
    read = replace(prompts([90, 60], [1.0, -0.5]), masks=masks)
    loss = prompt_loss.prompts(replace(view, embeddings=embeddings, weights=weights), read)
    loss.backward()
    return loss.detach(), embeddings.grad


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=4, max_size=4).map(lambda w: torch.tensor(w, dtype=torch.float64))


@pytest.mark.parametrize("masks", [(), (left, None), (left, left)])
@settings(max_examples=20, deadline=None)
@given(weight=st.floats(0.01, 100))
def test_crops_that_count_alike_count_as_without_weights(masks, weight):
    view = seen(0, 30, 100, -50)
    for found, wanted in zip(pull(view, torch.full((4,), weight), masks), pull(view, None, masks), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("masks", [(), (left, None)])
@settings(max_examples=20, deadline=None)
@given(weights=WEIGHTS, scale=st.floats(1e-3, 1e3))
def test_only_ratios_of_weights_matter(masks, weights, scale):
    view = seen(0, 30, 100, -50)
    for found, wanted in zip(pull(view, scale * weights, masks), pull(view, weights, masks), strict=True):
        torch.testing.assert_close(found, wanted)


@settings(max_examples=20, deadline=None)
@given(weights=st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any))
def test_a_crop_of_weight_n_counts_as_n_crops(weights):
    degrees = (0, 30, 100)
    repeated = seen(*[angle for angle, times in zip(degrees, weights, strict=True) for _ in range(times)])
    found, _ = pull(seen(*degrees), torch.tensor(weights, dtype=torch.float64))
    torch.testing.assert_close(found, pull(repeated, None)[0])


def test_weights_and_masks_multiply():
    """Of each crop counts its weight times what the mask lets through, of the sum of these."""
    d = [math.radians(angle) ** 2 / 2 for angle in (90, 60, 10)]
    read = replace(prompts([90]), masks=(left,))
    loss = prompt_loss.prompts(replace(seen(0, 30, 80), weights=torch.tensor([4.0, 1.0, 9.0])), read)
    assert float(loss) == pytest.approx((4 * 0.5 * d[0] + 1 * d[1]) / (4 * 0.5 + 1))


def test_crops_of_no_weight_do_not_pull():
    loss, gradient = pull(seen(0, 30), torch.zeros(2))
    assert float(loss) == 0
    assert not gradient.any()


@pytest.mark.parametrize("masks", [(), (left, None)])
def test_gradient_of_weighted_crops(masks):
    weights = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    read = replace(prompts([90, 60], [1.0, 0.5]), masks=masks)

    def loss(embeddings):
        return prompt_loss.prompts(Seen(embeddings, torch.eye(3).double().repeat(3, 1, 1), weights=weights), read)

    assert torch.autograd.gradcheck(loss, circle(0, 30, 100).requires_grad_())
