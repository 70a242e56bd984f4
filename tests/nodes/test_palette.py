"""Limited palettes: colours found, read and painted, what is felt, and the losses that keep palettes in shape."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import Graph, GraphError, RenderError, UsageError
from pytti_graph.nodes import losses, motion, palette, palette_fitting


@pytest.fixture
def make(device, stream):
    return lambda **given: palette.LimitedPalette(device, stream, **{"width": 64, "height": 48, **given})


@pytest.fixture
def photo(natural):
    """Blurred, so that neighbouring pixels are alike."""
    return F.avg_pool2d(natural(96, 128, seed=3), 2)


def colours_of(picture):
    return torch.unique(picture.detach().flatten(2)[0].T, dim=0)


def shown_by_clusters(picture, count):
    """The picture with each colour replaced by its cluster's mean: the best that so many colours can do."""
    pixels = Image.fromarray((picture[0].permute(1, 2, 0) * 255).round().byte().numpy())
    shown = pixels.quantize(count, kmeans=30, dither=Image.Dither.NONE).convert("RGB")
    return torch.from_numpy(np.asarray(shown).copy()).permute(2, 0, 1).unsqueeze(0) / 255


@pytest.mark.parametrize(("palettes", "size"), [(1, 2), (1, 8), (4, 5), (8, 5), (6, 1)])
def test_a_photograph_is_shown_nearly_as_well_as_so_many_colours_can(make, stream, photo, psnr, palettes, size):
    canvas = make(palettes=palettes, palette_size=size)
    canvas.start(photo, stream)
    best = psnr(shown_by_clusters(photo, palettes * size), photo)
    assert psnr(canvas.forward(), photo) > best - 1


def test_a_photograph_stays_colourful(make, stream):
    """Not grey: the mean chroma is that of the photograph."""
    stripes = torch.zeros(1, 3, 48, 64)
    for number, colour in enumerate([(0.9, 0.1, 0.1), (0.1, 0.7, 0.2), (0.2, 0.2, 0.9), (0.9, 0.9, 0.2)]):
        stripes[..., number * 16 : (number + 1) * 16] = torch.tensor(colour).view(3, 1, 1)
    canvas = make(palettes=2, palette_size=2)
    canvas.start(stripes, stream)
    torch.testing.assert_close(canvas.forward().detach().as_subclass(torch.Tensor), stripes, atol=1e-4, rtol=0)


def test_a_fitted_picture_is_not_forgotten_by_the_optimiser(make, stream, photo, psnr):
    """Matching the picture it started from, at the rate that suits the image, makes it hardly worse."""
    canvas = make()
    canvas.start(photo, stream)
    before = psnr(canvas.forward(), photo)
    optimiser = torch.optim.Adam(canvas.parameters().values(), lr=canvas.learning_rate)
    for _ in range(40):
        optimiser.zero_grad()
        losses.match(canvas.forward(), photo).backward()
        optimiser.step()
    assert psnr(canvas.forward(), photo) > before - 1


def test_a_photograph_is_learnt_from_grey(make, photo, psnr):
    """Pixels that are compared move levels, palettes' places and colours."""
    canvas = make()
    optimiser = torch.optim.Adam(canvas.parameters().values(), lr=canvas.learning_rate)
    for _ in range(60):
        optimiser.zero_grad()
        losses.match(canvas.forward(), photo).backward()
        optimiser.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in canvas.parameters().values())
    assert psnr(canvas.forward(), photo) > 20


def test_large_pixels_are_compared_as_they_are_shown(make):
    """Both pictures that pixels are compared with have its size, and one of them is the picture itself."""
    picture = make(width=10, height=7, pixel_size=4, random_palettes=True).forward()
    nearest, mixture = picture.compared
    assert torch.equal(nearest, picture.as_subclass(torch.Tensor))
    assert mixture.shape == picture.shape
    assert torch.equal(mixture[..., :4, :4], mixture[..., :1, :1].expand(-1, -1, 4, 4))


