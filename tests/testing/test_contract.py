"""Every clause finds a node that breaks it, and says so in words that mend it."""

import functools
import math
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from pytti_graph import (
    Bounds,
    Clock,
    Cutouts,
    Device,
    Files,
    FormulaValues,
    Image,
    Integer,
    Loss,
    Mask,
    Moment,
    Number,
    OutputPath,
    Perceptor,
    Seen,
    Stream,
    TextParser,
    UsageError,
    Warp,
    node,
    resample,
)
from pytti_graph.core.scenes import parse_scenes
from pytti_graph.testing import TinyPerceptor, Violation, contract, violations
from pytti_graph.testing.tiny import Canvas


def only(found: list[Violation], clause: str) -> str:
    """The message of the one clause that is broken."""
    assert {violation.clause for violation in found} == {clause}, "\n".join(map(str, found))
    return found[0].message


# Signature and docstring


def test_documented_wants_every_argument_explained():
    @node("filter.same")
    def same(image: Image, strength: Number = 1.0) -> Image:
        """Give the same picture.

        Args:
            image: The picture.
        """
        return image * strength

    [violation] = violations(same)
    assert only([violation], "documented").startswith("its argument 'strength' is not explained; add 'strength: ...'")
    assert violation.node == "filter.same"
    assert "test_contract.py:" in violation.source


def test_documented_wants_a_sentence():
    @node("value.one")
    def one() -> float:
        """one"""
        return 1.0

    @node("value.two")
    def two() -> float:
        return 2.0

    assert "end it with a full stop" in only(violations(one), "documented")
    assert "it has no docstring" in only(violations(two), "documented")


def test_documented_wants_two_parts_in_a_name():
    @node("value.of.three")
    def three() -> float:
        """Three."""
        return 3.0

    assert "call it family.name" in only(violations(three), "documented")


def image_node(made):
    """Makes a node of a function of a picture."""
    made.__doc__ = "Change a picture.\n\nArgs:\n    image: The picture."
    return node(f"filter.{made.__name__}")(made)


# Arguments that do nothing


def test_used_finds_an_argument_that_changes_nothing():
    @node("loss.bright")
    class Bright:
        """Pull the mean brightness of a picture to a level.

        Args:
            image: The picture.
            level: The brightness.
            kind: How to measure it.
        """

        def __init__(self, kind: Literal["mean", "median"] = "mean") -> None:
            self.measures = 0

        def forward(self, image: Image, level: Number = 0.5) -> Loss:
            """The loss."""
            return (image.mean() - 0.5) ** 2

    found = violations(Bright)
    assert [only([violation], "used").partition(" changes nothing")[0] for violation in found] == [
        "its argument 'kind'",
        "its argument 'level'",
    ]


def blended(function):
    """A decorator that uses an argument in the place of what it decorates."""

    @functools.wraps(function)
    def blend(image, strength):
        return torch.lerp(image, function(image, strength), strength)

    return blend


@pytest.mark.parametrize("decorate", [lambda function: function, torch.no_grad(), functools.cache])
def test_used_looks_through_decorators_that_only_pass_on(decorate):
    @node("value.spread")
    @decorate
    def spread(level: Number = 0.5, factor: Number = 2.0) -> float:
        """Give a number.

        Args:
            level: The number.
            factor: Nothing.
        """
        return level

    assert "its argument 'factor' changes nothing" in only(violations(spread), "used")


def test_used_counts_every_way_to_read_an_argument():
    @node("filter.several")
    @blended
    def several(image: Image, strength: Number = 0.5) -> Image:
        """Darken a picture; its decorator does the rest.

        Args:
            image: The picture.
            strength: How much.
        """
        return image * 0.5

    @node("value.inner")
    def inner(low: Number = 0.0, high: Number = 1.0, kind: Literal["sum", "mean"] = "sum") -> float:
        """Give a number of several.

        Args:
            low: One.
            high: Another.
            kind: What to make of them.
        """
        both = [(lambda: low)(), *(high for _ in range(1))]
        return sum(both) if locals()["kind"] == "sum" else sum(both) / 2

    assert violations(several, inner) == []


