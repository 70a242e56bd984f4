"""Images: starting pictures, moving them, gradients, and how quickly the pyramid is painted."""

from functools import partial
from inspect import signature

import pytest
import torch
import torch.nn.functional as F

from pytti_graph import GraphError, Warp
from pytti_graph.api import Graph
from pytti_graph.nodes import fourier, images, motion, network, palette

TYPES = [images.RGB, images.Pyramid]
EVERY = {
    "rgb": images.RGB,
    "pyramid": images.Pyramid,
    "palette": palette.LimitedPalette,
    "fourier": fourier.Fourier,
    "network": partial(network.Network, units=8, start_steps=3),
}


@pytest.fixture(params=TYPES, ids=["rgb", "pyramid"])
def canvas(request, device, stream):
    return request.param(device, stream, width=96, height=80)


def test_pictures_have_their_shape_and_range(canvas):
    picture = canvas.forward()
    assert picture.shape == (1, 3, 80, 96)
    assert 0 <= picture.min() <= picture.max() <= 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (2, 2), (37, 5), (64, 64), (100, 30)])
def test_any_size(device, stream, width, height):
    for made in EVERY.values():
        canvas = made(device, stream, width=width, height=height)
        assert canvas.forward().shape == (1, 3, height, width)
        canvas.warp(motion.affine(zoom=1.1, rotate=3))
        assert canvas.forward().isfinite().all()


def test_starting_from_a_picture(canvas, natural, psnr):
    picture = natural(80, 96)
    canvas.start(picture)
    assert psnr(canvas.forward(), picture) > 40
    canvas.start(natural(160, 96))
    assert psnr(canvas.forward(), F.interpolate(natural(160, 96), (80, 96), mode="area")) > 25


def test_moving_parameters_moves_the_picture(canvas, natural, psnr):
    canvas.start(natural(80, 96))
    warp = motion.affine(zoom=1.03, rotate=2)
    expected = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    assert psnr(canvas.forward(), expected) > 34


def test_moving_a_painted_picture(canvas, natural, psnr, stream):
    """Whatever the layers hold."""
    with torch.no_grad():
        for parameter in canvas.parameters().values():
            parameter.add_(0.5 * stream.normal(*parameter.shape))
    warp = motion.affine(zoom=1.03, rotate=2)
    expected = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    assert psnr(canvas.forward(), expected) > 34


def test_many_warps_neither_ring_nor_blow_up(canvas, natural):
    picture = natural(80, 96)
    canvas.start(picture)
    for _ in range(35):
        canvas.warp(motion.affine(rotate=10, translate_x=0.5, infill="wrap"))
    moved = canvas.forward()
    assert moved.isfinite().all()
    assert moved.std() < 1.02 * picture.std()
    detail = (moved - F.avg_pool2d(moved, 3, 1, 1))[..., 2:-2, 2:-2].std()
    assert detail < (picture - F.avg_pool2d(picture, 3, 1, 1))[..., 2:-2, 2:-2].std()


def test_black_moves_in_black(canvas, natural):
    canvas.start(natural(80, 96))
    canvas.warp(motion.affine(translate_x=20, infill="black"))
    assert canvas.forward()[..., :17].max() < 0.01


def begin(canvas, picture, stream):
    """Start from a picture."""
    canvas.start(picture, stream) if "stream" in signature(canvas.start).parameters else canvas.start(picture)


@pytest.mark.parametrize("name", EVERY)
def test_parameters_keep_their_identity(device, stream, natural, name):
    canvas = EVERY[name](device, stream, width=48, height=40)
    before = dict(canvas.parameters())
    with torch.no_grad():
        begin(canvas, natural(40, 48), stream)
        canvas.warp(motion.affine(zoom=1.1))
    after = canvas.parameters()
    assert list(after) == list(before)
    assert all(after[name] is before[name] and after[name].is_leaf and after[name].requires_grad for name in before)
    assert all(parameter.grad is None for parameter in after.values())
    (canvas.forward() * natural(40, 48, seed=1)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in after.values())


