"""`image.strokes`: how it begins, starting pictures, moving, and what it refuses."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pytti_graph import UsageError, Warp, resample
from pytti_graph_strokes import layout
from pytti_graph_strokes.canvas import Canvas
from pytti_graph_strokes.colours import fitted
from pytti_graph_strokes.moving import carried, emptied, outside
from pytti_graph_strokes.raster import paint


@pytest.fixture
def make_canvas(device, make_stream):
    """Makes a canvas of 96 x 80 pixels."""

    def make(seed=0, **more):
        return Canvas(device, make_stream(seed), **{"width": 96, "height": 80, "count": 120, **more})

    return make


@pytest.fixture
def scene():
    """A picture [1, 3, 80, 96] with a sky, a hill and a round moon."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 80), torch.linspace(0, 1.2, 96), indexing="ij")
    sky = torch.stack((0.3 + 0.4 * y, 0.4 + 0.3 * y, 0.7 - 0.1 * y))
    hill = (y > 0.7 - 0.2 * (4 * x).sin()).float()
    moon = ((x - 0.9).square() + (y - 0.25).square() < 0.02).float()
    picture = sky * (1 - hill) + torch.tensor([0.2, 0.4, 0.15]).view(3, 1, 1) * hill
    return (picture * (1 - moon) + torch.tensor([0.95, 0.9, 0.7]).view(3, 1, 1) * moon)[None]


def shift(x, y):
    """A motion by pixels, to the right and down."""
    return Warp(lambda points, height, width: points - points.new_tensor([2 * x / width, 2 * y / height]))


def zoom(factor):
    return Warp(lambda points, height, width: points / factor)


def test_a_picture_with_its_strokes(make_canvas):
    painting = make_canvas().forward()
    assert painting.image.shape == (1, 3, 80, 96)
    assert 0 <= painting.image.min() <= painting.image.max() <= 1
    assert torch.equal(painting.image, paint(painting.strokes))


@pytest.mark.parametrize(("width", "height", "count"), [(1, 1, 1), (5, 64, 3), (37, 20, 50)])
def test_any_size(device, stream, scene, width, height, count):
    canvas = Canvas(device, stream, width, height, count)
    canvas.start(scene, stream)
    canvas.warp(zoom(1.2), stream)
    picture = canvas.forward().image
    assert picture.shape == (1, 3, height, width)
    assert picture.isfinite().all()


def test_the_same_stream_lays_the_same_strokes(make_canvas, make_stream, scene):
    """At the beginning, at a start and at a motion."""
    canvases = make_canvas(), make_canvas()
    assert not torch.equal(canvases[0].forward().image, make_canvas(seed=1).forward().image)
    for canvas in canvases:
        canvas.start(scene, make_stream(2))
        canvas.warp(shift(40, 0), make_stream(3))
    assert all(torch.equal(a, b) for a, b in zip(*(c.parameters().values() for c in canvases), strict=True))


def test_there_are_four_times_as_many_strokes_of_half_the_width(stream):
    widths = layout.stroke_widths(2000, 256, 256, 4, torch.zeros(1))
    assert (widths.diff() < 0).all()
    assert (widths > 4 * widths[-1]).sum() / (widths > 2 * widths[-1]).sum() == pytest.approx(0.25, abs=0.02)


def test_little_paper_is_left_bare(make_canvas):
    strokes = make_canvas().strokes()
    assert layout.bare(strokes.disks.detach(), 80, 96).mean() < 0.1


def test_a_draft_looks_alike(make_canvas, psnr):
    """Half the size, from the same random numbers: the same strokes."""
    small = make_canvas(width=48, height=40).forward().image
    assert psnr(F.avg_pool2d(make_canvas().forward().image, 2), small) > 30


