"""The arguments and options that several commands share."""

from __future__ import annotations

import contextlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pytti_graph.core.plugins import Registry


EVENTS = "events"
"""The listener that prints JSON lines."""
FOR_PROGRAMS = "pytti_graph.for_programs"
"""In a context's `meta`: programs read the standard output, so that nothing else may be printed there."""


def _keep_output(context: typer.Context, wanted: bool) -> bool:
    if wanted:
        context.meta[FOR_PROGRAMS] = True
    return wanted


def _keep_output_for_events(context: typer.Context, names: list[str] | None) -> list[str] | None:
    if EVENTS in (names or ()):
        context.meta[FOR_PROGRAMS] = True
    return names


class Precision(StrEnum):
    """Of perceptors."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


GraphFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A graph (.yaml), or a PNG that pytti-graph wrote, which carries its graph.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Replace a value: canvas.width=512, clock.steps=20, vars.speed=2; may be repeated.",
        show_default=False,
    ),
]
Frames = Annotated[
    int | None, typer.Option("--frames", metavar="N", min=1, help="How many frames to make.", show_default=False)
]
AllowPath = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-path",
        metavar="DIR",
        help="A folder that the graph may read and write too; may be repeated.",
        show_default=False,
    ),
]
Network = Annotated[bool, typer.Option("--allow-network", help="Let nodes download what they need.")]
Nodes = Annotated[
    list[Path] | None,
    typer.Option(
        "--nodes",
        metavar="PATH",
        help="A Python file with nodes, or a folder of them. It is code, and is run. May be repeated.",
        show_default=False,
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="Where to render variations: local, which is the default; plugins bring more.",
        show_default=False,
    ),
]
ExecutorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--executor-option",
        metavar="NAME=VALUE",
        help="For the executor, such as threads=2 for local; may be repeated.",
        show_default=False,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="How many variations to render at once; else one, or one on each graphics card.",
        show_default=False,
    ),
]
Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        metavar="NAME",
        help="A listener that follows the rendering, such as events (JSON lines); plugins bring more. May be repeated.",
        show_default=False,
        callback=_keep_output_for_events,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.", callback=_keep_output)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more; where a failure happened, too.")]


def registry(nodes: list[Path] | None) -> Registry:
    """What is installed, with the nodes of the files that the user names; what these print is no result."""
    from pytti_graph.core.node_files import with_files
    from pytti_graph.core.plugins import installed

    with contextlib.redirect_stdout(sys.stderr):
        return with_files(installed(), nodes or ())
