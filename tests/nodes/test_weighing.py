"""Means over masks, weights and stops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import UsageError
from pytti_graph.nodes.weighing import fit_mask, mean_over, weighed

SIDES = st.integers(1, 40)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_a_mask_keeps_its_area_at_any_size(old_height, old_width, height, width):
    mask = random(1, 1, old_height, old_width)
    fitted = fit_mask(mask, height, width)
    assert fitted.shape == (1, 1, height, width)
    assert float(fitted.mean()) == pytest.approx(float(mask.mean()), rel=1e-4)
    assert mask.min() - 1e-5 <= fitted.min()
    assert fitted.max() <= mask.max() + 1e-5


def test_a_mask_shrinks_to_exact_means():
    mask = random(1, 1, 12, 8)
    torch.testing.assert_close(fit_mask(mask, 4, 2), torch.nn.functional.avg_pool2d(mask, (3, 4)))
    assert fit_mask(mask, 12, 8) is mask


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 1, 4, 4), (4, 4)])
def test_what_is_no_mask_is_refused(shape):
    with pytest.raises(UsageError, match=r"shape \[1, 1, H, W\]"):
        fit_mask(torch.zeros(shape), 4, 4)


def test_the_mean_over_a_part_is_that_part_s_mean():
    values, mask = random(1, 5, 6, 8), torch.zeros(1, 1, 6, 8)
    mask[..., 2:5, 1:4] = 1
    torch.testing.assert_close(mean_over(values, mask), values[..., 2:5, 1:4].mean())
    torch.testing.assert_close(mean_over(values, 0.3 * mask), values[..., 2:5, 1:4].mean())
    torch.testing.assert_close(mean_over(values, torch.ones(1, 1, 1, 1)), values.mean())


def test_an_empty_mask_gives_nothing_and_no_gradient():
    values = random(1, 2, 3, 3).requires_grad_()
    mean = mean_over(values, torch.zeros(1, 1, 3, 3))
    mean.backward()
    assert mean == 0
    assert not values.grad.any()


@pytest.mark.parametrize(
    ("weight", "stop", "value", "slope"),
    [
        (2.0, None, 1.0, 2.0),
        (2.0, 0.4, 1.0, 2.0),
        (2.0, 0.6, 1.2, 0.0),
        (2.0, 0.5, 1.0, 0.0),
        (2.0, -1.0, 1.0, 2.0),
        (2.0, -math.inf, 1.0, 2.0),
        (2.0, math.inf, 0.0, 0.0),
        (-2.0, math.inf, -1.0, -2.0),
        (-2.0, -math.inf, -1.0, -2.0),
        (-2.0, None, -1.0, -2.0),
        (-2.0, 0.6, -1.0, -2.0),
        (-2.0, -0.6, -1.0, -2.0),
        (-2.0, 0.4, -0.8, 0.0),
        (0.0, 0.1, 0.0, 0.0),
    ],
)
def test_stops(weight, stop, value, slope):
    """A loss of 0.5: pulled down to a stop, or with a negative weight pushed up to it, and then let go."""
    loss = torch.tensor(0.5, requires_grad=True)
    result = weighed(loss, weight, stop)
    result.backward()
    assert float(result.detach()) == pytest.approx(value)
    assert float(loss.grad) == slope


def test_what_is_not_a_number_stays_visible():
    assert math.isnan(float(weighed(torch.tensor(math.nan), 1.0, 0.1)))
