"""Follows a rendering: a live line on a terminal, two plain lines anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from pytti_graph.cli import output, summary, words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from pytti_graph.api import Job
    from pytti_graph.cli.interrupt import Stop
    from pytti_graph.core.errors import Problem
    from pytti_graph.engine.events import Event, FrameDone, Prepared, Stepped

_REFRESH = 0.25
_WINDOW = 60


class TimeLeft:
    """Estimates the time left from the pace of the last steps."""

    def __init__(self, total: int, unit_seconds: float | None) -> None:
        self._total = total
        self._guess = unit_seconds
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=_WINDOW)

    def update(self, done: int) -> None:
        """Note how much is done now."""
        self._marks.append((time.monotonic(), done))

    @property
    def seconds(self) -> float | None:
        """Seconds left, or None if nothing is known yet."""
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        pace = (end - begin) / (last - first) if last > first else self._guess
        return None if pace is None else (self._total - last) * pace


class Listener:
    """Hears the events of one rendering. By itself it is silent.

    Attributes:
        job: The rendering, once it is prepared.
        losses: The losses of the last finished frame.
        done: How many frames are finished.
        early: How many steps those frames took that ended early, by their numbers.
    """

    def __init__(self, stop: Stop, *, warn: bool, verbose: bool = False) -> None:
        self.job: Job | None = None
        self.losses: Mapping[str, float] = {}
        self.done, self.early = 0, dict[int, int]()
        self._stop, self._warn, self._verbose = stop, warn, verbose

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        from pytti_graph.engine import events

        match event:
            case events.Warned(problem) if self._warn:
                self.warned(problem)
            case events.Prepared():
                self._stop.clean = True
                self.prepared(event)
            case events.Stepped():
                self.stepped(event)
            case events.FrameDone(frame):
                self.losses = frame.losses
                self.done += 1
                if frame.ended_early:
                    self.early[frame.index] = frame.steps
                self.frame_done(event)
            case events.Checkpointed(frame, step):
                self.checkpointed(frame, step)
            case _:
                pass

    @property
    def begun(self) -> bool:
        """Rendering has begun."""
        return self._stop.clean

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Around the whole rendering."""
        yield

    def close(self) -> None:
        """Make room for messages: nothing more is shown while rendering."""

    def warned(self, problem: Problem) -> None:
        """Something the user should know."""
        output.say_problems([problem])

    def prepared(self, event: Prepared) -> None:
        """Rendering begins."""

    def stepped(self, event: Stepped) -> None:
        """A step is done."""

    def frame_done(self, event: FrameDone) -> None:
        """A frame is written."""

    def checkpointed(self, frame: int, step: int) -> None:
        """A checkpoint is written."""

    def finished(self, seconds: float) -> None:
        """Everything is done."""


class PlainLines(Listener):
    """One line at the start and one at the end, for logs; for those who want more, one a frame."""

    def prepared(self, event: Prepared) -> None:
        """Rendering begins."""
        assert self.job is not None
        lines = summary.intention(self.job, event)
        lines["seed"] = f"seed {lines['seed']}"
        self._say(f"{_title(self.job)}: {'; '.join(lines.values())}")

    def frame_done(self, event: FrameDone) -> None:
        """Say so, if the user wants to hear everything."""
        assert self.job is not None
        if self._verbose:
            place = f"frame {event.frame.index + 1:,}/{self.job.rendering.plan.graph.clock.frames:,}"
            early = [f"ended early, after {words.count(event.frame.steps, 'step')}"] if event.frame.ended_early else []
            self._say("  ".join([place, *early, *_numbers(event.frame.losses)]))

    def finished(self, seconds: float) -> None:
        """Everything is done."""
        early = summary.early(self.done, self.early).values()
        self._say("; ".join([f"done in {words.took(seconds)}", *early, *_where(self.job).values()]))

    def _say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            output.say(line)
            output.flush()


