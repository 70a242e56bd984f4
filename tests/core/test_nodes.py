"""A signature is a schema."""

import inspect
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from pytti_graph import (
    Bounds,
    Image,
    InputPath,
    Loss,
    Moment,
    Number,
    Parameters,
    Perceptor,
    Stream,
    Warp,
    Wire,
    node,
)
from pytti_graph.core.arguments import ChoiceType, ListType, NumberType, PathType, ReferenceType, TextType
from pytti_graph.core.nodes import NodeSpec, spec_of


@node("test.function")
def function(
    image: Image,
    losses: list[Loss],
    stream: Stream,
    weight: Annotated[float, Bounds(ge=0, unit="px")] = 0.5,
    mode: Literal["soft", "hard"] = "soft",
    mask: Image | None = None,
    names: list[str] = ["a"],  # noqa: B006
    path: InputPath | None = None,
) -> Loss:
    """Do a thing.

    More about it,
    in two lines.

    Args:
        image: The picture.
        weight: How much,
            in pixels.

    Raises:
        ValueError: Never.
    """


@node("test.stateful", version=3)
class Stateful:
    """Hold a picture.

    Args:
        side: How large.
        start: What to begin with.
    """

    def __init__(self, side: int, stream: Stream) -> None: ...

    def parameters(self) -> Any: ...

    def start(self, start: Image) -> None: ...

    def forward(self) -> Image: ...


class Palette:
    """A wire type of a plugin."""

    __wire__ = Wire("Palette", differentiable=False)
    size: int
    swatch: Image


@node("test.palette")
def palette() -> Palette:
    """A palette."""


def test_parameters_come_from_the_signature():
    """Names, types, defaults, bounds and help; injected parameters are not the user's."""
    spec = spec_of(function)
    assert [parameter.name for parameter in spec.parameters] == [
        "image",
        "losses",
        "weight",
        "mode",
        "mask",
        "names",
        "path",
    ]
    kinds = {parameter.name: parameter.type for parameter in spec.parameters}
    assert kinds["image"] == ReferenceType("Image")
    assert kinds["losses"] == ReferenceType("Loss", many=True)
    assert kinds["weight"] == NumberType(False, Bounds(ge=0, unit="px"))
    assert kinds["mode"] == ChoiceType(("soft", "hard"))
    assert kinds["names"] == ListType(TextType())
    assert kinds["path"] == PathType("input")
    assert spec.parameter("image").required
    assert spec.parameter("mask").optional
    assert spec.parameter("names").default == ["a"]
    assert spec.parameter("weight").help == "How much, in pixels."


def test_the_docstring_is_the_documentation():
    """Summary, description, and nothing of the sections."""
    spec = spec_of(function)
    assert spec.summary == "Do a thing."
    assert spec.description == "More about it,\nin two lines."


def test_random_and_trainable_nodes_change_every_step():
    """Without being told so."""
    assert spec_of(function).rate == "step"
    assert spec_of(Stateful).rate == "step"
    assert spec_of(Stateful).trainable
    assert spec_of(palette).rate is None


def test_a_moment_makes_a_node_change_every_frame():
    """A source that looks at the time."""

    @node("test.clock")
    def clock(moment: Moment) -> float: ...

    assert spec_of(clock).rate == "frame"


def test_what_only_starts_an_image_need_not_be_given():
    """`start` is optional, whatever the signature says."""
    assert not spec_of(Stateful).parameter("start").required
    assert spec_of(Stateful).parameter("side").required


def test_what_a_phase_needs_begins_with_the_reference_that_asks_for_it():
    """What has a default, or is needed anyway, does not ask for it."""

    @node("test.moved")
    class Moved:
        def start(self, strength: Number, start: Image, mask: Image | None = None, side: Number = 1.0) -> None: ...

        def warp(self, image: Image, warp: Warp) -> None: ...

        def parameters(self): ...

        def forward(self, image: Image) -> Image: ...

    spec = NodeSpec.from_json(json.loads(json.dumps(spec_of(Moved).to_json())))
    assert spec.needed_in("start") == ("start", "strength")
    assert spec.needed_in("warp") == ("warp",)
    assert [parameter.name for parameter in spec.parameters if parameter.conditional] == ["strength", "start", "warp"]
    assert spec.parameter("image").required


def test_fields_of_the_value_are_ports():
    """Numbers and wires."""
    assert spec_of(palette).returns == "Palette"
    assert spec_of(palette).ports == {"size": "Number", "swatch": "Image"}


def test_an_optimiser_is_known_by_its_parameters():
    """The engine hands them over."""

    @node("test.optimiser")
    class Optimiser:
        def __init__(self, parameters: Parameters) -> None: ...

        def forward(self, losses: list[Loss]) -> None: ...

    assert spec_of(Optimiser).optimiser


@pytest.mark.parametrize("made", [function, Stateful, palette])
def test_a_specification_survives_json(made):
    """Manifests hold specifications."""
    spec = spec_of(made)
    again = NodeSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again.to_json() == spec.to_json()
    assert again.parameters == spec.parameters


