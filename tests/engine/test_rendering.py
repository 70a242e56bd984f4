"""Frames, steps, randomness, and what happens when something goes wrong."""

import json
import threading

import pytest
import torch

from pytti_graph import Graph, GraphError, Interrupted, Moment, RenderError, node
from pytti_graph.api import resume
from pytti_graph.engine import rendering
from pytti_graph.engine.events import FrameDone, Prepared, Stepped, Warned
from pytti_graph.engine.machine import Machine


def tensors(frames):
    """The pictures of all frames."""
    return [frame.tensor for frame in frames]


def same(left, right):
    """True if two films are the same bit for bit."""
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


MOVING = {
    "canvas": ("tiny.canvas", {"warp": "drift"}),
    "drift": ("tiny.warp", {"by": "t"}),
    "shaken": ("tiny.noise", {"image": "canvas"}),
    "off": ("tiny.loss", {"image": "shaken", "weight": "1 + progress"}),
    "back": ("tiny.compare", {"image": "canvas", "target": "previous(canvas)", "weight": 0.5}),
    "optimise": ("tiny.sgd", {"losses": ["off", "back"]}),
}


def test_the_loss_goes_down(picture_graph):
    """The optimiser moves the picture towards what the loss wants."""
    frames = list(picture_graph(clock={"frames": 1, "steps": 60}).render())
    assert len(frames) == 1
    assert frames[0].losses["off"] < 1e-3
    assert (frames[0].tensor - 0.25).abs().max() < 0.1


def test_rendering_twice_gives_the_same_bits(picture_graph):
    """And another seed gives another film."""
    graph = picture_graph(MOVING)
    assert same(tensors(graph.render()), tensors(graph.render()))
    assert not same(tensors(graph.render()), tensors(graph.render(seed=6)))


def test_unrelated_nodes_change_nothing(picture_graph):
    """Random numbers belong to their node alone."""
    more = {
        "aaa": "tiny.canvas",
        "wild": ("tiny.noise", {"image": "aaa"}),
        "cost": ("tiny.loss", {"image": "wild"}),
        "zz": ("tiny.sgd", {"losses": ["cost"]}),
        "keep": ("tiny.sink", {"image": "wild"}),
    }
    plain = tensors(picture_graph(MOVING).render(output="canvas"))
    crowded = tensors(picture_graph({**more, **MOVING}).render(output="canvas"))
    assert same(plain, crowded)


def test_the_global_generator_is_not_touched(picture_graph):
    """Embedding programs keep their own random numbers."""
    before = torch.get_rng_state()
    list(picture_graph(MOVING).render())
    assert torch.equal(before, torch.get_rng_state())


def test_previous_is_the_end_of_the_frame_before(graph):
    """And on frame 0 the picture after its start."""
    made = graph(
        {
            "first": ("tiny.plain", {"value": 0.75}),
            "canvas": ("tiny.canvas", {"start": "first"}),
            "off": ("tiny.loss", {"image": "canvas"}),
            "optimise": ("tiny.sgd", {"losses": ["off"]}),
            "late": ("tiny.pass", {"image": "previous(canvas)"}),
        }
    )
    now, late = tensors(made.render(output="canvas")), tensors(made.render(output="late"))
    assert torch.equal(late[0], torch.full((1, 3, 2, 3), 0.75))
    assert torch.equal(late[1], now[0])
    assert torch.equal(late[2], now[1])


def test_previous_numbers_count(graph):
    """An initial value begins the count."""
    made = graph(
        {
            "n": ("tiny.number", {"value": "previous(n, 3) + 1"}),
            "p": ("tiny.plain", {"value": "n"}),
            "out": ("tiny.sink", {"image": "p"}),
        }
    )
    assert [float(tensor.mean()) for tensor in tensors(made.render())] == [4, 5, 6]