# Values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: 2 * image - 1, "goes from -0.7.* to 0.7.*; keep it in 0..1"),
        (lambda image: image[0], r"has shape \[3, 12, 16\]; make it \[1, 3, N, N\]"),
        (lambda image: image[:, :2], r"has shape \[1, 2, 12, 16\]"),
    ],
)
def test_values_of_images_have_their_shape_and_range(change, message):
    def wrong(image: Image) -> Image:
        return change(image)

    import re

    found = violations(image_node(wrong), allowed={"filter.wrong": ["graph"]})
    assert re.search(f"it declares Image, but its value {message}", only(found, "values"))


def test_values_are_finite():
    @node("loss.broken")
    def broken(image: Image) -> Loss:
        """Something that is not a number.

        Args:
            image: The picture.
        """
        return image.mean() * math.nan

    found = violations(broken, allowed={"loss.broken": ["gradients", "graph"]})
    assert "its value holds numbers that are not finite" in only(found, "values")


def test_values_of_numbers_are_python_numbers():
    @node("value.tensor")
    def tensor(value: Number = 1.0) -> float:
        """A tensor in the place of a number.

        Args:
            value: The number.
        """
        return torch.tensor(value)

    assert "is a Tensor; give a Python number" in only(
        violations(tensor, allowed={"value.tensor": ["graph"]}), "values"
    )


def test_values_have_all_ports():
    class Pair:
        first: float
        second: float

    @node("value.half")
    def half(value: Number = 1.0) -> Pair:
        """One number of two.

        Args:
            value: The number.
        """
        pair = Pair()
        pair.first = value
        return pair

    found = violations(half, allowed={"value.half": ["graph"]})
    assert "it declares a port 'second', but its value (Pair) has none" in only(found, "values")


class Blind(TinyPerceptor):
    """Gives vectors that are too long."""

    def encode_texts(self, texts):
        return 2 * super().encode_texts(texts)


class Crowded(TinyPerceptor):
    """Reads a text otherwise if others are there."""

    def encode_texts(self, texts):
        return torch.nn.functional.normalize(super().encode_texts(texts) + len(texts), dim=-1)


class Narrowed(TinyPerceptor):
    """Says it can look at smaller crops, and sees them in fewer dimensions."""

    smallest = 2

    def encode_images(self, images):
        if images.shape[-1] == self.size:
            return super().encode_images(images)
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=-1)


class Grown(TinyPerceptor):
    """Says that its smallest crops are its largest."""

    smallest = 20


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Narrowed, "can look at crops of 2 px, as it says, but what it sees there has 3 dimensions in the place of 12"),
        (Grown, "'smallest' is from 1 to its size, 8"),
        (Blind, r"embeddings of texts \(encode_texts\) are no unit vectors"),
        (Crowded, "embeds a text otherwise when others are given with it"),
    ],
)
def test_values_of_perceptors_share_a_space_of_unit_vectors(kind, message):
    @node("perceptor.odd")
    def odd(device: Device) -> Perceptor:
        """Look oddly."""
        return kind(device=device.torch)

    import re

    assert re.search(message, only(violations(odd), "values"))


def test_values_of_motions_take_points_and_the_size():
    @node("motion.old")
    def old() -> Warp:
        """Move nothing."""
        return Warp(lambda height, width: torch.zeros(1, height, width, 2))

    found = violations(old, allowed={"motion.old": ["deterministic", "device", "dtype", "graph"]})
    assert "field takes 2 arguments; it takes points, height and width" in only(found, "values")


# Sizes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image * torch.linspace(0, 1, 16, device=image.device), "it works with small pictures, but rai"),
        (lambda image: image[..., :12, :16], "but of one of twice that one of 16 x 12; take the size from the picture"),
    ],
    ids=["crash", "crop"],
)
def test_sizes_finds_a_picture_of_fixed_size(change, message):
    def fixed(image: Image) -> Image:
        return change(image)

    found = only(violations(image_node(fixed)), "sizes")
    assert message in found
    assert "image.shape[-2:]" in found


