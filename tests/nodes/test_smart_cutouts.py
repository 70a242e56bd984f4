"""Crops that are spread evenly."""

import pytest
import torch

from pytti_graph import UsageError
from pytti_graph.nodes.smart_cutouts import smart
from pytti_graph.testing import stream, tiny_image


def cut(height=64, width=96, **arguments):
    crops = smart(tiny_image(height, width), stream(arguments.pop("seed", 0)), **{"size": 8, **arguments})
    shorter = min(height, width)
    sides = crops.transforms[:, 0, 0] * width
    assert torch.allclose(sides, crops.transforms[:, 1, 1] * height)
    return crops, sides / shorter


def test_a_share_shows_the_whole_picture():
    _, sides = cut(count=20, overview=0.25)
    assert (sides > 0.96).sum() >= 5
    assert (sides[:15].diff() > 0).all()


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
    crops, _ = cut(height, width, count=24, overview=0, border_mode="clamp", border=0.5)
    reach = crops.transforms[:, [0, 1], [2, 2]].abs() + crops.transforms[:, [0, 1], [0, 1]]
    assert reach.max() <= 1 + 1e-5


def test_crops_stick_out_by_a_part_of_their_side():
    crops, _ = cut(count=64, overview=0, border=0.25)
    over = crops.transforms[:, [0, 1], [2, 2]].abs() + crops.transforms[:, [0, 1], [0, 1]] - 1
    limit = 2 * 0.25 * crops.transforms[:, [0, 1], [0, 1]]
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
