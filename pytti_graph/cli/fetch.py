"""`pytti-graph fetch`: the downloads that a graph needs, at a time of the user's choosing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytti_graph.cli import words
from pytti_graph.cli.options import GraphFile, Nodes, Settings, Verbose
from pytti_graph.core.errors import MissingError, PyttiGraphError

if TYPE_CHECKING:
    from pytti_graph.core.downloads import Download
    from pytti_graph.core.plugins import Registry
    from pytti_graph.graph.checks import CheckedNode


def fetch(file: GraphFile, settings: Settings = None, nodes: Nodes = None, verbose: Verbose = False) -> None:
    """Download what a graph needs, once.

    'pytti-graph run' then finds it without a network. Sizes are said first.
    """
    from pytti_graph.cli.output import say, say_problems
    from pytti_graph.cli.run import changed

    graph = changed(file, settings, nodes)
    say_problems(graph.warnings())
    needed = [d for node in graph.checked.nodes.values() for d in _downloads(node, graph.registry)]
    unique = {download.source: download for download in needed}
    missing = [download for download in unique.values() if _report_cached(download)]
    if not unique:
        say("nothing to download: everything the graph needs is installed")
    sizes = [_announced(download) for download in missing]
    if len(missing) > 1 and None not in sizes:
        say(f"together {words.size(sum(size or 0 for size in sizes))}")
    for download in missing:
        _fetch(download)


def _downloads(node: CheckedNode, registry: Registry) -> Sequence[Download]:
    from pytti_graph.core.downloads import downloads_of

    try:
        return [*downloads_of(registry.implementation(node.spec), _known(node)), *_pictures(node)]
    except PyttiGraphError as error:
        problem = error.problem
        if problem.node is not None:
            raise
        place = node.places.get(problem.argument or "") or node.position
        raise type(error)(
            problem.message, position=place, node=node.id, argument=problem.argument, hint=problem.hint
        ) from error


def _pictures(node: CheckedNode) -> Iterator[Download]:
    """The pictures that it names by their addresses."""
    from pytti_graph.core.addresses import address_fault
    from pytti_graph.core.errors import GraphError, Problem
    from pytti_graph.core.web_pictures import WebPicture

    for argument, file, place in node.files():
        if file.address is None:
            continue
        if (fault := address_fault(file.address)) is not None:
            raise GraphError([Problem(f"{argument}: {fault.message}", place, node.id, argument, fault.hint)])
        yield WebPicture(file.address)


def _known(node: CheckedNode) -> dict[str, Any]:
    """The arguments whose values are known before rendering; None stands for the others."""
    from pytti_graph.graph.binding import Constant, FileName

    def value(bound: Any) -> Any:
        match bound:
            case Constant(known):
                return known
            case FileName(text):
                return text
            case _:
                return None

    return {name: value(bound) for name, bound in node.arguments.items()}


def _report_cached(download: Download) -> bool:
    """True if it has still to be fetched."""
    from pytti_graph.cli.output import say

    if (path := download.cached()) is None:
        return True
    say(f"already here: {path}")
    return False


def _announced(download: Download) -> int | None:
    from pytti_graph.cli.output import flush, say

    try:
        size = download.size()
    except Exception as error:  # network libraries raise errors of their own
        raise _unreachable(download, error) from error
    say(f"{download.source}: {'unknown size' if size is None else words.size(size)}")
    flush()
    return size


def _fetch(download: Download) -> None:
    from pytti_graph.cli.output import flush, say

    try:
        path = download.fetch()
    except Exception as error:
        raise _unreachable(download, error) from error
    say(f"fetched {path}")
    flush()


def _unreachable(download: Download, error: Exception) -> MissingError:
    from pytti_graph.core.web_pictures import WebPicture

    reason = " ".join(str(error).split()) or type(error).__name__
    hint = (
        f"is there a network here? elsewhere, fetch the file and put it into {download.destination}, "
        "or let the graph use a local file, or another node that needs no download"
    )
    if isinstance(download, WebPicture):
        hint = "does your browser show it? save it beside the graph, and write its file name"
    return MissingError(f"{download.source} cannot be fetched: {reason}", hint=hint)
