"""Writes what the documentation copies from the program: the node reference, formula words, help pages and plans.

Run `python docs/make_reference.py` after changing nodes, formulas or the command line; `tests/docs` fails until then.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from unittest import mock

from PIL import Image

from pytti_graph.cli import COMMANDS as PANELS
from pytti_graph.cli import reference
from pytti_graph.cli.main import execute
from pytti_graph.core.formula_names import CLOCK_HELP, CONSTANTS, FUNCTIONS
from pytti_graph.core.nodes import NodeSpec, Parameter
from pytti_graph.core.plugins import installed

DOCS = Path(__file__).parent
DISTRIBUTIONS = ("pytti-graph", "pytti-graph-imagenet", "pytti-graph-strokes")
COMMANDS = (*(name for panel in PANELS.values() for name in panel if name != "new"), "new node", "new plugin")

_INTRODUCTION = """\
# Nodes

<!-- Written by docs/make_reference.py from the nodes themselves; do not edit. -->

Every node type of pytti-graph and of its own plugins, pytti-graph-imagenet and pytti-graph-strokes. `pytti-graph nodes`
lists those that you have installed,
`pytti-graph nodes NAME` explains one.

*Kind* says what an argument takes. A kind with a capital letter (Image, Loss, Warp …) is a reference: write the id of a
node that gives one. A *number* takes a formula too. See [the graph file](graph-file.md).
"""
_BLOCK = re.compile(r"(<!-- begin ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_GRAPH = re.compile(r"^```yaml\n(pytti_graph:.*?)^```$", re.DOTALL | re.MULTILINE)


def nodes_page() -> str:
    """The node reference."""
    registry = installed()
    types = sorted(type for plugin in registry.plugins if plugin.distribution in DISTRIBUTIONS for type in plugin.types)
    parts = [_INTRODUCTION]
    for family, members in groupby(types, key=lambda type: type.partition(".")[0]):
        parts.append(f"## {family}\n")
        parts += [_node(registry.specs[type]) for type in members]
    return "\n".join(parts)


def _node(spec: NodeSpec) -> str:
    parts = [f"### {spec.type}\n", f"{_prose(spec.summary)}\n"]
    if spec.description:
        parts.append(f"{_prose(spec.description)}\n")
    if spec.parameters:
        parts += ["| argument | kind | if not given | meaning |", "|---|---|---|---|"]
        parts += [_argument(parameter) for parameter in spec.parameters]
        parts.append("")
    parts.append(f"{_value(spec)}\n")
    return "\n".join(parts)


def _argument(parameter: Parameter) -> str:
    kind = str(parameter.type).replace("|", r"\|")
    bounds = getattr(parameter.type, "bounds", None)
    if getattr(parameter.type, "parser", None):
        kind = "text with formulas"
    if bounds is not None:
        kind = ", ".join([kind, *reference.limits(bounds)]) + (f" ({bounds.unit})" if bounds.unit else "")
    default = "**needed**" if parameter.required else "–" if parameter.default is None else f"`{_scalar(parameter)}`"
    return f"| `{parameter.name}` | {kind} | {default} | {_cell(parameter.help)} |"


def _scalar(parameter: Parameter) -> str:
    default = parameter.default
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _value(spec: NodeSpec) -> str:
    if spec.optimiser:
        return "Gives nothing: it moves the images that its losses reach, at each step."
    if spec.returns is None:
        return "Gives nothing: it writes, at the end of each frame."
    ports = ", ".join(f"`{name}` ({wire})" for name, wire in spec.ports.items())
    return f"Gives: **{spec.returns}**" + (f" with the port {ports}" if ports else "") + ". Changes: " + _changes(spec)


def _changes(spec: NodeSpec) -> str:
    return f"{reference.rate_words(spec)}."


def _prose(text: str) -> str:
    return text.replace("<", "&lt;")


def _cell(text: str) -> str:
    return _prose(text).replace("|", r"\|")


def functions() -> Iterator[str]:
    """The table of functions."""
    yield from ("| function | gives |", "|---|---|")
    for entry in FUNCTIONS.values():
        yield f"| `{entry.signature}` | {entry.help} |"


def constants() -> Iterator[str]:
    """The table of constants."""
    yield from ("| constant | value |", "|---|---|")
    for name, value in CONSTANTS.items():
        yield f"| `{name}` | {value:.6g} |"


def clock() -> Iterator[str]:
    """The table of clock names."""
    yield from ("| name | means |", "|---|---|")
    for name, meaning in CLOCK_HELP.items():
        yield f"| `{name}` | {meaning} |"


def help_pages() -> Iterator[str]:
    """What each command's `--help` prints."""
    for command in COMMANDS:
        yield from (f"## {command}", "", "```text", output_of(*command.split(), "--help").rstrip(), "```", "")


def output_of(*arguments: str) -> str:
    """What a command prints, as on a terminal of 88 columns that nobody looks at."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), mock.patch.dict(os.environ, {"COLUMNS": "88"}):
        code = execute(arguments)
    if code != 0:
        raise RuntimeError(f"pytti-graph {' '.join(arguments)} exits with {code}")
    return printed.getvalue()


def plan_of(page: str) -> Iterator[str]:
    """What `pytti-graph plan` prints of the first graph of a page."""
    graph = _GRAPH.search(page)
    assert graph is not None, "the page has no graph"
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (32, 32)).save(Path(folder, "photo.png"))
        path = Path(folder, "steady.yaml")
        path.write_text(graph[1], "utf-8")
        yield from ("```text", output_of("plan", str(path)).rstrip(), "```")


def filled(page: str) -> str:
    """A page with its generated blocks written anew."""
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "functions": functions,
        "constants": constants,
        "clock": clock,
        "help": help_pages,
        "plan": lambda: plan_of(page),
    }
    return _BLOCK.sub(lambda match: match[1] + "\n".join(makers[match[2]]()) + "\n" + match[3], page)


def pages() -> dict[Path, str]:
    """Every page that holds something generated, as it should be."""
    made = {DOCS / "reference" / "nodes.md": nodes_page()}
    for path in DOCS.rglob("*.md"):
        text = path.read_text("utf-8")
        if _BLOCK.search(text):
            made[path] = filled(text)
    return made


def main() -> int:
    """Write every page that is not current."""
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
