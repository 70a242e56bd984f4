"""Sweeps as a library: the grid, its checks, what is kept, what goes on, what is refused."""

import csv
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import (
    Graph,
    GraphError,
    Interrupted,
    Noted,
    Outcome,
    Progressed,
    RenderError,
    Result,
    Started,
    Sweep,
    Task,
    UsageError,
    Variation,
    render_task,
)
from pytti_graph.core.node_files import with_files
from pytti_graph.core.plugins import installed
from pytti_graph.executors import Local
from pytti_graph.graph.values import Value
from pytti_graph.sweeps.plan import safe_name
from pytti_graph.sweeps.sheet import draw_sheet
from pytti_graph.sweeps.vary import read_vary

CALM = {
    "title": "Calm",
    "seed": 3,
    "clock": {"frames": 2, "fps": 12, "steps": 3},
    "nodes": {
        "canvas": {"type": "image.rgb", "width": 16, "height": 16},
        "calm": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["calm"]},
        "frames": {"type": "write.frames", "image": "canvas"},
    },
}
DIES = "1 if frame < 1 else 1e39"
"""A weight at which the loss is infinite from the second frame on."""


class Here:
    """An executor that renders one task after another in this process."""

    def run(self, tasks, cancelled=lambda: False):
        """Run tasks."""
        for task in tasks:
            if cancelled():
                return
            yield Started(task.name)
            told = []
            outcome = render_task(task, report=told.append, cancelled=cancelled)
            yield from told
            yield outcome


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """A graph that renders in a moment, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Graph.build(CALM, "calm")


def swept(graph, vary, folder="out", **more):
    """A sweep that has been rendered in this process."""
    sweep = Sweep.plan(graph, vary, **more)
    sweep.run(folder, executor=Here())
    return sweep


def statuses(results):
    return [result.status for result in results]


def frames(folder):
    """Every frame below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("frames/*.png"))}


def plain(axes):
    return {path: [value.plain() for value in values] for path, values in axes.items()}


# What varies


def test_values_are_yaml_lists_and_mean_what_they_mean_in_graphs():
    """`off` and `12:30` are texts, `1e3` a number; texts with commas are quoted."""
    assert plain(read_vary(["a.b=[1, 1e3, off, 12:30]", "s.scenes=['a castle, at night', \"x: y\"]"])) == {
        "a.b": [1, 1000.0, "off", "12:30"],
        "s.scenes": ["a castle, at night", "x: y"],
    }


@pytest.mark.parametrize(
    ("vary", "message", "hint"),
    [
        (["seed=1,2"], "'seed' needs a list of values, not '1,2'", "write seed=[1,2]"),
        (["seed=1"], "'seed' needs a list", "write seed=[1]"),
        (["seed={1,2}"], "'seed' needs a list", "write seed="),
        (["seed="], "'seed' needs a list", "write seed=[1, 2, 3]"),
        (["seed"], "cannot read what varies: 'seed'", "write seed=[1, 2, 3]"),
        (["=[1]"], "cannot read what varies", "write seed"),
        (["seed=[]"], "'seed' has no values", "write seed=[...]"),
        ({"seed": []}, "'seed' has no values", "write seed=[...]"),
        (["seed=[1, 2, 1]"], "'seed' has the value 1 twice", "remove one"),
        (["seed=[1]", "seed=[2]"], "'seed' varies twice", "one list"),
        (["canvas.width=[1]", "nodes.canvas.width=[2]"], "'canvas.width' varies twice", "one list"),
        ([], "nothing varies", "write seed="),
        ({"seed": 3}, "'seed' needs a list of values, not 3", "[1, 2, 3]"),
        ({"a.b": "text"}, "'a.b' needs a list of values", "[1, 2, 3]"),
    ],
)
def test_what_varies_and_cannot_be_read(vary, message, hint):
    with pytest.raises(UsageError) as caught:
        read_vary(vary)
    assert message in caught.value.problem.message
    assert hint in (caught.value.problem.hint or "")


def test_a_list_that_is_not_yaml_is_shown_with_its_place():
    with pytest.raises(GraphError) as caught:
        read_vary(["seed=[1, 2"])
    assert str(caught.value).startswith("--vary seed=[1, 2:1:")


def test_a_node_called_clock_is_not_the_clock():
    assert list(read_vary(["clock.frames=[1]", "nodes.clock.frames=[2]"])) == ["clock.frames", "nodes.clock.frames"]


# The grid