def test_images_start_on_frame_0_and_move_afterwards(graph):
    """`start` once, then `warp`; no warp on frame 0."""
    made = graph(
        {
            "first": ("tiny.plain", {"value": 0.75}),
            "bump": ("tiny.noise", {"image": "first"}),
            "drift": "tiny.warp",
            "canvas": ("tiny.canvas", {"warp": "drift"}),
            "out": ("tiny.sink", {"image": "canvas"}),
        }
    )
    first, second, third = tensors(made.render())
    assert torch.equal(second, first.roll(1, -1))
    assert torch.equal(third, first.roll(2, -1))


def test_a_start_that_changes_starts_every_frame(graph):
    """A video's next frame takes the place of the moved picture."""
    made = graph(
        {
            "source": ("tiny.plain", {"value": "frame/10"}),
            "canvas": ("tiny.canvas", {"start": "source", "warp": "drift"}),
            "drift": "tiny.warp",
            "out": ("tiny.sink", {"image": "canvas"}),
        }
    )
    assert [round(float(tensor.mean()), 5) for tensor in tensors(made.render())] == [0, 0.1, 0.2]


def test_events_tell_what_happens(picture_graph):
    """One `Prepared`, a `Stepped` for each step, a `FrameDone` for each frame."""
    events = []
    list(picture_graph(MOVING, clock={"frames": 2, "steps": 3, "warmup": 4}).render(on_event=events.append))
    prepared = [event for event in events if isinstance(event, Prepared)]
    stepped = [event for event in events if isinstance(event, Stepped)]
    assert [(p.frames, p.steps) for p in prepared] == [(2, 7)]
    assert [(s.frame, s.step, s.total_step) for s in stepped] == [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (0, 3, 3),
        (1, 0, 4),
        (1, 1, 5),
        (1, 2, 6),
    ]
    assert sum(isinstance(event, FrameDone) for event in events) == 2
    assert not any(isinstance(event, Warned) for event in events)


@pytest.mark.parametrize(("steps", "timed"), [(1, 1), (5, 1), (6, 2), (500, 2)])
def test_an_estimate_is_the_faster_of_two_steps_where_there_are_many(picture_graph, monkeypatch, steps, timed):
    """The first one that is timed finds caches cold: here each takes a second less than the one before."""
    now, took = [0.0], iter([9.0, 8.0, 7.0])
    monkeypatch.setattr(rendering.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Machine, "time_step", lambda self: now.__setitem__(0, now[0] + next(took)))
    events = []
    stopped = picture_graph(clock={"frames": 2, "steps": steps}).render(
        on_event=events.append, cancelled=lambda: True, output="canvas"
    )
    with pytest.raises(Interrupted):
        list(stopped)
    [prepared] = [event for event in events if isinstance(event, Prepared)]
    assert prepared.step_seconds == 10.0 - timed


def test_two_graphs_render_at_once(picture_graph):
    """In threads of one process, without disturbing each other."""
    graph = picture_graph(MOVING, clock={"frames": 4, "steps": 10})
    alone = {seed: tensors(graph.render(seed=seed)) for seed in range(4)}
    together = {}
    threads = [
        threading.Thread(target=lambda s=seed: together.update({s: tensors(graph.render(seed=s))})) for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(alone[seed], together[seed]) for seed in alone)


def test_nan_losses_are_named_with_frame_and_step(picture_graph):
    """And the frames before it are kept."""
    graph = picture_graph(
        {"off": ("tiny.loss", {"image": "canvas", "weight": "1e38 * 1e38 if frame == 1 and step == 1 else 1"})}
    )
    with pytest.raises(RenderError, match=r"frame 1"):
        list(graph.render())
    graph = picture_graph(
        {"off": ("tiny.loss", {"image": "canvas", "weight": "1e39 if frame == 1 and step == 1 else 1"})}
    )
    with pytest.raises(RenderError) as caught:
        list(graph.render())
    assert (caught.value.frame, caught.value.step, caught.value.problem.node) == (1, 1, "off")


