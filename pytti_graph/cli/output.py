"""Where the command line writes: results to stdout, problems to stderr, colour on terminals only."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from pytti_graph.core.errors import Problem, PyttiGraphError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

_ENDLESS = 100_000
_kept: ContextVar[TextIO | None] = ContextVar("kept", default=None)


class _Console(Console):
    """A console that lets a closed pipe be known."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, err: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting, no wrapping where nobody looks."""
    file = sys.stderr if err else sys.stdout
    width = None if file.isatty() else _ENDLESS
    return _Console(file=file, width=width, markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(*lines: str | Text, err: bool = False) -> None:
    """Print lines."""
    target = console(err=err)
    for line in lines:
        target.print(line)


def say_table(table: Table, *, indent: int = 0) -> None:
    """Print a table, wrapped to the terminal; in full width, without trailing spaces, anywhere else."""
    target = console()
    if target.is_terminal:
        target.print(_indented(table, indent), soft_wrap=False)
        return
    with target.capture() as captured:
        target.print(_indented(table, indent), soft_wrap=False)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _indented(table: Table, indent: int) -> Any:
    from rich.padding import Padding

    return Padding(table, (0, 0, 0, indent), expand=False)


def grid(rows: Iterable[Sequence[str | Text]], styles: Sequence[str]) -> Table:
    """Aligned columns without lines; the last one wraps.

    Args:
        rows: The cells.
        styles: One for each column.
    """
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for index, style in enumerate(styles):
        last = index == len(styles) - 1
        table.add_column(style=style, no_wrap=not last, overflow="fold" if last else "ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def dump_json(data: Any) -> str:
    """JSON that people can read."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def say_json(data: Any) -> None:
    """Print one JSON value."""
    results().write(dump_json(data))
    results().flush()


def flush() -> None:
    """Let readers of a pipe see what is printed so far."""
    sys.stdout.flush()


@contextlib.contextmanager
def kept_for_programs() -> Iterator[None]:
    """Keep the standard output for what programs read: whatever else is printed, by nodes too, goes to stderr."""
    token = _kept.set(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _kept.reset(token)


def results() -> TextIO:
    """Where programs read."""
    return _kept.get() or sys.stdout


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole; raises `UsageError` if that is not possible."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    say(f"wrote {path}", err=True)


def problem_text(problem: Problem) -> Text:
    """A problem as it is printed: the words of `str(problem)`, in colour."""
    text = Text()
    if problem.position:
        text.append(f"{_printable(str(problem.position))}: ", "bold")
    text.append(f"{problem.severity}: ", "bold red" if problem.severity == "error" else "bold yellow")
    if problem.node:
        text.append(f"{_printable(problem.node)}: ", "cyan")
    text.append(_printable(problem.message))
    if problem.hint:
        text.append(f"; {_printable(problem.hint)}", "green")
    return text


def say_problems(problems: Iterable[Problem]) -> None:
    """Print problems to stderr, one a line; a terminal wraps them between words."""
    target = console(err=True)
    for problem in problems:
        target.print(problem_text(problem), soft_wrap=not target.is_terminal)


def say_cause(error: BaseException) -> None:
    """Print to stderr where something failed that nobody foresaw, if that is behind an error."""
    if error.__cause__ is not None and not isinstance(error.__cause__, PyttiGraphError):
        import traceback

        say("".join(traceback.format_exception(error.__cause__)).rstrip(), err=True)


def problem_json(problem: Problem) -> Mapping[str, Any]:
    """A problem as JSON data."""
    place = problem.position
    return {
        "severity": problem.severity,
        "message": problem.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "node": problem.node,
        "argument": problem.argument,
        "hint": problem.hint,
    }


def _printable(text: str) -> str:
    """Text whose control characters a terminal does not obey."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)
