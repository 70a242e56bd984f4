"""`pytti-graph examples`: the example graphs, for people who have no checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pytti_graph.cli.options import Json, Verbose
from pytti_graph.core.errors import MissingError, UsageError, did_you_mean


def examples(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="An example; without one, all are listed.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="The file to make, or the folder to put it in."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the examples.")] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the example graphs, or copy one here."""
    found = _examples()
    if name is None or list_all:
        if output is not None:
            raise UsageError("which example?", hint=f"choose one of {', '.join(found)}")
        _say_examples(found, json=json)
    else:
        _copy(_chosen(found, name), output, json=json)


def _examples() -> dict[str, Path]:
    """Example files by name: in the installed package, or in the checkout that it is run from."""
    import pytti_graph

    package = Path(pytti_graph.__file__).parent
    for folder in (package / "examples", package.parent / "graphs"):
        if found := sorted(folder.glob("*.yaml")):
            return {path.stem: path for path in found}
    raise MissingError("this installation has no example graphs", hint="install pytti-graph again")


def _title(path: Path) -> str:
    from pytti_graph.core.errors import GraphError
    from pytti_graph.graph.document import read_document

    try:
        return read_document(path).title
    except GraphError:
        return ""


def _say_examples(found: Mapping[str, Path], *, json: bool) -> None:
    from pytti_graph.cli import output

    titles = {name: _title(path) for name, path in found.items()}
    if json:
        output.say_json([{"name": name, "title": title} for name, title in titles.items()])
        return
    output.say_table(output.grid(titles.items(), ("cyan", "")))
    output.say("", "'pytti-graph examples NAME' copies one into this folder.")


def _chosen(found: Mapping[str, Path], name: str) -> Path:
    key = name.removesuffix(".yaml")
    if key in found:
        return found[key]
    hint = did_you_mean(key, found) or f"there are {', '.join(found)}"
    raise UsageError(f"there is no example '{name}'", hint=hint)


def _write(target: Path, source: Path) -> None:
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError:
        raise UsageError(f"{target} already exists", hint="choose another name with '-o FILE'") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None


def _copy(source: Path, output: Path | None, *, json: bool) -> None:
    from pytti_graph.cli.output import say, say_json

    target = Path(source.name) if output is None else output / source.name if output.is_dir() else output
    _write(target, source)
    picture = source.with_suffix(".png")  # what an example reads bears its name
    if picture.is_file():
        _write(target.with_name(picture.name), picture)
    if json:
        say_json({"file": str(target)})
    else:
        say(f"wrote {target}; render it with: pytti-graph run {target}")
