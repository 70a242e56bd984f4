"""How something is painted: Gram matrices of features, and perceptors that have them or not."""

import pytest
import torch

from pytti_graph import UsageError
from pytti_graph.nodes import style
from pytti_graph.testing.tiny import TinyPerceptor, tiny_image


class Plain(TinyPerceptor):
    """Has no features."""

    features = TinyPerceptor.__mro__[1].features


@pytest.fixture
def eye():
    return TinyPerceptor()


def test_the_style_of_a_picture_is_its_own(eye):
    picture = tiny_image(16, 16)
    assert style.loss(picture, style.encode(eye, picture)) == 0
    assert style.loss(tiny_image(16, 16, seed=1), style.encode(eye, picture)) > 1e-3


def test_where_things_are_does_not_matter(eye):
    picture = tiny_image(16, 16)
    assert style.loss(picture.flip(-1).roll(4, -2), style.encode(eye, picture)) < 1e-10


def test_gram_by_hand():
    features = torch.tensor([[1.0, 2.0], [3.0, 0.0]]).view(1, 2, 1, 2)
    torch.testing.assert_close(style.gram(features), torch.tensor([[2.5, 1.5], [1.5, 4.5]]))
    mask = torch.tensor([0.0, 0.5]).view(1, 1, 1, 2)
    torch.testing.assert_close(style.gram(features, mask), torch.tensor([[4.0, 0.0], [0.0, 0.0]]))


def test_a_masked_half_is_painted_like_a_cropped_one(eye):
    """Of features that look at no neighbours."""
    picture, mask = tiny_image(12, 16), torch.zeros(1, 1, 12, 16)
    mask[..., :8] = 1
    for masked, cropped in zip(style.grams(eye, picture, mask), style.grams(eye, picture[..., :8]), strict=True):
        torch.testing.assert_close(masked, cropped)


def test_an_empty_mask_asks_for_nothing(eye):
    """Neither where the style is looked for, nor where it is to be."""
    picture, other, mask = tiny_image(12, 16), tiny_image(8, 8, seed=1), torch.zeros(1, 1, 6, 8)
    assert style.loss(picture, style.encode(eye, other, mask)) == 0
    assert style.loss(picture, style.encode(eye, other), mask=mask) == 0
    assert style.loss(picture, style.encode(eye, other)) > 1e-3


def test_the_size_of_the_other_picture_is_free(eye):
    """As long as its strokes are as large."""
    tile = tiny_image(8, 8)
    torch.testing.assert_close(
        style.loss(tile.repeat(1, 1, 3, 2), style.encode(eye, tile)), torch.tensor(0.0), atol=1e-8, rtol=0
    )


def test_weights_and_stops(eye):
    picture = tiny_image(12, 12).requires_grad_()
    wanted = style.encode(eye, tiny_image(12, 12, seed=1))
    plain = style.loss(picture, wanted)
    torch.testing.assert_close(style.loss(picture, wanted, weight=-3), -3 * plain)
    style.loss(picture, wanted, stop=2 * plain.item()).backward()
    assert not picture.grad.any()


def test_gradient(eye):
    wanted = style.encode(eye, tiny_image(6, 6, seed=1).double())
    assert torch.autograd.gradcheck(lambda image: style.loss(image, wanted), tiny_image(6, 6).double().requires_grad_())


def test_the_other_picture_gets_no_gradient(eye):
    made = style.encode(eye, tiny_image(8, 8).requires_grad_())
    assert not any(gram.requires_grad for gram in made.grams)


def test_a_perceptor_without_features_is_refused():
    with pytest.raises(UsageError, match="does not tell how things are painted") as caught:
        style.encode(Plain(), tiny_image(8, 8))
    assert caught.value.problem.argument == "perceptor"