def test_sizes_finds_what_is_kept_of_the_first_picture():
    kept = []

    @node("mask.middle")
    def middle(image: Image) -> Mask:
        """Mark the middle of a picture.

        Args:
            image: The picture.
        """
        if not kept:
            kept.append(torch.linspace(-1, 1, image.shape[-1], device="cpu"))
        return (image.mean(1, keepdim=True) * (1 - kept[0].to(image.device).abs())).clamp(0, 1)

    message = only(violations(middle), "sizes")
    assert "raises RuntimeError: The size of tensor a (32) must match the size of tensor b (16)" in message
    assert "(tests/testing/test_contract.py:" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: torch.nn.functional.avg_pool2d(image, 2),
        lambda image: image[..., :10, :10],
        lambda image: torch.nn.functional.interpolate(image, (24, 24), mode="bilinear"),
        lambda image: image.mean((2, 3), keepdim=True),
    ],
    ids=["same", "half", "crop", "icon", "colour"],
)
def test_sizes_lets_a_node_resize_on_purpose(change):
    def resized(image: Image) -> Image:
        return change(image)

    assert violations(image_node(resized)) == []


def test_sizes_lets_arguments_tell_the_size():
    @node("filter.fit")
    def fit(image: Image, columns: Integer = 16, rows: Integer = 12) -> Image:
        """Stretch a picture.

        Args:
            image: The picture.
            columns: Its new width.
            rows: Its new height.
        """
        return torch.nn.functional.interpolate(image, (rows, columns), mode="bilinear")

    assert violations(fit) == []


def test_sizes_knows_arguments_that_must_agree_with_the_picture():
    @node("filter.exact")
    def exact(
        image: Image,
        width: Annotated[int, Bounds(ge=1, unit="px")] = 512,
        height: Annotated[int, Bounds(ge=1, unit="px")] = 512,
    ) -> Image:
        """Take pictures of one size.

        Args:
            image: The picture.
            width: Its width.
            height: Its height.
        """
        return image * torch.ones(height, width, device=image.device)

    assert violations(exact) == []


def test_sizes_knows_examples_that_have_a_size_of_their_own():
    @node("filter.both")
    def both(image: Image, other: Image) -> Image:
        """Mix two pictures of one size.

        Args:
            image: The picture.
            other: Another one.
        """
        return (image + other) / 2

    picture = Path(__file__).parent / "tiny.png"  # as large as the tiny pictures
    examples = {"filter.both": {"other": {"type": "source.image"}}, "source.image": {"path": picture}}
    assert violations(both, examples=examples) == []


def test_sizes_lets_a_node_refuse_what_is_too_large():
    def small(image: Image) -> Image:
        if image.shape[-1] > 20:
            raise UsageError("it takes pictures of at most 20 pixels", hint="shrink it first")
        return image * 1

    assert violations(image_node(small)) == []


# Arguments


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights[:-1], "weights has shape [2]; make it [3]"),
        (lambda weights: weights - 1.5, "weights are negative for some crops"),
        (lambda weights: weights / 0, "weights holds numbers that are not finite"),
    ],
)
def test_values_of_crops_have_their_weights(change, message):
    @node("cutout.weighed")
    def weighed(cutouts: Cutouts) -> Cutouts:
        """Weigh crops.

        Args:
            cutouts: The crops.
        """
        return replace(cutouts, weights=change(torch.ones(len(cutouts.transforms), device=cutouts.image.device)))

    assert message in only(violations(weighed, allowed={"cutout.weighed": ["graph", "gradients"]}), "values")


def parse_badly(text, variables):
    """Raises what no parser should for a text that it does not like."""
    if not text.strip():
        raise KeyError("nothing there")
    return parse_scenes(text, variables)