def test_parameters_keep_their_identity_and_get_gradients(make_canvas, make_stream, scene):
    canvas = make_canvas()
    before = dict(canvas.parameters())
    canvas.start(scene, make_stream(0))
    canvas.warp(zoom(1.1), make_stream(0))
    after = canvas.parameters()
    assert all(after[name] is before[name] and after[name].is_leaf and after[name].requires_grad for name in before)
    (canvas.forward().image * scene).sum().backward()
    assert all(parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0 for parameter in after.values())


def test_a_picture_can_be_learned(make_canvas, scene):
    """One learning rate moves points, widths, colours and opacities to where they lower the error."""
    canvas, scene = make_canvas(count=40, width=48, height=40), F.avg_pool2d(scene, 2)
    before = (canvas.forward().image - scene).square().mean()
    optimiser = torch.optim.Adam(canvas.parameters().values(), lr=canvas.learning_rate)
    for _ in range(30):
        optimiser.zero_grad()
        loss = (canvas.forward().image - scene).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.4 * before


def test_starting_from_a_picture(make_canvas, make_stream, scene, psnr):
    """What is seen from a little distance is right, and more strokes come nearer."""
    found = []
    for count in (40, 400):
        canvas = make_canvas(count=count)
        canvas.start(scene, make_stream(1))
        found.append(psnr(F.avg_pool2d(canvas.forward().image, 4), F.avg_pool2d(scene, 4)))
    assert found[0] > 15
    assert found[1] > 25


def test_fitted_colours_are_the_best(make_canvas, scene, stream):
    """Any other colours of the same strokes are farther from the picture."""
    canvas = make_canvas()

    def error(colours):
        with torch.no_grad():
            return float((paint(replace(canvas.strokes(), colours=colours)) - scene).square().sum())

    with torch.no_grad():
        best = fitted(canvas.strokes(), scene)
    assert all(error(best) < error(best + 0.05 * stream.normal(*best.shape)) for _ in range(5))


def test_strokes_follow_edges(scene, stream):
    """They run along the border between two halves, not across it."""
    halves = torch.zeros(1, 3, 64, 64)
    halves[..., 32:] = 1
    disks = layout.along(layout.structure(halves), torch.full((20, 2), 32.0), torch.full((20,), 6.0), 4, stream)
    way = (disks[:, 2, :2] - disks[:, 0, :2]).abs()
    assert (way[:, 1] > 5 * way[:, 0]).all()


def test_standing_still_changes_nothing(make_canvas, make_stream):
    canvas = make_canvas()
    before = canvas.forward().image.detach()
    inside = ~outside(canvas.strokes().disks.detach(), 80, 96)
    assert inside.all()
    canvas.warp(shift(0, 0), make_stream(0))
    torch.testing.assert_close(canvas.forward().image, before, atol=1e-3, rtol=0)


def kept(strokes, among):
    """The picture of some of the strokes."""
    return paint(
        replace(strokes, disks=strokes.disks[among], colours=strokes.colours[among], opacities=strokes.opacities[among])
    ).detach()


def before_and_after(canvas, warp, stream):
    """Pictures of the strokes that stay, before and after a motion."""
    strokes = canvas.strokes()
    points, magnified = carried(strokes.disks[..., :2].detach().flatten(0, 1), warp, 80, 96)
    moved = torch.cat((points.view(-1, 3, 2), (strokes.disks[..., 2].detach() * magnified.view(-1, 3)).unsqueeze(2)), 2)
    among = ~outside(moved, 80, 96)
    canvas.warp(warp, stream)
    return kept(strokes, among), kept(canvas.strokes(), among)


def test_shifting(make_canvas, make_stream):
    """By whole pixels: the same picture elsewhere."""
    before, after = before_and_after(make_canvas(), shift(5, -3), make_stream(0))
    torch.testing.assert_close(after[..., :-3, 5:], before[..., 3:, :-5], atol=2e-3, rtol=0)


@pytest.mark.parametrize("factor", [0.9, 1.25])
def test_moving_strokes_moves_the_picture(make_canvas, make_stream, psnr, factor):
    """Zooming strokes gives sharper edges than zooming pixels, and the same picture otherwise."""
    before, after = before_and_after(make_canvas(), zoom(factor), make_stream(0))
    inner = (..., slice(8, -8), slice(8, -8))
    assert psnr(after[inner], resample(before, zoom(factor))[inner]) > 30