def test_the_last_variable_changes_fastest(graph):
    sweep = Sweep.plan(graph, ["seed=[1, 2]", "canvas.width=[16, 8]"])
    assert [variation.name for variation in sweep.variations] == [
        "001_seed=1_canvas.width=16",
        "002_seed=1_canvas.width=8",
        "003_seed=2_canvas.width=16",
        "004_seed=2_canvas.width=8",
    ]
    assert [dict(variation.values) for variation in sweep.variations][1] == {"seed": 1, "canvas.width": 8}
    assert sweep.variations[1].settings == ["seed=1", "canvas.width=8"]
    assert [variation.graph.checked.seed for variation in sweep.variations] == [1, 1, 2, 2]
    assert not Path("sweeps").exists(), "planning writes nothing"


def test_without_a_seed_all_variations_get_the_same_one(graph):
    unseeded = Graph.build({**CALM, "seed": None})
    seeds = {v.graph.checked.seed for v in Sweep.plan(unseeded, {"canvas.width": [8, 16]}).variations}
    assert len(seeds) == 1
    assert None not in seeds


def test_drafts_make_smaller_what_varies(graph):
    sweep = Sweep.plan(graph, {"canvas.width": [32, 64]}, draft=True, frames=1)
    assert [v.graph.checked.nodes["canvas"].arguments["width"].value for v in sweep.variations] == [16, 32]
    assert {v.graph.checked.clock.frames for v in sweep.variations} == {1}


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_names_of_folders_are_safe_whatever_varies(values):
    """One path component that every file system takes, never hidden, and not too long."""
    name = safe_name(7, 12, {f"node{index}.text": Value(value) for index, value in enumerate(values)})
    assert name.startswith("007_")
    assert not set(name) & set('/\\:*?"<>|\0\n\t ')
    assert len(name.encode()) <= 120
    assert name[-1] not in " ."


# Checks


def problems_of(graph, vary, **more):
    with pytest.raises(GraphError) as caught:
        Sweep.plan(graph, vary, **more)
    return [str(problem) for problem in caught.value.problems]


def test_all_variations_are_checked_and_each_problem_names_its_variation(graph):
    """All in one report, before anything is rendered."""
    first, second = problems_of(graph, ["canvas.width=[16, 0]", "optimise.learning_rate=[0.1, 'sine(t)']"])
    assert first.endswith("unknown function 'sine' (variations 2, 4); did you mean 'sin'?")
    assert "must be at least 1 px, not 0 (variations 3, 4)" in second
    assert first.startswith("--vary ")


def test_one_variation_is_named_with_its_values(graph):
    (problem,) = problems_of(graph, ["canvas.width=[16, 0]"])
    assert problem.endswith("canvas: width: must be at least 1 px, not 0 (variation 2: canvas.width=0)")


def test_what_is_wrong_with_all_is_told_once(graph):
    (problem,) = problems_of(graph, ["canvsa.width=[16, 8]"])
    assert problem == "--vary canvsa.width=16:1:1: error: the graph has no node 'canvsa'; did you mean 'canvas'?"
    (problem,) = problems_of(Graph.build({**CALM, "vars": {"x": 1}}), {"vars.y": [1, 2]})
    assert "the graph has no variable 'y'" in problem


def test_what_does_not_vary_keeps_its_place(graph):
    """A mistake in `--set` is not blamed on `--vary`."""
    (problem,) = problems_of(graph.override(["canvas.width=0"]), ["seed=[1, 2]"])
    assert problem.startswith("--set canvas.width=0:1:14: error: canvas: width: must be at least 1 px, not 0")


def test_a_missing_file_of_one_variation_is_found_before_rendering(graph, tmp_path):
    Image.new("RGB", (8, 8)).save("there.png")
    nodes = {**CALM["nodes"], "photo": {"type": "source.image", "path": "there.png"}}
    nodes["like"] = {"type": "loss.match", "image": "canvas", "target": "photo"}
    nodes["optimise"] = {"type": "optimize.adam", "losses": ["like"]}
    graph = Graph(Graph.build({**CALM, "nodes": nodes}).document, folder=tmp_path)
    (problem,) = problems_of(graph, {"photo.path": ["there.png", "gone.png"]})
    assert "there is no file 'gone.png' (variation 2: photo.path=gone.png)" in problem


# Rendering


