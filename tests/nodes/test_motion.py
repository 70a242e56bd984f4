"""Motions: directions, composition, infill, and that repeated warps stay calm."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Warp
from pytti_graph.nodes import motion

CALM = {"max_examples": 25, "deadline": None}


def spot(height, width, y, x):
    picture = torch.zeros(1, 3, height, width)
    picture[..., y, x] = 1
    return picture


def brightest(picture):
    index = int(picture[0, 0].argmax())
    return divmod(index, picture.shape[-1])


@pytest.mark.parametrize("sampling", ["nearest", "bilinear", "bicubic"])
def test_shifts_go_right_and_up(sampling):
    warp = motion.affine(translate_x=5, translate_y=3, sampling=sampling)
    moved = motion.apply(spot(20, 40, 10, 10), warp)
    torch.testing.assert_close(moved, spot(20, 40, 7, 15), atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [21, 61])
def test_turns_go_counter_clockwise_at_any_aspect(width):
    middle = width // 2
    moved = motion.apply(spot(21, width, 10, middle + 6), motion.affine(rotate=90, infill="black"))
    assert brightest(moved) == (4, middle)


def test_zoom_goes_in():
    assert brightest(motion.apply(spot(41, 41, 20, 25), motion.affine(zoom=2))) == (20, 30)
    assert brightest(motion.apply(spot(41, 41, 25, 25), motion.affine(zoom_x=2))) == (25, 30)


def test_no_motion_changes_nothing(natural):
    picture = natural(33, 50)
    torch.testing.assert_close(motion.apply(picture, motion.affine()), picture, atol=1e-5, rtol=0)


@settings(**CALM)
@given(st.floats(0.5, 2), st.floats(-180, 180), st.floats(-9, 9), st.floats(-9, 9))
def test_composing_with_the_reverse_is_the_identity(zoom, rotate, right, up):
    there = motion.affine(zoom=zoom, rotate=rotate)
    shifted = motion.affine(translate_x=right, translate_y=up, warp=there)
    unshifted = motion.affine(translate_x=-right, translate_y=-up, warp=shifted)
    unturned = motion.affine(rotate=-rotate, warp=unshifted)
    back = motion.affine(zoom=1 / zoom, warp=unturned)
    points = motion.pixel_centres(7, 11, torch.zeros(()))
    torch.testing.assert_close(back.field(points, 7, 11), points, atol=1e-4, rtol=1e-4)


def test_composed_motions_happen_in_order():
    shift = motion.affine(translate_x=6)
    turned = motion.affine(rotate=90, warp=shift)
    assert brightest(motion.apply(spot(41, 41, 20, 20), turned)) == (14, 20)
    assert turned.infill == "mirror"


def test_composition_is_sharper_than_two_resamples(natural, psnr):
    picture = natural(128, 128)
    there, back = motion.affine(rotate=20), motion.affine(rotate=-20)
    once = motion.resample(picture, motion.compose(there, back))
    twice = motion.resample(motion.resample(picture, there), back)
    assert psnr(once, picture) > 60 > psnr(twice, picture)


@pytest.mark.parametrize("sampling", ["nearest", "bilinear", "bicubic"])
def test_infill(sampling):
    picture = torch.arange(1.0, 9.0).view(1, 1, 1, 8).expand(1, 3, 8, 8) / 10
    first = {"mirror": [3, 2, 1], "smear": [1, 1, 1], "wrap": [6, 7, 8], "black": [0, 0, 0]}
    for infill, values in first.items():
        warp = motion.affine(translate_x=3, infill=infill, sampling=sampling)
        moved = motion.apply(picture, warp)[0, 0, 4]
        torch.testing.assert_close(moved * 10, torch.tensor([*values, 1, 2, 3, 4, 5.0]), atol=1e-3, rtol=0)


@settings(**CALM)
@given(st.floats(2, 28))
def test_bicubic_is_catmull_and_rom(position):
    """Exact for parabolas."""
    parabola = (torch.arange(30.0) + 0.5).square().view(1, 1, 1, 30)
    x = torch.full((1, 1, 1), position)
    value = motion.look_up_smoothly(parabola, x, torch.full((1, 1, 1), 0.5), "bicubic")
    assert float(value) == pytest.approx(position**2, rel=1e-3, abs=1e-2)


def test_many_warps_neither_ring_nor_blow_up():
    picture = torch.zeros(1, 3, 96, 96)
    picture[..., 40:56, 40:56] = 1
    moved = picture
    for index in range(35):
        moved = motion.resample(moved, motion.affine(rotate=7, translate_x=0.5 if index % 2 else -0.5))
    assert moved.max() < 1.15
    assert moved.min() > -0.15
    assert moved.square().sum() < picture.square().sum()


def test_a_size_sets_the_pixels_that_motions_count_in():
    moved = motion.resample(spot(10, 10, 5, 2), motion.affine(translate_x=8), size=(40, 40))
    torch.testing.assert_close(moved, spot(10, 10, 5, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampling", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("infill", ["mirror", "smear", "wrap", "black"])
def test_gradient(sampling, infill):
    picture = torch.rand(1, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    warp = motion.affine(zoom=0.8, rotate=11, translate_x=0.3, infill=infill, sampling=sampling)
    assert torch.autograd.gradcheck(lambda image: motion.resample(image, warp), picture)


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not \[3, 4, 4\]"):
        motion.resample(torch.zeros(3, 4, 4), motion.affine())
    with pytest.raises(ValueError, match=r"gives points \[1, 2, 2, 2\], not \[1, 4, 4, 2\]"):
        motion.resample(torch.zeros(1, 3, 4, 4), Warp(lambda points, height, width: points[:, :2, :2]))