def test_points_are_carried_to_where_they_come_from(stream):
    """The inverse of any smooth field, whatever the turn."""

    def field(points, height, width):
        x, y = points.unbind(-1)
        return torch.stack((-y + 0.1 * (2 * x).sin(), x * 0.8 + 0.05 * y * y), -1)

    origins = stream.uniform(50, 2) * torch.tensor([96, 80])
    found, magnified = carried(origins, Warp(field), 80, 96)
    size = torch.tensor([96.0, 80.0])
    there = (field(found * 2 / size - 1, 80, 96) + 1) * size / 2
    torch.testing.assert_close(there, origins, atol=1e-2, rtol=0)
    assert (magnified > 1).all()


def test_magnification(stream):
    _, magnified = carried(stream.uniform(9, 2) * 50, zoom(1.3), 80, 96)
    torch.testing.assert_close(magnified, torch.full((9,), 1.3), atol=1e-2, rtol=0)


def test_strokes_that_leave_come_back_where_it_is_empty(make_canvas, make_stream):
    """In the colour found there: the border's, mirrored."""
    canvas = make_canvas()
    before = canvas.strokes().disks.detach()
    moved = torch.cat((before[..., :2] + torch.tensor([60, 0]), before[..., 2:]), 2)
    gone = outside(moved, 80, 96)
    assert 20 < gone.sum() < 100
    canvas.warp(shift(60, 0), make_stream(0))
    disks = canvas.strokes().disks.detach()
    torch.testing.assert_close(disks[~gone], moved[~gone], atol=1e-2, rtol=1e-3)
    middle = disks[gone].mean(1)
    assert not outside(disks, 80, 96).any()
    assert (middle[:, 0] < 62).float().mean() > 0.9


def test_places_for_strokes_are_empty_if_any_is(make_stream):
    places, origins = emptied(40, shift(48, 0), 80, 96, make_stream(0))
    torch.testing.assert_close(places - torch.tensor([48.0, 0]), origins, atol=1e-3, rtol=0)
    assert (origins[:, 0] < 0).float().mean() > 0.9


def test_many_motions_blow_nothing_up(make_canvas, make_stream):
    canvas = make_canvas()
    for number in range(30):
        canvas.warp(zoom(1.1 if number % 3 else 0.8), make_stream(number))
    assert canvas.forward().image.isfinite().all()
    assert all(parameter.isfinite().all() for parameter in canvas.parameters().values())


def test_paper(make_canvas):
    canvas = make_canvas(paper="navy", count=1, thickness=0.01)
    torch.testing.assert_close(canvas.forward().image[0, :, 0, 0], torch.tensor([0, 0, 128 / 255]))


def test_a_paper_that_is_no_colour(make_canvas):
    with pytest.raises(UsageError, match="'parchmint' is not a colour") as caught:
        make_canvas(paper="parchmint")
    assert caught.value.problem.argument == "paper"


@pytest.mark.parametrize("paper", ["#ff000080", "#f008", "rgba(255, 0, 0, 128)"])
def test_a_paper_that_one_can_see_through(make_canvas, paper):
    """It is refused, since it would be painted as if it were opaque."""
    with pytest.raises(UsageError, match="is transparent, which paper cannot be") as caught:
        make_canvas(paper=paper)
    assert (caught.value.problem.argument, caught.value.problem.hint) == ("paper", "write '#ff0000'")
    assert make_canvas(paper="#ff0000ff").paper.tolist() == [1, 0, 0]


def test_a_start_that_is_no_picture(make_canvas, stream):
    with pytest.raises(ValueError, match=r"\[1, 3, H, W\], not \[3, 8, 8\]"):
        make_canvas().start(torch.zeros(3, 8, 8), stream)
