"""Pictures at a lower resolution, and crops of them."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Graph, Prompts, PyttiGraphError, installed
from pytti_graph.nodes.coarse import coarse, coarse_size
from pytti_graph.nodes.cutouts import classic, encode, render
from pytti_graph.nodes.prompt_loss import prompts
from pytti_graph.nodes.prompt_masks import Area, Half
from pytti_graph.nodes.smart_cutouts import smart
from pytti_graph.testing import TinyPerceptor, stream, tiny_image
from pytti_graph.testing.tiny import NODES

MODELS = ["image.rgb", "image.pyramid", "image.fourier", "image.palette", "image.network", "image.latent"]


def test_at_1_it_is_the_picture_itself():
    picture = tiny_image(40, 60)
    assert coarse(picture, 1.0) is picture
    assert coarse(picture, 0.999) is picture  # less than half a pixel smaller


def test_it_is_smaller_by_the_resolution():
    assert coarse(tiny_image(64, 96), 0.5).shape == (1, 3, 32, 48)
    assert coarse(tiny_image(96, 64), 0.25).shape == (1, 3, 24, 16)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (512, 32)])
def test_it_does_not_become_tiny(height, width):
    assert min(coarse(tiny_image(height, width), 0.0).shape[-2:]) == 16


def test_a_tiny_picture_stays_as_it_is():
    picture = tiny_image(9, 13)
    assert coarse(picture, 0.0) is picture


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000), st.floats(0, 1), st.floats(0, 1))
def test_sizes_keep_the_aspect_and_rise_with_the_resolution(height, width, one, other):
    rows, columns = coarse_size(height, width, one)
    assert 1 <= rows <= height
    assert 1 <= columns <= width
    assert abs(rows * width - columns * height) <= max(height, width) / 2 + 1e-6  # half a pixel of the longer side
    larger = coarse_size(height, width, max(one, other))
    assert larger >= coarse_size(height, width, min(one, other))
    assert coarse_size(height, width, 1.0) == (height, width)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_plain_picture_stays_plain(resolution, level):
    made = coarse(torch.full((1, 3, 50, 70), level), resolution)
    torch.testing.assert_close(made, torch.full_like(made, level))


def test_what_is_too_fine_vanishes():
    """Stripes of one pixel are grey at half the size, not stripes of their own (aliases)."""
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)
    made = coarse(stripes, 0.4)[..., 2:-2]
    assert float((made - 0.5).abs().max()) < 0.05


@pytest.mark.parametrize(("up", "down"), [(1, 4), (2, 5), (9, 10)])
def test_it_shows_what_exact_averages_show(natural, psnr, up, down):
    picture = natural(120, 160)
    averages = F.avg_pool2d(F.interpolate(picture, scale_factor=up, mode="nearest"), down)
    assert psnr(coarse(picture, up / down), averages) > 30


def test_gradient():
    picture = tiny_image(20, 24).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda image: coarse(image, 0.8), picture)


def test_gradients_have_no_blocks():
    """They flow from pixel to pixel: no step at the edges of coarse pixels, which would be seen as a grid."""
    picture = tiny_image(64, 64).requires_grad_()
    made = coarse(picture, 0.25)
    waves = torch.sin(torch.arange(16.0)).expand_as(made)
    (made * waves).sum().backward()
    steps = picture.grad[0, 0, 32, 4:-4].diff().abs()
    within = [step for place, step in enumerate(steps) if (place + 1) % 4]
    assert float(steps[3::4].max()) <= float(torch.stack(within).max()) * 1.01


def crops_of(picture, cut=smart, **arguments):
    return cut(picture, stream(), 8, **{"count": 12, **arguments})


@pytest.mark.parametrize("border_mode", ["clamp", "mirror", "black"])
def test_crops_are_cut_at_the_same_places(border_mode):
    picture = tiny_image(64, 96)
    full, low = (crops_of(image, border_mode=border_mode) for image in (picture, coarse(picture, 0.25)))
    torch.testing.assert_close(low.transforms, full.transforms, atol=1e-5, rtol=1e-5)


def test_classic_crops_show_the_whole_of_a_picture_that_is_smaller_than_they_are():
    made = classic(coarse(tiny_image(64, 96), 0.25), stream(), 24, count=12)
    torch.testing.assert_close(made.transforms[:, 1, 1], torch.ones(12))


def test_crops_of_a_coarse_picture_show_the_same(natural, psnr):
    """As long as they are coarser than it; others show the same without detail."""
    picture = natural(128, 192)
    full, low = (render(crops_of(image, smallest=0.5)) for image in (picture, coarse(picture, 0.5)))
    assert psnr(full, low) > 33
    full, low = (render(crops_of(image, smallest=0.1)) for image in (picture, coarse(picture, 0.25)))
    assert 20 < psnr(full, low) < 60


def test_it_is_sampled_less(natural):
    """The values kept for the gradient of the crops fall with the area of the picture."""

    def kept(picture):
        sizes = []
        crops = crops_of(picture.requires_grad_(), count=1)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            render(crops)
        return sum(sizes)

    picture = natural(256, 256)
    assert kept(coarse(picture, 0.25)) < kept(picture) / 4


@pytest.mark.parametrize("mask", [Half(0, False, 0.5), Half(1, True, 0.3), Area.of(tiny_image(32, 48), False)])
def test_prompt_masks_lie_where_they_did(mask):
    picture, eye = tiny_image(64, 96), TinyPerceptor()
    full, low = (mask(encode([eye], crops_of(image))) for image in (picture, coarse(picture, 0.25)))
    torch.testing.assert_close(low, full, atol=1e-4, rtol=0)


def test_gradients_of_crops_reach_every_pixel():
    """Whatever the resolution, and none of them is without."""
    picture, eye = tiny_image(64, 96).requires_grad_(), TinyPerceptor()
    seen = encode([eye], crops_of(coarse(picture, 0.3), count=20), 2)
    wanted = Prompts(eye.encode_texts(["a castle"]), torch.ones(1), torch.full((1,), -9.0))
    prompts(seen, wanted).backward()
    assert (picture.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_every_image_model_can_be_seen_coarsely(model):
    """The canvas keeps its size; all of its parameters get a gradient at every step, or the engine would refuse."""
    extra = {"image.latent": {"model": "random"}, "image.network": {"units": 16, "start_steps": 2}}.get(model, {})
    graph = Graph.build(
        {
            "seed": 1,
            "clock": {"steps": 4},
            "nodes": {
                "eye": {"type": "tiny.perceptor"},
                "story": {"type": "prompt.scenes", "perceptor": "eye", "scenes": "a castle:1_l | fog"},
                "canvas": {"type": model, "width": 48, "height": 32, **extra},
                "rough": {"type": "picture.coarse", "image": "canvas", "resolution": "min(1, 0.4 + progress)"},
                "crops": {"type": "cutout.smart", "image": "rough", "perceptor": "eye", "count": 4},
                "seen": {"type": "encode.cutouts", "perceptor": "eye", "cutouts": "crops"},
                "meaning": {"type": "loss.prompts", "seen": "seen", "prompts": "story"},
                "optimise": {"type": "optimize.adam", "losses": ["meaning"]},
            },
        },
        registry=installed().with_nodes(*NODES),
    )
    [frame] = graph.render(output="canvas")
    assert frame.tensor.shape == (1, 3, 32, 48)
    assert frame.tensor.isfinite().all()


def test_crops_become_larger_while_a_picture_is_made():
    """Their size is a formula; a perceptor that looks at one size alone says at which."""
    nodes = {
        "eye": {"type": "perceptor.imagenet", "size": 48},
        "story": {"type": "prompt.scenes", "perceptor": "eye", "scenes": "a castle"},
        "canvas": {"type": "tiny.canvas"},
        "crops": {
            "type": "cutout.smart",
            "image": "canvas",
            "size": "round(eye.size*min(1, 0.7 + progress))",
            "count": 2,
        },
        "shaken": {"type": "augment.classic", "cutouts": "crops"},
        "seen": {"type": "encode.cutouts", "perceptor": "eye", "cutouts": "shaken"},
        "meaning": {"type": "loss.prompts", "seen": "seen", "prompts": "story"},
        "optimise": {"type": "optimize.adam", "losses": ["meaning"]},
    }
    registry = installed().with_nodes(*NODES)
    graph = Graph.build({"seed": 1, "clock": {"steps": 3}, "nodes": nodes}, registry=registry)
    [frame] = graph.render(output="canvas")
    assert frame.tensor.isfinite().all()
    nodes["eye"] = {"type": "tiny.perceptor"}
    with pytest.raises(PyttiGraphError, match="the crops are 6 px wide, but tiny looks at 8 px"):
        list(Graph.build({"seed": 1, "clock": {"steps": 3}, "nodes": nodes}, registry=registry).render(output="canvas"))
