"""Checks that the files a graph reads are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytti_graph.core.errors import Problem, UsageError, did_you_mean
from pytti_graph.core.paths import resolve
from pytti_graph.graph.binding import FileName
from pytti_graph.graph.checked import CheckedGraph, CheckedNode


def input_problems(graph: CheckedGraph, folder: Path, allowed: Sequence[Path] = ()) -> Iterator[Problem]:
    """Files that are missing, and paths that lead outside of what may be read.

    Args:
        graph: The graph.
        folder: Where its relative paths begin.
        allowed: Other folders that may be read.
    """
    for node in graph.nodes.values():
        for argument, bound in node.arguments.items():
            if not isinstance(bound, FileName) or bound.direction != "input":
                continue
            try:
                path = resolve(bound.text, folder, allowed, "the graph's folder")
            except UsageError as error:
                yield _problem(node, argument, error.problem.message, error.problem.hint)
                continue
            if not path.exists():
                yield _problem(node, argument, f"there is no file '{bound.text}'", _nearest(path))


def _nearest(path: Path) -> str | None:
    try:
        return did_you_mean(path.name, [file.name for file in path.parent.iterdir()])
    except OSError:
        return None


def _problem(node: CheckedNode, argument: str, message: str, hint: str | None) -> Problem:
    place = node.places.get(argument) or node.position
    return Problem(f"{argument}: {message}", place, node.id, argument, hint)