def test_a_formula_without_a_value_is_named_with_its_frame(picture_graph):
    """Division by zero at frame 2."""
    graph = picture_graph({"off": ("tiny.loss", {"image": "canvas", "weight": "1/(2-frame)"})})
    with pytest.raises(RenderError, match="division by zero") as caught:
        list(graph.render())
    assert caught.value.frame == 2
    assert caught.value.problem.argument == "weight"


def test_a_number_out_of_bounds_while_running(graph):
    """Bounds hold for values that are only known while running."""
    made = graph(
        {
            "n": ("tiny.count", {"value": "frame + 8"}),
            "p": ("tiny.plain", {"value": "n"}),
            "out": ("tiny.sink", {"image": "p"}),
        }
    )
    with pytest.raises(RenderError, match="at most 9"):
        list(made.render())


def test_a_killed_rendering_leaves_a_folder_that_resumes_bit_for_bit(picture_graph, tiny, tmp_path):
    """Stopped after any step, the film and the losses are those of an uninterrupted run."""
    graph = picture_graph(MOVING, clock={"frames": 3, "steps": 3})
    whole = tensors(graph.render(tmp_path / "whole"))
    lines = (tmp_path / "whole" / "losses.jsonl").read_text()
    for stop in range(1, 9):
        folder, count = tmp_path / f"cut{stop}", iter(range(100))
        with pytest.raises(Interrupted):
            list(graph.render(folder, cancelled=lambda stop=stop, count=count: next(count) + 1 == stop))
        rest = tensors(resume(folder, registry=tiny).frames())
        assert same(rest, whole[len(whole) - len(rest) :]), stop
        assert (folder / "losses.jsonl").read_text() == lines
    assert [json.loads(line)["total_step"] for line in lines.splitlines()] == list(range(9))


def test_a_finished_film_can_be_extended(picture_graph, tiny, tmp_path):
    """The frames go on from the last one."""
    nodes = {**MOVING, "off": ("tiny.loss", {"image": "shaken"})}
    longer = tensors(picture_graph(nodes, clock={"frames": 5, "steps": 3}).render())
    list(picture_graph(nodes, clock={"frames": 3, "steps": 3}).render(tmp_path / "run"))
    assert same(tensors(resume(tmp_path / "run", frames=5, registry=tiny).frames()), longer[3:])
    assert "frames: 5" in (tmp_path / "run" / "graph.yaml").read_text()


def test_resuming_before_the_first_checkpoint_begins_anew(picture_graph, tiny, tmp_path):
    """A folder with only its graph in it is enough."""
    graph = picture_graph(MOVING)
    job = graph.prepare(tmp_path / "run")
    whole = tensors(graph.render())
    assert (job.folder / "graph.yaml").exists()
    assert same(tensors(resume(tmp_path / "run", registry=tiny).frames()), whole)


def test_existing_runs_are_never_overwritten(picture_graph, tmp_path):
    """Not even when asked to write there."""
    list(picture_graph().render(tmp_path / "run"))
    with pytest.raises(Exception, match="never overwritten"):
        list(picture_graph().render(tmp_path / "run"))


