"""What every loss has in common: a weight, a stop and a mask, whatever it is about."""

from pathlib import Path

import pytest
import torch

from pytti_graph import Bounds, Perceptor, Prompts, Seen
from pytti_graph.core.arguments import NumberType, ReferenceType
from pytti_graph.core.plugins import installed
from pytti_graph.nodes import aesthetic, losses, lpips_loss, palette, prompt_loss, spectrum, style

LOSSES = {
    name: spec
    for name, spec in installed().specs.items()
    if spec.returns == "Loss" and spec.target.startswith("pytti_graph.nodes.")
}
HEAD = Path(__file__).parents[1] / "testing" / "head.safetensors"


class Squinting(Perceptor):
    """Features of a picture: itself, and its mean over squares."""

    size, name, weights = 8, "squinting", {}

    def encode_images(self, images):
        raise NotImplementedError

    def encode_texts(self, texts):
        raise NotImplementedError

    def features(self, images):
        return images, torch.nn.functional.avg_pool2d(images, 4)


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def crops(embeddings):
    """Crops side by side, and what is seen in them."""
    places = torch.linspace(-0.8, 0.8, len(embeddings))
    transforms = torch.tensor([[[0.2, 0, x], [0, 1, 0], [0, 0, 1]] for x in places.tolist()])
    return Seen(torch.nn.functional.normalize(embeddings, dim=1), transforms)


@pytest.fixture
def loss_of(device, files_of_nobody):
    """Makes the loss of a type as a function of what it moves, with that: (function, leaf)."""
    picture, other = random(1, 3, 32, 32), random(1, 3, 32, 32, seed=1)
    unit = torch.nn.functional.normalize(random(2, 6, seed=4), dim=1)
    prompts = Prompts(unit, torch.tensor([1.0, 0.5]), torch.full((2,), -torch.inf))
    inputs = aesthetic.read_head(HEAD)[0][0].shape[1]

    def make(name):
        if name == "loss.palette_use":
            return (
                lambda x, **more: palette.palette_use(palette.Palette(random(3, 4, 3), palette.ramp(3, 1), x), **more),
                4 * random(1, 4, 8, 8),
            )
        if name == "loss.palette_brightness":
            logits = 4 * random(1, 4, 8, 8)
            return (
                lambda x, **more: palette.palette_brightness(palette.Palette(x, palette.ramp(3, 1), logits), **more),
                random(3, 4, 3),
            )
        if name == "loss.prompts":
            return lambda x, **more: prompt_loss.prompts(crops(x), prompts, **more), random(5, 6)
        if name == "loss.aesthetic":
            head = aesthetic.Aesthetic(HEAD, device)
            return lambda x, **more: head.forward(crops(x), **more), random(5, inputs)
        if name == "loss.lpips":
            network = lpips_loss.Lpips(device, files_of_nobody, files_of_nobody, "squeeze", "random")
            return lambda x, **more: network.forward(x, other, **more), picture
        if name == "loss.style":
            painted = style.encode(Squinting(), other)
            return lambda x, **more: style.loss(x, painted, **more), picture
        if name == "loss.spectrum":
            return spectrum.spectrum, picture
        function = getattr(losses, name.partition(".")[2])
        if name in ("loss.match", "loss.edges"):
            return lambda x, **more: function(x, other, **more), picture
        return function, picture

    def ready(name):
        function, leaf = make(name)
        return function, leaf.clone().requires_grad_()

    return ready


@pytest.fixture
def files_of_nobody():
    """Files and reports that are not needed."""

    class Nothing:
        network = False

        def warn(self, message, **more):
            pass

    return Nothing()


@pytest.mark.parametrize("name", LOSSES)
def test_it_can_be_weighed_stopped_and_masked(name):
    known = {parameter.name: parameter for parameter in LOSSES[name].parameters}
    assert {"weight", "stop", "mask"} - set(known) == set()
    assert {"weight", "stop", "mask"} <= set(LOSSES[name].phase("forward").parameters), "they may change at every step"
    assert isinstance(known["weight"].type, NumberType)
    assert known["stop"].type == NumberType(bounds=Bounds(infinite=True))
    assert known["stop"].optional
    assert known["mask"].optional
    assert known["mask"].type == ReferenceType("Mask")


@pytest.mark.parametrize("name", LOSSES)
def test_its_weight_is_a_factor(loss_of, name):
    loss, x = loss_of(name)
    plain = loss(x, weight=1.0)
    assert plain.shape == ()
    torch.testing.assert_close(loss(x, weight=-3.0), -3 * plain)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("weight", "enough", "not_yet"), [(1.0, 1.01, 0.99), (-1.0, 0.99, 1.01)])
def test_it_lets_go_at_its_stop(loss_of, name, weight, enough, not_yet):
    """Before its weight, and with a negative weight from the other side."""
    loss, x = loss_of(name)
    plain = loss(x, weight=1.0).item()
    assert plain > 0
    [held] = torch.autograd.grad(loss(x, weight=weight, stop=not_yet * plain), x)
    [free] = torch.autograd.grad(loss(x, weight=weight, stop=enough * plain), x, allow_unused=True)
    assert held.any()
    assert free is None or not free.any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_mask_of_ones_of_any_size_is_none(loss_of, name):
    loss, x = loss_of(name)
    torch.testing.assert_close(loss(x, weight=1.0, mask=torch.ones(1, 1, 5, 7)), loss(x, weight=1.0))


@pytest.mark.parametrize("name", LOSSES)
def test_a_mask_changes_what_it_minds(loss_of, name):
    """Masks of either half say something else, and a fainter mask says the same: means are over the mask's area."""
    loss, x = loss_of(name)
    left = torch.zeros(1, 1, 32, 32)
    left[..., :16] = 1
    found, other = loss(x, weight=1.0, mask=left).detach(), loss(x, weight=1.0, mask=1 - left).detach()
    assert abs(float(found - other)) > 1e-6 or name == "loss.symmetry"  # whose sides say the same of each other
    if name != "loss.spectrum":  # whose mask is a window, and has to be 1 somewhere
        torch.testing.assert_close(loss(x, weight=1.0, mask=left * 0.25).detach(), found, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_mask_asks_for_nothing(loss_of, name):
    loss, x = loss_of(name)
    found = loss(x, weight=1.0, mask=torch.zeros(1, 1, 8, 8))
    [gradient] = torch.autograd.grad(found, x)
    assert found.isfinite()
    assert found == 0
    assert not gradient.any()