@settings(deadline=None)
@given(palettes=st.integers(1, 4), size=st.integers(2, 6), seed=st.integers(0, 99))
def test_only_colours_of_the_palettes_are_shown(palettes, size, seed):
    generator = torch.Generator().manual_seed(seed)
    colours = torch.rand(size, palettes, 3, generator=generator)
    picture, _ = palette.paint(
        colours, torch.rand(1, 1, 6, 7, generator=generator), torch.randn(1, palettes, 6, 7, generator=generator)
    )
    shown = picture.flatten(2)[0].T.unsqueeze(1)
    assert (shown == colours.view(1, -1, 3)).all(2).any(1).all()


def test_the_nearest_level_of_the_leading_palette_is_shown():
    colours = torch.arange(18.0).view(3, 2, 3) / 18
    levels = torch.tensor([0.0, 0.2, 0.3, 0.7, 0.8, 1.0]).view(1, 1, 1, 6)
    logits = torch.tensor([[0.0] * 6, [1.0, -1.0] * 3]).view(1, 2, 1, 6)
    picture, _ = palette.paint(colours, levels, logits)
    expected = torch.stack([colours[0, 1], colours[0, 0], colours[1, 1], colours[1, 0], colours[2, 1], colours[2, 0]])
    assert torch.equal(picture[0, :, 0].T, expected)


def test_what_is_felt_is_half_the_smooth_mixture():
    """Along levels: half the difference of the colours around, weighed by each palette's share."""
    colours = torch.tensor([[[0.0, 0.0, 0.0], [0.2, 0.0, 0.0]], [[0.4, 0.4, 0.4], [1.0, 0.0, 0.0]]])
    levels = torch.full((1, 1, 1, 1), 0.3, requires_grad=True)
    logits = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1).requires_grad_()
    palette.felt(*palette.paint(colours, levels, logits))[0, 0].sum().backward()
    assert float(levels.grad) == pytest.approx((0.25 * 0.4 + 0.75 * 0.8) / 2)
    reds = 0.12, 0.44
    assert logits.grad.flatten().tolist() == pytest.approx(
        [0.25 * 0.75 * (reds[0] - reds[1]) / 2, 0.25 * 0.75 * (reds[1] - reds[0]) / 2]
    )


def test_palettes_are_felt_where_shown_and_where_mixed():
    colours = torch.rand(2, 1, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    palette.felt(*palette.paint(colours, torch.full((1, 1, 1, 1), 0.3), torch.zeros(1, 1, 1, 1))).sum().backward()
    assert colours.grad[:, 0, 0].tolist() == pytest.approx([(1 + 0.7) / 2, 0.3 / 2])


def test_every_parameter_is_reached(make):
    canvas = make(palettes=3)
    (canvas.forward() * torch.linspace(0, 1, 64)).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in canvas.parameters().values())
    assert all(parameter.grad.abs().sum() > 0 for parameter in canvas.parameters().values())


def test_colours_as_they_are_written(make):
    canvas = make(colours="black, white | #ff0000 teal")
    shown = canvas.forward().palette.colours
    expected = torch.tensor([[[0, 0, 0], [0, 128, 128]], [[255, 255, 255], [255, 0, 0]]]) / 255
    torch.testing.assert_close(shown.detach(), expected)
    assert len(colours_of(canvas.forward())) <= 4


@pytest.mark.parametrize(
    ("given", "argument", "words"),
    [
        ({"palettes": 1, "palette_size": 1}, "palette_size", "one colour"),
        ({"colours": "red"}, "colours", "one colour"),
        ({"colours": "red blux"}, "colours", "'blux' is not a colour"),
        ({"colours": "red #0000ff80"}, "colours", "'#0000ff80' is transparent, and here colours are opaque"),
        ({"colours": "red blue | white"}, "colours", "2 and 1 colours"),
        ({"colours": "red blue |"}, "colours", "no colours"),
        (
            {"colours": "red blue", "palette_from": torch.zeros(1, 3, 2, 2)},
            "colours",
            "from a picture and from colours",
        ),
    ],
)
def test_palettes_that_cannot_be(make, given, argument, words):
    with pytest.raises(UsageError, match=words) as raised:
        make(**given)
    assert raised.value.problem.argument == argument


