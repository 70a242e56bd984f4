"""What the engine asks of optimisers: what to move, what to show, and when to stop."""

import json

import pytest
import torch

from pytti_graph import Graph, Image, Loss, Number, Parameters, node
from pytti_graph.core.types import ParameterSet
from pytti_graph.engine.events import Stepped
from pytti_graph.engine.gradients import descents
from pytti_graph.nodes.optimize import Adam, ScheduleFree


@node("test.descent")
class Descent:
    """Plain gradient descent of the images it is told."""

    def __init__(self, parameters: Parameters) -> None:
        self.moved = parameters

    def forward(self, losses: list[Loss], rate: Number = 0.1, images: list[Image] | None = None) -> None:
        """One step."""
        for tensor in self.moved.values():
            tensor.sub_(tensor.grad, alpha=rate)


@node("test.half")
class Half(Descent):
    """Shows half of what it moves."""

    def shown(self) -> dict[str, torch.Tensor]:
        """Half of each."""
        return {name: tensor / 2 for name, tensor in self.moved.items()}


BASE = {
    "canvas": {"type": "tiny.canvas"},
    "shaken": {"type": "tiny.noise", "image": "canvas"},
    "off": {"type": "tiny.loss", "image": "shaken"},
    "optimise": {"type": "optimize.adam", "losses": ["off"]},
    "out": {"type": "tiny.sink", "image": "canvas"},
}


@pytest.fixture
def make(tiny):
    """Makes a graph of tiny nodes and real optimisers."""
    registry = tiny.with_nodes(Adam, ScheduleFree, Descent, Half)

    def build(more=None, **clock):
        nodes = {**BASE, **(more or {})}
        return Graph.build({"seed": 1, "clock": {"frames": 3, "steps": 4, **clock}, "nodes": nodes}, registry=registry)

    return build


def film(graph, **more):
    """The pictures of all frames."""
    return [frame.tensor for frame in graph.render(**more)]


def same(left, right):
    """Bit for bit."""
    return len(left) == len(right) and all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def optimiser(type, **more):
    """The base graph's optimiser in other words."""
    return {"optimise": {"type": type, "losses": ["off"], **more}}


AVERAGED = [optimiser("optimize.adam", average=0.9), optimiser("optimize.schedule_free")]


# What is shown


def test_frames_are_what_is_shown(make):
    """Half of a picture is half as bright, and the next frame begins there."""
    still = {**optimiser("test.half", rate=0), "out": {"type": "tiny.sink", "image": "canvas"}}
    [start] = film(make(optimiser("test.descent", rate=0), frames=1))
    assert same(film(make(still)), [start / 2, start / 4, start / 8])


def test_previous_is_what_was_shown(make):
    """Though the steps were elsewhere."""
    late = {**AVERAGED[0], "late": {"type": "tiny.pass", "image": "previous(canvas)"}}
    shown, before = film(make(late), output="canvas"), film(make(late), output="late")
    assert same(before[1:], shown[:-1])


@pytest.mark.parametrize("more", AVERAGED)
def test_a_frame_without_steps_goes_on_from_what_was_shown(make, more):
    """What was averaged is then forgotten."""
    first, second, third = film(make(more, warmup=6, steps=0))
    assert torch.equal(first, second)
    assert torch.equal(second, third)
    assert not torch.equal(first, film(make(optimiser("optimize.adam"), warmup=6, steps=0))[0])


@pytest.mark.parametrize("more", AVERAGED)
def test_watching_an_average_changes_nothing(make, more):
    """And previews show what a frame would, if it ended here."""
    previews = []

    def watch(event):
        if isinstance(event, Stepped):
            previews.append(event.read_preview())

    graph = make(more)
    assert same(film(graph, on_event=watch), film(graph))
    for steps in (1, 2, 3):
        assert torch.equal(previews[steps - 1], film(make(more, frames=1, steps=steps))[0])


