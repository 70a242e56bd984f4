"""The kit finds nothing wrong with good nodes, and says what it has to be told."""

import os
import textwrap
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
import torch
from torch import Tensor

from pytti_graph import (
    Bounds,
    Depth,
    Device,
    Files,
    Image,
    Loss,
    Mask,
    Moment,
    Number,
    OutputPath,
    Parameters,
    Stream,
    UsageError,
    Warp,
    Wire,
    node,
    resample,
)
from pytti_graph.core.plugins import forget
from pytti_graph.testing import Violation, contract, violations
from pytti_graph.testing.clauses import CLAUSES


def only(found: list[Violation], clause: str) -> str:
    """The message of the one clause that is broken."""
    assert {violation.clause for violation in found} == {clause}, "\n".join(map(str, found))
    return found[0].message


# Good nodes of many kinds


@node("loss.bright")
def bright(image: Image, level: Number = 0.5, weight: Number = 1.0) -> Loss:
    """Pull the mean brightness of a picture to a level.

    Args:
        image: The picture.
        level: The brightness.
        weight: How much it counts.
    """
    return weight * (image.mean() - level) ** 2


@node("filter.veil")
def veil(image: Image, mask: Mask, depth: Depth | None = None, strength: Number = 0.5) -> Image:
    """Whiten a picture where a mask says so, and far away.

    Args:
        image: The picture.
        mask: Where.
        depth: How far everything is.
        strength: How much.
    """
    amount = strength * mask if depth is None else strength * mask * torch.sigmoid(depth)
    return torch.lerp(image, torch.ones_like(image), amount.clamp(0, 1))


@node("loss.sum")
def total(losses: list[Loss]) -> Loss:
    """Add losses up.

    Args:
        losses: What to add.
    """
    return torch.stack(losses).sum()


@node("motion.then")
def then(first: Warp, second: Warp) -> Warp:
    """One motion after another.

    Args:
        first: The first one.
        second: The other one.
    """
    return Warp(lambda points, height, width: first.field(second.field(points, height, width), height, width))


@node("value.mean")
def mean(image: Image) -> float:
    """The mean of a picture.

    Args:
        image: The picture.
    """
    return float(image.mean())


@dataclass(frozen=True)
class Tone:
    """A wire of one's own."""

    __wire__ = Wire("Tone")

    colour: Tensor


@node("tone.of")
def tone_of(image: Image) -> Tone:
    """The mean colour of a picture.

    Args:
        image: The picture.
    """
    return Tone(image.mean((2, 3)))


@node("loss.tone")
def tone_loss(tone: Tone, image: Image) -> Loss:
    """Pull a picture to a tone.

    Args:
        tone: The tone.
        image: The picture.
    """
    return (image - tone.colour[..., None, None]).square().mean()


@dataclass(frozen=True)
class HalvesValue:
    """Two pictures and a loss."""

    upper: Image
    lower: Image
    seen: Loss