def test_palettes_of_a_picture(make, stream, photo):
    """Their colours are colours of the picture, and starting from another one keeps them."""
    canvas = make(palettes=2, palette_size=3, palette_from=photo)
    taken = canvas.forward().palette.colours.detach()
    assert (torch.cdist(taken.view(-1, 3), photo.flatten(2)[0].T).amin(1) < 0.1).all()
    canvas.start(1 - photo, stream)
    assert torch.equal(canvas.forward().palette.colours, taken)


def test_locked_palettes_are_not_trained_but_fitted_and_restored(make, stream, photo):
    canvas, other = make(lock_palettes=True), make(lock_palettes=True)
    assert "palette" not in canvas.parameters()
    grey = canvas.forward().palette.colours.clone()
    canvas.start(photo, stream)
    assert not torch.equal(canvas.forward().palette.colours, grey)
    other.load_state_dict({name: tensor.clone() for name, tensor in canvas.state_dict().items()})
    assert torch.equal(canvas.forward().palette.colours, other.forward().palette.colours)


def test_palettes_begin_grey_or_at_random(make):
    grey = make(palettes=2, palette_size=5, gamma=2.0).forward().palette.colours
    assert torch.equal(grey[:, 0], (torch.linspace(0, 1, 5) ** 2).view(5, 1).expand(5, 3))
    random = make(palettes=30, palette_size=5, random_palettes=True).forward().palette.colours
    assert random.detach().std() == pytest.approx(12**-0.5, abs=0.03)


@settings(deadline=None)
@given(seed=st.integers(0, 999))
def test_palettes_are_in_order(seed):
    colours = torch.rand(6, 3, 3, generator=torch.Generator().manual_seed(seed))
    ordered = palette_fitting.in_order(colours)
    assert (palette_fitting.brightness(ordered).diff(dim=0) >= 0).all()
    assert torch.equal(ordered.sort(0).values, colours.sort(0).values)


def test_brightness_is_what_is_perceived():
    """White 1, black 0, green brighter than red, red than blue."""
    white, black, red, green, blue = palette_fitting.brightness(
        torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    )
    assert (float(white), float(black)) == pytest.approx((1, 0))
    assert green > red > blue


@settings(deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(1, 6))
def test_pairs_take_each_once(seed, count):
    points = torch.rand(2, count, 3, generator=torch.Generator().manual_seed(seed))
    taken = palette_fitting.pair(*points)
    assert sorted(taken.tolist()) == list(range(count))


def test_as_many_clusters_as_colours_are_the_colours(stream):
    colours = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.1, 0.4], [0.5, 0.5, 0.5]])
    means = palette_fitting.cluster(colours.repeat(50, 1), 3, stream)
    torch.testing.assert_close(means.sort(0).values, colours.sort(0).values)
    assert palette_fitting.cluster(colours[:1].repeat(9, 1), 4, stream).isfinite().all()


def test_moving_by_the_nearest_pixel_is_exact(make, stream, photo, psnr):
    canvas = make()
    canvas.start(photo, stream)
    warp = motion.affine(zoom=1.05, rotate=4, sampling="nearest")
    expected = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    assert psnr(canvas.forward(), expected) > 60


def test_moving_smoothly_shows_what_few_colours_can(make, stream, photo, psnr):
    """A moved picture has colours between the palettes' own, which nothing can show: 24 dB, and 34 nowhere."""
    canvas = make(palettes=4)
    canvas.start(photo, stream)
    warp = motion.affine(zoom=1.03, rotate=2)
    expected = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    assert psnr(canvas.forward(), expected) > 24


def test_slow_motion_is_not_swallowed_by_rounding(make, stream):
    """Ten shifts of 0.3 pixels are one of 3."""
    half = torch.zeros(1, 3, 48, 64)
    half[..., 32:] = 1
    canvas = make(colours="black white")
    canvas.start(half, stream)
    for _ in range(10):
        canvas.warp(motion.affine(translate_x=0.3, infill="smear"))
    edge = canvas.forward()[0, 0, 24].detach().as_subclass(torch.Tensor)
    assert edge.tolist() == [0.0] * 35 + [1.0] * 29