@pytest.mark.parametrize("more", AVERAGED)
def test_averages_are_steadier_than_steps(make, more):
    """Noise in the losses shows less in the picture."""
    noisy = {
        "canvas": {"type": "tiny.canvas", "width": 16, "height": 16},
        "shaken": {"type": "tiny.noise", "image": "canvas", "strength": 0.5},
    }
    clock = {"frames": 1, "steps": 160}
    plain, averaged = (film(make({**noisy, **one}, **clock))[0] for one in (optimiser("optimize.adam"), more))
    assert (averaged - 0.25).square().mean() < 0.7 * (plain - 0.25).square().mean()


MOVING = {"canvas": {"type": "tiny.canvas", "warp": "drift"}, "drift": {"type": "tiny.warp"}}


@pytest.mark.parametrize(
    "more",
    [
        *AVERAGED,
        optimiser("optimize.adam", average=0.5, keep_moments=True, clip=0.01),
        optimiser("optimize.schedule_free", keep_moments=True, weight_decay=0.1, learning_rate="0.1*(1-progress)"),
    ],
)
def test_resuming_is_exact(make, more, tmp_path, resumes):
    """With noise and motion, wherever it was stopped."""
    resumes(make({**MOVING, **more}, steps=2), tmp_path)


# When enough is enough

STILL = {"off": {"type": "tiny.loss", "image": "canvas"}}
"""Nothing is left to chance."""


def steps_of(graph, **more):
    """How many steps each frame took."""
    return [frame.steps for frame in graph.render(**more)]


def test_steps_end_when_nothing_is_gained(make):
    """After `patience` steps and those before, without which nobody knows."""
    stuck = optimiser("optimize.adam", patience=8, learning_rate=0)
    assert steps_of(make({**STILL, **stuck}, steps=100)) == [10, 10, 10]
    assert steps_of(make({**STILL, **stuck}, steps=9)) == [9, 9, 9]
    moving = optimiser("optimize.adam", patience=8, learning_rate=0.001)
    assert steps_of(make({**STILL, **moving}, steps=40)) == [40, 40, 40]


def test_a_picture_that_is_finished_stops_early(make):
    """Where it was wanted."""
    more = optimiser("optimize.adam", patience=20, learning_rate=0.05)
    [frame] = make({**STILL, **more}, frames=1, steps=2000).render()
    assert 20 < frame.steps < 500
    assert frame.ended_early
    assert not next(iter(make(STILL, frames=1, steps=5).render())).ended_early
    assert (frame.tensor - 0.25).abs().max() < 0.02


@pytest.mark.parametrize("type", ["optimize.adam", "optimize.schedule_free"])
def test_resuming_stops_at_the_same_step(make, type, tmp_path, resumes):
    """The losses of the steps before are enough to know."""
    graph = make({**MOVING, **STILL, **optimiser(type, patience=1, learning_rate="0 if step else 0.1")}, steps=9)
    assert steps_of(graph) == [3, 3, 3]
    resumes(graph, tmp_path)


