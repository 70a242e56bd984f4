"""`run` and `resume`, as a user and as a program sees them."""

import json
import re
import signal
import time
from pathlib import Path

import pytest
from PIL import Image


def record(folder):
    """What `run.json` says."""
    return json.loads(Path(folder, "run.json").read_text())


def test_a_run_says_what_it_will_do_and_where_everything_is(cli):
    outcome = cli("run", "film.yaml")
    assert outcome.code == 0
    assert outcome.err == ""
    first, last = outcome.out.splitlines()
    assert first.startswith("A red film: 3 frames of 32 x 24 pixels; 0.25 seconds at 12 a second; 12 steps, about")
    assert "memory; cpu (float32); seed 3; runs/film-1" in first
    assert re.fullmatch(r"done in .*; runs/film-1/frames \(3 PNGs\); runs/film-1/red.mp4", last)
    assert sorted(path.name for path in Path("runs/film-1/frames").iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_json_is_one_object_and_nothing_else(cli):
    outcome = cli("run", "film.yaml", "--json", "--seed", "11", "-o", "out")
    data = json.loads(outcome.out)
    assert data["status"] == "finished"
    assert data["folder"] == "out"
    assert data["seed"] == 11
    assert data["frames"] == 3
    assert data["pictures"] == ["out/frames"]
    assert data["films"] == ["out/red.mp4"]
    assert data["seconds"] > 0
    assert 0 < data["losses"]["likeness"] < 1
    assert data["problems"] == []
    assert record("out")["seed"] == 11


def test_json_tells_failures_too(cli):
    outcome = cli("run", "film.yaml", "--json", "--set", 'likeness.weight="1 if frame < 1 else 1e39"')
    data = json.loads(outcome.out)
    assert outcome.code == 1
    assert data["status"] == "failed"
    assert data["frames"] == 1
    assert data["problems"][0]["node"] == "likeness"
    assert "not a number" in outcome.err


def test_quiet_prints_nothing(cli):
    outcome = cli("run", "film.yaml", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_verbose_prints_a_line_for_each_frame(cli):
    lines = cli("run", "film.yaml", "-v").out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["frame 1/3", "frame 2/3", "frame 3/3"]
    assert "likeness 0." in lines[1]


def test_the_preview_is_fresh(cli, monkeypatch):
    from pytti_graph.cli import preview

    monkeypatch.setattr(preview, "SECONDS", 0.0)
    monkeypatch.setattr(preview, "SHARE", 1e9)
    assert cli("run", "film.yaml").code == 0
    with Image.open("runs/film-1/preview.png") as shown, Image.open("runs/film-1/frames/00002.png") as last:
        assert shown.tobytes() == last.tobytes()


def test_settings_frames_and_draft(cli):
    outcome = cli("run", "film.yaml", "--set", "canvas.width=48", "--draft", "--frames", "2", "--json")
    assert json.loads(outcome.out)["frames"] == 2
    with Image.open("runs/film-1/frames/00000.png") as picture:
        assert picture.size == (24, 12)


def test_warnings_come_first_and_name_their_place(cli):
    text = Path("film.yaml").read_text()
    Path("film.yaml").write_text(text + "  spare: {type: source.image, path: red.png}\n")
    outcome = cli("run", "film.yaml")
    assert outcome.code == 0
    assert outcome.err.startswith("film.yaml:12:3: warning: spare: nothing that is written or optimised needs")
    assert cli("run", "film.yaml", "-q").err == ""


def test_two_runs_have_two_folders(cli):
    for number in (1, 2):
        assert f"runs/film-{number}" in cli("run", "film.yaml", "--frames", "1").out


def test_a_rendered_picture_renders_again(cli, folder):
    cli("run", "film.yaml")
    (folder / "runs/film-1/frames/red.png").write_bytes(Path("red.png").read_bytes())
    outcome = cli("run", "runs/film-1/frames/00001.png", "-o", "again", "-q")
    assert outcome.code == 0
    with Image.open("again/frames/00002.png") as again, Image.open("runs/film-1/frames/00002.png") as first:
        assert again.tobytes() == first.tobytes()


def test_resume_makes_a_finished_film_longer(cli):
    cli("run", "film.yaml")
    outcome = cli("resume", "runs/film-1", "--frames", "5")
    assert outcome.code == 0
    assert "2 more frames of 32 x 24 pixels; 0.417 seconds at 12 a second in all; 8 steps" in outcome.out
    assert "runs/film-1/frames (5 PNGs)" in outcome.out


def test_resume_cannot_make_it_shorter(cli):
    cli("run", "film.yaml")
    outcome = cli("resume", "runs/film-1", "--frames", "2")
    assert outcome.code == 2
    assert "3 frames are already finished" in outcome.err


def test_resume_restores_the_number_of_threads(cli, monkeypatch):
    import torch

    cli("run", "film.yaml")
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    cli("resume", "runs/film-1", "--frames", "4")
    assert asked == [record("runs/film-1")["threads"]]


def test_resume_of_a_damaged_record(cli):
    cli("run", "film.yaml", "--frames", "1")
    Path("runs/film-1/run.json").write_text("{")
    outcome = cli("resume", "runs/film-1")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


# Signals


def started(process):
    """Wait until rendering has begun."""
    line = process.stdout.readline()
    assert "frames of" in line, line + process.stderr.read()
    time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_once_it_stops_cleanly_and_says_how_to_go_on(program, cli, number):
    process = program("run", "film.yaml", "--set", "clock.steps=20000")
    started(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    lines = err.splitlines()
    assert lines[0] == "stopping after this step; press Ctrl-C again to stop at once"
    assert lines[1].startswith("stopped at frame 0, step ")
    assert lines[-1] == "  continue  pytti-graph resume runs/film-1"
    assert "\x1b" not in err
    assert Path("runs/film-1/checkpoint.safetensors").is_file()


def test_what_was_stopped_goes_on_where_it_was(program, cli):
    process = program("run", "film.yaml", "--set", "clock.steps=400", "--set", "clock.frames=2")
    started(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    outcome = cli("resume", "runs/film-1", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["frames"] == 2
    rows = [json.loads(line)["total_step"] for line in Path("runs/film-1/losses.jsonl").read_text().splitlines()]
    assert rows == list(range(800))


def test_asked_twice_it_stops_at_once(program):
    process = program("run", "film.yaml", "--set", "clock.steps=20000")
    started(process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_json_after_an_interruption(program):
    process = program("run", "film.yaml", "--json", "--set", "clock.steps=20000", "--frames", "2")
    deadline = time.monotonic() + 60
    while not list(Path().glob("runs/film-1/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    if out:
        assert json.loads(out)["status"] == "interrupted"


# Run folders of other people


def test_what_a_run_folder_was_allowed_has_to_be_said_again(cli, tmp_path_factory):
    """Its record may have been written by anybody."""
    outside = tmp_path_factory.mktemp("outside")
    target = outside / "frames"
    assert cli("run", "film.yaml", "--set", f"frames.folder={target}", "-o", "out", "--allow-path", outside).code == 0
    outcome = cli("resume", "out", "--frames", "4")
    assert outcome.code == 3
    assert f"'{target}' lies outside the run folder; to write there, add --allow-path" in outcome.err
    assert cli("resume", "out", "--frames", "4", "--allow-path", outside).code == 0
    assert (target / "00003.png").exists()


def test_a_run_folder_does_not_say_which_folder_may_be_read(cli, tmp_path_factory):
    """But in the folder where one stands, and beside the graph, it just works."""
    assert cli("run", "film.yaml", "-o", "out").code == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Path("red.png").rename(elsewhere / "red.png")
    record = json.loads(Path("out/run.json").read_text())
    Path("out/run.json").write_text(json.dumps({**record, "graph_folder": str(elsewhere)}))
    outcome = cli("resume", "out", "--frames", "4")
    assert outcome.code == 2
    assert f"the graph reads files in {elsewhere}" in outcome.err
    assert cli("resume", "out", "--frames", "4", "--allow-path", elsewhere).code == 0
