"""Follows a sweep: a live line on a terminal, a line for each variation anywhere else; and its table."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from pytti_graph.cli import output, words
from pytti_graph.cli.progress import TimeLeft, progress_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from pytti_graph.core.errors import Problem
    from pytti_graph.executors import TaskEvent
    from pytti_graph.sweeps import Result, Sweep

_UNITS = 10_000
_LONGEST = 60
_STYLES = {"finished": "green", "failed": "bold red", "interrupted": "yellow", "waiting": "dim"}


def follower(sweep: Sweep, *, quiet: bool, warn: bool, verbose: bool) -> Follower:
    """What suits whoever looks."""
    if quiet:
        return Follower(sweep, warn=warn, verbose=verbose)
    kind = LiveLine if sys.stdout.isatty() else PlainLines
    return kind(sweep, warn=warn, verbose=verbose)


class Follower:
    """Hears the events of one go at a sweep. By itself it says only warnings, each once.

    Attributes:
        traces: Where variations failed, by name, for those who want to know.
    """

    def __init__(self, sweep: Sweep, *, warn: bool, verbose: bool) -> None:
        self.traces: dict[str, str] = {}
        self._sweep, self._warn, self._verbose = sweep, warn, verbose
        self._warned: set[tuple[str, str | None]] = set()
        self._parts: dict[str, float] = {}
        self._total = len(sweep.variations)
        self._before = sum(result.status == "finished" for result in sweep.results())
        self._done = self._before

    def __call__(self, event: TaskEvent | Result) -> None:
        """Hear an event."""
        from pytti_graph.executors import Noted, Progressed, Started
        from pytti_graph.sweeps import Result

        match event:
            case Result():
                self._ended(event)
            case Started(name):
                self._parts[name] = 0.0
            case Progressed(name, part):
                self._parts[name] = part
            case Noted(_, problem):
                self._note(problem)
            case _:
                pass
        self.moved()

    def _ended(self, result: Result) -> None:
        self._parts.pop(result.variation.name, None)
        self._done += result.status in ("finished", "failed")
        if self._verbose and result.trace:
            self.traces[result.variation.name] = result.trace
        self.ended(result)

    def _note(self, problem: Problem) -> None:
        key = (problem.message, problem.node)
        if self._warn and key not in self._warned:
            self._warned.add(key)
            self.warned(problem)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Around the whole go."""
        yield

    def warned(self, problem: Problem) -> None:
        """Something the user should know, which several variations may say."""
        output.say_problems([problem])

    def moved(self) -> None:
        """Something has gone on."""

    def ended(self, result: Result) -> None:
        """A variation has ended."""

    @property
    def intention(self) -> str:
        """What is going to be done: "Castle: 6 variations: seed (3) x canvas.width (2)"."""
        document = self._sweep.graph.document
        grid = " x ".join(f"{path} ({len(values)})" for path, values in self._sweep.axes.items())
        left = f", {self._before:,} of them finished" if self._before else ""
        return f"{document.title or document.name}: {words.count(self._total, 'variation')}{left}: {grid}"

    def line(self, result: Result) -> Text:
        """What became of a variation, in a line."""
        label = f"  {shortened(result.variation.label)}  "
        number = f"{result.variation.number}/{self._total}"
        took = f" in {words.took(result.seconds)}" if result.status == "finished" else ""
        return Text.assemble((number, "dim"), label, (result.status, _STYLES[result.status]), took)


class PlainLines(Follower):
    """A line for each variation, for logs."""

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Say first what is going to be done."""
        self._say(self.intention)
        yield

    def ended(self, result: Result) -> None:
        """A variation has ended."""
        self._say(self.line(result))

    def _say(self, line: str | Text) -> None:
        with contextlib.suppress(BrokenPipeError):
            output.say(line)
            output.flush()


class LiveLine(Follower):
    """A line that shows how far all of it is; what has ended stands above it."""

    def __init__(self, sweep: Sweep, *, warn: bool, verbose: bool) -> None:
        super().__init__(sweep, warn=warn, verbose=verbose)
        self._console: Console = output.console()
        self._live: Live | None = None
        self._time = TimeLeft((self._total - self._before) * _UNITS, None)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Show the line, and take it away in the end."""
        from rich.live import Live

        self._console.print(Text(self.intention, "bold"))
        waiting = Text("getting ready ...", "dim")
        with Live(waiting, console=self._console, auto_refresh=False, transient=True, redirect_stderr=False) as live:
            self._live = live
            yield

    def warned(self, problem: Problem) -> None:
        """Say it above the line, if both are on the same terminal."""
        if sys.stderr.isatty():
            self._console.print(output.problem_text(problem), soft_wrap=False)
        else:
            super().warned(problem)

    def ended(self, result: Result) -> None:
        """Say it above the line."""
        self._console.print(self.line(result))

    def moved(self) -> None:
        """Move the line on."""
        done = self._done + sum(self._parts.values())
        self._time.update(round((done - self._before) * _UNITS))
        running = f", {len(self._parts)} at once" if len(self._parts) > 1 else ""
        place = f"{self._done:,}/{self._total:,} variations{running}"
        if self._live is not None:
            left = self._time.seconds if done > self._before else None
            self._live.update(progress_line(self._console, place, done / self._total, left, {}), refresh=True)


def shortened(text: str) -> str:
    """A text that leaves room for others in its line."""
    from pytti_graph.sweeps.plan import shortened

    return shortened(text, _LONGEST)


def table(results: Sequence[Result]) -> Table:
    """The results as a table: what varies, the status, the losses, the time, the folder."""
    from pytti_graph.sweeps.plan import written
    from pytti_graph.sweeps.results import loss_names

    losses, paths = loss_names(results), list(results[0].variation.values)
    headings = ["", *paths, "status", *losses, "seconds", "folder"]
    rows = [[Text(heading, "bold") for heading in headings]]
    for result in results:
        values = [Text(shortened(written(value))) for value in result.variation.values.values()]
        numbers = [Text(f"{result.losses[name]:.3g}" if name in result.losses else "") for name in losses]
        status = Text(result.status, _STYLES[result.status])
        seconds = Text(f"{result.seconds:.1f}" if result.seconds else "")
        folder = Text(result.folder.name if result.folder.is_dir() else "")
        rows.append([Text(str(result.variation.number)), *values, status, *numbers, seconds, folder])
    return output.grid(rows, ["dim", *[""] * (len(headings) - 2), "dim"])
