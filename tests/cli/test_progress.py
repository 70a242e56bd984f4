"""The live line, the time left, the preview, and how numbers are said."""

import io
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from pytti_graph import PyttiGraphError
from pytti_graph.cli import preview, progress, summary, words
from pytti_graph.cli.interrupt import Stop
from pytti_graph.cli.preview import Preview
from pytti_graph.engine.events import Prepared, Stepped


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Time stands still until the test moves it."""
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made.monotonic)
    return made


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "about a second"),
        (40, "about 40 seconds"),
        (100, "about 2 minutes"),
        (240, "about 4 minutes"),
        (5400, "about 1.5 hours"),
        (3600 * 30, "about 30 hours"),
        (86400 * 3, "about 3 days"),
    ],
)
def test_estimates(seconds, expected):
    assert words.about(seconds) == expected


def test_sizes_and_times():
    assert [words.size(n) for n in (1, 900, 3 << 20, 1395864371)] == ["1 byte", "900 bytes", "3.0 MB", "1.3 GB"]
    assert [words.clock(n) for n in (5, 65, 3729)] == ["0:05", "1:05", "1:02:09"]
    assert [words.took(n) for n in (2.44, 42, 185)] == ["2.4 seconds", "42 seconds", "3:05 minutes"]
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_time_left_follows_the_pace(clock):
    left = progress.TimeLeft(100, 2.0)
    assert left.seconds == 200
    for done in range(1, 21):
        clock.now += 1.0
        left.update(done)
    assert left.seconds == pytest.approx(80)
    for done in range(21, 90):
        clock.now += 0.5
        left.update(done)
    assert left.seconds == pytest.approx(11 * 0.5)


def test_nothing_is_known_at_first(clock):
    assert progress.TimeLeft(100, None).seconds is None


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_the_line_is_one_line_however_narrow(width):
    console = Console(file=io.StringIO(), width=width)
    losses = {f"a_loss_with_a_name_{n}": 0.123456 for n in range(6)}
    console.print(progress.progress_line(console, "frame 12/36  step 5/8", 0.4, 151.0, losses))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 1
    assert len(lines[0]) <= width


def test_the_line_shows_what_matters():
    console = Console(file=io.StringIO(), width=80)
    line = progress.progress_line(console, "frame 12/36  step 5/8", 0.4, 151.0, {"meaning": 0.8123, "smooth": 0.02})
    console.print(line)
    text = console.file.getvalue()
    assert text.startswith("frame 12/36  step 5/8  ")
    assert "2:31 left" in text
    assert "meaning 0.812" in text


def test_a_terminal_sees_the_line_and_then_the_summary(cli, monkeypatch):
    from pytti_graph.cli import output

    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100, markup=False, highlight=False, soft_wrap=True)
    monkeypatch.setattr(output, "console", lambda err=False: terminal)
    monkeypatch.setattr("pytti_graph.cli.run._is_terminal", lambda: True)
    assert cli("run", "film.yaml").code == 0
    plain = text.getvalue()
    for expected in ("A red film", "makes", "32 x 24 pixels", "seed", "frame 1/3  step 1/4", "likeness 0.", "red.mp4"):
        assert expected in plain


# Early ends

PATIENT = ("--set", "optimise.patience=4", "--set", "optimise.learning_rate=0", "--set", "clock.steps=50")
"""Nothing is gained from the beginning: each frame ends after 5 steps."""


def test_an_early_end_is_told(cli):
    last = cli("run", "film.yaml", *PATIENT).out.splitlines()[-1]
    assert "; all frames ended early, after 5 steps; runs/film-1/frames" in last
    rows = [json.loads(line) for line in Path("runs/film-1/losses.jsonl").read_text().splitlines()]
    assert [(row["frame"], row["step"]) for row in rows if "ended early" in row] == [(0, 4), (1, 4), (2, 4)]
    assert all(row.get("ended early", True) is True for row in rows)


def test_an_early_end_is_told_frame_by_frame_to_those_who_want_it(cli):
    moving = "--set", "optimise.learning_rate=0.01*frame", "--set", "clock.steps=8"
    lines = cli("run", "film.yaml", "-v", *PATIENT, *moving).out.splitlines()
    assert "frame 1/3  ended early, after 5 steps  likeness" in lines[1]
    assert "ended early" not in lines[2]
    assert "; 1 of 3 frames ended early, after 5 steps;" in lines[-1]


def test_an_early_end_is_told_on_a_terminal(cli, monkeypatch):
    from pytti_graph.cli import output

    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100, markup=False, highlight=False, soft_wrap=True)
    monkeypatch.setattr(output, "console", lambda err=False: terminal)
    monkeypatch.setattr("pytti_graph.cli.run._is_terminal", lambda: True)
    assert cli("run", "film.yaml", "-v", *PATIENT, "--set", "clock.frames=1").code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())
    assert "frame 1 ended early, after 5 steps\n" in plain
    assert re.search(r"\n  steps +ended early, after 5 steps *\n", plain)


def test_an_early_end_is_told_to_programs(cli):
    data = json.loads(cli("run", "film.yaml", "--json", *PATIENT, "--set", "clock.frames=2").out)
    assert data["ended_early"] == [{"frame": 0, "steps": 5}, {"frame": 1, "steps": 5}]
    assert json.loads(cli("run", "film.yaml", "--json").out)["ended_early"] == []
    lines = cli("run", "film.yaml", "-q", "--listen", "events", *PATIENT).out.splitlines()
    done = [event for event in map(json.loads, lines) if event["event"] == "FrameDone"]
    assert [(event["frame"], event["steps"], event["ended_early"]) for event in done] == [
        (0, 5, True),
        (1, 5, True),
        (2, 5, True),
    ]


def test_how_many_ended_early():
    assert summary.early(3, {}) == {}
    assert summary.early(1, {0: 1}) == {"steps": "ended early, after 1 step"}
    assert summary.early(9, {2: 40, 7: 1200}) == {"steps": "2 of 9 frames ended early, after 40 to 1,200 steps"}


# Preview


def hearing(folder):
    """A preview that has heard of the run folder."""
    shown = Preview()
    shown(Prepared(1, 1, None, 0, "cpu", "a picture", folder))
    return shown


def step(read):
    """A step is done; `read` gives the picture."""
    return Stepped(0, 0, 1, dict, read)


@pytest.fixture
def quick(monkeypatch):
    """A preview that is due at once, then seldom."""
    monkeypatch.setattr(preview, "SECONDS", 0.0)


def test_the_preview_is_a_picture_of_its_own(tmp_path, quick):
    hearing(tmp_path)(step(lambda: torch.full((1, 3, 4, 6), 0.5)))
    with Image.open(tmp_path / "preview.png") as picture:
        assert picture.size == (6, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["preview.png"]


def test_the_preview_takes_little_of_the_time(tmp_path, clock, quick):
    asked = []

    def read():
        asked.append(clock.now)
        clock.now += 1.0
        return torch.zeros(1, 3, 4, 4)

    shown = hearing(tmp_path)
    for _ in range(2000):
        clock.now += 0.1
        shown(step(read))
    assert len(asked) <= 1 + 2000 * 0.1 * preview.SHARE


def test_at_most_one_preview_in_three_seconds(tmp_path, clock):
    asked = []
    shown = hearing(tmp_path)
    for _ in range(100):
        clock.now += 0.1
        shown(step(lambda: asked.append(clock.now)))
    assert len(asked) == 3


@pytest.mark.parametrize("failure", [OSError("full"), PyttiGraphError("no picture")])
def test_a_preview_that_fails_harms_nothing(tmp_path, quick, failure):
    def read():
        raise failure

    hearing(tmp_path)(step(read))
    hearing(tmp_path)(step(lambda: None))
    assert not list(tmp_path.iterdir())


def test_without_a_run_folder_there_is_no_preview(tmp_path, quick):
    hearing(None)(step(lambda: torch.zeros(1, 3, 4, 4)))
    assert not list(tmp_path.iterdir())


# Ctrl-C


def test_the_first_ctrl_c_asks_and_the_second_stops(capfd):
    import signal

    before = signal.getsignal(signal.SIGINT)
    with Stop() as stop:
        stop.clean = True
        signal.raise_signal(signal.SIGINT)
        assert stop()
        assert capfd.readouterr().err == "stopping after this step; press Ctrl-C again to stop at once\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_before_rendering_begins_one_ctrl_c_is_enough():
    import signal

    with Stop() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not stop()