def test_arguments_are_refused_with_their_name():
    @node("value.parsed")
    class Read:
        """Count the texts.

        Args:
            text: The texts.
        """

        def __init__(self, text: Annotated[str, TextParser(f"{__name__}:parse_badly")]) -> None:
            self.count = len(text.texts)

        def forward(self, text: FormulaValues) -> float:
            """How many."""
            return float(self.count)

    sys.modules.setdefault(__name__, sys.modules[parse_badly.__module__])
    message = only(violations(Read), "arguments")
    assert message.startswith(
        "the text '' for 'text' raises KeyError: 'nothing there' (tests/testing/test_contract.py:"
    )
    assert "a parser raises TextSyntaxError" in message


def test_arguments_have_defaults_that_can_be_read():
    @node("value.count")
    def count(scenes: Annotated[str, TextParser("pytti_graph.core.scenes:parse_scenes")] = "a:b:c:d") -> float:
        """A number.

        Args:
            scenes: A text that its own parser refuses.
        """
        return float(len(scenes))

    found = violations(count, allowed={"value.count": ["values", "deterministic", "graph"]})
    assert "its own defaults (or the examples) are refused: scenes: " in only(found, "arguments")


# Random numbers


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda: torch.rand(()), "torch"),
        (lambda: torch.tensor(np.random.rand(), dtype=torch.float32), "numpy"),
        (lambda: torch.tensor(__import__("random").random()), "Python"),
    ],
)
def test_deterministic_leaves_global_generators_alone(draw, name):
    @node("filter.lucky")
    def lucky(image: Image) -> Image:
        """Lighten a picture by chance.

        Args:
            image: The picture.
        """
        return torch.lerp(image, torch.ones_like(image), 0.5 * draw().to(image.device))

    found = violations(lucky, allowed={"filter.lucky": ["gradients", "graph"]})
    assert f"it draws from the global generator of {name}; ask for a Stream" in only(found, "deterministic")


def torch_borrowed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.rand(())


def torch_put_back():
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(0)
    number = torch.empty(()).uniform_()
    torch.set_rng_state(state)
    return number


def numpy_borrowed():
    state = np.random.get_state()
    np.random.seed(0)
    number = torch.tensor(np.random.rand(), dtype=torch.float32)
    np.random.set_state(state)
    return number


def python_borrowed():
    state = random.getstate()
    random.seed(0)
    number = torch.tensor(random.uniform(0, 1))
    random.setstate(state)
    return number


@pytest.mark.parametrize("draw", [torch_borrowed, torch_put_back, numpy_borrowed, python_borrowed])
def test_deterministic_finds_a_generator_that_is_put_back(draw):
    @node("filter.borrowed")
    def borrowed(image: Image) -> Image:
        """Lighten a picture by chance, always the same.

        Args:
            image: The picture.
        """
        return torch.lerp(image, torch.ones_like(image), 0.5 * draw().to(image.device))

    message = only(violations(borrowed), "deterministic")
    assert message.startswith("it borrows a global generator for random numbers (tests/testing/test_contract.py:")
    assert "although it puts it back; ask for a Stream" in message


def test_deterministic_lets_a_generator_be_borrowed_for_what_does_not_matter():
    """As when a network is made, whose weights are then replaced."""

    @node("filter.network")
    class Network:
        """Darken a picture.

        Args:
            image: The picture.
        """

        def __init__(self, device: Device) -> None:
            with torch.random.fork_rng():
                self.layer = torch.nn.Conv2d(3, 3, 1)
                self.scale = torch.nn.Parameter(torch.randn(()))
            weights = {"weight": 0.5 * torch.eye(3).view(3, 3, 1, 1), "bias": torch.zeros(3)}
            self.layer.load_state_dict(weights)
            self.layer.to(device.torch).requires_grad_(False)
            self.scale = torch.ones((), device=device.torch)

        def forward(self, image: Image) -> Image:
            """The picture."""
            return self.layer(image) * self.scale

    assert violations(Network) == []


