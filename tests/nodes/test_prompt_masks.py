"""Masks of prompts: they weigh crops by where they are in the picture, how large they are, or what is seen in them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph import Cutouts, Prompts, Seen
from pytti_graph.nodes import cutouts, prompt_loss
from pytti_graph.nodes.prompt_masks import Area, Half, Large, Meaning, crop_weights

LEFT, RIGHT, UP, DOWN = (Half(axis, beyond, 0.5) for axis in (0, 1) for beyond in (False, True))
UNIT = st.floats(-1, 1, allow_subnormal=False)
PARTS = st.just(0.0) | st.floats(2**-20, 1)


def boxes(*places):
    """Crops of the picture from left, top, width and height as parts of it: [N, 3, 3]."""
    left, top, width, height = torch.tensor(places, dtype=torch.float32).T
    made = torch.zeros(len(places), 3, 3)
    made[:, 0, 0], made[:, 0, 2] = width, 2 * left + width - 1
    made[:, 1, 1], made[:, 1, 2] = height, 2 * top + height - 1
    made[:, 2, 2] = 1
    return made


def seen(transforms, embeddings=None, border="clamp"):
    count = len(transforms)
    return Seen(torch.eye(2)[:1].expand(count, 2) if embeddings is None else embeddings, transforms, border)


CORNERS = boxes((0, 0, 0.4, 0.4), (0.6, 0, 0.4, 0.4), (0, 0.6, 0.4, 0.4), (0.6, 0.6, 0.4, 0.4))


@pytest.mark.parametrize(
    ("mask", "expected"),
    [(LEFT, [1, 0, 1, 0]), (RIGHT, [0, 1, 0, 1]), (UP, [1, 1, 0, 0]), (DOWN, [0, 0, 1, 1])],
)
def test_halves_are_where_they_are_said_to_be(mask, expected):
    """Position and size are not confused: small crops in a corner are where they are."""
    assert mask(seen(CORNERS)).tolist() == expected


def test_a_crop_across_the_line_counts_in_part():
    """By the part of its footprint."""
    across = boxes((0, 0, 1, 1), (0.25, 0.3, 0.5, 0.2), (0.4, 0, 0.4, 1), (0.1, 0.1, 0.5, 0.1))
    assert LEFT(seen(across)).tolist() == pytest.approx([0.5, 0.5, 0.25, 0.8], abs=1 / 32)
    assert Half(0, False, 0.8)(seen(across)).tolist() == pytest.approx([0.8, 1, 1, 1], abs=1 / 32)
    assert Half(1, True, 0.15)(seen(across)).tolist() == pytest.approx([0.85, 1, 0.85, 0.5], abs=1 / 32)


def test_flips_swap_nothing():
    """A mirrored crop is still where it is."""
    mirrored = torch.diag(torch.tensor([-1.0, 1.0, 1.0])).expand(4, 3, 3)
    made = Cutouts(torch.zeros(1, 3, 8, 8), CORNERS, 8, "clamp").transformed(mirrored)
    assert LEFT(seen(made.transforms)).tolist() == [1, 0, 1, 0]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(*[UNIT] * 6), min_size=1, max_size=4))
def test_opposite_halves_share_each_crop(rows):
    """However crops are turned and shifted, what is not left is right."""
    transforms = torch.eye(3).repeat(len(rows), 1, 1)
    transforms[:, :2] = torch.tensor(rows).view(-1, 2, 3)
    for one, other in ((LEFT, RIGHT), (UP, DOWN), (Large(True, 0.3), Large(False, 0.3))):
        both = one(seen(transforms)) + other(seen(transforms))
        torch.testing.assert_close(both, torch.ones(len(rows)))


def test_a_tilted_crop_is_weighed_by_what_is_seen():
    """In perspective the near side takes more of the crop."""
    tilted = boxes((0, 0, 1, 1))
    tilted[:, 2, 0] = 0.5
    places = torch.linspace(-1, 1, 2001)
    expected = float((places / (0.5 * places + 1) < 0).float().mean())
    assert float(LEFT(seen(tilted))) == pytest.approx(expected, abs=1 / 32)


@pytest.mark.parametrize(("border", "expected"), [("clamp", 1), ("wrap", 0.5), ("mirror", 1), ("smear", 1)])
def test_what_sticks_out_counts_where_its_pixels_come_from(border, expected):
    """A crop half outside on the left sees the right end if the picture wraps."""
    assert float(LEFT(seen(boxes((-0.2, 0, 0.4, 0.4)), border=border))) == expected


def test_large_and_small_crops():
    """By the root of the part that they cover, whatever their turn; the whole picture is of size 1."""
    sizes = boxes((0, 0, 1, 1), (0, 0, 0.5, 0.5), (0, 0, 0.45, 0.45), (0.2, 0.5, 0.25, 0.25))
    turned = sizes @ torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    for transforms in (sizes, turned):
        assert Large(True, 0.5)(seen(transforms)).tolist() == [1, 1, 0, 0]
        assert Large(False, 0.3)(seen(transforms)).tolist() == [0, 0, 0, 1]
        assert Large(True, 1)(seen(transforms)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("size", [(40, 40), (300, 500), (7, 1000), (1, 1)])
def test_a_picture_is_laid_over_the_canvas_whatever_its_size(size):
    """White in the left third."""
    picture = torch.zeros(1, 3, *size)
    picture[..., : max(size[1] // 3, 1)] = 1
    part = max(size[1] // 3, 1) / size[1]
    white, black = Area.of(picture, False)(seen(CORNERS)), Area.of(picture, True)(seen(CORNERS))
    whole = Area.of(picture, False)(seen(boxes((0, 0, 1, 1))))
    assert float(whole) == pytest.approx(part, abs=0.03)
    torch.testing.assert_close(white + black, torch.ones(4))
    if size[1] > 1:
        assert white.tolist() == pytest.approx([part / 0.4, 0, part / 0.4, 0], abs=0.05)


def test_grey_counts_in_part_and_colours_by_their_brightness():
    """Green is brighter than blue."""
    grey, green, blue = (torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 8, 8) for colour in GREYS)
    values = [float(Area.of(picture, False)(seen(CORNERS))[0]) for picture in (grey, green, blue)]
    assert values == pytest.approx([0.5, 0.587, 0.114], abs=1e-4)


GREYS = ([0.5, 0.5, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])


def test_meanings_let_through_what_is_near():
    """By the distance of the crop's embedding to the text's."""
    angles = torch.tensor([0.0, 0.5, 1.0, 2.0])
    embeddings = torch.stack((angles.cos(), angles.sin()), 1)
    mask = Meaning(torch.tensor([[1.0, 0.0]]), 0.3)  # half the square of an angle of 0.77
    assert mask(seen(CORNERS, embeddings)).tolist() == [1, 1, 0, 0]


def prompts(masks, weights=None, count=None):
    count = count or len(masks)
    return Prompts(
        torch.tensor([[0.0, 1.0]]).expand(count, 2),
        torch.ones(count) if weights is None else torch.tensor(weights),
        torch.full((count,), -math.inf),
        masks,
    )


def test_a_mask_says_where_and_not_how_hard():
    """Ten crops inside or one: the pull is the same; outside nothing pulls."""
    one_d = math.pi**2 / 8
    for left in (1, 10):
        transforms = torch.cat((CORNERS[:1].expand(left, 3, 3), CORNERS[1:2].expand(3, 3, 3)))
        embeddings = torch.eye(2)[:1].repeat(left + 3, 1).requires_grad_()
        loss = prompt_loss.prompts(seen(transforms, embeddings), prompts((LEFT, None)))
        assert float(loss.detach()) == pytest.approx(2 * one_d, rel=1e-4)
        prompt_loss.prompts(seen(transforms, embeddings), prompts((LEFT,))).backward()
        assert embeddings.grad[left:].abs().sum() == 0
        assert float(embeddings.grad[:left].norm(dim=1).sum()) == pytest.approx(math.pi / math.sqrt(2), rel=1e-3)


def test_where_no_crop_falls_in_nothing_pulls():
    """Zero, with finite gradients of zero, and stops do not gate it."""
    embeddings = torch.eye(2)[:1].repeat(2, 1).requires_grad_()
    view = seen(CORNERS[[1, 3]], embeddings)
    loss = prompt_loss.prompts(view, prompts((LEFT,), [5.0]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert embeddings.grad.abs().sum() == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(PARTS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_shares_are_a_mean(values):
    """They are not negative and sum to 1, or to 0 for a prompt without crops."""
    masks = tuple(lambda _, row=row: torch.tensor(row) for row in values)
    weights = crop_weights(masks, seen(CORNERS[:1].expand(len(values[0]), 3, 3)))
    assert weights.shape == (len(values[0]), len(values))
    assert (weights >= 0).all()
    assert weights.sum(0).tolist() == pytest.approx([float(any(row)) for row in values])


def test_masks_that_let_all_through_change_nothing():
    """A mask of one everywhere is no mask."""
    everything = Area.of(torch.ones(1, 3, 8, 8), False)
    view = seen(CORNERS, torch.nn.functional.normalize(torch.arange(8.0).view(4, 2), dim=1))
    masked, plain = (prompt_loss.prompts(view, prompts(masks, count=2)) for masks in ((everything, None), ()))
    torch.testing.assert_close(masked, plain)


def test_masks_move_nothing_but_their_side(stream, natural):
    """From the loss to the picture: a mask on the left gives gradients on the left only."""
    image = natural(32, 32).requires_grad_()
    made = cutouts.classic(image, stream, 8, count=30)
    crops = cutouts.render(made).mean((2, 3))
    view = Seen(torch.nn.functional.normalize(crops - 0.5, dim=1), made.transforms, made.border)
    target = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, 0.0]]), dim=1)
    strict = Half(0, False, 0.5)
    inside = strict(view) == 1
    given = Prompts(target, torch.ones(1), torch.full((1,), -math.inf), (lambda view: inside.float(),))
    prompt_loss.prompts(view, given).backward()
    assert inside.any()
    assert image.grad[..., :16].abs().sum() > 0
    np.testing.assert_allclose(image.grad[..., 18:].abs().sum().numpy(), 0, atol=1e-7)
