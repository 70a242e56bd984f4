"""Checks that no two writers of a graph write the same file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytti_graph.core.errors import Problem
from pytti_graph.graph.binding import FileName
from pytti_graph.graph.checked import CheckedNode

FRAMES = "folder"
GRAPH = "graph.yaml"
RECORD = "run.json"
LOSSES = "losses.jsonl"
CHECKPOINT = "checkpoint.safetensors"
PREVIEW = "preview.png"
LOCK = ".lock"
RESERVED = (GRAPH, RECORD, LOSSES, CHECKPOINT, PREVIEW, LOCK)
"""What the engine itself keeps in a run folder."""


@dataclass(frozen=True, slots=True)
class _Output:
    node: CheckedNode
    argument: str
    path: str

    @property
    def pictures(self) -> list[str]:
        return [str(use.reference) for use in self.node.references() if use.wire == "Image"]


def output_clashes(nodes: Mapping[str, CheckedNode], reserved: Sequence[str] = RESERVED) -> list[Problem]:
    """What the writers of a graph would overwrite of each other's.

    Writers of the same picture may share a `folder` of frames; every other path must be a writer's own.

    Args:
        nodes: The nodes of the graph, by id.
        reserved: Names in the run folder that belong to the engine.
    """
    outputs = list(_outputs(nodes))
    taken = {_normal(name) for name in reserved}
    problems = [_problem(output, "is written by the engine itself") for output in outputs if output.path in taken]
    first: dict[str, _Output] = {}
    for output in outputs:
        other = first.setdefault(output.path, output)
        if other is not output and not _may_share(output, other):
            problems.append(_problem(output, _reason(output, other)))
    return problems


def _outputs(nodes: Mapping[str, CheckedNode]) -> Iterator[_Output]:
    for node in nodes.values():
        for argument, bound in node.arguments.items():
            if isinstance(bound, FileName) and bound.direction == "output":
                yield _Output(node, argument, _normal(bound.text))


def _normal(path: str) -> str:
    """One spelling for each file, also where file names ignore case."""
    return posixpath.normpath(path.replace("\\", "/")).casefold()


def _may_share(output: _Output, other: _Output) -> bool:
    same = bool(output.pictures) and output.pictures == other.pictures
    return same and output.argument == other.argument == FRAMES


def _reason(output: _Output, other: _Output) -> str:
    if output.argument == other.argument == FRAMES:
        return f"already holds the frames of another picture, of '{other.node.id}'"
    return f"is also written by '{other.node.id}'"


def _problem(output: _Output, reason: str) -> Problem:
    node = output.node
    place = node.places.get(output.argument) or node.position
    own = node.id + posixpath.splitext(output.path)[1]
    hint = f"give it a {output.argument} of its own, such as '{output.argument}: {own}'"
    return Problem(f"{output.argument}: '{output.path}' {reason}", place, node.id, output.argument, hint)