def test_large_pixels(make):
    canvas = make(width=10, height=7, pixel_size=4, random_palettes=True)
    picture = canvas.forward()
    assert picture.shape == (1, 3, 7, 10)
    assert torch.equal(picture[..., :4, :4], picture[..., :1, :1].expand(-1, -1, 4, 4))


@pytest.mark.parametrize("palettes", [1, 2, 7])
def test_palettes_in_use(palettes):
    """Zero where each has a part to itself; the logarithm of their number where one has all, or all have each place."""
    logits = 60 * F.one_hot(torch.arange(palettes * 3) % palettes, palettes).float().T.view(1, palettes, 3, palettes)
    made = palette.Palette(torch.zeros(2, palettes, 3), torch.zeros(2), logits)
    assert float(palette.palette_use(made, 1.0)) == pytest.approx(0, abs=1e-5)
    for bad in (torch.zeros_like(logits), logits[..., :1, :1].expand_as(logits)):
        made = palette.Palette(torch.zeros(2, palettes, 3), torch.zeros(2), bad.clone().requires_grad_())
        loss = palette.palette_use(made, 1.0)
        assert float(loss.detach()) == pytest.approx(math.log(palettes), abs=1e-5)
        loss.backward()
        assert made.logits.grad.isfinite().all()


def test_palette_losses_do_not_depend_on_size(stream):
    logits = 3 * stream.normal(1, 4, 6, 5)
    losses = [
        palette.palette_use(palette.Palette(torch.zeros(2, 4, 3), torch.zeros(2), one), 1.0)
        for one in (logits, logits.repeat_interleave(8, 2).repeat_interleave(8, 3))
    ]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-5)


def test_brightness_rises_evenly():
    grey = palette.ramp(5, 2.0).view(5, 1, 1).expand(5, 3, 3)
    made = palette.Palette(grey, palette.ramp(5, 2.0), torch.zeros(1, 3, 1, 1))
    assert float(palette.palette_brightness(made, 1.0)) == pytest.approx(0, abs=1e-10)
    black = torch.zeros(5, 3, 3, requires_grad=True)
    loss = palette.palette_brightness(palette.Palette(black, palette.ramp(5, 1.0), made.logits), 2.0)
    assert float(loss.detach()) == pytest.approx(2 * (torch.linspace(0, 1, 5) ** 2).mean())
    loss.backward()
    assert black.grad.isfinite().all()


