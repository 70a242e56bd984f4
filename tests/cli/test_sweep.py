"""`sweep`, and `resume` of what it made, as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from pytti_graph import Graph


def plan(folder):
    """What `sweep.json` says."""
    return json.loads(Path(folder, "sweep.json").read_text())


def until(found, seconds=90):
    """Wait until something is there."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "error: nothing varies; write seed=[1, 2, 3] or canvas.width=[128, 256]"),
        (["--vary", "seed=1,2"], 2, "error: 'seed' needs a list of values, not '1,2'; write seed=[1,2]"),
        (["--vary", "seed=[]"], 2, "error: 'seed' has no values; write seed=[...] with one value or more"),
        (["--vary", "seed=[1, 1]"], 2, "error: 'seed' has the value 1 twice; remove one of them"),
        (["--vary", "seed=[1, 2"], 3, "--vary seed=[1, 2:1:"),
        (["--vary", "canvas.widht=[8, 16]"], 3, "unknown argument 'widht' (image.rgb); did you mean 'width'?"),
        (["--vary", "canvsa.width=[8]"], 3, "the graph has no node 'canvsa'; did you mean 'canvas'?"),
        (["--vary", "canvas.width=[8, -1]"], 3, "must be at least 1 px, not -1 (variation 2: canvas.width=-1)"),
        (
            ["--vary", "photo.path=[red.png, x.png]"],
            3,
            "there is no file 'x.png' (variation 2: photo.path=x.png)",
        ),
        (["--vary", "seed=[1]", "--executor", "nowhere"], 2, "nowhere"),
        (["--vary", "seed=[1]", "--executor-option", "threads"], 2, "write --executor-option name=value"),
        (["--vary", "seed=[1]", "--executor-option", "threds=2"], 2, "did you mean 'threads'?"),
        (["--vary", "seed=[1]", "--jobs", "0"], 2, "invalid value for '--jobs'"),
        (["--vary", "seed=[1]", "-o", "."], 2, "already exists and is not empty"),
    ],
)
def test_bad_input_is_refused_before_anything_is_rendered(cli, words, code, message):
    outcome = cli("sweep", "film.yaml", *words)
    assert outcome.code == code, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("sweeps").exists()


def test_resume_knows_what_it_is_given(cli):
    """Options that concern only the other kind of folder are refused."""
    cli("run", "film.yaml", "--frames", "1", "-q")
    assert "'--jobs' cannot be used for runs/film-1" in cli("resume", "runs/film-1", "-j", "2").err
    Path("swept").mkdir()
    Path("swept/sweep.json").write_text("{}")
    assert "'--frames' cannot be used for swept" in cli("resume", "swept", "--frames", "9").err
    assert cli("resume", "swept").code == 2
    assert "is not a run folder" in cli("resume", "nowhere").err


@pytest.fixture
def here(monkeypatch):
    """Variations are rendered in this process, which starts at once."""
    from pytti_graph import Started, render_task

    class Here:
        def run(self, tasks, cancelled=lambda: False):
            for task in tasks:
                yield Started(task.name)
                yield render_task(task)

    monkeypatch.setattr("pytti_graph.sweeps.sweep.make_executor", lambda name, jobs, options: Here())


def test_a_grid_as_a_user_types_it(cli, here):
    """Some fail while rendering, and the rest is finished."""
    outcome = cli(
        *("sweep", "film.yaml", "--frames", "2"),
        *("--vary", "seed=[1, 2]"),
        *("--vary", 'likeness.weight=["1 if frame < 1 else 1e39", 0.5]'),
    )
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[0] == "A red film: 4 variations: seed (2) x likeness.weight (2)"
    assert any(line.startswith("2/4  seed=1 likeness.weight=0.5  finished in ") for line in lines)
    assert "1/4  seed=1 likeness.weight=1 if frame < 1 else 1e39  failed" in lines
    table = lines[5:10]
    assert table[0].split() == ["seed", "likeness.weight", "status", "likeness", "seconds", "folder"]
    assert table[2].split()[:4] == ["2", "1", "0.5", "finished"]
    assert table[2].split()[-1] == "002_seed=1_likeness.weight=0.5"
    assert lines[-1].startswith("took ")
    assert lines[-1].endswith("sweeps/film-1/sheet.png; sweeps/film-1/sweep.csv")
    told = outcome.err.splitlines()
    assert told[0] == "error: 2 of 4 variations failed; what is finished is kept; 'resume' tries them again"
    assert told[1] == "1  seed=1 likeness.weight=1 if frame < 1 else 1e39"
    assert told[2].startswith("film.yaml:8:3: error: likeness: the loss is not a number any more (frame 1, step 0)")
    assert told[-1] == "  continue  pytti-graph resume sweeps/film-1"
    with Image.open("sweeps/film-1/sheet.png") as sheet:
        assert sheet.width < sheet.height, "two in a row, with captions"
    again = cli("resume", "sweeps/film-1", "--json")
    data = json.loads(again.out)
    assert (again.code, data["status"]) == (1, "failed")
    assert [entry["status"] for entry in data["variations"]] == ["failed", "finished", "failed", "finished"]
    assert data["variations"][1]["losses"]["likeness"] < 1