def test_deterministic_lets_a_library_borrow_a_generator():
    """There is no other way where it cannot be given one."""

    def approximate(image: Image) -> Image:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            left, middle, right = torch.svd_lowrank(image[0], q=3)
        return torch.sigmoid((left * middle.unsqueeze(1)) @ right.mT).unsqueeze(0)

    assert violations(image_node(approximate), allowed={"filter.approximate": ["gradients", "device"]}) == []


def test_deterministic_lets_a_generator_be_borrowed_and_seeded_by_the_stream():
    """For functions of libraries that cannot be given a generator."""

    @node("filter.seeded")
    class Seeded:
        """Lighten a picture by chance.

        Args:
            image: The picture.
        """

        def __init__(self, device: Device, stream: Stream) -> None:
            with torch.random.fork_rng():
                torch.manual_seed(int(stream.uniform() * 2**31))
                self.light = torch.rand(()).to(device.torch)

        def forward(self, image: Image) -> Image:
            """The picture."""
            return torch.lerp(image, torch.ones_like(image), self.light)

    assert violations(Seeded) == []


def test_deterministic_wants_the_same_value_for_the_same_stream():
    calls = []

    @node("filter.fading")
    def fading(image: Image) -> Image:
        """Darken a picture more and more.

        Args:
            image: The picture.
        """
        calls.append(1)
        return image / len(calls)

    found = violations(fading, allowed={"filter.fading": ["gradients", "graph"]})
    assert "called twice with the same seed it gives different values (value)" in only(found, "deterministic")


def test_deterministic_wants_the_stream_to_be_used():
    @node("filter.grain")
    def grain(image: Image, stream: Stream) -> Image:
        """Roughen a picture, always in the same way.

        Args:
            image: The picture.
        """
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1)).to(image.device)
        return torch.sigmoid(image + noise.to(image.dtype))

    assert "gives the same value for another seed" in only(violations(grain), "deterministic")


# Inputs


def test_inputs_stay_as_they_are():
    def darken(image: Image) -> Image:
        with torch.no_grad():
            image.mul_(0.5)
        return image * 1

    found = violations(image_node(darken), allowed={"filter.darken": ["gradients", "deterministic", "graph"]})
    assert only(found, "inputs") == (
        "it changes its argument 'image'; return something new, without methods that end in '_'"
    )


def test_inputs_may_not_be_taken_out_of_their_list():
    @node("loss.first")
    def first(losses: list[Loss]) -> Loss:
        """The first loss.

        Args:
            losses: Some.
        """
        return losses.pop(0)

    assert "it changes its argument 'losses'" in only(violations(first), "inputs")


def test_inputs_inside_of_values_stay_as_they_are():
    @node("encode.twice")
    def twice(seen: Seen) -> Seen:
        """Turn what is seen round.

        Args:
            seen: What is seen.
        """
        with torch.no_grad():
            seen.transforms.neg_()
        return seen

    found = violations(twice, allowed={"encode.twice": ["deterministic", "gradients", "graph"]})
    assert "it changes its argument 'seen' (transforms)" in only(found, "inputs")


# Accelerators


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image * float(image.detach().mean()),
        lambda image: image * image.detach().mean().item(),
        lambda image: image if image.detach().mean() > 2 else image * 0.5,
        lambda image: torch.cat((image[image > 0], image[image <= 0])).view_as(image),
        lambda image: image * torch.tensor(image.detach().cpu().numpy().mean()),
        lambda image: image * len(torch.unique(image.detach() > 2)),
        lambda image: torch.zeros_like(image).index_put((image > 0,), image.flatten()),
        lambda image: image * image.detach()[0, 0, 0].tolist()[0],
    ],
    ids=["float", "item", "if", "mask", "numpy", "unique", "put", "tolist"],
)
def test_device_finds_what_waits(change):
    def wait(image: Image) -> Image:
        return change(image)

    message = only(violations(image_node(wait), allowed={"filter.wait": ["gradients"]}), "device")
    assert "it waits for the accelerator (tests/testing/test_contract.py:" in message
    assert "compute with tensors instead" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image * torch.ones(image.shape[-1]),
        lambda image: torch.stack((image, torch.ones(image.shape))).mean(0),
    ],
    ids=["multiply", "stack"],
)
def test_device_finds_tensors_of_the_processor(change):
    def mix(image: Image) -> Image:
        return change(image)

    message = only(violations(image_node(mix)), "device")
    assert "a tensor of the processor meets one of the accelerator in torch's" in message
    assert "device=image.device" in message


