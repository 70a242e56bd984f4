"""`pytti-graph nodes`, `plugins` and `schema`: what is installed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from pytti_graph.cli.options import Json, Nodes, Verbose
from pytti_graph.cli.options import registry as known
from pytti_graph.core.errors import Problem, UsageError, did_you_mean
from pytti_graph.core.offers import Kind

if TYPE_CHECKING:
    from rich.text import Text

    from pytti_graph.core.nodes import NodeSpec
    from pytti_graph.core.plugins import Plugin, Registry

_COLUMN = len("executors  ")


def nodes(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A node type; without one, all are listed.", show_default=False),
    ] = None,
    files: Nodes = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the installed node types, or explain one."""
    from pytti_graph.cli import output, reference

    registry = known(files)
    if name is not None:
        spec = _found(registry, name)
        return output.say_json(reference.as_json(spec, registry)) if json else reference.explain(spec, registry)
    if json:
        return output.say_json([reference.as_json(spec, registry) for _, spec in sorted(registry.named().items())])
    _say_failures(registry.plugins)
    _say_families(registry.named())
    return None


def _found(registry: Registry, name: str) -> NodeSpec:
    if (spec := registry.find(name)) is not None:
        return spec
    if owners := registry.offering(name):
        which = " or ".join(f"{owner.distribution}/{name}" for owner in owners)
        raise UsageError(f"{' and '.join(map(str, owners))} both offer '{name}'", hint=f"say which: {which}")
    members = [type for type in sorted(registry.specs) if type.partition(".")[0] == name]
    families = {type.partition(".")[0] for type in registry.specs}
    hint = f"the family has {', '.join(members)}" if members else did_you_mean(name, [*registry.specs, *families])
    raise UsageError(f"there is no node type '{name}'", hint=hint or "'pytti-graph nodes' lists them")


def _say_families(specs: Mapping[str, NodeSpec]) -> None:
    from rich.text import Text

    from pytti_graph.cli import output

    def family_of(name: str) -> str:
        return specs[name].type.partition(".")[0]

    width = max(map(len, specs), default=0)
    for family, members in groupby(sorted(specs, key=lambda name: (family_of(name), name)), key=family_of):
        output.say(Text(family, "bold"))
        table = output.grid(((name, specs[name].summary) for name in members), ("cyan", ""))
        table.columns[0].min_width = width
        output.say_table(table, indent=2)
    output.say("", "'pytti-graph nodes NAME' explains one.")


def plugins(json: Json = False, verbose: Verbose = False) -> None:
    """List the installed plugins: what each offers, and what of it cannot be used."""
    from rich.text import Text

    from pytti_graph.cli import output
    from pytti_graph.core.plugins import ONLY, installed, unknown_names

    found = installed().plugins
    if json:
        output.say_json([_plugin_json(plugin) for plugin in found])
        return
    output.say(Text("\n").join(line for origin, own in groupby(found, str) for line in _listing(origin, list(own))))
    _say_failures(found)
    output.say_problems(
        Problem(f"{ONLY} names '{name}', which is not installed", severity="warning") for name in unknown_names()
    )


def _listing(origin: str, plugins: list[Plugin]) -> Iterator[Text]:
    """The lines about one distribution."""
    from rich.text import Text

    rows = {"nodes": sorted(type for plugin in plugins for type in plugin.types)}
    for kind in get_args(Kind):
        rows[f"{kind}s"] = [offer.name for plugin in plugins for offer in plugin.offers if offer.kind == kind]
    rows["hooks"] = sorted({hook for plugin in plugins for hook in plugin.hooks})
    yield Text(origin, "bold")
    for title, names in rows.items():
        for number, line in enumerate(_wrapped(", ".join(names))):
            yield Text.assemble((f"  {'' if number else title:<{_COLUMN}}", "dim"), line)


def _wrapped(text: str) -> list[str]:
    """Lines that leave room for the titles; a single one where nobody looks."""
    from pytti_graph.cli import output

    return textwrap.wrap(text, max(output.console().width - _COLUMN - 3, 20)) if text else []


def _plugin_json(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "hooks": list(plugin.hooks),
        "types": sorted(plugin.types),
        **{f"{kind}s": [offer.name for offer in plugin.offers if offer.kind == kind] for kind in get_args(Kind)},
        "failures": list(plugin.failures),
        "warnings": list(plugin.warnings),
    }


def _say_failures(plugins: Iterable[Plugin]) -> None:
    from pytti_graph.cli.output import say_problems

    def problems() -> Iterator[Problem]:
        for plugin in plugins:
            useless = not (plugin.specs or plugin.offers)
            for failure in plugin.failures:
                what = f"{plugin} cannot be used" if useless else f"a part of {plugin} cannot be used"
                yield Problem(f"{what}: {failure}", severity="warning")
            for warning in plugin.warnings:
                yield Problem(f"{plugin}: {warning}", severity="warning")

    say_problems(problems())


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here.", show_default=False)
    ] = None,
    nodes: Nodes = None,
    verbose: Verbose = False,
) -> None:
    """Print the JSON Schema of graph files, for editors.

    It knows the installed nodes: editors complete their names and arguments, and explain them.
    """
    from pytti_graph.cli.output import dump_json, say_json, write_file
    from pytti_graph.graph.schema import graph_schema

    made = graph_schema(known(nodes).named())
    if output is None:
        say_json(made)
    else:
        write_file(output, dump_json(made).encode())
