"""Crops: PyTTI's distribution, borders, and what a perceptor gets."""

import pytest
import torch
from scipy import stats

from pytti_graph import Cutouts, Perceptor, UsageError
from pytti_graph.nodes import cutouts

MODES = ["clamp", "mirror", "smear", "wrap", "black"]


class Eye(Perceptor):
    size, name, weights = 8, "eye", {}

    def encode_images(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=-1)

    def encode_texts(self, texts):
        raise NotImplementedError


def boxes(made):
    """Left, top and side of crops, in pixels."""
    height, width = made.image.shape[-2:]
    side = made.transforms[:, 0, 0] * width
    left = (made.transforms[:, 0, 2] + 1) * width / 2 - side / 2
    top = (made.transforms[:, 1, 2] + 1) * height / 2 - side / 2
    return left, top, side


def test_sides_follow_pytti(stream):
    _, _, side = boxes(cutouts.classic(torch.zeros(1, 3, 512, 640), stream, 224, count=20000))
    drawn = stats.norm(0.8, 0.3)
    assert (side > 511.9).double().mean() == pytest.approx(drawn.sf(1), abs=0.015)
    assert (side < 224).double().mean() == pytest.approx(drawn.cdf((224 / 512) ** 0.5), abs=0.015)
    smallest = 224**2 / 512
    assert side.min() == pytest.approx(smallest, rel=1e-4)
    between = side[(side > smallest * 1.001) & (side < 511)]
    cdf = stats.truncnorm((224 / 512 - 0.8) / 0.3, 0.2 / 0.3, 0.8, 0.3).cdf
    assert stats.kstest((between / 512).sqrt(), cdf).pvalue > 0.001


def test_crops_are_square_in_pixels_whatever_the_aspect(stream):
    made = cutouts.classic(torch.zeros(1, 3, 100, 300), stream, 50, count=20)
    torch.testing.assert_close(made.transforms[:, 0, 0] * 300, made.transforms[:, 1, 1] * 100)


@pytest.mark.parametrize("mode", MODES)
def test_how_far_crops_stick_out(stream, mode):
    left, top, side = boxes(cutouts.classic(torch.zeros(1, 3, 200, 400), stream, 40, 5000, border_mode=mode))
    for start, length in ((left, 400), (top, 200)):
        overhang = 0 if mode == "clamp" else side.clamp(max=0.25 * length)
        assert (start >= -overhang - 1e-3).all()
        assert (start + side <= length + overhang + 1e-3).all()
        if mode != "clamp":
            assert stats.kstest((start + overhang) / (length - side + 2 * overhang), "uniform").pvalue > 0.001


def test_clamping_prefers_the_edges(stream):
    left, _, side = boxes(cutouts.classic(torch.zeros(1, 3, 400, 400), stream, 100, 5000))
    small = side < 200
    at_left = (left[small].abs() < 1e-3).double().mean()
    expected = (100 / (400 - side[small] + 200)).double().mean()
    assert float(at_left) == pytest.approx(float(expected), abs=0.03)


def test_a_picture_smaller_than_the_crops_is_seen_whole(stream):
    _, _, side = boxes(cutouts.classic(torch.zeros(1, 3, 64, 64), stream, 224, count=9))
    torch.testing.assert_close(side, torch.full((9,), 64.0))


def test_crops_differ_each_time_and_repeat_with_the_stream(stream):
    image = torch.zeros(1, 3, 64, 64)
    first, second = (cutouts.classic(image, stream, 8, 5).transforms for _ in range(2))
    again = cutouts.classic(image, type(stream)(), 8, 5).transforms
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_encoding_applies_operations_in_order_and_reaches_the_picture(natural):
    image = natural(32, 32).requires_grad_()
    made = Cutouts(image, torch.eye(3).repeat(2, 1, 1), 8, "clamp").then(lambda x: x + 1).then(lambda x: 2 * x)
    seen = cutouts.encode(Eye(), made)
    expected = Eye().encode_images(2 * (torch.nn.functional.avg_pool2d(image, 4) + 1))
    torch.testing.assert_close(seen.embeddings, expected.expand(2, -1), atol=1e-3, rtol=0)
    assert seen.transforms is made.transforms
    seen.embeddings[0, 0].backward()
    assert image.grad.abs().sum() > 0


def test_crops_of_another_size_are_refused():
    made = Cutouts(torch.zeros(1, 3, 32, 32), torch.eye(3)[None], 16, "clamp")
    with pytest.raises(UsageError, match="16 px wide, but eye looks at 8 px"):
        cutouts.encode(Eye(), made)
