"""Seamless tiles, symmetry, inpainting."""

import pytest
import torch

from pytti_graph import Graph, RenderError, UsageError
from pytti_graph.nodes.compositions import inpaint, symmetry, tile

MIRRORS = ("left-right", "up-down", "both", "diagonal")


def noise(height=24, width=24, channels=3):
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def smooth(height=96, width=128):
    """A picture without any period."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, (x * y).sqrt()])[None].double()


def test_a_tile_is_smaller_by_the_overlap():
    assert tile(noise(20, 30), 4).shape == (1, 3, 16, 26)


def test_a_tile_has_no_seam():
    """The step across its edges is no larger than the steps within."""
    made = tile(smooth(), 32)
    twice = torch.cat([made, made], 3), torch.cat([made, made], 2)
    for picture, dim, length in ((twice[0], 3, made.shape[3]), (twice[1], 2, made.shape[2])):
        steps = picture.diff(dim=dim).abs().amax((0, 1, 5 - dim))
        assert steps[length - 1] <= steps.max() * 0.5
    bare = torch.cat([smooth(), smooth()], 3).diff(dim=3).abs().amax((0, 1, 2))
    assert bare[127] > 10 * bare[:127].max()


def test_the_middle_of_a_tile_is_the_picture():
    picture = noise(20, 30)
    assert torch.equal(tile(picture, 4)[..., 4:, 4:], picture[..., 4:16, 4:26])


def test_an_overlap_that_is_too_large():
    with pytest.raises(UsageError, match="more than half") as caught:
        tile(noise(20, 30), 11)
    assert caught.value.problem.argument == "overlap"


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 9), (1, 1)])
def test_symmetry_is_what_it_says(height, width):
    picture = noise(height, width)
    assert torch.equal(symmetry(picture, "left-right"), symmetry(picture, "left-right").flip(3))
    assert torch.equal(symmetry(picture, "up-down"), symmetry(picture, "up-down").flip(2))
    assert torch.equal(symmetry(picture, "both"), symmetry(picture, "both").flip(2, 3))
    assert torch.equal(symmetry(picture, "left-right")[..., : (width + 1) // 2], picture[..., : (width + 1) // 2])


def test_diagonal_symmetry():
    made = symmetry(noise(5, 5), "diagonal")
    assert torch.equal(made, made.transpose(2, 3))
    with pytest.raises(UsageError, match="no diagonal"):
        symmetry(noise(5, 6), "diagonal")


@pytest.mark.parametrize("mirror", MIRRORS)
def test_a_symmetrical_picture_stays_as_it_is(mirror):
    made = symmetry(noise(), mirror)
    assert torch.equal(symmetry(made, mirror), made)


def test_only_the_masked_part_changes():
    picture, painted = noise(), noise().flip(3)
    mask = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    mask[..., :12] = 1
    made = inpaint(painted, picture, mask)
    assert torch.equal(made[..., 12:], picture[..., 12:])
    assert torch.equal(made[..., :12], painted[..., :12])


def test_inpainting_fits_picture_and_mask_to_the_image():
    made = inpaint(noise(8, 8), torch.ones(1, 3, 32, 32).double(), torch.zeros(1, 1, 16, 16).double())
    assert torch.allclose(made, torch.ones(1, 3, 8, 8).double())


@pytest.mark.parametrize(
    "function",
    [
        lambda picture: tile(picture, 2),
        *(lambda picture, mirror=mirror: symmetry(picture, mirror) for mirror in MIRRORS),
        lambda picture: inpaint(picture, noise(5, 5), noise(5, 5, 1)),
    ],
)
def test_gradients(function):
    assert torch.autograd.gradcheck(function, noise(5, 5).requires_grad_())


@pytest.mark.parametrize("model", ["image.rgb", "image.pyramid"])
def test_they_work_with_image_models(model):
    """One after the other, in a graph."""
    graph = Graph.build(
        {
            "seed": 1,
            "clock": {"steps": 4},
            "nodes": {
                "canvas": {"type": model, "width": 20, "height": 20},
                "even": {"type": "picture.symmetry", "image": "canvas"},
                "seamless": {"type": "picture.tile", "image": "even", "overlap": 4},
                "smooth": {"type": "loss.smoothness", "image": "seamless"},
                "optimise": {"type": "optimize.adam", "losses": ["smooth"]},
            },
        }
    )
    [frame] = graph.render(output="seamless")
    assert frame.tensor.shape == (1, 3, 16, 16)


def test_a_single_pixel_makes_no_tile():
    with pytest.raises(UsageError) as caught:
        tile(noise(1, 1), 1)
    assert caught.value.problem.hint == "make the picture at least 2 px wide and high"


def test_a_node_of_a_graph_tells_what_is_wrong_where():
    graph = Graph.parse(
        "pytti_graph: 1\nclock: {steps: 1}\nnodes:\n"
        "  canvas: {type: image.rgb, width: 20, height: 20}\n"
        "  seamless: {type: picture.tile, image: canvas, overlap: 15}\n"
        "  smooth: {type: loss.smoothness, image: seamless}\n"
        "  optimise: {type: optimize.adam, losses: [smooth]}\n"
    )
    with pytest.raises((UsageError, RenderError), match="write at most 10") as caught:
        list(graph.render(output="seamless"))
    assert caught.value.problem.position.line == 5