def test_each_variation_gets_a_run_folder_a_line_and_a_picture(graph):
    told = []
    sweep = Sweep.plan(graph, ["seed=[1, 2]", "canvas.width=[16, 8]"])
    results = sweep.run(executor=Here(), on_event=told.append)
    folder = Path("sweeps/calm-1")
    assert sweep.folder == folder
    assert statuses(results) == ["finished"] * 4
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        *[variation.name for variation in sweep.variations],
        "graph.yaml",
        "sheet.png",
        "sweep.csv",
        "sweep.json",
    ]
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["canvas.width"], row["status"]) for row in rows][1] == ("1", "8", "finished")
    assert [float(row["loss calm"]) for row in rows] == [result.losses["calm"] for result in results]
    entries = json.loads((folder / "sweep.json").read_text())["variations"]
    assert entries[3]["picture"] == "004_seed=2_canvas.width=8/frames/00001.png"
    assert [type(event) for event in told if not isinstance(event, Progressed)] == [Started, Result] * 4


def test_a_variation_is_what_run_makes_of_the_same_settings(graph):
    """Bit for bit."""
    sweep = swept(graph, {"seed": [1, 2], "calm.weight": [0.5]})
    list(graph.override({"seed": 2, "calm.weight": 0.5}).render("alone"))
    assert frames(sweep.folder / "002_seed=2_calm.weight=0.5") == frames("alone")


def test_prompts_with_commas_are_values(graph):
    named = Graph.build({**CALM, "vars": {"mood": "dark"}, "title": "x"})
    sweep = swept(named, ["vars.mood=['a castle, at night', 'a/b']"])
    assert [v.name for v in sweep.variations] == ["001_vars.mood=a-castle-at-night", "002_vars.mood=a-b"]
    with (sweep.folder / "sweep.csv").open() as file:
        assert [row["vars.mood"] for row in csv.DictReader(file)] == ["a castle, at night", "a/b"]


def test_a_variation_that_fails_stops_no_other(graph):
    sweep = Sweep.plan(graph, {"calm.weight": [0.1, DIES, 0.2]})
    results = sweep.run(executor=Here())
    assert statuses(results) == ["finished", "failed", "finished"]
    assert "not a number any more" in results[1].problems[0].message
    assert results[1].picture.name == "00000.png", "what it made before is kept"
    reread = Sweep.open(sweep.folder).results()
    assert [(r.status, r.problems) for r in reread] == [(r.status, r.problems) for r in results]


def test_what_fails_is_told_at_its_place_in_the_users_files(graph):
    """Not in one that was written for the variation, which may be gone or on another machine."""
    written = Graph.parse(graph.yaml, "calm.yaml")
    dies, divides = Sweep.plan(written, {"calm.weight": [DIES, "1/frame"]}).run("out", executor=Here())
    assert dies.problems[0].position == written.checked.nodes["calm"].position
    assert dies.problems[0].position.file == "calm.yaml"
    assert str(divides.problems[0].position) == '--vary calm.weight="1/frame":1:13'
    assert [result.folder.is_dir() for result in (dies, divides)] == [True, False]
    with Path("out/sweep.csv").open() as file:
        assert [row["folder"] for row in csv.DictReader(file)] == [dies.folder.name, ""]


def test_resuming_does_what_is_left_and_only_that(graph):
    """Finished variations are not touched; failed ones are tried again."""
    sweep = swept(graph, {"calm.weight": [0.1, DIES]})
    done = (sweep.folder / "001_calm.weight=0.1/run.json").stat().st_mtime_ns
    begun = []
    again = Sweep.open(sweep.folder)
    again.run(executor=Here(), on_event=lambda event: isinstance(event, Started) and begun.append(event.task))
    assert begun == ["002_calm.weight=1-if-frame-1-else-1e39"]
    assert (sweep.folder / "001_calm.weight=0.1/run.json").stat().st_mtime_ns == done


def test_an_interrupted_sweep_resumes_bit_for_bit(graph):
    """Stopped in the middle of the second variation, it ends like one that was not stopped."""
    whole = swept(graph, {"seed": [1, 2, 3]}, "whole")
    sweep, seen = Sweep.plan(graph, {"seed": [1, 2, 3]}), []
    folder = Path("stopped").absolute()

    def cancelled():
        seen.append(1)
        return (folder / "002_seed=2/frames/00000.png").exists()

    with pytest.raises(Interrupted, match="1 of 3 variations are finished") as caught:
        sweep.run(folder, executor=Here(), cancelled=cancelled)
    assert caught.value.problem.hint == "continue with 'pytti-graph resume stopped'"
    assert statuses(sweep.results()) == ["finished", "interrupted", "waiting"]
    assert (folder / "sheet.png").is_file()
    assert statuses(Sweep.open(folder).run(executor=Here())) == ["finished"] * 3
    assert frames(folder) == frames(whole.folder)


