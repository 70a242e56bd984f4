"""Crops that are spread evenly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Graph, Prompts, Stepped, UsageError, installed
from pytti_graph.nodes.cutouts import encode
from pytti_graph.nodes.prompt_loss import prompts
from pytti_graph.nodes.smart_cutouts import coherent, smart
from pytti_graph.testing import TinyPerceptor, stream, tiny_image
from pytti_graph.testing.tiny import NODES


def cut(height=64, width=96, **arguments):
    crops = smart(tiny_image(height, width), stream(arguments.pop("seed", 0)), **{"size": 8, **arguments})
    shorter = min(height, width)
    sides = crops.transforms[:, 0, 0] * width
    assert torch.allclose(sides, crops.transforms[:, 1, 1] * height)
    return crops, sides / shorter


def shown(crops):
    """Which part of the picture each crop shows, and which part of each crop lies outside of it."""
    centre, half = crops.transforms[:, [0, 1], [2, 2]], crops.transforms[:, [0, 1], [0, 1]]
    seen = ((centre + half).clamp(max=1) - (centre - half).clamp(min=-1)).prod(1)
    return seen / 4, 1 - seen / (4 * half.prod(1))


def test_a_share_shows_the_picture_as_a_whole():
    _, sides = cut(count=20, overview=0.25)
    assert (sides > 0.96).sum() >= 5
    assert (sides[:15].diff() > 0).all()


@pytest.mark.parametrize(("border", "mean"), [(0.1, 0.9), (0.03, 0.96), (1, 0.9)])
def test_crops_of_the_whole_show_most_of_it(border, mean):
    """However far others may stick out."""
    seen, _ = shown(cut(64, 64, count=400, overview=1, border=border)[0])
    assert seen.min() > 0.75
    assert float(seen.mean()) == pytest.approx(mean, abs=0.015)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (96, 64)])
@pytest.mark.parametrize("border", [{"border_mode": "clamp"}, {"border_mode": "black", "border": 0}])
def test_crops_of_the_whole_stay_inside_where_crops_do(height, width, border):
    """And show all but a rim of the largest square that there is."""
    seen, outside = shown(cut(height, width, count=400, overview=1, **border)[0])
    assert outside.max() < 1e-5
    assert seen.min() > 0.94 * min(height, width) / max(height, width)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_crops_too_show_the_whole(count):
    assert (cut(count=count)[1] > 0.96).sum() >= 1
    assert shown(cut(64, 64, count=count, border=0)[0])[0].max() > 0.94
    assert (cut(count=count, overview=0)[1] <= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_there_is_a_crop_of_every_scale(seed):
    """One in each of equal parts of the range of ratios."""
    _, sides = cut(count=10, overview=0, smallest=0.25, seed=seed)
    part = (sides.log() / torch.tensor(0.25).log() * 10).floor()
    assert sorted(part.tolist()) == list(range(10))


@pytest.mark.parametrize("seed", range(5))
def test_crops_cover_the_picture_evenly(seed):
    """No quarter of it is left out, and none has more than its share and a half."""
    crops, _ = cut(64, 64, count=32, overview=0, smallest=0.2, detail=1, border_mode="clamp", border=0, seed=seed)
    small = crops.transforms[:16]
    quarters = (small[:, 0, 2] > 0).int() + 2 * (small[:, 1, 2] > 0).int()
    counts = torch.bincount(quarters, minlength=4)
    assert counts.min() >= 2
    assert counts.max() <= 7


def test_detail_comes_later():
    assert cut(count=8, overview=0, detail=0.0)[1].min() > 0.99
    assert cut(count=8, overview=0, detail=0.5, smallest=0.25)[1].min() > 0.5
    assert cut(count=8, overview=0, detail=1.0, smallest=0.25)[1].min() < 0.35


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (33, 33)])
def test_clamped_crops_stay_inside(height, width):
    crops, _ = cut(height, width, count=24, border_mode="clamp", border=0.5)
    reach = crops.transforms[:, [0, 1], [2, 2]].abs() + crops.transforms[:, [0, 1], [0, 1]]
    assert reach.max() <= 1 + 1e-5


@pytest.mark.parametrize(("overview", "border"), [(0, 0.25), (1, 0.01), (1, 0.08)])
def test_crops_stick_out_by_a_part_of_their_side(overview, border):
    crops, _ = cut(count=64, overview=overview, border=border)
    over = crops.transforms[:, [0, 1], [2, 2]].abs() + crops.transforms[:, [0, 1], [0, 1]] - 1
    limit = 2 * border * crops.transforms[:, [0, 1], [0, 1]]
    assert (over <= limit + 1e-5).all()
    assert (over > 0).any()


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("overview", [0, 0.5, 1])
def test_any_count_is_kept(count, overview):
    crops, _ = cut(count=count, overview=overview)
    assert crops.transforms.shape == (count, 3, 3)
    assert crops.transforms.isfinite().all()


def test_a_size_or_a_perceptor_is_needed():
    with pytest.raises(UsageError, match="size"):
        smart(tiny_image(), stream())


def test_without_coherence_there_are_no_weights():
    crops, _ = cut(coherence=0.0)
    assert crops.weights is None
    assert torch.equal(crops.transforms, cut(coherence=2.0)[0].transforms)


@pytest.mark.parametrize("coherence", [0.5, 1.0, 3.0])
def test_crops_count_by_their_side(coherence):
    """As powers of their sides, whose mean is 1."""
    crops, sides = cut(count=12, smallest=0.1, coherence=coherence)
    wanted = sides**coherence
    torch.testing.assert_close(crops.weights, wanted / wanted.mean(), rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30), st.floats(0, 1000))
def test_coherence_is_finite_and_has_mean_1(sides, coherence):
    sides = torch.tensor(sides)
    weights = coherent(sides, coherence)
    assert weights.isfinite().all()
    assert (weights >= 0).all()
    assert float(weights.mean()) == pytest.approx(1, rel=1e-4)
    assert (weights[sides.argsort()].diff() >= 0).all()  # a larger crop never counts less


def test_each_perceptor_has_weights_of_its_own():
    crops = smart(tiny_image(), stream(), count=6, coherence=2, perceptor=[TinyPerceptor(8), TinyPerceptor(6)])
    seen = encode([TinyPerceptor(8), TinyPerceptor(6)], crops)
    for cutouts, view in zip(crops.each, seen.each, strict=True):
        assert view.weights is cutouts.weights
    assert not torch.equal(seen.weights, seen.others[0].weights)


@pytest.mark.parametrize("batches", [2, 5])
def test_batches_change_nothing_of_weighted_crops(batches):
    def gradient(batches):
        image = tiny_image(24, 24).requires_grad_()
        crops = smart(image, stream(), 8, count=7, coherence=2)
        view = encode([TinyPerceptor()], crops, batches)
        prompts(view, Prompts(view.embeddings.detach()[:2].roll(1, 1), torch.ones(2), torch.zeros(2))).backward()
        return image.grad

    torch.testing.assert_close(gradient(batches), gradient(1), rtol=1e-4, atol=1e-7)


def test_coherence_is_a_formula_of_progress():
    """At a coherence of 0 in its second step, the same losses as without any; in the first, others."""

    def losses(coherence):
        graph = Graph.build(
            {
                "seed": 1,
                "clock": {"steps": 2},
                "nodes": {
                    "eye": {"type": "tiny.perceptor"},
                    "story": {"type": "prompt.scenes", "perceptor": "eye", "scenes": "a castle:1_l | fog:0.5"},
                    "canvas": {"type": "tiny.canvas"},
                    "crops": {"type": "cutout.smart", "image": "canvas", "perceptor": "eye", "coherence": coherence},
                    "shaken": {"type": "augment.classic", "cutouts": "crops"},
                    "seen": {"type": "encode.cutouts", "perceptor": "eye", "cutouts": "shaken", "batches": 3},
                    "meaning": {"type": "loss.prompts", "seen": "seen", "prompts": "story"},
                    "optimise": {"type": "optimize.adam", "losses": ["meaning"], "learning_rate": 1e-9},
                },
            },
            registry=installed().with_nodes(*NODES),
        )
        found = []

        def listen(event):
            if isinstance(event, Stepped):
                found.append(event.read_losses()["meaning"])

        list(graph.render(output="canvas", on_event=listen))
        return found

    falling, none = losses("4*(1 - 2*progress)"), losses(0)
    assert falling[0] != pytest.approx(none[0], rel=1e-4)
    assert falling[1] == pytest.approx(none[1], rel=1e-5)
