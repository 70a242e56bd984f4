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


@pytest.mark.parametrize(("side", "found"), [(160, False), (226, False), (227, True)])
def test_crops_of_less_than_half_the_side_need_a_canvas_1_4_times_as_large(stream, side, found):
    made = cutouts.classic(torch.zeros(1, 3, side, 2 * side), stream, 160, count=5000)
    assert bool((made.transforms[:, 1, 1] < 0.5).any()) == found


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
    seen = cutouts.encode([Eye()], made)
    expected = Eye().encode_images(2 * (torch.nn.functional.avg_pool2d(image, 4) + 1))
    torch.testing.assert_close(seen.embeddings, expected.expand(2, -1), atol=1e-3, rtol=0)
    assert seen.transforms is made.transforms
    seen.embeddings[0, 0].backward()
    assert image.grad.abs().sum() > 0


def test_crops_of_another_size_are_refused():
    made = Cutouts(torch.zeros(1, 3, 32, 32), torch.eye(3)[None], 16, "clamp")
    with pytest.raises(UsageError, match="16 px wide, but eye looks at 8 px"):
        cutouts.encode([Eye()], made)


class Flexible(Eye):
    smallest = 4


@pytest.mark.parametrize("size", [4, 6, 8])
def test_a_perceptor_that_can_looks_at_smaller_crops(stream, size):
    made = cutouts.classic(torch.zeros(1, 3, 32, 32), stream, size, count=3)
    assert cutouts.encode([Flexible()], made, 2).embeddings.shape == (3, 3)


@pytest.mark.parametrize("size", [3, 9])
def test_but_at_no_smaller_or_larger_ones(stream, size):
    made = cutouts.classic(torch.zeros(1, 3, 32, 32), stream, size, count=3)
    with pytest.raises(UsageError, match=f"the crops are {size} px wide, but eye looks at 4 to 8 px"):
        cutouts.encode([Flexible()], made)


def test_several_perceptors_get_crops_of_their_own(stream):
    large, small = Eye(), Eye()
    large.size = 16
    image = torch.zeros(1, 3, 64, 64)
    made = cutouts.classic(image, stream, count=5, perceptor=[large, small])
    alone = cutouts.classic(image, type(stream)(), 16, 5)
    assert [crops.size for crops in made.each] == [16, 8]
    assert torch.equal(made.transforms, alone.transforms)
    assert not torch.equal(made.transforms, made.each[1].transforms)
    seen = cutouts.encode([large, small], made)
    assert seen.transforms is made.transforms
    assert seen.others[0].transforms is made.others[0].transforms


def test_one_perceptor_is_no_list():
    made = Cutouts(torch.zeros(1, 3, 32, 32), torch.eye(3)[None], 8, "clamp")
    assert made.each == (made,)
    assert Cutouts.of_each([made]) is made
    assert cutouts.encode([Eye()], made).others == ()


def test_crops_without_a_size_are_refused(stream):
    with pytest.raises(UsageError, match="size of the crops is missing"):
        cutouts.classic(torch.zeros(1, 3, 32, 32), stream)


def test_as_many_perceptors_must_look_as_crops_were_cut_for(stream):
    made = cutouts.classic(torch.zeros(1, 3, 32, 32), stream, count=2, perceptor=[Eye(), Eye()])
    with pytest.raises(UsageError, match="cut for 2 perceptors, but 1 look"):
        cutouts.encode([Eye()], made)


class Deep(Eye):
    """Keeps much for its gradient, and counts how often it looks."""

    looks = 0

    def encode_images(self, images):
        type(self).looks += 1
        for _ in range(20):
            images = (images * 1.1).tanh()
        return super().encode_images(images)


def encoded(image, transforms, batches):
    """The gradient of a picture, and how many bytes are kept for it."""
    kept = []
    crops = Cutouts(image.requires_grad_(), transforms, 8, "clamp").then(lambda pixels: pixels * 0.9)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.nbytes) or tensor, lambda t: t):
        seen = cutouts.encode([Deep()], crops, batches)
    (seen.embeddings * torch.arange(30.0).view(10, 3)).sum().backward()
    return image.grad, sum(kept)


@pytest.mark.parametrize("batches", [2, 3, 7, 50])
def test_batches_change_memory_and_not_gradients(natural, stream, batches):
    transforms = cutouts.classic(natural(32, 32), stream, 8, 10).transforms
    made = torch.empty(10, 3, 8, 8)
    whole, kept_whole = encoded(natural(32, 32), transforms, 1)
    parts, kept_parts = encoded(natural(32, 32), transforms, batches)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    assert kept_parts < kept_whole - 18 * made.nbytes  # of 20 layers none is kept


def test_batches_are_not_looked_at_again_without_a_gradient(stream):
    made = cutouts.classic(torch.rand(1, 3, 32, 32), stream, 8, 10)
    Deep.looks = 0
    with torch.no_grad():
        cutouts.encode([Deep()], made, 5)
    assert Deep.looks == 5


def test_the_picture_is_computed_once_whatever_the_batches(stream, natural):
    """One backward through what makes the picture, such as a decoder."""
    pixels, passes = natural(32, 32).requires_grad_(), []
    image = pixels * 1.0
    image.register_hook(lambda gradient: passes.append(1))
    made = cutouts.classic(image, stream, 8, 10)
    cutouts.encode([Deep()], made, 5).embeddings.sum().backward()
    assert len(passes) == 1
