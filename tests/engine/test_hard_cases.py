"""What a second look found: state, numbers, placement, broken gradients, odd callers."""

import json

import pytest
import torch

from pytti_graph import (
    Graph,
    GraphError,
    Image,
    Interrupted,
    Loss,
    Moment,
    PyttiGraphError,
    RenderError,
    Stream,
    UsageError,
    node,
)
from pytti_graph.api import resume
from pytti_graph.engine.events import Stepped


@node("hard.tally")
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

    def forward(self, image: Image) -> Image:
        """The picture, brighter each time."""
        self.count = self.count + 1
        return image.detach() * 0 + self.count / 10


@node("hard.broken")
def broken(image: Image) -> Loss:
    """A loss whose gradient is lost."""
    return torch.tensor(float(image.detach().mean()))


@node("hard.row")
def row(image: Image) -> Loss:
    """No scalar."""
    return image.mean((0, 2, 3))


@node("hard.grain", rate="frame")
def grain(stream: Stream) -> Image:
    """Noise, once a frame."""
    return stream.uniform(1, 3, 2, 3)


@node("hard.now", rate="frame")
def now(moment: Moment) -> float:
    """The step, as a node sees it that changes once a frame."""
    return float(moment.step)


@node("hard.same")
class Same:
    """A trainable picture that hands out its parameter itself."""

    def __init__(self) -> None:
        self.pixels = torch.full((1, 3, 2, 3), 0.5, requires_grad=True)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Its pixels."""
        return {"pixels": self.pixels}

    def forward(self) -> Image:
        """The pixels."""
        return self.pixels


HARD = (Tally, broken, row, grain, now, Same)
BASE = {
    "canvas": {"type": "tiny.canvas"},
    "off": {"type": "tiny.loss", "image": "canvas"},
    "optimise": {"type": "tiny.sgd", "losses": ["off"]},
    "out": {"type": "tiny.sink", "image": "canvas"},
}


@pytest.fixture
def make(tiny):
    """Makes a graph of hard nodes."""

    def build(more=None, frames=4, steps=2, **top):
        clock = {"frames": frames, "steps": steps}
        return Graph.build(
            {"seed": 1, "clock": clock, "nodes": {**BASE, **(more or {})}, **top}, registry=tiny.with_nodes(*HARD)
        )

    return build


def film(frames):
    """The pictures."""
    return [frame.tensor for frame in frames]


def same(left, right):
    """Bit for bit."""
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(
    "more",
    [
        {
            "canvas": {"type": "tiny.canvas", "start": "late"},
            "late": {"type": "tiny.plain", "value": "0.2 if frame<2 else 0.8"},
        },
        {
            "canvas": {"type": "tiny.canvas", "start": "late", "warp": "drift"},
            "drift": {"type": "tiny.warp"},
            "late": {"type": "tiny.plain", "value": "0.2 if frame<2 else 0.8"},
        },
        {
            "n": {"type": "tiny.number", "value": "previous(n, 0.1)*1.1"},
            "off": {"type": "tiny.loss", "image": "canvas", "target": "n"},
        },
        {
            "off": {"type": "tiny.loss", "image": "canvas", "weight": "1/(frame-previous(n,-1))"},
            "n": {"type": "tiny.number", "value": "frame"},
        },
        {
            "back": {"type": "hard.tally", "image": "canvas"},
            "off": {"type": "tiny.compare", "image": "canvas", "target": "back"},
        },
        {"back": {"type": "hard.tally", "image": "canvas"}, "out": {"type": "tiny.sink", "image": "back"}},
        {"noise": {"type": "hard.grain"}, "off": {"type": "tiny.compare", "image": "canvas", "target": "noise"}},
    ],
    ids=["start", "start or warp", "numbers", "replay", "state in steps", "state at the end", "noise by frame"],
)
def test_resuming_is_exact(make, more, tmp_path, resumes):
    """Whatever holds the state."""
    resumes(make(more), tmp_path)


def test_a_start_that_does_not_change_does_not_start_again(make):
    """Values count, not objects."""
    more = {
        "canvas": {"type": "tiny.canvas", "start": "late", "warp": "drift"},
        "drift": {"type": "tiny.warp"},
        "late": {"type": "tiny.plain", "value": "0.2 if frame<2 else 0.8"},
    }
    first, second, third, _ = film(make(more).render())
    assert not torch.equal(second, first)
    assert (second - 0.2).abs().max() > (first - 0.2).abs().max()
    assert (third - 0.8).abs().max() < 0.2


def test_watching_changes_nothing(make):
    """Neither rehearsing nor previews advance a node's state."""
    graph = make({"back": {"type": "hard.tally", "image": "canvas"}, "out": {"type": "tiny.sink", "image": "back"}})

    def watch(event):
        if isinstance(event, Stepped):
            event.read_preview()

    assert same(film(graph.render()), film(graph.render(on_event=watch)))
    assert [round(float(tensor.mean()), 5) for tensor in film(graph.render())] == [0.1, 0.2, 0.3, 0.4]