@pytest.mark.parametrize("name", EVERY)
def test_parameters_and_state_are_all_there_is(device, stream, natural, name):
    """Another image that is given them shows the same, and goes on the same."""
    canvas, other = (EVERY[name](device, stream, width=48, height=40) for _ in range(2))
    with torch.no_grad():
        begin(canvas, natural(40, 48), stream)
        canvas.warp(motion.affine(zoom=1.1))
        for key, parameter in canvas.parameters().items():
            parameter.add_(0.01 * stream.normal(*parameter.shape))
            other.parameters()[key].copy_(parameter)
        if hasattr(canvas, "state_dict"):
            other.load_state_dict({key: tensor.clone() for key, tensor in canvas.state_dict().items()})
        assert torch.equal(other.forward(), canvas.forward())
        for each in (canvas, other):
            each.warp(motion.affine(rotate=4))
        assert torch.equal(other.forward(), canvas.forward())


def test_clamping_lets_gradients_back_in():
    values = torch.tensor([-0.5, -0.5, 0.5, 1.5, 1.5]).requires_grad_()
    images.clamp_passing_inwards(values).backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))
    assert values.grad.tolist() == [0, -1, 1, 1, 0]


def test_rgb_starts_as_uniform_noise(device, stream):
    pixels = images.RGB(device, stream, width=100, height=100).pixels.detach()
    assert pixels.mean() == pytest.approx(0.5, abs=0.01)
    assert pixels.std() == pytest.approx(12**-0.5, abs=0.01)


def test_rgb_pixels_can_be_large(device, stream):
    canvas = images.RGB(device, stream, width=10, height=7, pixel_size=4)
    assert canvas.parameters()["pixels"].shape == (1, 3, 2, 3)
    picture = canvas.forward()
    assert picture.shape == (1, 3, 7, 10)
    assert torch.equal(picture[..., :4, :4], picture[..., :1, :1].expand(-1, -1, 4, 4))
    canvas.start(torch.arange(70.0).view(1, 1, 7, 10).expand(1, 3, -1, -1) / 70)
    assert canvas.pixels.detach()[0, 0, 0, 0] == pytest.approx(16.5 / 70)


@pytest.mark.parametrize("make", [images.RGB, palette.LimitedPalette])
def test_a_pixel_larger_than_the_picture_is_the_picture(device, stream, make):
    """It takes no more memory than that."""
    canvas = make(device, stream, width=6, height=4, pixel_size=16384)
    picture = canvas.forward().detach()
    assert torch.equal(picture, picture[..., :1, :1].expand(1, 3, 4, 6))
    assert canvas.pixel_size == 6


@pytest.mark.parametrize("argument", ["width", "height", "pixel_size"])
@pytest.mark.parametrize("type", ["image.rgb", "image.palette"])
def test_sides_have_an_upper_bound(type, argument):
    """Said before anything takes that much memory."""
    nodes = {"canvas": {"type": type, argument: 2**53}, "frames": {"type": "write.frames", "image": "canvas"}}
    with pytest.raises(GraphError, match=f"canvas: {argument}: must be at most 16384 px"):
        Graph.build({"nodes": nodes}).check()