def test_palettes_rise_from_black(make, stream):
    """Those of a white square on black are black but for one colour; brightness parts them."""
    canvas, logo = make(palettes=2, palette_size=4), torch.zeros(1, 3, 48, 64)
    logo[..., 20:28, 28:36] = 1
    canvas.start(logo, stream)
    optimiser = torch.optim.Adam([canvas.palette], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        palette.palette_brightness(canvas.forward().palette, 1.0).backward()
        optimiser.step()
    colours = canvas.forward().palette.colours.detach()
    expected = torch.linspace(0, 1, 4).unsqueeze(1).expand(4, 2)
    torch.testing.assert_close(palette_fitting.brightness(colours), expected, atol=0.1, rtol=0)


def halves(left, right):
    """Places [1, 1, 4, 8] that differ left and right."""
    return torch.cat((left.expand(1, -1, 4, 4), right.expand(1, -1, 4, 4)), 3)


def test_palettes_are_to_be_in_use_where_the_mask_is():
    """Left one palette has all, right both have half each: the mask says which of the two it is about."""
    owned = 60 * F.one_hot(torch.tensor([0, 0, 1, 1]), 2).float().T.view(1, 2, 1, 4)
    logits = halves(torch.tensor([60.0, 0]).view(1, 2, 1, 1), owned)
    made = palette.Palette(torch.zeros(2, 2, 3), torch.zeros(2), logits)
    left = halves(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert float(palette.palette_use(made, 1.0, mask=left)) == pytest.approx(math.log(2), abs=1e-5)
    assert float(palette.palette_use(made, 1.0, mask=1 - left)) == pytest.approx(0, abs=1e-5)


def test_palettes_are_kept_bright_where_the_mask_is():
    """One palette is as it should be, the other all dark; each counts by the part of its places in the mask."""
    grey, dark = palette.ramp(5, 1.0).view(5, 1, 1).expand(5, 1, 3), torch.full((5, 1, 3), 0.1)
    colours = torch.cat((grey, dark), 1).requires_grad_()
    logits = halves(torch.tensor([60.0, 0]).view(1, 2, 1, 1), torch.tensor([0.0, 60]).view(1, 2, 1, 1))
    made = palette.Palette(colours, palette.ramp(5, 1.0), logits.requires_grad_())
    left = halves(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    away = float(((palette.ramp(5, 1.0) - 0.1) ** 2).mean())
    found = [palette.palette_brightness(made, 1.0, mask=mask).detach() for mask in (left, 1 - left, left + 0.5)]
    assert [float(one) for one in found] == pytest.approx([0, away, away / 4], abs=1e-6)
    palette.palette_brightness(made, 1.0, mask=1 - left).backward()
    assert logits.grad is None, "it is about colours: places do not give way"
    assert colours.grad[:, 0].abs().max() < 1e-20 < colours.grad[:, 1].abs().max(), "only the one inside is moved"


def graph(**canvas):
    return Graph.build(
        {
            "seed": 1,
            "clock": {"frames": 2, "steps": 3},
            "nodes": {
                "drift": {"type": "motion.affine", "zoom": 1.05},
                "canvas": {"type": "image.palette", "width": 16, "height": 12, "warp": "drift", **canvas},
                "plain": {"type": "loss.smoothness", "image": "canvas"},
                "bright": {"type": "loss.palette_brightness", "palette": "canvas.palette"},
                "use": {"type": "loss.palette_use", "palette": "canvas.palette"},
                "optimise": {"type": "optimize.adam", "losses": ["plain", "bright", "use"]},
            },
        }
    )


@pytest.mark.parametrize(("palettes", "size"), [(1, 5), (3, 4), (3, 1)])
def test_losses_take_the_palette_from_the_image(palettes, size):
    frames = list(graph(palettes=palettes, palette_size=size, random_palettes=True).render(output="canvas"))
    assert len(frames) == 2
    assert all(frame.tensor.isfinite().all() for frame in frames)


def test_palettes_are_drawn_and_written(tmp_path):
    """A row of squares for each palette, from dark to bright; a writer saves them beside the picture."""
    colours = {"colours": "black red | blue white", "lock_palettes": True}
    nodes = {
        "canvas": {"type": "image.palette", "width": 16, "height": 12, **colours},
        "drawn": {"type": "picture.swatches", "palette": "canvas.palette", "side": 4},
        "saved": {"type": "write.frames", "image": "drawn", "folder": "colours"},
    }
    list(Graph.build({"nodes": nodes}).render(tmp_path / "run"))
    with Image.open(tmp_path / "run" / "colours" / "00000.png") as picture:
        assert picture.size == (8, 8)
        shown = [picture.getpixel((x, y)) for y in (3, 4) for x in (3, 4)]
    assert shown == [(0, 0, 0), (255, 0, 0), (0, 0, 255), (255, 255, 255)]


def test_the_palette_is_no_image():
    with pytest.raises(GraphError, match="Palette"):
        graph().override({"plain.image": "canvas.palette"}).check()
    with pytest.raises(GraphError, match="no port 'paletes'"):
        graph().override({"use.palette": "canvas.paletes"}).check()


def test_losses_of_palettes_alone_do_not_paint():
    """It says which loss is missing."""
    made = graph().override({"optimise.losses": ["bright"]})
    with pytest.raises(RenderError, match=r"no gradient comes to its parameter 'layer_1x1'.*; a loss that looks at"):
        list(made.render(output="canvas"))


def test_losses_of_locked_palettes_say_so():
    with pytest.raises(RenderError, match=r"the palettes are locked, so this loss can change nothing .* leave it out"):
        list(graph(lock_palettes=True).render(output="canvas"))
