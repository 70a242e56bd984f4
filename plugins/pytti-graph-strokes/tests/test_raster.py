"""The rasteriser: against a supersampled reference, the order of strokes, gradients, and what is left out."""

from dataclasses import replace

import pytest
import torch

from pytti_graph_strokes import raster
from pytti_graph_strokes.curves import bernstein, coverage, nearest
from pytti_graph_strokes.raster import paint
from pytti_graph_strokes.strokes import Strokes

KINDS = ("disks", "colours", "opacities")


def gaps(disks, points, count=2001):
    """Distance [K, P] of points to the nearest of many disks of each stroke."""
    along = bernstein(torch.linspace(0, 1, count, dtype=disks.dtype)) @ disks
    return torch.stack([(torch.cdist(points, stroke[:, :2]) - stroke[:, 2]).amin(1) for stroke in along])


def supersampled(disks, width, height, times=8):
    """The part of each pixel that a stroke covers: [height, width]."""
    y, x = ((torch.arange(n * times, dtype=disks.dtype) + 0.5) / times for n in (height, width))
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    inside = (gaps(disks, points, 300)[0] < 0).to(disks.dtype)
    return inside.view(height, times, width, times).mean((1, 3))


def one_stroke(disks, opacity=0.95, **more):
    """A black stroke on white paper."""
    size = {"width": 40, "height": 28} | more
    return Strokes(torch.tensor([disks]), torch.zeros(1, 3), torch.tensor([opacity]), torch.ones(3), **size)


@pytest.mark.parametrize("seed", range(6))
def test_a_stroke_covers_what_its_disks_cover(random_strokes, seed):
    """As the area of each pixel inside says, but for the softness of edges, and sharp corners."""
    strokes = replace(random_strokes(1, seed=seed), colours=torch.zeros(1, 3), paper=torch.ones(3))
    found = (1 - paint(strokes)[0, 0]) / strokes.opacities
    expected = supersampled(strokes.disks, strokes.width, strokes.height)
    assert (found - expected).abs().quantile(0.995) < 0.13
    assert (found - expected).abs().mean() < 0.005
    assert float(found.sum()) == pytest.approx(float(expected.sum()), rel=0.01)


def test_a_thin_line_is_not_lost():
    """Half a pixel wide, it is half as dark."""
    picture = paint(one_stroke([[-5.0, 10.5, 0.25], [20, 10.5, 0.25], [45, 10.5, 0.25]]))
    assert 0.3 < float(1 - picture[0, 0, :, 20].sum() + 27) < 0.8


def test_the_nearest_disk_is_found(random_strokes):
    """Wherever it matters: for points within the edge."""
    disks = random_strokes(300, 200, 200, dtype=torch.float64).disks
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 200
    at = bernstein(nearest(disks, points)) @ disks
    found = (at[..., :2] - points).norm(dim=-1) - at[..., 2]
    best = gaps(disks, points)
    off = (found - best)[best.abs() < raster.EDGE]
    assert off.quantile(0.98) < 1e-3
    assert (found > best - 0.05).all()
    assert (found[best < -1] < -raster.EDGE).float().mean() > 0.999


def test_later_strokes_lie_over_earlier_ones():
    """Each lets through what its opacity leaves (Porter & Duff's "over")."""
    disks = torch.tensor([[[4.0, 8, 9], [8, 8, 9], [12, 8, 9]]]).expand(3, -1, -1)
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    opacities, paper = torch.tensor([0.9, 0.5, 0.25]), torch.tensor([0.2, 0.4, 0.6])
    expected = paper
    for colour, opacity in zip(colours, opacities, strict=True):
        expected = opacity * colour + (1 - opacity) * expected
    picture = paint(Strokes(disks, colours, opacities, paper, 16, 16))
    torch.testing.assert_close(picture[0, :, 8, 8], expected)


def test_opacity_is_how_much_hides_the_paper():
    picture = paint(one_stroke([[10.0, 14, 6], [20, 14, 6], [30, 14, 6]], opacity=0.3))
    assert float(picture[0, 0, 14, 20]) == pytest.approx(0.7)
    assert float(picture[0, 0, 2, 20]) == 1


def test_a_point_is_a_disk():
    """A stroke that stands still covers the area of its largest disk."""
    picture = paint(one_stroke([[20.0, 14, 3], [20, 14, 7], [20, 14, 3]], opacity=0.9))
    assert float((1 - picture[0, 0]).sum() / 0.9) == pytest.approx(torch.pi * 25, rel=0.01)


def test_what_lies_outside_does_not_show():
    picture = paint(one_stroke([[-30.0, 5, 4], [-20, 5, 4], [-10, 5, 4]]))
    assert torch.equal(picture, torch.ones(1, 3, 28, 40))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 8), (9, 3), (40, 28)])
def test_any_size(random_strokes, width, height):
    """Also those that tiles do not divide."""
    whole = random_strokes(20)
    picture = paint(replace(whole, width=width, height=height))
    torch.testing.assert_close(picture, paint(whole)[..., :height, :width])


def test_leaving_out_what_a_tile_does_not_touch_changes_nothing(random_strokes, monkeypatch):
    strokes = random_strokes(60, 120, 90)
    culled = paint(strokes)
    monkeypatch.setattr(raster, "touching", lambda disks, centres: torch.ones(len(centres), len(disks)).bool())
    torch.testing.assert_close(paint(strokes), culled, atol=1e-5, rtol=0)


def test_a_small_budget_changes_nothing(random_strokes, monkeypatch):
    """Tiles are then painted in groups, and again for the gradient."""
    strokes = random_strokes(60, 120, 90)
    leaves = [getattr(strokes, kind).requires_grad_() for kind in KINDS]
    wanted = torch.rand(1, 3, 90, 120, generator=torch.Generator().manual_seed(1))

    def outcome():
        picture = paint(strokes)
        return [picture, *torch.autograd.grad((picture * wanted).sum(), leaves)]

    at_once = outcome()
    monkeypatch.setattr(raster, "BUDGET", 5000)
    assert len(list(raster.find_touches(strokes.disks.detach(), 12, 15))) > 5
    for found, expected in zip(outcome(), at_once, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(random_strokes, kind):
    """For every number of every stroke, as differences say."""
    strokes = random_strokes(4, 20, 12, dtype=torch.float64)
    wanted = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    value = getattr(strokes, kind).clone().requires_grad_()

    def loss(changed):
        return (paint(replace(strokes, **{kind: changed})) * wanted).sum()

    assert torch.autograd.gradcheck(loss, value, eps=1e-6, atol=5e-3, rtol=1e-2)


def test_gradients_are_finite_in_the_middle_of_a_stroke():
    """Where the distance has a corner."""
    disks = torch.tensor([[[0.0, 0, 0.1], [0, 0, 0.1], [0, 0, 0.1]]]).requires_grad_()
    coverage(disks, torch.zeros(1, 2), 1.0).sum().backward()
    assert disks.grad.isfinite().all()


def test_no_global_random_numbers_are_drawn(random_strokes, monkeypatch):
    """Not even by painting again."""
    monkeypatch.setattr(raster, "BUDGET", 5000)
    before = torch.get_rng_state()
    strokes = random_strokes(30, 60, 60)
    strokes.disks.requires_grad_()
    paint(strokes).sum().backward()
    assert torch.equal(torch.get_rng_state(), before)
