"""`pytti-graph new`: the beginning of a node or a plugin of your own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytti_graph.cli.help import Command, Group
from pytti_graph.cli.options import Json, Verbose

if TYPE_CHECKING:
    from pytti_graph.scaffold import PluginFolder

app = typer.Typer(
    help="Begin a node or a plugin of your own.",
    epilog="A node is one file beside your graphs. A plugin is a package with nodes, which others can install.",
    cls=Group,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command(cls=Command)
def node(
    type: Annotated[
        str, typer.Argument(metavar="TYPE", help="What graphs will call it: loss.glow.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to put it in; else nodes.")
    ] = Path("nodes"),
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write a file with one node that works, to change into your own.

    A loss, a source and a value each begin as what they are; everything else begins as a filter, which takes a picture
    and gives another one.
    """
    from pytti_graph.cli.output import say, say_json
    from pytti_graph.scaffold import new_node

    path = new_node(type, output)
    if json:
        say_json({"type": type, "file": str(path)})
        return
    say(f"wrote {path}: the node {type}; its first lines say how a graph uses it", "", "Next:")
    say(f"  pytti-graph check GRAPH --nodes {shlex.quote(str(path.parent))}")


@app.command(cls=Command)
def plugin(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What it is for: glow makes pytti-graph-glow.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to put it in; else the present one.")
    ] = Path(),
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write a package with one node that works, its tests, a graph and whatever publishing needs."""
    from pytti_graph.cli.output import say, say_json
    from pytti_graph.scaffold import new_plugin

    made = new_plugin(name, output)
    if json:
        files = [str(path) for path in made.files]
        say_json({"folder": str(made.folder), "type": made.type, "files": files, "next": _next(made)})
        return
    say(f"wrote {made.folder}, with the node {made.type}:")
    say(*(f"  {path}" for path in made.files))
    say("", "Next:", *(f"  {command}" for command in _next(made)))


def _next(made: PluginFolder) -> list[str]:
    """The commands that install, test and show a plugin."""
    return [
        shlex.join(["pip", "install", "-e", f"{_here(made.folder)}[test]"]),
        shlex.join(["pytest", str(made.folder)]),
        shlex.join(["pytti-graph", "run", str(made.folder / made.graph)]),
    ]


def _here(folder: Path) -> str:
    """A folder as pip knows it from the name of a package."""
    return str(folder) if folder.is_absolute() else f"./{folder}"
