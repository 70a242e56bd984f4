"""The grid of a sweep: its variations, what they are called, and whether they can all be rendered."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytti_graph.api import Graph
from pytti_graph.core.errors import GraphError, Problem, UsageError
from pytti_graph.graph.document import value_of
from pytti_graph.graph.outputs import GRAPH
from pytti_graph.graph.scalars import flow
from pytti_graph.graph.values import Value
from pytti_graph.sweeps.vary import Axes

MOST = 10_000
"""Variations of one sweep."""
_DIGITS = 3
_LONGEST_VALUE, _LONGEST_NAME = 40, 100
_UNSAFE = re.compile(r"[^\w.+-]+")
_NAMED = 5


@dataclass(frozen=True)
class Variation:
    """One graph of a sweep.

    Attributes:
        number: Its place, from 1; the last of what varies changes fastest.
        name: Of its run folder: "002_seed=1_canvas.width=256".
        values: What makes it different, by path.
        graph: The graph.
    """

    number: int
    name: str
    values: Mapping[str, Any]
    graph: Graph

    @property
    def label(self) -> str:
        """What makes it different, in one line: "seed=1 canvas.width=256"."""
        return _label(self.values)

    @property
    def settings(self) -> list[str]:
        """What makes it different, as `--set` takes it."""
        return _settings(self.values)

    def placed(self, problem: Problem) -> Problem:
        """What a rendering of it tells, at its place in the user's graph and not in the one that was written for it."""
        place = problem.position
        if place is None or Path(place.file).name != GRAPH:
            return problem
        node = self.graph.checked.nodes.get(problem.node or "")
        place = None if node is None else node.places.get(problem.argument or "") or node.position
        return next(_from_vary([replace(problem, position=place)], self.settings))


def _label(values: Mapping[str, Any]) -> str:
    return " ".join(f"{path}={written(value)}" for path, value in values.items())


def _settings(values: Mapping[str, Any]) -> list[str]:
    return [f"{path}={flow(value_of(value, []))}" for path, value in values.items()]


def variations(graph: Graph, axes: Axes, *, draft: bool, frames: int | None) -> list[Variation]:
    """Every combination of values, in order.

    Args:
        graph: What does not vary.
        axes: What varies.
        draft: Make drafts of all; what varies is made smaller too.
        frames: Number of frames of all, or None to leave it.

    Raises:
        UsageError: There are too many combinations.
        GraphError: Values that do not fit, or graphs that are not valid; carries all problems of all variations.
    """
    count = math.prod(map(len, axes.values()))
    if count > MOST:
        message = f"that makes {count:,} variations, and {MOST:,} are the most"
        raise UsageError(message, hint="give fewer values, or make several sweeps")
    combinations = list(itertools.product(*axes.values()))
    made, report = [], _Report(len(combinations))
    for number, values in enumerate(combinations, 1):
        chosen = dict(zip(axes, values, strict=True))
        name = safe_name(number, len(combinations), chosen)
        plain = {path: value.plain() for path, value in chosen.items()}
        try:
            varied = _varied(graph, _settings(plain), draft=draft, frames=frames)
        except GraphError as error:
            report.add(number, _label(plain), _from_vary(error.problems, _settings(plain)))
        else:
            made.append(Variation(number, name, plain, varied))
    report.refuse()
    return made


def _varied(graph: Graph, settings: Sequence[str], *, draft: bool, frames: int | None) -> Graph:
    """The graph that `run --set ... [--draft] [--frames N]` would render."""
    graph = graph.override(settings)
    graph = graph.draft() if draft else graph
    return graph if frames is None else graph.override({"clock.frames": frames})


def _from_vary(problems: Iterable[Problem], settings: Sequence[str]) -> Iterator[Problem]:
    """Problems with the values that vary, as problems of the option that gave them."""
    files = {f"--set {setting}": f"--vary {setting}" for setting in settings}
    for problem in problems:
        place = problem.position
        if place is not None:
            place = replace(place, file=files.get(place.file, place.file))
        yield replace(problem, position=place)


def check(made: Sequence[Variation], allow_paths: Sequence[Path]) -> list[Problem]:
    """Check all variations as `Graph.check` does.

    Returns:
        Warnings, each once.

    Raises:
        GraphError: All problems of all variations, each once, with the variations that have it.
        MissingError: A plugin is missing.
    """
    report, warnings = _Report(len(made)), _Report(len(made))
    for variation in made:
        try:
            warnings.add(variation.number, variation.label, variation.graph.check(allow_paths=allow_paths))
        except GraphError as error:
            report.add(variation.number, variation.label, _from_vary(error.problems, variation.settings))
    report.refuse()
    return warnings.problems()


class _Report:
    """Problems of many variations, each told once."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._found: dict[tuple[object, ...], tuple[Problem, list[tuple[int, str]]]] = {}

    def add(self, number: int, label: str, problems: Iterable[Problem]) -> None:
        """Note the problems of one variation."""
        for problem in problems:
            place = problem.position
            own = place is None or place.file.startswith("--vary ")
            key = (problem.message, problem.node, problem.argument, problem.hint, None if own else place)
            owners = self._found.setdefault(key, (problem, []))[1]
            if (number, label) not in owners:
                owners.append((number, label))

    def problems(self) -> list[Problem]:
        """All problems; those that not every variation has say which have them."""
        return [self._told(problem, owners) for problem, owners in self._found.values()]

    def refuse(self) -> None:
        """Raise `GraphError` if there are problems."""
        if self._found:
            raise GraphError(self.problems())

    def _told(self, problem: Problem, owners: Sequence[tuple[int, str]]) -> Problem:
        if len(owners) == self._total:
            return problem
        if len(owners) == 1:
            ((number, label),) = owners
            which = f"variation {number}: {shortened(label, 120)}"
        else:
            numbers = ", ".join(str(number) for number, _ in owners[:_NAMED])
            which = f"variations {numbers}" + (f" and {len(owners) - _NAMED} more" if len(owners) > _NAMED else "")
        return replace(problem, message=f"{problem.message} ({which})")


def written(value: Any) -> str:
    """A value as a person reads it: texts as they are, everything else as YAML."""
    return " ".join(value.split()) if isinstance(value, str) else flow(value_of(value, []))


def shortened(text: str, longest: int) -> str:
    """A text that is not longer than so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def safe_name(number: int, total: int, chosen: Mapping[str, Value]) -> str:
    """The name of a run folder: a number, and what varies as any file system can take it, not too long."""
    name = "_".join(f"{path}={_safe(written(value.plain()))}" for path, value in chosen.items())
    short = name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore").rstrip(" .-_")
    return f"{number:0{max(_DIGITS, len(str(total)))}}_{short}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)[:_LONGEST_VALUE].strip("-.")