def test_device_finds_values_on_the_processor():
    @node("source.white")
    def white(height: Integer = 4) -> Image:
        """A white picture.

        Args:
            height: Its height.
        """
        return torch.ones(1, 3, height, 4)

    assert "its value is on the processor; make tensors with device=device.torch" in only(violations(white), "device")


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image):
        return image * 1

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.ones(gradient.shape)


def test_device_looks_at_gradients_too():
    def backwards(image: Image) -> Image:
        return _Doubled.apply(image)

    found = violations(image_node(backwards), allowed={"filter.backwards": ["gradients"]})
    assert "a tensor of the processor meets one of the accelerator" in only(found, "device")


def test_device_tries_motions_too():
    def warp(self, warp: Warp) -> None:
        """Move it, with a tensor of the processor."""
        self.logits.copy_(resample(self.logits, warp) + torch.zeros(12, 16))

    assert "a tensor of the processor meets one of the accelerator" in only(
        violations(canvas_with(warp=warp)), "device"
    )


def test_device_finds_crops_that_wait():
    """Although they have a number, their size, which is known."""

    @node("cutout.waiting")
    def waiting(cutouts: Cutouts) -> Cutouts:
        """Turn crops by what they show.

        Args:
            cutouts: The crops.
        """
        return cutouts.transformed(torch.eye(3, device=cutouts.image.device) * float(cutouts.image.detach().mean()))

    found = violations(waiting, allowed={"cutout.waiting": ["gradients"]})
    assert "it waits for the accelerator" in only(found, "device")


def test_device_lets_single_numbers_and_copies_pass():
    def fine(image: Image) -> Image:
        weights = torch.linspace(0, 1, image.shape[-1]).tolist()
        return image * torch.tensor(0.5) * torch.tensor(weights).to(image.device)

    assert violations(image_node(fine)) == []


# Precision


def test_dtype_finds_float64():
    @node("source.flat")
    def flat(device: Device) -> Image:
        """A flat picture."""
        return torch.from_numpy(np.full((1, 3, 4, 4), 0.5)).to(device.torch)

    assert "its value is float64; give values back in float32" in only(violations(flat), "dtype")


def test_dtype_finds_the_precision_of_perceptors():
    @node("filter.half")
    def half(image: Image, device: Device) -> Image:
        """Give the same picture, less precisely.

        Args:
            image: The picture.
        """
        return image.to(device.dtype)

    found = violations(half, allowed={"filter.half": ["gradients"]})
    assert "with perceptors in bfloat16 its value is bfloat16" in only(found, "dtype")


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.half().float(),
        lambda image: image.to(torch.bfloat16).to(torch.float32) * 0.5,
        lambda image: image.type(torch.float16).type_as(image),
    ],
    ids=["half", "bfloat16", "type"],
)
def test_dtype_finds_numbers_that_are_rounded(change):
    def rounded(image: Image) -> Image:
        return change(image)

    found = violations(image_node(rounded), allowed={"filter.rounded": ["gradients"]})
    message = only(found, "dtype")
    assert message.startswith("it rounds numbers to half precision and back (tests/testing/test_contract.py:")
    assert "keep them in float32" in message


def test_dtype_finds_an_image_that_is_rounded():
    def forward(self) -> Image:
        """The picture."""
        return torch.sigmoid(self.logits).half().float()

    assert "it rounds numbers to half precision" in only(violations(canvas_with(forward=forward)), "dtype")