def test_a_rendering_that_fails_before_it_begins_leaves_no_folder(graph, tmp_path):
    """Nothing to resume, nothing to delete."""
    made = graph(
        {"p": ("tiny.plain", {"width": "1/(frame)"}), "out": ("tiny.sink", {"image": "p"})}, clock={"frames": 1}
    )
    with pytest.raises(RenderError):
        list(made.render(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_engine_says_which_loss_gives_no_gradient(picture_graph):
    """The autograd contract holds while running, too."""
    graph = picture_graph(
        {
            "back": ("tiny.compare", {"image": "canvas", "target": "canvas", "weight": 1e300}),
            "optimise": ("tiny.sgd", {"losses": ["off", "back"]}),
        }
    )
    with pytest.raises(RenderError, match="back"):
        list(graph.render())


def test_writers_close_once(picture_graph, tmp_path):
    """At the end, also after an interruption."""
    job = picture_graph().prepare(tmp_path / "run")
    machines = []
    original = job.rendering._machine
    job.rendering._machine = lambda: machines.append(original()) or machines[-1]
    list(job.frames())
    sink = machines[0].object("out")
    assert sink.closed == 1
    assert [frame for frame, _, _ in sink.seen] == [0, 1, 2]


def test_graphs_without_problems_only_warn(picture_graph):
    """Nodes that nothing needs are named."""
    assert [str(problem) for problem in picture_graph({"idle": "tiny.number"}).check()] == [
        "warning: idle: nothing that is written or optimised needs this node, so it does not run"
    ]


def test_an_unknown_output_is_refused(picture_graph):
    """With the pictures there are."""
    with pytest.raises(Exception, match="write one of: canvas"):
        picture_graph().render(output="off")


def test_override_gives_another_graph(picture_graph):
    """The first one stays as it is."""
    graph = picture_graph()
    assert len(list(graph.override({"clock.frames": 1}).render())) == 1
    assert len(list(graph.render())) == 3
    with pytest.raises(GraphError):
        Graph.build({"nodes": {"x": {"type": "no.such"}}}).check()


def test_two_renderings_cannot_share_a_folder(picture_graph, tiny, tmp_path):
    """The second is refused while the first is at it."""
    list(picture_graph().render(tmp_path / "run"))
    job = resume(tmp_path / "run", frames=5, registry=tiny)
    with pytest.raises(Exception, match="another process"):
        resume(tmp_path / "run", registry=tiny)
    assert len(list(job.frames())) == 2
    assert list(resume(tmp_path / "run", registry=tiny).frames()) == []


def test_the_record_says_how_it_went(picture_graph, tiny, tmp_path):
    """Versions, seed, device, threads, timings, and how it ended."""
    with pytest.raises(Interrupted):
        list(picture_graph().render(tmp_path / "run", cancelled=lambda: True))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert (record["seed"], record["threads"]) == (5, torch.get_num_threads())
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    list(resume(tmp_path / "run", registry=tiny).frames())
    again = json.loads((tmp_path / "run" / "run.json").read_text())
    assert again["status"] == "finished"
    assert again["seconds"] >= record["seconds"]


STEERED = {
    "slow": ("tiny.number", {"value": "previous(slow, 0) + 1"}),
    "drift": ("tiny.warp", {"by": "slow"}),
    "canvas": ("tiny.canvas", {"warp": "drift"}),
}


def test_a_number_that_follows_itself_can_steer_a_motion(picture_graph):
    """Though nothing moves on frame 0."""
    assert len(list(picture_graph(STEERED).render())) == 3


@node("test.tally")
class Tally:
    """Counts its calls."""

    def __init__(self) -> None:
        self.count = torch.zeros(())

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The count."""
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Put it back."""
        self.count = state["count"].clone()

    def forward(self, moment: Moment) -> float:
        """One more."""
        self.count = self.count + 1
        return float(self.count)


def test_state_that_runs_on_with_frames_resumes_too(picture_graph, tiny, tmp_path):
    """Stopped in the middle of a frame or between two."""
    registry = tiny.with_nodes(Tally)
    nodes = {
        "tally": "test.tally",
        "canvas": "tiny.canvas",
        "off": ("tiny.loss", {"image": "canvas", "target": "tally/10"}),
        "optimise": ("tiny.sgd", {"losses": ["off"]}),
        "out": ("tiny.sink", {"image": "canvas"}),
    }
    written = {
        id: {"type": what} if isinstance(what, str) else {"type": what[0], **what[1]} for id, what in nodes.items()
    }
    graph = Graph.build({"seed": 1, "clock": {"frames": 3, "steps": 2}, "nodes": written}, registry=registry)
    whole = tensors(graph.render())
    for stop in range(1, 6):
        count = iter(range(100))
        with pytest.raises(Interrupted):
            list(graph.render(tmp_path / str(stop), cancelled=lambda stop=stop, count=count: next(count) + 1 == stop))
        rest = tensors(resume(tmp_path / str(stop), registry=registry).frames())
        assert same(rest, whole[len(whole) - len(rest) :]), stop