def test_nodes_of_files_are_known_where_variations_are_rendered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import torch\n"
        "from pytti_graph import Image, Number, node\n\n\n"
        '@node("mine.plain")\n'
        "def plain(value: Number = 0.5) -> Image:\n"
        '    """A picture of one value."""\n'
        "    return torch.full((1, 3, 8, 8), float(value))\n"
    )
    nodes = {"plain": {"type": "mine.plain"}, "out": {"type": "write.frames", "image": "plain"}}
    graph = Graph.build({"nodes": nodes}, registry=with_files(installed(), [Path("mine.py")]))
    sweep = Sweep.plan(graph, {"plain.value": [0, 1]}, node_files=["mine.py"])
    results = sweep.run("out", executor=Here())
    assert [Image.open(result.picture).getpixel((0, 0)) for result in results] == [(0, 0, 0), (255, 255, 255)]


def test_what_a_node_warns_of_is_told_at_its_place_in_the_users_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import torch\n"
        "from pytti_graph import Image, Report, node\n\n\n"
        '@node("mine.plain")\n'
        "def plain(report: Report, size: int = 8) -> Image:\n"
        '    """A picture of one value."""\n'
        '    report.warn("rather small", argument="size")\n'
        "    return torch.zeros(1, 3, size, size)\n"
    )
    text = "pytti_graph: 1\nnodes:\n  plain: {type: mine.plain, size: 4}\n  out: {type: write.frames, image: plain}\n"
    graph, told = Graph.parse(text, "mine.yaml", registry=with_files(installed(), [Path("mine.py")])), []
    Sweep.plan(graph, {"seed": [1]}, node_files=["mine.py"]).run("out", executor=Here(), on_event=told.append)
    problems = [str(event.problem) for event in told if isinstance(event, Noted)]
    assert problems == ["mine.yaml:3:35: warning: plain: rather small"]


def test_an_executor_that_gives_up_loses_nothing(graph):
    """What has ended is noted, the table is written, and the rest can be rendered elsewhere."""

    class Fickle(Here):
        def run(self, tasks, cancelled=lambda: False):
            yield from super().run(tasks[:1], cancelled)
            raise RenderError("the cluster went away")

    sweep = Sweep.plan(graph, {"seed": [1, 2]})
    with pytest.raises(RenderError, match="went away"):
        sweep.run("out", executor=Fickle())
    assert statuses(sweep.results()) == ["finished", "waiting"]
    assert Path("out/sweep.csv").read_text().count("\n") == 3
    assert statuses(sweep.run(executor=Here())) == ["finished", "finished"]


def test_what_a_killed_process_left_is_removed(graph):
    sweep = swept(graph, {"seed": [1]})
    (sweep.folder / ".sweep.json.partial.json").write_text("{")
    (sweep.folder / ".calm-abcd1234").mkdir()
    (sweep.folder / ".calm-abcd1234/graph.yaml").write_text("half")
    (sweep.folder / ".git").mkdir()
    (sweep.folder / ".git/config").write_text("the user's")
    Sweep.open(sweep.folder).run(executor=Here())
    assert sorted(path.name for path in sweep.folder.glob(".*")) == [".git", ".lock"]


def test_only_one_process_at_a_time(graph):
    sweep = swept(graph, {"seed": [1]})
    with sweep._folder.locked(), pytest.raises(UsageError, match="by another process already"):
        Sweep.open(sweep.folder).run(executor=Here())


def test_an_existing_folder_is_never_overwritten(graph):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        swept(graph, {"seed": [1]}, "full")
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]


def test_a_task_travels_as_json():
    task = Task("a", "/f", "graph", "g", "/g", inputs=("/g/x.png",), allow_paths=("/h",), allow_network=True)
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


# A sweep folder is data


def changed(sweep, **changes):
    """Change what `sweep.json` says."""
    path = sweep.folder / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_no_code_and_no_folder_named_in_a_sweep_is_used(graph, tmp_path):
    """The executor comes from the caller, and names of folders from what varies."""
    sweep = swept(graph, {"seed": [1, 2]})
    entries = [{"name": "../../escaped", "status": "finished"}, {"name": "001_seed=1"}, 7, None]
    changed(sweep, executor="os:system", variations=entries)
    assert statuses(Sweep.open(sweep.folder).run(executor=Here())) == ["finished", "finished"]
    assert not list(tmp_path.parent.glob("escaped*"))