def test_dtype_lets_a_network_compute_in_half_precision():
    """And what is no picture be kept in it."""

    @node("loss.network")
    class Network:
        """Pull what a network makes of a picture to nothing.

        Args:
            image: The picture.
        """

        def __init__(self, device: Device) -> None:
            self.table = torch.linspace(0.1, 0.9, 3).half().float().to(device.torch)
            self.layer = torch.nn.utils.skip_init(torch.nn.Conv2d, 3, 3, 1, dtype=torch.bfloat16)
            torch.nn.init.eye_(self.layer.weight.data.view(3, 3))
            torch.nn.init.zeros_(self.layer.bias)
            self.layer.to(device.torch).requires_grad_(False)

        def forward(self, image: Image) -> Loss:
            """The loss."""
            return (self.seen(image.bfloat16()).mean((2, 3)) * self.table).sum()

        def seen(self, image):
            """What the network makes of a picture less its mean, which is taken with care."""
            return self.layer(image - image.float().mean().bfloat16()).float()

    assert violations(Network, allowed={"loss.network": ["gradients"]}) == []


@pytest.mark.parametrize(("tells", "broken"), [(True, False), (False, True)])
def test_dtype_finds_a_perceptor_that_hides_its_precision(tells, broken):
    """What it sees would be taken for what it saw in another one."""

    class Half(TinyPerceptor):
        def __init__(self, device):
            super().__init__(device=device.torch)
            self._dtype, self.image_settings = device.dtype, {"precision": str(device.dtype)} if tells else {}

        def encode_images(self, images):
            return super().encode_images(images.to(self._dtype).float())

    @node("perceptor.half")
    def half(device: Device) -> Perceptor:
        """Look less precisely."""
        return Half(device)

    found = violations(half)
    assert found == [] if not broken else "put str(device.dtype) among them" in only(found, "dtype")


# Gradients


def test_gradients_are_not_lost():
    def cut(image: Image) -> Image:
        return image.detach() * 1

    message = only(violations(image_node(cut)), "gradients")
    assert "its value depends on 'image', but no gradient comes back to it" in message
    assert "detached=('image',)" in message


class _Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image):
        return image**2

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@pytest.mark.parametrize("dtype", [None, torch.float32], ids=["float64", "float32"])
def test_gradients_are_those_of_the_value(dtype):
    def square(image: Image) -> Image:
        return _Wrong.apply(image if dtype is None else image.to(dtype))

    assert "the gradient that comes back to 'image' is wrong" in only(violations(image_node(square)), "gradients")


def test_gradients_are_not_lost_in_part():
    def part(image: Image) -> Image:
        return torch.cat((image[:, :1].detach(), image[:, 1:]), 1)

    assert "the gradient that comes back to 'image' is wrong" in only(violations(image_node(part)), "gradients")


def test_gradients_are_finite():
    @node("loss.root")
    def root(image: Image) -> Loss:
        """The root of nothing.

        Args:
            image: The picture.
        """
        return (image - image).square().sum().sqrt()

    found = violations(root, allowed={"loss.root": ["graph"]})
    assert "the gradient that comes back to 'image' is not finite" in only(found, "gradients")


def test_gradients_do_not_come_to_detached_arguments():
    @node("loss.near", detached=("target",))
    def near(image: Image, target: Image) -> Loss:
        """Pull a picture to another one.

        Args:
            image: The picture.
            target: The other one.
        """
        return (image - target).square().mean()

    assert "it declares 'target' as detached, but a gradient comes back" in only(violations(near), "gradients")


def test_gradients_know_what_is_detached():
    @node("loss.afar", detached=("other",))
    def afar(image: Image) -> Loss:
        """Make a picture dark.

        Args:
            image: The picture.
        """
        return image.mean()

    assert "it declares 'other' as detached, but has no such argument" in only(violations(afar), "gradients")


def test_gradients_come_to_every_parameter():
    @node("image.deaf")
    class Deaf(Canvas):
        """A picture with a parameter too many.

        Args:
            width: Its width.
            height: Its height.
            start: A picture to start from.
            warp: How it moves.
        """

        def parameters(self) -> dict[str, Tensor]:
            self.spare = getattr(self, "spare", self.logits.new_zeros(1).requires_grad_())
            return {"logits": self.logits, "spare": self.spare}

    found = violations(Deaf, allowed={"image.deaf": ["graph"]})
    assert "no gradient comes to its parameter 'spare'" in only(found, "gradients")