class LiveLine(Listener):
    """A line that shows step, frame, losses and the time left."""

    def __init__(self, stop: Stop, *, warn: bool, verbose: bool = False) -> None:
        super().__init__(stop, warn=warn, verbose=verbose)
        self._console = output.console()
        self._live: Live | None = None
        self._time: TimeLeft | None = None
        self._begin, self._drawn = 0, 0.0

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Show the line, and take it away in the end."""
        from rich.live import Live

        waiting = Text("getting ready ...", "dim")
        with Live(waiting, console=self._console, auto_refresh=False, transient=True, redirect_stderr=False) as live:
            self._live = live
            yield

    def close(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()

    def warned(self, problem: Problem) -> None:
        """Say it above the line, if both are on the same terminal."""
        if sys.stderr.isatty():
            self._console.print(output.problem_text(problem), soft_wrap=False)
        else:
            super().warned(problem)

    def prepared(self, event: Prepared) -> None:
        """Say what is going to be done."""
        assert self.job is not None
        by_steps = event.step_seconds is not None
        self._time = TimeLeft(event.steps if by_steps else event.frames, event.step_seconds)
        clock = self.job.rendering.plan.graph.clock
        self._begin = clock.total_steps - event.steps if by_steps else clock.frames - event.frames
        self._console.print(Text(_title(self.job), "bold"))
        self._console.print(_headed(summary.intention(self.job, event)))
        self._console.print()

    def stepped(self, event: Stepped) -> None:
        """Move the line on, a few times a second."""
        now = time.monotonic()
        if now - self._drawn < _REFRESH:
            return
        assert self._time is not None
        done = event.total_step + 1
        self._time.update(done - self._begin)
        self._draw(event.frame, done, event.step, event.read_losses())
        self._drawn = time.monotonic()

    def frame_done(self, event: FrameDone) -> None:
        """Move the line on where there are no steps."""
        assert self.job is not None
        assert self._time is not None
        clock, done = self.job.rendering.plan.graph.clock, event.frame.index + 1
        if self._verbose and event.frame.ended_early:
            steps = words.count(event.frame.steps, "step")
            self._console.print(Text(f"frame {done:,} ended early, after {steps}", "dim"))
        if done == clock.frames and self._live is not None:
            self._live.update(Text("writing what is left ...", "dim"), refresh=True)
        elif not self.job.rendering.plan.optimisers:
            self._time.update(done - self._begin)
            self._draw(event.frame.index, done, None, {})

    def checkpointed(self, frame: int, step: int) -> None:
        """Say so, if the user wants to hear everything."""
        if self._verbose and step:
            self._console.print(Text(f"checkpoint at frame {frame}, step {step}", "dim"))

    def finished(self, seconds: float) -> None:
        """Say where everything is."""
        self.close()
        self._console.print(Text(f"done in {words.took(seconds)}", "bold green"))
        self._console.print(_headed({**summary.early(self.done, self.early), **_where(self.job)}))

    def _draw(self, frame: int, done: int, step: int | None, losses: Mapping[str, float]) -> None:
        assert self.job is not None
        clock = self.job.rendering.plan.graph.clock
        place = f"frame {frame + 1:,}/{clock.frames:,}" if clock.frames > 1 else ""
        if step is not None:
            place += f"  step {step + 1:,}/{clock.steps_in(frame):,}"
        total = clock.frames if step is None else clock.total_steps
        left = self._time.seconds if self._time else None
        line = progress_line(self._console, place.strip(), done / max(total, 1), left, losses)
        if self._live is not None:
            self._live.update(line, refresh=True)


def progress_line(
    console: Console, place: str, part: float, left: float | None, losses: Mapping[str, float]
) -> RenderableType:
    """One line: where it is, a bar, the time left, the losses; never longer than the terminal is wide."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    bar = ProgressBar(1.0, part, width=max(8, min(30, console.width - 64)), complete_style="cyan")
    remaining = "" if left is None else f"{words.clock(left)} left"
    numbers = "  ".join(_numbers(losses))
    line = Table.grid(padding=(0, 2, 0, 0))
    for overflow in ("crop", "crop", "crop", "ellipsis"):
        line.add_column(no_wrap=True, overflow=overflow)
    line.add_row(place, bar, Text(remaining, "bold"), Text(numbers, "dim"))
    return line


def _numbers(losses: Mapping[str, float]) -> list[str]:
    return [f"{name} {value:.3g}" for name, value in losses.items()]


def _headed(lines: Mapping[str, str]) -> RenderableType:
    from rich.padding import Padding

    rows = [(heading, Text(text)) for heading, text in lines.items()]
    return Padding(output.grid(rows, ("dim", "")), (0, 0, 0, 2), expand=False)


def _title(job: Job) -> str:
    graph = job.rendering.plan.graph
    return graph.title or graph.name


def _where(job: Job | None) -> dict[str, str]:
    assert job is not None
    assert job.folder is not None
    return summary.where(summary.outputs(job.rendering.plan, job.folder))
