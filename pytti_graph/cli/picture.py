"""`pytti-graph show`: a graph as a drawing."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytti_graph.cli.options import GraphFile, Nodes, Settings, Verbose
from pytti_graph.core.errors import UsageError

if TYPE_CHECKING:
    from pytti_graph.api import Graph


class Format(StrEnum):
    """How to draw."""

    text = "text"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"
    png = "png"


_SUFFIXES = {
    ".txt": Format.text,
    ".mmd": Format.mermaid,
    ".mermaid": Format.mermaid,
    ".dot": Format.dot,
    ".gv": Format.dot,
    ".svg": Format.svg,
    ".png": Format.png,
}


def show(
    file: GraphFile,
    settings: Settings = None,
    nodes: Nodes = None,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="text, mermaid, dot, svg or png; else what the ending of the file says.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here.", show_default=False)
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Draw a graph, as text or as a picture."""
    from pytti_graph.cli.output import write_file
    from pytti_graph.cli.run import changed

    chosen = format or _format_of(output)
    graph = changed(file, settings, nodes)
    graph.plan()
    drawn = _drawn(graph, chosen)
    if output is not None:
        write_file(output, drawn)
    elif chosen in (Format.svg, Format.png) and sys.stdout.isatty():
        raise UsageError(
            f"a terminal cannot show {chosen}", hint=f"write it to a file: -o {graph.document.name}.{chosen}"
        )
    else:
        _print(drawn)


def _format_of(output: Path | None) -> Format:
    if output is None:
        return Format.text
    if (found := _SUFFIXES.get(output.suffix.lower())) is not None:
        return found
    raise UsageError(f"the ending of {output} names no format", hint=f"use one of {', '.join(_SUFFIXES)}, or --format")


def _drawn(graph: Graph, chosen: Format) -> bytes:
    from pytti_graph.graph import drawing

    made = drawing.draw(graph.document, graph.plan())
    match chosen:
        case Format.text:
            return drawing.as_text(made).encode()
        case Format.mermaid:
            return drawing.as_mermaid(made).encode()
        case Format.dot:
            return drawing.as_dot(made).encode()
        case _:
            return drawing.as_picture(made, chosen.value)


def _print(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
