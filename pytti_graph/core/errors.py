"""Errors with a place, a cause and a remedy, and the one renderer that prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph.

    Attributes:
        message: What is wrong, without the node's name.
        position: Where, if the graph came from a file.
        node: Id of the node concerned.
        argument: Name of the argument concerned.
        hint: What to write instead.
        severity: An error stops the graph; a warning does not.
    """

    message: str
    position: Position | None = None
    node: str | None = None
    argument: str | None = None
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position else ""
        node = f"{self.node}: " if self.node else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.severity}: {node}{self.message}{hint}"


class PyttiGraphError(Exception):
    """Root of every error that pytti-graph raises on purpose.

    Attributes:
        problem: What is wrong, where, and what to do.
        exit_code: What the command line exits with.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        position: Position | None = None,
        node: str | None = None,
        argument: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem = Problem(message, position, node, argument, hint)
        super().__init__(message)

    @property
    def problems(self) -> Sequence[Problem]:
        """Every problem this error reports, in the order of the file."""
        return (self.problem,)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UsageError(PyttiGraphError):
    """A command or a call that does not make sense.

    Attributes:
        offset: Where in the node's argument, if that is a text with formulas inside.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        position: Position | None = None,
        node: str | None = None,
        argument: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.offset = offset
        super().__init__(message, position=position, node=node, argument=argument, hint=hint)


class GraphError(PyttiGraphError):
    """A graph that is not valid; carries all of its problems."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = tuple(problems)
        first = self._problems[0]
        super().__init__(
            first.message,
            position=first.position,
            node=first.node,
            argument=first.argument,
            hint=first.hint,
        )

    @property
    def problems(self) -> Sequence[Problem]:
        """All problems of the graph, in the order of the file."""
        return self._problems


class MissingError(PyttiGraphError):
    """A plugin or a weights file that is needed and not there, or several."""

    exit_code = 4
    _others: Sequence[Problem] = ()

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> MissingError:
        """The error that carries one problem or more, one for each thing that is not there."""
        first, *others = problems
        error = cls(first.message, position=first.position, node=first.node, argument=first.argument, hint=first.hint)
        error._others = tuple(others)
        return error

    @property
    def problems(self) -> Sequence[Problem]:
        """Everything that is known to be missing, in the order of the file."""
        return (self.problem, *self._others)


class RenderError(PyttiGraphError):
    """Something that went wrong while rendering.

    Attributes:
        frame: The frame it happened in, or None.
        step: The step within that frame, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        frame: int | None = None,
        step: int | None = None,
        position: Position | None = None,
        node: str | None = None,
        argument: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.frame, self.step = frame, step
        moment = "" if frame is None else f" (frame {frame}" + (f", step {step})" if step is not None else ")")
        super().__init__(message + moment, position=position, node=node, argument=argument, hint=hint)


class Interrupted(PyttiGraphError):
    """The rendering was stopped on request; everything finished so far is kept."""

    exit_code = 130


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest known word, or None if none is near."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{matches[0]}'?" if matches else None