def test_a_run_folder_that_is_a_link_is_refused(graph, tmp_path):
    sweep = Sweep.plan(graph, {"seed": [1]})
    sweep.create("out")
    (tmp_path / "elsewhere").mkdir()
    Path("out/001_seed=1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link, and nothing is written through it"):
        Sweep.open("out").run(executor=Here())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_rights_are_not_taken_from_the_folder(graph, tmp_path):
    """A sweep that was begun with --allow-path needs it again; nor does a run folder's record give any."""
    outside = tmp_path / "outside"
    outside.mkdir()
    writing = graph.override({"frames.folder": str(outside / "frames")})
    sweep = swept(writing, {"seed": [1]}, allow_paths=[outside])
    with pytest.raises(UsageError, match="the right to read and write") as caught:
        Sweep.open(sweep.folder)
    assert f"--allow-path {outside}" in caught.value.problem.hint
    assert statuses(Sweep.open(sweep.folder, allow_paths=[outside]).results()) == ["finished"]

    record = sweep.folder / "001_seed=1/run.json"
    record.write_text(record.read_text().replace('"finished"', '"started"'))
    (sweep.folder / "001_seed=1/checkpoint.safetensors").unlink()
    for path in (outside / "frames").iterdir():
        path.unlink()
    settings = json.loads((sweep.folder / "sweep.json").read_text())["settings"]
    changed(sweep, settings={**settings, "allow_paths": []})
    with suppress(GraphError):
        Sweep.open(sweep.folder).run(executor=Here())
    assert not list((outside / "frames").iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "another version"),
        ('{"pytti_graph_sweep": 2}', "another version"),
        ('{"pytti_graph_sweep": 1}', "is damaged"),
        ('{"pytti_graph_sweep": 1, "settings": 3, "draft": 0, "frames": null}', "is damaged"),
    ],
)
def test_a_damaged_plan_is_said_to_be_damaged(graph, text, message):
    sweep = swept(graph, {"seed": [1]})
    (sweep.folder / "sweep.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        Sweep.open(sweep.folder)


def test_a_folder_that_is_no_sweep(graph):
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="is not the folder of a sweep"):
        Sweep.open("empty")


# The contact sheet


def pictured(number, values, colour=None, status="finished"):
    """A result with a picture of one colour."""
    picture = None
    if colour is not None:
        picture = Path(f"{number}.png")
        Image.new("RGB", (200, 100), colour).save(picture)
    return Result(Variation(number, f"{number:03}", values, None), Path("x"), status, picture=picture)


