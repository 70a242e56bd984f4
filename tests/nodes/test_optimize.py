"""Adam: its first step, its rates, its memory."""

import pytest
import torch

from pytti_graph.core.types import ParameterSet
from pytti_graph.nodes.optimize import Adam


def made(**rates):
    tensors = {"a.x": torch.ones(3).requires_grad_(), "b.y": torch.ones(2, 2).requires_grad_()}
    return ParameterSet(tensors, rates)


def step(optimiser, parameters, gradient=1.0, rate=0.1):
    for parameter in parameters.values():
        parameter.grad = torch.full_like(parameter, gradient)
    optimiser.forward([], rate)


def test_the_first_step_is_the_learning_rate():
    parameters = made()
    step(Adam(parameters), parameters, 7.0, 0.25)
    for parameter in parameters.values():
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, 0.75))


def test_the_rate_may_change_at_each_step():
    parameters = made()
    optimiser = Adam(parameters)
    for rate in (0.25, 0.0, 0.5):
        step(optimiser, parameters, 1.0, rate)
    torch.testing.assert_close(parameters["a.x"].detach(), torch.full((3,), 0.25))


def test_unsaid_rates_are_the_images_own():
    parameters = made(**{"a.x": 0.02})
    step(Adam(parameters), parameters, 1.0, None)
    torch.testing.assert_close(parameters["a.x"].detach(), torch.full((3,), 0.98))
    torch.testing.assert_close(parameters["b.y"].detach(), torch.full((2, 2), 0.95))


def test_it_finds_the_minimum():
    parameters = made()
    optimiser = Adam(parameters)
    for _ in range(300):
        for parameter in parameters.values():
            parameter.grad = 2 * (parameter.detach() - 0.3)
        optimiser.forward([], 0.05)
    torch.testing.assert_close(parameters["a.x"].detach(), torch.full((3,), 0.3), atol=0.01, rtol=0)


def test_a_frame_starts_afresh():
    parameters = made()
    optimiser = Adam(parameters)
    step(optimiser, parameters)
    assert set(optimiser.state_dict()) == {
        f"{name}.{moment}" for name in parameters for moment in ("exp_avg", "exp_avg_sq", "step")
    }
    optimiser.begin_frame()
    assert optimiser.state_dict() == {}
    before = parameters["a.x"].detach().clone()
    step(optimiser, parameters, -3.0)
    torch.testing.assert_close(parameters["a.x"].detach(), before + 0.1)


def test_restoring_is_exact():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(8, generator=generator)
    first, second = made(), made()
    whole, before = Adam(first), Adam(second)
    for gradient in gradients[:4]:
        step(whole, first, float(gradient))
        step(before, second, float(gradient))
    saved = {name: tensor.clone() for name, tensor in before.state_dict().items()}
    after = Adam(second)
    after.load_state_dict(saved)
    for gradient in gradients[4:]:
        step(whole, first, float(gradient))
        step(after, second, float(gradient))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert saved["a.x.step"] == 4


def test_bad_betas():
    with pytest.raises(ValueError, match="beta"):
        Adam(made(), beta1=1.5)
