"""A network that paints: waves as they should be, pictures learned, places moved."""

import pytest
import torch
import torch.nn.functional as F

from pytti_graph.nodes import motion, network


@pytest.fixture
def make(device, stream):
    return lambda **given: network.Network(device, stream, **{"width": 64, "height": 48, "units": 32, **given})


@pytest.fixture
def soft(natural):
    """Without detail as small as a pixel."""
    return F.interpolate(natural(12, 16, seed=2), (48, 64), mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.fixture
def learned(make, stream, soft):
    canvas = make(start_steps=120)
    canvas.start(soft, stream)
    return canvas


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_values_keep_their_spread_through_the_layers(make, layers):
    """As Sitzmann et al. prove of their initial weights: sums are near normal with a variance of 1."""
    canvas = make(layers=layers, units=256, detail=60)
    values = canvas.places[0, :2].flatten(1).T
    for (weights, biases), frequency in zip(canvas.layers, canvas.frequencies, strict=False):
        sums = frequency * F.linear(values, weights, biases)
        values = torch.sin(sums)
        assert 0.6 < float(values.detach().std()) < 0.8
    picture = canvas.forward().detach()
    assert picture.shape == (1, 3, 48, 64)
    assert 0.01 < picture.std() < 0.2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (37, 5)])
def test_any_size(make, stream, width, height):
    canvas = make(width=width, height=height, start_steps=2)
    canvas.start(torch.full((1, 3, 8, 8), 0.5), stream)
    canvas.warp(motion.affine(zoom=1.1, rotate=3))
    picture = canvas.forward()
    assert picture.shape == (1, 3, height, width)
    assert picture.isfinite().all()
    assert 0 <= picture.min() <= picture.max() <= 1


def test_a_larger_picture_is_the_same_picture(make, stream):
    """Drawn more finely, with the same weights; whatever the aspect, patterns are as wide as high."""

    def drawn(scale):
        stream.generator.manual_seed(3)
        return make(width=32 * scale, height=16 * scale, units=16, detail=10)

    small, large = drawn(1), drawn(4)
    torch.testing.assert_close(F.avg_pool2d(large.forward(), 4), small.forward(), atol=0.01, rtol=0)
    x, y = small.places[0, 0], small.places[0, 1]
    assert float(x[0, 1] - x[0, 0]) == pytest.approx(float(y[1, 0] - y[0, 0]))


def test_it_learns_a_picture(learned, soft, psnr):
    assert psnr(learned.forward(), soft) > 28
    assert all(parameter.grad is None for parameter in learned.parameters().values())


def test_no_steps_of_learning_leave_it_as_it_was(make, stream, soft):
    canvas = make(start_steps=0)
    before = canvas.forward().detach()
    canvas.start(soft, stream)
    assert torch.equal(canvas.forward(), before)


def test_moving_the_places_moves_the_picture(learned, psnr):
    warp = motion.affine(zoom=1.03, rotate=2)
    expected = motion.apply(learned.forward().detach(), warp)
    before = {name: parameter.detach().clone() for name, parameter in learned.parameters().items()}
    learned.warp(warp)
    assert psnr(learned.forward(), expected) > 34
    assert all(torch.equal(before[name], parameter) for name, parameter in learned.parameters().items())


def test_many_motions_blur_nothing(learned, psnr):
    """There and back again, twenty times."""
    before = learned.forward().detach()
    for turn in [3, -3] * 20:
        learned.warp(motion.affine(rotate=turn))
    assert psnr(learned.forward()[..., 8:-8, 8:-8], before[..., 8:-8, 8:-8]) > 34


@pytest.mark.parametrize("infill", ["mirror", "smear", "wrap", "black"])
def test_what_moves_in(learned, psnr, infill):
    """As in a picture of pixels; edges that are joined show no line of what lies between."""
    warp = motion.affine(translate_x=6.4, translate_y=-3.3, infill=infill)
    expected = learned.forward().detach()
    for _ in range(3):
        expected = motion.apply(expected, warp)
        learned.warp(warp)
    difference = (learned.forward() - expected).detach().abs().amax(1)
    assert psnr(learned.forward(), expected) > 30
    assert difference.mean((0, 1)).max() < 0.1
    if infill == "black":
        assert learned.forward()[..., :18].max() < 0.02


def test_places_are_restored_and_a_new_picture_puts_them_back(learned, make, stream, soft):
    at_rest = learned.places.clone()
    learned.warp(motion.affine(zoom=2))
    moved = {name: tensor.clone() for name, tensor in learned.state_dict().items()}
    learned.start(soft, stream)
    assert torch.equal(learned.places, at_rest)
    learned.load_state_dict(moved)
    assert not torch.equal(learned.places, at_rest)


def test_gradient(make, stream):
    """Along a random direction, as central differences say."""
    canvas, wanted = make(width=9, height=7, units=8), stream.uniform(1, 3, 7, 9)
    parameters = list(canvas.parameters().values())
    directions = [stream.normal(*parameter.shape) for parameter in parameters]

    def moved_loss(by):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.add_(by * direction)
            loss = (canvas.forward().double() * wanted).sum()
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.sub_(by * direction)
        return float(loss)

    (canvas.forward() * wanted).sum().backward()
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, directions, strict=True))
    assert float(slope) == pytest.approx((moved_loss(1e-4) - moved_loss(-1e-4)) / 2e-4, rel=5e-2)


def test_bad_start(make, stream):
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not \[3, 8, 8\]"):
        make().start(torch.zeros(3, 8, 8), stream)