def test_the_sheet_has_rows_of_the_first_and_columns_of_the_last_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours = ["red", "lime", "blue", "yellow", "cyan", "magenta"]
    results = [pictured(n + 1, {"seed": n // 3, "w": n % 3}, colour) for n, colour in enumerate(colours)]
    sheet = draw_sheet(results, 3)
    width, height = 200, 100
    assert sheet.width == 3 * width + 4 * 12
    rows = (sheet.height - 12) // 2
    for index, result in enumerate(results):
        row, column = divmod(index, 3)
        left, top = 12 + column * (width + 12), 12 + row * rows
        with Image.open(result.picture) as picture:
            assert sheet.getpixel((left + width // 2, top + height // 2)) == picture.getpixel((5, 5))
        caption = sheet.crop((left, top + height, left + width, top + rows)).convert("L")
        assert caption.getextrema()[1] > 200, "something is written under it"


def test_long_captions_stay_within_their_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = [pictured(n, {"story.scenes": "a castle on a hill " * 20 + "x" * 200}, "red") for n in (1, 2)]
    sheet = draw_sheet(results, 2)
    gap = sheet.crop((12 + 200 + 1, 12, 12 + 200 + 11, sheet.height))
    assert gap.getextrema() == ((30, 30),) * 3


def test_a_sheet_without_pictures_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = pictured(3, {"seed": 3}, "red")
    broken.picture.write_bytes(broken.picture.read_bytes()[:60])
    results = [pictured(1, {"seed": 1}, None, "failed"), pictured(2, {"seed": 2}, None, "waiting"), broken]
    sheet = draw_sheet(results, 3)
    assert sheet.getpixel((12 + 80, 12 + 60)) == (46, 46, 46)
    assert any(red > 200 and green < 140 for _, (red, green, _) in sheet.crop((12, 12, 172, 60)).getcolors(10_000))


# Processes of their own


def test_the_machine_is_shared_out():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert Local().share("cpu", 9).jobs == 1
        assert Local(2).share("cpu", 9).threads == 2
        assert Local(8).share("cpu", 9).threads == 1
        assert Local(8).share("cpu", 3).jobs == 3, "no more than there are tasks"
        assert Local(2, {"threads": "3"}).share("cpu", 9).threads == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("visible", "gpus"), [(None, ("0", "1")), ("", ("0", "1")), ("3,5", ("3", "5")), ("GPU-a", ("GPU-a",))]
)
def test_each_graphics_card_gets_a_process(monkeypatch, visible, gpus):
    """Those that the user has made visible, in turn; a device that the user has named is everybody's."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    share = Local().share("auto", 9)
    assert (share.jobs, share.gpus) == (len(gpus), gpus)
    assert [Local(3).share("cuda", 9).gpu(slot) for slot in range(3)] == [gpus[slot % len(gpus)] for slot in range(3)]
    assert Local().share("cuda:1", 9).gpu(0) is None
    assert Local().share("cpu", 9).jobs == 1


@pytest.mark.parametrize("options", [{"threads": "0"}, {"threads": "many"}, {"thraeds": "2"}])
def test_options_that_the_local_executor_does_not_know(options):
    with pytest.raises(UsageError):
        Local(1, options)


def test_a_device_that_is_not_there_is_told_once(graph):
    with pytest.raises(UsageError, match="nonsense"):
        Sweep.plan(graph, {"seed": [1, 2]}).run("out", device="nonsense")


def test_an_executor_that_nobody_offers(graph):
    with pytest.raises(UsageError, match="nowhere"):
        Sweep.plan(graph, {"seed": [1]}).run(executor="nowhere")
    assert not Path("sweeps").exists()


def children():
    """Processes that this one has started and that render."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"\nPPid:\t{os.getpid()}\n" in (path / "status").read_text():
                found.append((int(path.name), (path / "cmdline").read_text()))
    return [number for number, command in found if "spawn_main" in command]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_process_that_is_killed_harms_no_other_variation(graph):
    """As the system does when memory runs out; the next variation gets a new process, with its share of threads."""
    long = graph.override({"clock.steps": 20_000})

    def kill(event):
        if isinstance(event, Progressed) and event.task.startswith("001"):
            for number in children():
                os.kill(number, signal.SIGKILL)

    sweep = Sweep.plan(long, {"clock.steps": [20_000, 3]})
    results = sweep.run("out", executor="local", options={"threads": "1"}, on_event=kill)
    assert statuses(results) == ["failed", "finished"]
    assert results[0].problems[0].message == "the process that rendered it was killed (SIGKILL)"
    assert "memory" in results[0].problems[0].hint
    assert json.loads((results[1].folder / "run.json").read_text())["threads"] == 1
    assert not children()


@pytest.mark.slow
def test_a_node_that_raises_what_ctrl_c_raises_only_fails(tmp_path, monkeypatch, capfd):
    """In a process that hears no Ctrl-C. Nobody sees a trace who did not ask for it, and the next variation goes on."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import torch\n"
        "from pytti_graph import Image, node\n\n\n"
        '@node("mine.plain")\n'
        "def plain(stops: bool = False) -> Image:\n"
        '    """A picture of one value."""\n'
        "    if stops:\n"
        "        raise KeyboardInterrupt\n"
        "    return torch.zeros(1, 3, 8, 8)\n"
    )
    nodes = {"plain": {"type": "mine.plain"}, "out": {"type": "write.frames", "image": "plain"}}
    graph = Graph.build({"nodes": nodes}, registry=with_files(installed(), [Path("mine.py")]))
    results = Sweep.plan(graph, {"plain.stops": [True, False]}, node_files=["mine.py"]).run("out")
    assert statuses(results) == ["failed", "finished"]
    assert results[0].problems[0].message == "a node raised KeyboardInterrupt"
    assert 'mine.py", line 9, in plain' in results[0].trace
    assert capfd.readouterr().err == ""


def test_outcomes_of_bugs_are_told_as_bugs(tmp_path):
    """Whatever a task raises is its outcome."""
    outcome = render_task(Task("a", str(tmp_path / "out"), "pytti_graph: 1", "g", "\0"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "failed"
    assert outcome.problems