@node("tone.split")
class Halves:
    """The upper and the lower half of a picture, which it keeps adding up.

    Args:
        image: The picture.
    """

    def __init__(self, device: Device) -> None:
        self.seen = torch.zeros((), device=device.torch)

    def forward(self, image: Image) -> HalvesValue:
        """Both halves."""
        self.seen += image.detach().mean()
        return HalvesValue(*image.chunk(2, 2), self.seen.clone())

    def state_dict(self) -> dict[str, Tensor]:
        """What has been added up."""
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take it back."""
        self.seen.copy_(state["seen"])


@node("optimize.descent")
class Descent:
    """Go downhill with some momentum.

    Args:
        losses: What to make smaller.
        rate: How far.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.tensors = dict(parameters)
        self.speed = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}

    def forward(self, losses: list[Loss], rate: Annotated[Number, Bounds(gt=0)] = 0.5) -> None:
        """One step."""
        for name, tensor in self.tensors.items():
            self.speed[name].mul_(0.9).add_(tensor.grad)
            tensor.sub_(self.speed[name], alpha=rate)

    def state_dict(self) -> dict[str, Tensor]:
        """The momentum."""
        return self.speed

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take it back."""
        for name, speed in self.speed.items():
            speed.copy_(state[name])


@node("write.means")
class Means:
    """Write the mean of each frame as a line of text.

    Args:
        image: The picture.
        path: The file.
    """

    def __init__(self, files: Files, path: OutputPath) -> None:
        self.files, self.path = files, path
        self.lines = path.read_text().splitlines() if path.exists() else []

    def forward(self, image: Image, moment: Moment) -> None:
        """One frame."""
        self.lines = [*self.lines[: moment.frame], f"{float(image.mean()):.9g}"]

    def close(self) -> None:
        """Write the file."""
        self.files.write(self.path, lambda path: path.write_text("\n".join(self.lines)))


@node("image.grey")
class Grey:
    """A picture without colour.

    Args:
        width: Its width.
        height: Its height.
        start: A picture to start from.
        warp: How it moves.
    """

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Annotated[int, Bounds(ge=1, unit="px")] = 512,
        height: Annotated[int, Bounds(ge=1, unit="px")] = 512,
    ) -> None:
        self.levels = stream.normal(1, 1, height, width).to(device.torch).requires_grad_()

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Take a picture of this size."""
        self.levels.copy_(torch.logit(start.mean(1, keepdim=True).clamp(0.01, 0.99)))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move it."""
        self.levels.copy_(resample(self.levels, warp))

    def forward(self) -> Image:
        """The picture."""
        return torch.sigmoid(self.levels).expand(1, 3, -1, -1)

    def parameters(self) -> dict[str, Tensor]:
        """Its levels."""
        return {"levels": self.levels}


GOOD = (bright, veil, total, then, mean, tone_of, tone_loss, Halves, Descent, Means, Grey)

test_good_nodes_of_many_kinds_keep_the_contract = contract(*GOOD)


def test_cases_have_readable_names():
    """A test that fails names the node and the clause."""
    names = [str(case) for case in contract(bright).pytestmark[0].args[1]]
    assert names == [
        f"loss.bright-{clause}"
        for clause in (
            "documented", "used", "values", "sizes", "arguments", "deterministic", "inputs", "device", "dtype",
            "gradients", "graph",
        )
    ]  # fmt: skip


def test_clauses_that_mean_nothing_for_a_node_are_no_cases():
    """A writer has no value, an image that is not trainable is no image to move."""
    clauses = {case.clause for case in contract(Means).pytestmark[0].args[1]}
    assert not clauses & {"values", "dtype", "gradients", "image"}


# What the kit is told


@node("value.spoken")
def spoken(text: str, kind: Literal["a", "b"] = "a") -> float:
    """The length of a text.

    Args:
        text: The text.
        kind: What to count.
    """
    return float(len(text) if kind == "a" else len(text.split()))


def test_examples_are_asked_for():
    message = only(violations(spoken), "examples")
    assert "nothing can be made up for its argument 'text' (text)" in message
    assert 'examples={"value.spoken": {"text": ...}}' in message


def test_examples_give_what_cannot_be_made_up():
    assert violations(spoken, examples={"value.spoken": {"text": "hello"}}) == []


def test_examples_may_be_nodes():
    """In place of a reference stands the node that it refers to."""
    found = violations(veil, examples={"filter.veil": {"mask": {"type": "tiny.mask", "width": 8, "height": 6}}})
    assert {violation.clause for violation in found} > {"values", "graph"}
    assert "must match the size" in found[0].message


def test_examples_name_nodes_that_there_are():
    with pytest.raises(UsageError, match="which the examples want") as caught:
        contract(veil, examples={"filter.veil": {"mask": {"type": "tiny.maks"}}})
    assert caught.value.problem.hint == "did you mean 'tiny.mask'?"


def test_examples_for_a_misspelt_type_are_refused():
    with pytest.raises(UsageError) as caught:
        violations(spoken, examples={"value.spokn": {}})
    assert caught.value.problem.hint == "did you mean 'value.spoken'?"


@pytest.mark.parametrize(
    ("allowed", "message"),
    [({"loss.brigt": ["graph"]}, "which is not tried"), ({"loss.bright": ["grph"]}, "there is no clause 'grph'")],
)
def test_allowed_clauses_exist(allowed, message):
    with pytest.raises(UsageError, match=message):
        contract(bright, allowed=allowed)


def test_a_distribution_must_be_installed():
    with pytest.raises(UsageError, match="no installed distribution 'pytti-graph-imagnet'") as caught:
        contract("pytti-graph-imagnet")
    assert caught.value.problem.hint is not None


def test_only_nodes_are_tried():
    with pytest.raises(TypeError, match="is not a node"):
        contract(only)


def test_every_promise_is_a_sentence():
    for clause in CLAUSES:
        assert clause.promise.endswith("."), clause.name


# Distributions


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs a plugin made of one module: `distribution("heavy", code)`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, code):
        (tmp_path / "torch.py").touch()  # in the place of torch, for quickness, wherever it is not imported yet
        info = tmp_path / f"pytti_graph_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pytti-graph-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pytti_graph]\n{name} = pytti_graph_{name}\n")
        (tmp_path / f"pytti_graph_{name}.py").write_text(textwrap.dedent(code))
        forget()

    yield install
    forget()


def test_imports_finds_torch(distribution):
    distribution(
        "heavy",
        """
        import torch

        from pytti_graph import hookimpl, node

        @node("value.heavy")
        def heavy() -> float:
            "One."
            return 1.0

        @hookimpl
        def pytti_graph_nodes(register):
            register(heavy)
        """,
    )
    found = violations("pytti-graph-heavy")
    assert "importing pytti_graph_heavy imports torch; register nodes by name" in only(found, "imports")
    assert [violation.node for violation in found] == ["pytti-graph-heavy"]


def test_plugin_finds_what_cannot_be_loaded(distribution):
    distribution(
        "torn",
        """
        from pytti_graph import hookimpl, node

        @node("value.torn")
        def torn() -> float:
            "One."
            return 1.0

        @hookimpl
        def pytti_graph_nodes(register):
            register(torn)
            register("pytti_graph_torn:missing")
        """,
    )
    assert "cannot be used" in only(violations("pytti_graph.Torn"), "plugin")