def test_mistakes_of_authors_are_named():
    """At import, with the parameter."""
    with pytest.raises(TypeError, match=r"family\.name"):
        node("NoFamily")
    with pytest.raises(TypeError, match="'x' has no annotation"):

        @node("test.bad")
        def bare(x) -> float: ...

    with pytest.raises(TypeError, match="parameter 'x'"):

        @node("test.bad")
        def strange(x: complex) -> float: ...

    with pytest.raises(TypeError, match="cannot be an argument"):

        @node("test.bad")
        def many(*images: Image) -> Image: ...

    with pytest.raises(TypeError, match="needs a method 'forward'"):

        @node("test.bad")
        class Still: ...

    with pytest.raises(TypeError, match="not a type that a node can return"):

        @node("test.bad")
        def text() -> str: ...

    with pytest.raises(TypeError, match=r"either=\.\.\. names 'y'"):

        @node("test.bad", either=("x", "y"))
        def unknown(x: int | None = None) -> float: ...

    with pytest.raises(TypeError, match=r"either=\.\.\. names 'y'"):

        @node("test.bad", either=("x", "y"))
        def given(x: int | None = None, y: int = 3) -> float: ...

    for names in (("x", "y"), ("x", "word")):
        with pytest.raises(TypeError, match=rf"rising=\.\.\. names '{names[1]}'"):

            @node("test.bad", rising=names)
            def unordered(x: int = 1, word: str = "") -> float: ...

    with pytest.raises(TypeError, match=r"rising=\.\.\. names x, y, whose defaults do not rise"):

        @node("test.bad", rising=("x", "y"))
        def falling(x: int = 2, y: float = 1.5) -> float: ...

    with pytest.raises(TypeError, match="decorate it"):
        spec_of(len)


@pytest.mark.parametrize("name", ["type", "größe"])
def test_a_parameter_that_no_graph_could_set(name):
    """The author is told, since nobody else could do anything about it."""

    def made(x: float = 1.0) -> float: ...

    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=1.0)
    made.__signature__ = inspect.Signature([parameter])
    made.__annotations__ = {name: float, "return": float}
    with pytest.raises(TypeError, match=f"test.made: no graph could set a parameter '{name}'"):
        node("test.made")(made)


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (Number, "abc", "'abc' is no number, and no formula of the clock alone"),
        (Number, "2 +", "'2 +' is no formula"),
        (Number, float("nan"), "nan is no number"),
        (Number, True, "True is no number"),
        (Number, object, "is no number"),
        (Number, None, "None is no number"),
        (int, 2.5, "2.5 is no whole number"),
        (int, float("inf"), "inf is no whole number"),
        (Annotated[float, Bounds(ge=1)], 0, "0 must be at least 1"),
        (Annotated[float, Bounds(ge=1)], "1/2", "'1/2' must be at least 1"),
        (Literal["a", "b"], "c", "'c' is none of 'a', 'b'"),
        (Literal[1, 2], True, "True is none of 1, 2"),
        (str, 3, "3 does not fit; its type is text"),
        (bool, 1, "1 does not fit; its type is true or false"),
        (list[str], "abc", "'abc' does not fit; its type is list of text"),
        (list[float], [1.0, "x"], "'x' is no number"),
        (dict[str, float], {1: 2.0}, "does not fit; its type is mapping to number"),
        (Image, None, "None cannot be, since no node is in every graph; write '| None = None'"),
        (Image | None, "canvas", "'canvas' cannot be"),
    ],
)
def test_a_default_fits_its_type(annotation, default, words):
    """Else it would be the user who is told of it."""

    def made(level=default) -> float: ...

    made.__annotations__["level"] = annotation
    with pytest.raises(TypeError, match=re.escape(words)) as caught:
        node("test.made")(made)
    assert str(caught.value).startswith("test.made: parameter 'level': the default ")


@pytest.mark.parametrize(
    ("annotation", "default", "kept"),
    [
        (Annotated[Number, Bounds(infinite=True)], float("inf"), float("inf")),
        (Number, "2*t", "2*t"),
        (int, 2, 2),
        (tuple[float, float], (1, 2.5), [1, 2.5]),
        (dict[str, list[str]], {"a": ("b",)}, {"a": ["b"]}),
        (InputPath, Path("a", "b.png"), str(Path("a", "b.png"))),
        (list[Loss], (), []),
        (Image | None, None, None),
        (Literal[1, "a"], 1, 1),
    ],
)
def test_a_default_is_kept_as_a_graph_file_would_say_it(annotation, default, kept):
    """Tuples are lists, and paths texts."""

    def made(level=default) -> float: ...

    made.__annotations__["level"] = annotation
    assert spec_of(node("test.made")(made)).parameter("level").default == kept


def test_perceptors_have_a_size():
    """`eye.size` is a number."""

    @node("test.eye")
    def eye() -> Perceptor: ...

    assert spec_of(eye).ports == {"size": "Number"}


def test_bounds_explain_themselves():
    """In words that say what to write."""
    bounds = Bounds(ge=0, lt=1)
    assert bounds.violated(0) is None
    assert bounds.violated(-1) == "must be at least 0"
    assert bounds.violated(1) == "must be below 1"
    assert bounds.violated(float("nan")) is not None


def test_numbers_need_no_bounds():
    """`Number` is any number."""

    @node("test.number")
    def number(value: Number = 1.0) -> float: ...

    assert spec_of(number).parameter("value").type == NumberType()
