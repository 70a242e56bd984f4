"""Sampling crops: exactness where it can be exact, closeness to the area average, borders, gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph.nodes import sampling


def crop(left, top, side, height, width):
    """The transform of one square crop."""
    return torch.tensor(
        [
            [
                [side / width, 0, (2 * left + side) / width - 1],
                [0, side / height, (2 * top + side) / height - 1],
                [0, 0, 1],
            ]
        ]
    )


def averaging(length, start, side, size):
    """The matrix [size, length] that averages a line over `size` equal parts of `side` pixels from `start`."""
    edges = start + side * torch.arange(size + 1, dtype=torch.float64) / size
    pixels = torch.arange(length, dtype=torch.float64)
    overlap = (torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)).clamp(min=0)
    return (overlap / overlap.sum(1, keepdim=True)).float()


def area_average(picture, left, top, side, size):
    height, width = picture.shape[-2:]
    return averaging(height, top, side, size) @ picture @ averaging(width, left, side, size).T


def test_a_crop_at_its_own_scale_is_the_picture(natural):
    picture = natural(64, 96)
    cut = sampling.sample(picture, crop(11, 7, 32, 64, 96), 32, "clamp")
    torch.testing.assert_close(cut, picture[..., 7:39, 11:43], atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [512, 470, 430, 400, 360, 300, 250, 226])
def test_shrinking_averages_over_areas(natural, psnr, side):
    picture = natural()
    left, top = (512 - side) * 0.37, (512 - side) * 0.61
    cut = sampling.sample(picture, crop(left, top, side, 512, 512), 224, "clamp")
    assert psnr(cut, area_average(picture, left, top, side, 224)) > 35


@pytest.mark.parametrize("size", [300, 160, 100, 64, 24])
def test_large_pictures_are_averaged_too(natural, psnr, size):
    picture = natural(768, 768)
    cut = sampling.sample(picture, crop(0, 0, 768, 768, 768), size, "mirror")
    assert psnr(cut, area_average(picture, 0, 0, 768, size)) > 35


def test_mixed_scales_do_not_disturb_each_other(natural):
    picture = natural(200, 200)
    transforms = torch.cat([crop(0, 0, 200, 200, 200), crop(50, 60, 20, 200, 200), crop(10, 10, 90, 200, 200)])
    together = sampling.sample(picture, transforms, 32, "wrap")
    alone = torch.cat([sampling.sample(picture, transform[None], 32, "wrap") for transform in transforms])
    torch.testing.assert_close(together, alone)


def outside(picture, border):
    """The picture with as much again on each side, by definition."""
    height, width = picture.shape[-2:]
    y, x = torch.arange(-height, 2 * height), torch.arange(-width, 2 * width)
    fold = {
        "wrap": lambda i, n: i % n,
        "mirror": lambda i, n: torch.minimum(i % (2 * n), 2 * n - 1 - i % (2 * n)),
    }.get(border, lambda i, n: i.clamp(0, n - 1))
    larger = picture[..., fold(y, height), :][..., fold(x, width)]
    if border == "black":
        inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
        larger = larger * inside
    return larger


@pytest.mark.parametrize("border", ["clamp", "smear", "mirror", "wrap", "black"])
@pytest.mark.parametrize(("left", "top"), [(-20, -13), (30, 25), (-40, 3)])
def test_borders(natural, border, left, top):
    picture = natural(40, 60)
    cut = sampling.sample(picture, crop(left, top, 36, 40, 60), 36, border)
    expected = outside(picture, border)[..., 40 + top : 76 + top, 60 + left : 96 + left]
    torch.testing.assert_close(cut, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("border", ["smear", "mirror", "wrap", "black"])
def test_borders_where_the_picture_shrinks(natural, psnr, border):
    picture = natural(256, 256)
    cut = sampling.sample(picture, crop(-100, 60, 240, 256, 256), 100, border)
    expected = area_average(outside(picture, border), 156, 316, 240, 100)
    assert psnr(cut, expected) > 34


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.floats(0.1, 3), st.floats(-2, 2), st.floats(-3, 3),
    st.sampled_from(["clamp", "smear", "mirror", "wrap"]),
)  # fmt: skip
def test_a_plain_picture_stays_plain(height, width, size, scale, offset, turn, border):
    angle = torch.tensor(turn)
    matrix = torch.tensor([[scale, 0, offset], [0, scale, -offset], [0.1, 0, 1]])
    rotation = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    cut = sampling.sample(torch.full((1, 3, height, width), 0.7), (matrix @ rotation)[None], size, border)
    torch.testing.assert_close(cut, torch.full((1, 3, size, size), 0.7))


def test_gradient():
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 1, 5, 7, dtype=torch.float64, generator=generator).requires_grad_()
    transforms = torch.cat([crop(-1, 1, 5, 5, 7), crop(2, 2, 2, 5, 7)]).double()
    transforms = transforms @ torch.tensor([[0.9, -0.3, 0], [0.3, 0.9, 0], [0.1, 0, 1]], dtype=torch.float64)
    for border in ("clamp", "mirror", "wrap", "black"):
        assert torch.autograd.gradcheck(lambda image: sampling.sample(image, transforms, 3, border), picture)  # noqa: B023


def test_gradient_is_shared_out_as_the_average_is(natural):
    picture = natural(64, 64).requires_grad_()
    sampling.sample(picture, crop(0, 0, 64, 64, 64), 16, "mirror").sum().backward()
    assert picture.grad.sum() == pytest.approx(3 * 16 * 16, rel=1e-4)
    torch.testing.assert_close(picture.grad, torch.full_like(picture, 1 / 16), atol=0.01, rtol=0)


def test_shrinkage_sees_turns_and_tilts():
    upright = crop(10, 20, 60, 100, 200)
    turned = upright @ torch.tensor([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    assert sampling.shrinkage(torch.cat([upright, turned, 3 * turned]), 100, 200, 30).tolist() == pytest.approx([4] * 3)


@pytest.mark.parametrize("border", ["mirror", "wrap"])
def test_padding_beyond_a_tiny_picture(border):
    picture = torch.arange(6.0).view(1, 1, 2, 3)
    padded = sampling.pad(picture, 5, border)
    assert padded.shape == (1, 1, 12, 13)
    columns, rows = padded[0, 0, 5] % 3, padded[0, 0, :, 5] // 3
    if border == "mirror":
        assert columns.tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
        assert rows.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    else:
        assert columns.tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
        assert rows.tolist() == [1, 0] * 6


def test_fit():
    picture = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert sampling.fit(picture, 8, 12) is picture
    assert sampling.fit(picture, 4, 30).shape == (1, 3, 4, 30)


@pytest.mark.parametrize("image", [(3, 8, 8), (2, 3, 8, 8)])
def test_bad_pictures(image):
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not"):
        sampling.sample(torch.zeros(image), torch.eye(3)[None], 4, "clamp")
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not"):
        sampling.fit(torch.zeros(image), 4, 4)


def test_bad_transforms():
    with pytest.raises(ValueError, match=r"\[N, 3, 3\], not \[2, 3\]"):
        sampling.sample(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3), 4, "clamp")
