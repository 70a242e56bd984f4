"""Optimisers: their steps, rates, averages and memory."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytti_graph import Graph, GraphError
from pytti_graph.core.types import ParameterSet
from pytti_graph.nodes.optimize import Adam, ScheduleFree
from pytti_graph.nodes.optimize_parts import Plateau, RunningMean


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


BOTH = pytest.mark.parametrize("make", [Adam, lambda p, **more: Adam(p, average=0.9, **more), ScheduleFree])


@BOTH
def test_restoring_is_exact(make):
    """In the middle of a frame, for what is optimised and for what is shown."""
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(8, generator=generator)
    first, second = made(), made()
    whole, before = make(first), make(second)
    for gradient in gradients[:4]:
        step(whole, first, float(gradient))
        step(before, second, float(gradient))
    saved = {name: tensor.clone() for name, tensor in before.state_dict().items()}
    after = make(second)
    after.load_state_dict(saved)
    for gradient in gradients[4:]:
        step(whole, first, float(gradient))
        step(after, second, float(gradient))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(tensor, after.shown()[name]) for name, tensor in whole.shown().items())
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize("argument", ["beta1", "beta2"])
def test_a_beta_may_be_written_0(argument):
    """As well as 0.0."""
    nodes = {
        "canvas": {"type": "image.rgb", "width": 4, "height": 4},
        "smooth": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["smooth"], argument: 0},
        "frames": {"type": "write.frames", "image": "canvas"},
    }
    assert len(list(Graph.build({"clock": {"frames": 1, "steps": 2}, "nodes": nodes}).render())) == 1


def test_adam_is_torchs():
    """To the last bit: with a rate for each image or one for all, with and without a gradient, and after a pause."""
    rates = {"a.0": 0.02, "a.1": 0.05, "a.2": 0.02}

    def moved(step):
        numbers = torch.Generator().manual_seed(0)
        tensors = {name: torch.randn(5, 7, generator=numbers).requires_grad_() for name in rates}
        take = step(tensors)
        for count in range(20):
            for name, tensor in tensors.items():
                gradient = torch.randn(5, 7, generator=numbers)
                tensor.grad = None if name == "a.1" and count < 3 else gradient
            take(None if count % 2 else 0.03)
        return tensors

    def ours(tensors):
        adam = Adam(ParameterSet(tensors, rates), beta1=0.8, beta2=0.99)
        return lambda rate: adam.forward([], rate)

    def theirs(tensors):
        groups = [{"params": [tensor], "lr": rates[name]} for name, tensor in tensors.items()]
        adam = torch.optim.Adam(groups, betas=(0.8, 0.99))

        def take(rate):
            for group, own in zip(adam.param_groups, rates.values(), strict=True):
                group["lr"] = rate or own
            adam.step()

        return take

    one, other = moved(ours), moved(theirs)
    assert all(torch.equal(one[name], other[name]) for name in rates)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("average", 1, "must be below 1"),
        ("clip", 0, "must be above 0"),
        ("patience", 0, "must be at least 1"),
        ("patience", 1.5, "must be a whole number"),
        ("tolerance", -0.1, "must be at least 0"),
        ("learning_rate", -1, "must be at least 0"),
        ("beta1", 1.5, "must be below 1"),
        ("beta2", 1, "must be below 1"),
    ],
)
def test_bad_arguments(argument, value, message):
    nodes = {
        "canvas": {"type": "image.rgb", "width": 4, "height": 4},
        "smooth": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": "smooth", argument: value},
        "frames": {"type": "write.frames", "image": "canvas"},
    }
    with pytest.raises(GraphError, match=message) as caught:
        Graph.build({"nodes": nodes}).check()
    assert caught.value.problem.argument == argument


# Gradients


@BOTH
def test_clipping_shortens_all_gradients_together(make):
    """To the length that is wanted, in the same direction; shorter ones stay."""
    for clip, part in ((3.5, 0.5), (7.0, 1.0), (100.0, 1.0)):
        parameters = made()
        for parameter in parameters.values():
            parameter.grad = torch.full_like(parameter, math.sqrt(7))
        make(parameters).forward([], 0.1, clip)
        for parameter in parameters.values():
            torch.testing.assert_close(parameter.grad, torch.full_like(parameter, part * math.sqrt(7)))


@BOTH
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e25])
def test_clipping_stands_gradients_of_every_size(make, size):
    """Their squares are beyond what floats can hold."""
    parameters = made()
    for parameter in parameters.values():
        parameter.grad = torch.full_like(parameter, size)
    make(parameters).forward([], 0.1, 7**0.5)
    for parameter in parameters.values():
        torch.testing.assert_close(parameter.grad, torch.full_like(parameter, min(size, 1.0)))


@BOTH
def test_a_parameter_without_gradient_stays(make):
    """Something may be out of the picture for some steps."""
    parameters = made()
    optimiser = make(parameters)
    parameters["a.x"].grad = torch.ones(3)
    optimiser.forward([], 0.1)
    torch.testing.assert_close(parameters["b.y"].detach(), torch.ones(2, 2))
    assert (parameters["a.x"] < 1).all()


@BOTH
def test_without_a_learning_rate_nothing_moves(make):
    """Also at the first step."""
    parameters = made()
    optimiser = make(parameters)
    for _ in range(3):
        step(optimiser, parameters, 2.0, 0.0)
    for tensor in [*parameters.values(), *optimiser.shown().values()]:
        torch.testing.assert_close(tensor.detach(), torch.ones_like(tensor))


# Averages


@given(points=st.lists(st.floats(-10, 10), min_size=1, max_size=30), decay=st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_equal_weights_make_adams_corrected_average(points, decay):
    """m = d m + (1-d) p, divided by 1 - d^t."""
    moment, mean = 0.0, RunningMean([torch.tensor([7.0])], decay)
    for count, point in enumerate(points, 1):
        mean.add([torch.tensor([point])])
        moment = decay * moment + (1 - decay) * point
        assert float(mean.values[0]) == pytest.approx(moment / (1 - decay**count), abs=1e-4)


WEIGHTS = st.just(0.0) | st.floats(0.01, 4)


@given(st.lists(st.tuples(st.floats(-10, 10), WEIGHTS), min_size=1, max_size=30))
def test_weights_make_a_weighted_mean(points):
    """Points of weight 0 count for nothing, also at the beginning."""
    mean = RunningMean([torch.tensor([7.0])])
    for point, weight in points:
        mean.add([torch.tensor([point])], weight)
    total = sum(weight for _, weight in points)
    assert float(mean.weight) == pytest.approx(total, rel=1e-5)
    expected = sum(point * weight for point, weight in points) / total if total else 7.0
    assert float(mean.values[0]) == pytest.approx(expected, abs=1e-4)


def test_weights_too_small_to_count_do_no_harm():
    """They are 0 in the precision of pictures."""
    mean = RunningMean([torch.tensor([7.0])])
    for weight in (1e-200, 0.0, 1e-200):
        mean.add([torch.tensor([1.0])], weight)
    assert float(mean.values[0]) == 7.0


def test_adam_shows_the_average_of_this_frame():
    """Of its own points, and nothing before there are any."""
    parameters, alone = made(), made()
    optimiser, plain = Adam(parameters, average=0.5), Adam(alone)
    for _ in range(2):
        optimiser.begin_frame()
        plain.begin_frame()
        assert optimiser.shown() == {}
        points = []
        for gradient in (1.0, -2.0, 3.0):
            step(optimiser, parameters, gradient)
            step(plain, alone, gradient)
            points.append(parameters["a.x"].detach().clone())
        assert torch.equal(parameters["a.x"], alone["a.x"])
        expected = (points[0] / 4 + points[1] / 2 + points[2]) / 1.75
        torch.testing.assert_close(optimiser.shown()["a.x"], expected)
    assert plain.shown() == {}


# Schedule-free


def by_hand(start, gradient, rates, beta1=0.9, beta2=0.999, weight_decay=0.0):
    """Algorithm 1 of the paper for one number, in its letters: y and x after these steps."""
    x = z = y = start
    v = total = 0.0
    for t, rate in enumerate(rates, 1):
        g = gradient(y, t)
        v = beta2 * v + (1 - beta2) * g * g
        correction = math.sqrt(1 - beta2**t)
        gamma = rate * correction
        z = z - rate * g / (math.sqrt(v) / correction + 1e-8) - gamma * weight_decay * y
        total += gamma**2
        c = gamma**2 / total
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
    return y, x


@BOTH
def test_faint_gradients_are_not_held_back(make):
    """Those of a picture of 768 pixels are some 1e-7, from the first step on."""
    moves = []
    for size in (1e-7, 1.0):
        parameters = made()
        optimiser = make(parameters)
        for gradient in (1.0, -3.0, 2.0):
            before = parameters["a.x"].detach().clone()
            step(optimiser, parameters, size * gradient)
            moves.append(parameters["a.x"].detach() - before)
    torch.testing.assert_close(torch.stack(moves[:3]), torch.stack(moves[3:]), rtol=0.12, atol=0)


@pytest.mark.parametrize(
    "more", [{}, {"beta1": 0.5, "beta2": 0.9}, {"beta1": 0.0}, {"weight_decay": 0.3}, {"beta2": 0.0}]
)
def test_schedule_free_is_the_published_algorithm(more):
    """On a noisy slope, with a learning rate that changes."""
    noise = torch.randn(60, generator=torch.Generator().manual_seed(3)).tolist()
    rates = [0.1 + 0.05 * math.sin(t) for t in range(60)]

    def gradient(y, t):
        return 1.7 * (y - 0.3) + noise[t - 1]

    parameters = made()
    optimiser = ScheduleFree(parameters, **more)
    for t, rate in enumerate(rates, 1):
        for parameter in parameters.values():
            parameter.grad = gradient(parameter.detach(), t)
        optimiser.forward([], rate)
    y, x = by_hand(1.0, gradient, rates, **more)
    for name, parameter in parameters.items():
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, y), atol=1e-5, rtol=0)
        torch.testing.assert_close(optimiser.shown()[name], torch.full_like(parameter, x), atol=1e-5, rtol=0)


def test_schedule_free_takes_the_images_own_rates():
    """At its first step each parameter moves by three times its rate."""
    parameters = made(**{"a.x": 0.02})
    optimiser = ScheduleFree(parameters)
    step(optimiser, parameters, 7.0, None)
    torch.testing.assert_close(optimiser.shown()["a.x"], torch.full((3,), 0.94))
    torch.testing.assert_close(optimiser.shown()["b.y"], torch.full((2, 2), 0.85))


def test_schedule_free_settles_at_a_constant_rate():
    """Where Adam goes on dancing around the minimum of a noisy bowl, ten times as long as wide."""
    curvature = torch.linspace(0.3, 3, 50)
    ends = {}
    for make in (Adam, ScheduleFree):
        generator = torch.Generator().manual_seed(0)
        parameters = ParameterSet({"a.x": torch.ones(50).requires_grad_()}, {})
        optimiser = make(parameters)
        for _ in range(300):
            noise = torch.randn(50, generator=generator)
            parameters["a.x"].grad = curvature * parameters["a.x"].detach() + noise
            optimiser.forward([], 0.1)
        ends[make] = optimiser.shown().get("a.x", parameters["a.x"].detach())
    assert ends[ScheduleFree].square().mean() < 0.3 * ends[Adam].square().mean()


def test_a_frame_of_schedule_free_starts_where_the_picture_is():
    """Afresh, or with the steepness there was."""
    for keep in (False, True):
        parameters = made()
        optimiser = ScheduleFree(parameters, keep_moments=keep)
        for _ in range(5):
            step(optimiser, parameters, 4.0)
        with torch.no_grad():
            parameters["a.x"].fill_(2.0)
        optimiser.begin_frame()
        torch.testing.assert_close(optimiser.shown()["a.x"], torch.full((3,), 2.0))
        step(optimiser, parameters, 0.4)
        moved = 2.0 - optimiser.shown()["a.x"]
        assert (moved < 0.05).all() if keep else torch.allclose(moved, torch.tensor(0.1))


# When enough is enough


def settles(patience, losses, tolerance=0.0):
    """The step after which further ones are in vain, or None."""
    plateau, tensor = Plateau(patience, tolerance), torch.tensor(losses, dtype=torch.float32).view(-1, 1)
    return next((step for step in range(len(losses) + 1) if plateau(tensor[:step])), None)


@pytest.mark.parametrize(("patience", "step"), [(1, 2), (3, 4), (4, 5), (7, 8), (8, 10), (10, 12), (100, 125)])
def test_nothing_gained_ends_it(patience, step):
    """As soon as there is something to compare with."""
    assert settles(patience, [1.0] * 300) == step


def test_as_long_as_a_loss_falls_it_goes_on():
    """By more than what is tolerated: here by 1 a step, then by a thousandth."""
    falling = [-min(step, 16) - 0.001 * max(0, step - 16) for step in range(200)]
    assert settles(8, falling) is None
    assert settles(8, falling, tolerance=0.01) == 26
    assert settles(8, falling[:17], tolerance=0.01) is None


def test_noise_does_not_end_it():
    """A fall that is hidden by noise from one step to the next shows in means over some."""
    noise = torch.randn(400, generator=torch.Generator().manual_seed(1)) * 0.05
    assert settles(40, (noise - torch.linspace(0, 1, 400)).tolist(), tolerance=0.01) is None
    assert settles(40, noise.tolist(), tolerance=0.01) is not None


@given(
    losses=st.lists(st.integers(-20, 20), min_size=10, max_size=60),
    shift=st.integers(-50, 50),
    scale=st.sampled_from([0.25, 2.0, 16.0]),
    patience=st.sampled_from([1, 2, 4, 8]),
)
def test_it_matters_neither_how_large_losses_are_nor_where_0_is(losses, shift, scale, patience):
    changed = [scale * (loss + shift) for loss in losses]
    assert settles(patience, losses, 0.5) == settles(patience, changed, 0.5)


def test_all_losses_count_together():
    """One may rise as long as the sum falls."""
    steps = torch.arange(20.0)
    losses = torch.stack([-2 * steps, steps], 1)
    plateau = Plateau(4, 0.0)
    assert not any(plateau(losses[:step]) for step in range(21))
    assert any(plateau(-losses[:step]) for step in range(21))


def test_losses_are_looked_at_seldom():
    """Four times while patience lasts: what has no numbers cannot be looked at."""
    plateau, looks = Plateau(20, 0.0), 0
    for step in range(200):
        try:
            plateau(torch.empty(step, 2, device="meta"))
        except (NotImplementedError, RuntimeError):
            looks += 1
    assert looks == (200 - 21) // 5