def test_rgb_large_pixels_move_as_the_picture_does(device, stream):
    canvas = images.RGB(device, stream, width=32, height=32, pixel_size=4)
    before = canvas.pixels.detach().clone()
    canvas.warp(motion.affine(translate_x=4, infill="wrap"))
    torch.testing.assert_close(canvas.pixels, before.roll(1, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("width", "height", "pixel_size"), [(30, 21, 4), (9, 9, 5), (12, 12, 20)])
def test_rgb_squares_that_stick_out_turn_around_the_middle_of_the_picture(device, stream, width, height, pixel_size):
    """Where each square comes from is where the motion says of the picture's own point there."""
    canvas = images.RGB(device, stream, width=width, height=height, pixel_size=pixel_size)
    (rows, columns), side = canvas.pixels.shape[-2:], canvas.pixel_size
    asked = []

    def field(points, *size):
        asked.append((points, size))
        return points

    before = canvas.pixels.detach().clone()
    canvas.warp(Warp(field, sampling="nearest"))
    torch.testing.assert_close(canvas.pixels, before)
    [(points, size)] = asked
    assert size == (height, width)
    x, y = (points[0] + 1).unbind(-1)
    expected = torch.arange(columns) * side + side / 2, torch.arange(rows) * side + side / 2
    torch.testing.assert_close(x[0] * width / 2, expected[0])
    torch.testing.assert_close(y[:, 0] * height / 2, expected[1])


@pytest.mark.parametrize("colour_size", [0, 0.25, 1])
def test_pyramid_is_a_sum_of_bicubic_layers(device, stream, colour_size):
    canvas = images.Pyramid(device, stream, width=60, height=33, falloff=0.2, colour_size=colour_size)
    layers = list(canvas.parameters().values())
    sizes = [(1, 1), (1, 2), (2, 4), (4, 8), (9, 16), (18, 32), (33, 60)]
    assert [tuple(layer.shape[2:]) for layer in layers] == sizes
    gains = torch.tensor([columns**-0.2 for _, columns in sizes])
    gains /= gains.square().mean().sqrt()
    total = torch.zeros(1, 3, 33, 60)
    for layer, gain in zip(layers, gains, strict=True):
        large = gain * F.interpolate(layer, (33, 60), mode="bicubic", align_corners=False)
        total[:, : large.shape[1]] += large
    expected = torch.sigmoid(torch.einsum("rc,bchw->brhw", canvas.colours, total))
    torch.testing.assert_close(canvas.forward(), expected)


def test_only_coarse_layers_of_a_pyramid_have_colour(device, stream):
    """Up to a quarter of the longer side."""
    canvas = images.Pyramid(device, stream, width=64, height=32)
    assert {layer.shape[3]: layer.shape[1] for layer in canvas.parameters().values()} == {
        1: 3, 2: 3, 4: 3, 8: 3, 16: 3, 32: 1, 64: 1
    }  # fmt: skip


def test_a_pyramid_keeps_its_layers_when_it_moves(device, stream, natural):
    """So that what an optimiser remembers of them stays true; what moved is kept beside them, and can be restored."""
    canvas = images.Pyramid(device, stream, width=48, height=48)
    canvas.start(natural(48, 48))
    before = {name: layer.detach().clone() for name, layer in canvas.parameters().items()}
    canvas.warp(motion.affine(zoom=1.1))
    assert all(torch.equal(before[name], layer) for name, layer in canvas.parameters().items())
    picture, kept = canvas.forward().detach(), {name: tensor.clone() for name, tensor in canvas.state_dict().items()}
    canvas.warp(motion.affine(zoom=1.1))
    canvas.load_state_dict(kept)
    assert torch.equal(canvas.forward(), picture)


def test_pyramid_colours():
    """White, and blue against yellow: the columns of the Lucid basis."""
    colours = torch.tensor(images._COLOURS)
    assert colours[:, 0].min() > 0.25
    assert torch.linalg.matrix_rank(colours) == 3


def test_pyramid_gradient(device, stream):
    """Along a random direction, as central differences say."""
    canvas = images.Pyramid(device, stream, width=12, height=9)
    wanted = stream.uniform(1, 3, 9, 12)
    layers = list(canvas.parameters().values())
    directions = [stream.normal(*layer.shape) for layer in layers]

    def moved_loss(by):
        with torch.no_grad():
            for layer, direction in zip(layers, directions, strict=True):
                layer.add_(by * direction)
            loss = (canvas.forward().double() * wanted).sum()
            for layer, direction in zip(layers, directions, strict=True):
                layer.sub_(by * direction)
        return loss

    (canvas.forward() * wanted).sum().backward()
    slope = sum((layer.grad * direction).sum() for layer, direction in zip(layers, directions, strict=True))
    assert float(slope) == pytest.approx(float(moved_loss(1e-2) - moved_loss(-1e-2)) / 2e-2, rel=1e-2)


def test_bad_start(canvas):
    with pytest.raises(ValueError, match=r"\[1, C, H, W\], not \[3, 8, 8\]"):
        canvas.start(torch.zeros(3, 8, 8))