@pytest.mark.slow
def test_stopped_once_it_keeps_everything_and_resumes(program, cli):
    """Ctrl-C of a terminal reaches all processes; only the first of them listens."""
    words = ("sweep", "film.yaml", "--vary", "clock.steps=[3, 20000]", "--executor-option", "threads=1")
    process = program(*words, start_new_session=True)
    until(Path("sweeps/film-1/002_clock.steps=20000").exists)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped: 1 of 2 variations are finished" in err
    assert err.splitlines()[-1] == "  continue  pytti-graph resume sweeps/film-1"
    assert [entry["status"] for entry in plan("sweeps/film-1")["variations"]] == ["finished", "interrupted"]
    assert Path("sweeps/film-1/002_clock.steps=20000/checkpoint.safetensors").is_file()
    assert "interrupted" in out


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes(program, cli):
    """kill -9 leaves no process behind; what was finished stays, and the rest comes out as if nothing had happened."""
    settings = {"clock.steps": 600, "clock.frames": 2}
    words = ("sweep", "film.yaml", "--vary", "seed=[1, 2]", "--set", "clock.steps=600", "--frames", "2")
    process = program(*words, "-o", "killed", "--executor-option", "threads=1")
    until(Path("killed/002_seed=2/frames/00000.png").exists)
    process.kill()
    process.communicate(timeout=60)
    outcome = cli("resume", "killed", "--json", "--executor-option", "threads=1")
    assert outcome.code == 0, outcome.err
    assert [entry["status"] for entry in json.loads(outcome.out)["variations"]] == ["finished", "finished"]
    whole = [frame.image.tobytes() for frame in one_thread(Graph.load("film.yaml").override(settings).render, seed=2)]
    for index, picture in enumerate(whole):
        with Image.open(f"killed/002_seed=2/frames/{index:05}.png") as resumed:
            assert resumed.tobytes() == picture


def one_thread(render, **more):
    """All frames of a rendering with one thread, as the workers above have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return list(render(**more))
    finally:
        torch.set_num_threads(before)


def test_help_imports_nothing_heavy(folder):
    code = (
        "import sys, io, contextlib\nfrom pytti_graph.cli.main import execute\n"
        "with contextlib.redirect_stdout(io.StringIO()): execute(['sweep', '--help'])\n"
        "heavy = ('torch', 'networkx', 'yaml', 'numpy', 'PIL', 'multiprocessing')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_too_many_variations(cli):
    """Before anything is made of them."""
    numbers = f"[{', '.join(map(str, range(200)))}]"
    outcome = cli(
        "sweep", "film.yaml", "--vary", f"seed={numbers}", "--vary", f"clock.steps={numbers.replace('[0, ', '[')}"
    )
    assert outcome.code == 2
    assert outcome.err.startswith("error: that makes 39,800 variations, and 10,000 are the most")


def test_a_value_that_is_empty(cli):
    """It would mean nothing for most settings."""
    assert "'seed' has an empty value" in cli("sweep", "film.yaml", "--vary", "seed=[null]").err


def test_a_sweep_folder_does_not_say_which_folder_may_be_read(cli, tmp_path_factory):
    """It may be somebody else's; in the folder where one stands, it just works."""
    assert cli("sweep", "film.yaml", "--vary", "seed=[1]", "-o", "out", "-q").code == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Path("red.png").rename(elsewhere / "red.png")
    plan = json.loads(Path("out/sweep.json").read_text())
    Path("out/sweep.json").write_text(json.dumps({**plan, "graph_folder": str(elsewhere)}))
    outcome = cli("resume", "out")
    assert outcome.code == 2
    assert f"the graph reads files in {elsewhere}" in outcome.err