def test_noise_by_frame_does_not_depend_on_who_needs_it(make):
    """Nor on the number of steps."""
    alone = {"noise": {"type": "hard.grain"}, "out": {"type": "tiny.sink", "image": "noise"}}
    used = {**alone, "off": {"type": "tiny.compare", "image": "canvas", "target": "noise"}}
    assert same(film(make(alone).render()), film(make(used).render()))
    assert same(film(make(alone).render()), film(make(used, steps=3).render()))
    step = {
        "n": {"type": "hard.now"},
        "p": {"type": "tiny.plain", "value": "n"},
        "out": {"type": "tiny.sink", "image": "p"},
    }
    assert {float(tensor.mean()) for tensor in film(make(step).render())} == {0.0}


def test_frames_are_copies(make):
    """Also where a node hands out its parameter."""
    frames = film(make({"canvas": {"type": "hard.same"}}).render())
    assert not torch.equal(frames[0], frames[-1])


def test_a_loss_whose_gradient_is_lost_is_named(make):
    """Though another loss has one."""
    graph = make(
        {
            "lost": {"type": "hard.broken", "image": "canvas"},
            "optimise": {"type": "tiny.sgd", "losses": ["off", "lost"]},
        }
    )
    with pytest.raises(RenderError, match="no gradient comes from it") as caught:
        list(graph.render())
    assert caught.value.problem.node == "lost"


def test_a_loss_that_is_no_scalar_is_named(make):
    """With its shape."""
    with pytest.raises(RenderError, match=r"shape \[3\]") as caught:
        list(make({"off": {"type": "hard.row", "image": "canvas"}}).render())
    assert caught.value.problem.node == "off"


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_callers_may_have_gradients_off(make, context):
    """It is their own affair."""
    expected = film(make().render())
    with context():
        assert same(film(make().render()), expected)


def test_the_callers_default_type_changes_nothing(make):
    """Pictures are float32."""
    expected = film(make().render())
    torch.set_default_dtype(torch.float64)
    try:
        assert same(film(make().render()), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_interrupted_film_gives_every_frame_once(make, tmp_path):
    """A frame that is written is handed out, too."""
    seen: list[int] = []
    frames = make().render(tmp_path / "run", cancelled=lambda: len(seen) == 2)
    with pytest.raises(Interrupted):
        seen.extend(frame.index for frame in frames)
    assert seen == [0, 1]
    assert [frame.index for frame in resume(tmp_path / "run", registry=make().registry).frames()] == [2, 3]


def test_a_job_is_used_once(make, tmp_path):
    """Or its losses would be written twice."""
    job = make().prepare(tmp_path / "run")
    list(job.frames())
    with pytest.raises(UsageError, match="used already"):
        list(job.frames())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{}"),
        ("run.json", "["),
        ("graph.yaml", "\xff"),
        ("checkpoint.safetensors", "no"),
        ("losses.jsonl", "{\n"),
    ],
)
def test_damaged_run_folders_are_told(make, tmp_path, name, content):
    """With the file that is damaged."""
    list(make().render(tmp_path / "run"))
    (tmp_path / "run" / name).write_text(content, "latin-1")
    with pytest.raises(PyttiGraphError, match=name.split(".")[0]):
        list(resume(tmp_path / "run", frames=5, registry=make().registry).frames())


def test_a_checkpoint_of_another_graph_is_refused(make, tmp_path):
    """It was edited since."""
    list(make().render(tmp_path / "run"))
    path = tmp_path / "run" / "graph.yaml"
    path.write_text(path.read_text().replace("type: tiny.canvas", "type: tiny.canvas, width: 9"))
    with pytest.raises(UsageError, match="does not fit this graph"):
        list(resume(tmp_path / "run", frames=5, registry=make().registry).frames())