def test_gradients_can_be_allowed_to_be_wrong():
    """As in a posterised picture, whose gradients pass straight through on purpose."""

    def steps(image: Image) -> Image:
        return image + ((image * 4).round() / 4 - image).detach()

    assert only(violations(image_node(steps)), "gradients")
    assert violations(image_node(steps), allowed={"filter.steps": ["gradients"]}) == []


# Images


def canvas_with(**methods):
    """`tiny.canvas` with other methods."""
    made = type("Odd", (Canvas,), {"__doc__": Canvas.__doc__, "__module__": __name__, **methods})
    return node("image.odd")(made)


def test_image_takes_the_picture_it_starts_from():
    def start(self, start: Image) -> None:
        """Take next to nothing of it."""
        self.logits.add_(1e-6 * start.mean())

    assert "no nearer to the picture after start(picture)" in only(violations(canvas_with(start=start)), "image")


def test_image_is_left_alone_by_a_motion_that_moves_nothing():
    def warp(self, warp: Warp) -> None:
        """Move and shrink."""
        self.logits.copy_(0.5 * resample(self.logits, warp))

    message = only(violations(canvas_with(warp=warp)), "image")
    assert "a warp that moves nothing changes its picture to" in message
    assert "should be 34 or more" in message


def test_image_keeps_its_parameters():
    def start(self, start: Image) -> None:
        """Take a new tensor."""
        self.logits = torch.logit(start).requires_grad_()

    found = violations(canvas_with(start=start), allowed={"image.odd": ["graph", "deterministic"]})
    assert "start or warp makes another tensor of its parameter 'logits'" in only(found, "image")


# Graphs


def test_graph_finds_state_that_resuming_loses():
    @node("filter.growing")
    class Growing:
        """Lighten a picture a little more each time.

        Args:
            image: The picture.
        """

        def __init__(self) -> None:
            self.times = 0

        def forward(self, image: Image) -> Image:
            """The picture."""
            self.times += 1
            return image.lerp(torch.ones_like(image), min(self.times / 100, 1))

    message = only(violations(Growing, allowed={"filter.growing": ["gradients"]}), "graph")
    assert "stopped and resumed gives another picture or other losses" in message
    assert "state_dict() and load_state_dict(state)" in message


def test_graph_finds_files_that_resuming_spoils():
    @node("write.lines")
    class Lines:
        """Write the mean of each frame as a line of text.

        Args:
            image: The picture.
            path: The file.
        """

        def __init__(self, files: Files, path: OutputPath) -> None:
            self.files, self.path, self.lines = files, path, []

        def forward(self, image: Image) -> None:
            """One frame."""
            self.lines.append(f"{float(image.mean()):.9g}")

        def close(self) -> None:
            """Write the file."""
            self.files.write(self.path, lambda path: path.write_text("\n".join(self.lines)))

    assert "leaves another 'path.out'" in only(violations(Lines), "graph")


def test_graph_says_why_it_cannot_be_rendered():
    @node("write.once")
    def once(image: Image, clock: Clock, moment: Moment) -> None:
        """Do not like the second frame.

        Args:
            image: The picture.
        """
        if moment.frame == 1:
            raise ValueError("enough")

    assert "a graph with it cannot be rendered: enough (frame 1" in only(violations(once), "graph")


# The test


def test_the_test_fails_with_the_message_alone():
    """No traceback of the kit's own."""

    def cut(image: Image) -> Image:
        return image.detach() * 1

    test = contract(image_node(cut))
    cases = {str(case): case for case in test.pytestmark[0].args[1]}
    test(cases["filter.cut-values"])
    with pytest.raises(pytest.fail.Exception, match=r"^filter\.cut \(gradients\): its value depends") as caught:
        test(cases["filter.cut-gradients"])
    assert caught.value.pytrace is False