def test_the_clock_counts_on_as_if_all_steps_were_taken(make, tmp_path):
    """Losses tell the steps that there were, with the clock's numbers, and so do formulas."""
    growing = {"off": {"type": "tiny.loss", "image": "canvas", "weight": "total_step + 1"}}
    stuck = optimiser("optimize.adam", patience=4, learning_rate=0)
    events = []
    list(make({**growing, **stuck}, frames=2, steps=50).render(tmp_path / "run", on_event=events.append))
    rows = [json.loads(line) for line in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    assert [row["total_step"] for row in rows] == [0, 1, 2, 3, 4, 50, 51, 52, 53, 54]
    assert [round(row["off"] / rows[0]["off"]) for row in rows] == [row["total_step"] + 1 for row in rows]
    assert [event.total_step for event in events if isinstance(event, Stepped)] == [row["total_step"] for row in rows]


def test_a_frame_ends_when_all_optimisers_have_enough(make):
    """One that never has keeps the others at it."""
    other = {
        "second": {"type": "tiny.canvas"},
        "near": {"type": "tiny.loss", "image": "second"},
    }

    def steps(**second):
        more = {**STILL, **other, **optimiser("optimize.adam", patience=4, learning_rate=0)}
        return steps_of(make({**more, "again": {"losses": ["near"], **second}}, frames=1, steps=30))

    assert steps(type="optimize.adam", patience=16, learning_rate=0) == [20]
    assert steps(type="optimize.adam") == [30]
    assert steps(type="test.descent") == [30]


def test_an_optimiser_has_enough_of_its_own_losses(make):
    """That another's rise faster than its own fall is none of its business."""
    more = {
        "off": {"type": "tiny.loss", "image": "canvas", "weight": "1 + 9*step"},
        **optimiser("optimize.adam", patience=4, learning_rate=0),
        "second": {"type": "tiny.canvas"},
        "near": {"type": "tiny.loss", "image": "second"},
        "again": {"type": "optimize.adam", "losses": ["near"], "patience": 4, "learning_rate": 0.001},
    }
    assert steps_of(make(more, frames=1, steps=30)) == [30]


# What is moved

PAIR = {
    "canvas": {"type": "tiny.canvas"},
    "second": {"type": "tiny.canvas"},
    "both": {"type": "tiny.compare", "image": "canvas", "target": "second"},
    "off": {"type": "tiny.loss", "image": "canvas", "target": 0.9},
}


def test_only_named_images_are_moved(make):
    """The other one stays."""
    more = {**PAIR, "optimise": {"type": "optimize.adam", "losses": ["both"], "images": ["second"]}}
    frames, [start] = film(make(more)), film(make(more, frames=1, steps=0))
    assert same(frames, [start] * 3)
    moved = film(make(more), output="second")
    assert (moved[-1] - start).abs().max() < (moved[0] - start).abs().max()


def test_two_optimisers_of_the_same_losses_are_one(make):
    """Each moves its own image; nothing else is different."""
    losses = {**PAIR, "back": {"type": "tiny.compare", "image": "second", "target": "canvas", "weight": "1 + progress"}}
    together = {**losses, "optimise": {"type": "optimize.adam", "losses": ["both", "back"]}}
    apart = {
        **losses,
        "optimise": {"type": "optimize.adam", "losses": ["both", "back"], "images": "canvas"},
        "again": {"type": "optimize.adam", "losses": ["back", "both"], "images": "second"},
    }
    for output in ("canvas", "second"):
        assert same(film(make(together), output=output), film(make(apart), output=output))


def test_the_same_losses_are_followed_back_once(make):
    """In whatever order they are given."""
    more = {
        **PAIR,
        "back": {"type": "tiny.compare", "image": "second", "target": "canvas"},
    }

    def count(first, second):
        told = {"optimise": {"losses": first, "images": "canvas"}, "again": {"losses": second, "images": "second"}}
        nodes = {**more, **{id: {"type": "test.descent", **arguments} for id, arguments in told.items()}}
        found = make(nodes).plan(write=False, output="canvas").optimisers
        return len(descents((one, ParameterSet({one.node: torch.ones(1)}, {})) for one in found))

    assert count(["both", "back"], ["back", "both"]) == 1
    assert count(["both", "back"], ["both"]) == 2
    assert count(["both", "back"], ["back", "both", "both"]) == 2


def test_optimisers_that_share_some_losses_follow_their_own(make):
    """One step of plain descent, by hand."""
    more = {
        **PAIR,
        "optimise": {"type": "test.descent", "losses": ["both", "off"], "images": "canvas"},
        "again": {"type": "test.descent", "losses": ["both"], "images": "second"},
    }
    graph = make(more, frames=1, steps=0)
    canvas, second = (film(graph, output=image)[0].requires_grad_() for image in ("canvas", "second"))
    both, off = (canvas - second).square().mean(), (canvas - 0.9).square().mean()
    [down] = torch.autograd.grad(both + off, canvas, retain_graph=True)
    [along] = torch.autograd.grad(both, second)
    graph = make(more, frames=1, steps=1)
    torch.testing.assert_close(film(graph, output="canvas")[0], (canvas - 0.1 * down).detach())
    torch.testing.assert_close(film(graph, output="second")[0], (second - 0.1 * along).detach())
