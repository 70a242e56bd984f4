"""Checks that the files a graph reads are there, and that it writes where it may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytti_graph.core.addresses import address_fault, is_address
from pytti_graph.core.errors import Position, Problem, UsageError, did_you_mean
from pytti_graph.core.paths import resolve
from pytti_graph.core.web_pictures import WebPicture, not_fetched
from pytti_graph.graph.binding import FileName
from pytti_graph.graph.checked import CheckedGraph, CheckedNode


def input_problems(
    graph: CheckedGraph, folder: Path, allowed: Sequence[Path] = (), network: bool | None = None
) -> Iterator[Problem]:
    """Files that are missing, and paths that lead outside of what may be read.

    Args:
        graph: The graph.
        folder: Where its relative paths begin.
        allowed: Other folders that may be read.
        network: Pictures may be fetched; if not, those that have not been are told. None if that is asked later.
    """
    for node in graph.nodes.values():
        for argument, file, place in node.files():
            if file.direction == "output":
                yield from _leaving(node, argument, file.text, place, allowed)
                continue
            if is_address(file.text):
                yield from _remote(node, argument, file, place, network)
                continue
            try:
                path = resolve(file.text, folder, allowed, "the graph's folder")
            except UsageError as error:
                yield _problem(node, argument, error.problem.message, place, error.problem.hint)
                continue
            if not path.exists():
                yield _problem(node, argument, f"there is no file '{file.text}'", place, _nearest(path))


def _remote(
    node: CheckedNode, argument: str, file: FileName, place: Position | None, network: bool | None
) -> Iterator[Problem]:
    """What is wrong with an address; the network is not asked."""
    if file.address is None:
        hint = "save it beside the graph, and write its file name"
        yield _problem(node, argument, "this is not read from the network, only pictures are", place, hint)
    elif (fault := address_fault(file.address)) is not None:
        yield _problem(node, argument, fault.message, place, fault.hint)
    elif network is False and WebPicture(file.address).cached() is None:
        fault = not_fetched(file.address)
        yield _problem(node, argument, fault.message, place, fault.hint)


def _leaving(
    node: CheckedNode, argument: str, text: str, place: Position | None, allowed: Sequence[Path]
) -> Iterator[Problem]:
    """An output that leaves the run folder, as far as that can be told before there is one."""
    try:
        resolve(text, Path("/", "run folder"), allowed, "the run folder")
    except UsageError as error:
        if allowed and not Path(text).is_absolute():
            return  # it may lead into an allowed folder from wherever the run folder will be
        message, hint = error.problem.message, error.problem.hint
        if "lies outside" in message:
            message, hint = f"'{text}' lies outside the run folder", "to write there, add --allow-path DIR"
        yield _problem(node, argument, message, place, hint)


def _nearest(path: Path) -> str | None:
    try:
        return did_you_mean(path.name, [file.name for file in path.parent.iterdir()])
    except OSError:
        return None


def _problem(node: CheckedNode, argument: str, message: str, place: Position | None, hint: str | None) -> Problem:
    return Problem(f"{argument}: {message}", place, node.id, argument, hint)