def test_texts_that_look_like_paths_stay_as_they_are(make, tmp_path):
    """Only paths are made relative."""
    nodes = {
        "eye": {"type": "tiny.eye"},
        "story": {"type": "prompt.scenes", "perceptor": "eye", "scenes": "/imagine a castle"},
        "photo": {"type": "source.image", "path": str(tmp_path / "x.png")},
        "out": {"type": "write.frames", "image": "photo"},
    }
    from PIL import Image as Pillow

    from pytti_graph.core.plugins import installed

    Pillow.new("RGB", (4, 4)).save(tmp_path / "x.png")
    registry = make().registry
    registry = type(registry)({**installed().specs, **registry.specs}, (), dict(registry._made))
    graph = Graph(Graph.build({"nodes": nodes}, registry=registry).document, registry=registry, folder=tmp_path)
    list(graph.render(tmp_path / "run"))
    text = (tmp_path / "run" / "graph.yaml").read_text()
    assert "/imagine a castle" in text
    assert str(tmp_path) not in text


def test_a_graph_that_only_optimises_writes_nothing(make, tmp_path):
    """Which is told before it begins."""
    graph = make()
    nodes = {
        id: {"type": n.type.plain(), **{k: e.value.plain() for k, e in n.arguments.items()}}
        for id, n in graph.document.nodes.items()
    }
    del nodes["out"]
    graph = Graph.build({"nodes": nodes, "clock": {"steps": 2}}, registry=graph.registry)
    with pytest.raises(GraphError, match="writes nothing"):
        graph.render(tmp_path / "run")
    assert len(list(graph.render())) == 1


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, 2**63])
def test_a_seed_is_a_whole_number(make, seed):
    """So that every run can be repeated."""
    with pytest.raises(UsageError, match="a seed is"):
        make().render(seed=seed)


def test_writers_close_whatever_happens(make, tmp_path):
    """When the caller goes away, and when a frame fails."""
    for more, leave in (
        ({}, True),
        ({"off": {"type": "tiny.loss", "image": "canvas", "weight": "1/(1-frame)"}}, False),
    ):
        job = make(more).prepare(tmp_path / str(leave))
        machines = []
        original = job.rendering._machine
        job.rendering._machine = lambda original=original, machines=machines: (
            machines.append(original()) or machines[-1]
        )
        frames = job.frames()
        next(frames)
        if leave:
            frames.close()
        else:
            with pytest.raises(RenderError):
                next(frames)
        assert machines[0].object("out").closed == 1
        assert json.loads((tmp_path / str(leave) / "run.json").read_text())["status"] == (
            "interrupted" if leave else "failed"
        )


@pytest.mark.parametrize("name", ["extra", "another"])
def test_an_unrelated_prompt_loss_and_writer_change_no_bit(make, name, tmp_path):
    """Whatever they are called, and wherever they stand in the file."""
    from pytti_graph import installed

    tiny = make().registry
    registry = installed().with_nodes(*tiny._made.values())
    more = {
        f"{name}_eye": {"type": "tiny.eye"},
        f"{name}_words": {"type": "prompt.scenes", "perceptor": f"{name}_eye", "scenes": "a|b:sin(t)||c"},
        f"{name}_canvas": {"type": "image.pyramid", "width": 8, "height": 8},
        f"{name}_crops": {"type": "cutout.classic", "image": f"{name}_canvas", "size": f"{name}_eye.size", "count": 2},
        f"{name}_shaken": {"type": "augment.classic", "cutouts": f"{name}_crops"},
        f"{name}_seen": {"type": "encode.cutouts", "perceptor": f"{name}_eye", "cutouts": f"{name}_shaken"},
        f"{name}_loss": {"type": "loss.prompts", "seen": f"{name}_seen", "prompts": f"{name}_words"},
        f"{name}_adam": {"type": "optimize.adam", "losses": [f"{name}_loss"]},
        f"{name}_frames": {"type": "write.frames", "image": f"{name}_canvas", "folder": "others"},
    }
    own = {**BASE, "noisy": {"type": "tiny.noise", "image": "canvas"}, "off": {"type": "tiny.loss", "image": "noisy"}}
    top = {"seed": 1, "clock": {"frames": 3, "steps": 2}}
    alone = Graph.build({**top, "nodes": own}, registry=registry)
    crowded = Graph.build({**top, "nodes": {**more, **own}}, registry=registry)
    expected = film(alone.render(output="canvas"))
    assert same(film(crowded.render(output="canvas")), expected)
    written = crowded.prepare(tmp_path / "crowded", output="canvas").frames()
    assert same(film(written), expected)
    assert len(list((tmp_path / "crowded" / "others").iterdir())) == 3
