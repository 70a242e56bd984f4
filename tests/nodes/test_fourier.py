"""Waves: the same look at every size, pictures taken and moved exactly, edges seamless or free."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph.nodes import fourier, motion


@pytest.fixture
def make(device, stream):
    return lambda **given: fourier.Fourier(device, stream, **{"width": 64, "height": 48, **given})


def paint(canvas, stream, strength=1.0):
    """Put random numbers into all waves."""
    with torch.no_grad():
        canvas.waves.copy_(strength * stream.normal(*canvas.waves.shape))
    return canvas


@settings(deadline=None)
@given(width=st.integers(1, 20), height=st.integers(1, 20))
def test_any_size_takes_a_picture_exactly(width, height):
    """Odd sizes, single pixels and all."""
    from types import SimpleNamespace

    generator = torch.Generator().manual_seed(width * 100 + height)
    stream = SimpleNamespace(normal=lambda *shape: torch.randn(shape, generator=generator))
    canvas = fourier.Fourier(SimpleNamespace(torch=torch.device("cpu")), stream, width=width, height=height)
    picture = torch.rand(1, 3, height, width, generator=generator) * 0.98 + 0.01
    canvas.start(picture)
    torch.testing.assert_close(canvas.forward().detach(), picture, atol=1e-4, rtol=0)


def test_black_and_white_come_within_half_a_step_of_eight_bits(make):
    edge = (torch.arange(64) > 31).float().expand(1, 3, 48, 64)
    canvas = make()
    canvas.start(edge)
    assert (canvas.forward() - edge).abs().max() < 1 / 500


def test_moving_the_parameters_moves_the_picture(make, natural, stream, psnr):
    warp = motion.affine(zoom=1.03, rotate=2)
    canvas = make()
    canvas.start(natural(48, 64))
    for moved in (canvas, paint(make(), stream)):
        expected = motion.apply(moved.forward().detach(), warp)
        moved.warp(warp)
        assert psnr(moved.forward(), expected) > 50


def test_the_look_does_not_depend_on_size(make, stream):
    """The long waves of a large picture, alone, are the small picture enlarged."""
    small = paint(make(width=32, height=24, seamless=True), stream)
    large = make(width=128, height=96, seamless=True)
    with torch.no_grad():
        large.waves.zero_()
        for rows in (slice(0, 12), slice(-11, None)):
            large.waves[..., rows, :16, :] = small.waves[..., rows, :16, :]
        small.waves[..., 12, :, :] = 0
        small.waves[..., 16, :] = 0
        torch.testing.assert_close(large.forward()[..., ::4, ::4], small.forward(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("width", "height"), [(128, 128), (64, 128)])
def test_waves_decay_by_their_length_whatever_their_direction(width, height):
    numbers = fourier.wave_numbers(height, width, 128)
    assert numbers.shape == (height, width // 2 + 1)
    assert float(numbers[0, 0]) == 0
    assert float(numbers[6, 0]) == 6
    assert float(numbers[-6, 0]) == 6
    assert float(numbers[0, 6 * width // 128]) == 6
    assert float(numbers[8, 6 * width // 128]) == 10


def test_decay_is_the_slope_of_the_spectrum(make, stream):
    """Amplitude falls as frequency to the power -decay."""
    canvas = paint(make(width=128, height=128, decay=1.5, contrast=0.05, seamless=True), stream, 0.3)
    spectrum = torch.fft.rfft2(canvas.forward().detach().mean(1)[0]).abs()
    numbers = fourier.wave_numbers(128, 128, 128)
    bands = [spectrum[(numbers > low) & (numbers <= 2 * low)].square().mean().sqrt() for low in (4, 8, 16, 32)]
    slopes = [math.log2(a / b) for a, b in pairwise(bands)]
    assert sum(slopes) / 3 == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("axis", [-1, -2])
def test_edges_join_if_the_picture_is_seamless_and_else_differ(make, stream, axis):
    """The step over an edge is no larger than other steps; else opposite edges have little in common."""
    for seamless in (True, False):
        picture = paint(make(decay=2.0, seamless=seamless), stream, 0.5).forward().detach()
        over = (picture.select(axis, 0) - picture.select(axis, -1)).abs().mean()
        assert (over < 2 * picture.diff(dim=axis).abs().mean()) == seamless


@pytest.mark.parametrize(("length", "field"), [(1, 2), (48, 60), (64, 80), (101, 128), (256, 320), (512, 640)])
def test_the_field_is_a_quarter_longer_and_fast_to_transform(length, field):
    assert fourier.field_length(length) == field


def test_waves_are_as_long_in_a_field_as_in_a_seamless_picture():
    """Lengths count in pictures, so the same wave moves as fast in both."""
    field, seamless = fourier.wave_numbers(60, 80, 64), fourier.wave_numbers(48, 64, 64)
    assert float(field[0, 10]) == float(seamless[0, 8]) == 8
    assert float(field[15, 0]) == pytest.approx(float(seamless[12, 0]))


def test_it_starts_nearly_grey(make):
    picture = make(width=128, height=128).forward()
    assert (picture - 0.5).abs().max() < 0.1
    assert picture.std() > 1e-4


def test_it_learns_a_picture(make, natural):
    """Long waves first: most of a natural picture within 60 steps of the default rate."""
    wanted, canvas = natural(48, 64), make()
    optimiser = torch.optim.Adam(canvas.parameters().values(), lr=canvas.learning_rate)
    for _ in range(60):
        optimiser.zero_grad()
        loss = F.mse_loss(canvas.forward(), wanted)
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05 * float(wanted.var())


def test_gradient(make, stream):
    """Along a random direction, as central differences say."""
    canvas, wanted = make(width=9, height=7), stream.uniform(1, 3, 7, 9)
    direction = stream.normal(*canvas.waves.shape)
    (canvas.forward() * wanted).sum().backward()

    def moved_loss(by):
        with torch.no_grad():
            canvas.waves.add_(by * direction)
            loss = (canvas.forward().double() * wanted).sum()
            canvas.waves.sub_(by * direction)
        return float(loss)

    slope = (moved_loss(1e-2) - moved_loss(-1e-2)) / 2e-2
    assert float((canvas.waves.grad * direction).sum()) == pytest.approx(slope, rel=1e-2)


def test_bad_start(make):
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not \[3, 8, 8\]"):
        make().start(torch.zeros(3, 8, 8))
