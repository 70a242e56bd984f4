"""What to say of a node type that is not installed: where it is, as far as that can be known, and what to type."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pytti_graph.core import node_files
from pytti_graph.core.errors import Problem, did_you_mean
from pytti_graph.core.plugins import ONLY, Plugin, Registry
from pytti_graph.graph.document import NodeText

PUBLISHED = {
    "perceptor.imagenet": "pytti-graph-imagenet",
    "image.strokes": "pytti-graph-strokes",
    "write.svg": "pytti-graph-strokes",
}
"""Node types of the plugins that are published together with pytti-graph."""


def unknown_type(node: NodeText, registry: Registry, folder: Path | None) -> Problem:
    """The problem of a node whose type is not known, or not unambiguous.

    Args:
        node: The node.
        registry: What is installed.
        folder: Where the graph is, beside which there may be files with nodes.
    """
    name = node.type.data
    if not isinstance(name, str):
        message, hint = "the type must be a text", "write one such as image.pyramid"
    elif owners := registry.offering(name):
        message = f"{' and '.join(map(str, owners))} both offer '{name}'"
        hint = f"say which: {' or '.join(f'{owner.distribution}/{name}' for owner in owners)}"
    else:
        message = f"unknown node type '{name}'"
        hint = next(_hints(name, registry, folder))
    return Problem(message, node.type.position, node.id, "type", hint)


def _hints(name: str, registry: Registry, folder: Path | None) -> Iterator[str]:
    """What may help, the surest first."""
    broken = [(plugin, failure) for plugin in registry.plugins for failure in plugin.failures]
    distribution, _, own = name.rpartition("/")
    owner = distribution or PUBLISHED.get(name)
    for plugin, failure in broken:
        if plugin.distribution == owner or (not owner and re.search(rf"(?<![\w.]){re.escape(own)}(?![\w.])", failure)):
            yield _unusable(plugin, failure)
    if distribution:
        yield from _in_distribution(distribution, own, registry)
    if folder is not None and (file := node_files.offering(folder, name)) is not None:
        option = f"--nodes {os.path.relpath(file.parent)}"
        yield f"{os.path.relpath(file)} has it; that is code, which is run only if you say so: add {option}"
    off = f"some plugins are switched off here (by --no-plugins or {ONLY})" if ONLY in os.environ else None
    if owner and owner not in {plugin.distribution for plugin in registry.plugins}:
        yield f"it belongs to {owner}; {off or f'type: pip install {owner}'}"
    if (near := _nearest(name, registry)) is not None:
        yield near
    if len(broken) == 1:
        yield _unusable(*broken[0])
    if broken:
        names = dict.fromkeys(plugin.distribution for plugin, _ in broken)
        yield f"it may be in a part of {', '.join(names)} that could not be used; see 'pytti-graph plugins'"
    if off:
        yield off
    yield "'pytti-graph nodes' lists the installed types; a plugin may be missing"


def _unusable(plugin: Plugin, failure: str) -> str:
    return f"the plugin {plugin} could not be used: {failure}"


def _in_distribution(distribution: str, own: str, registry: Registry) -> Iterator[str]:
    plugins = [plugin for plugin in registry.plugins if plugin.distribution == distribution]
    if plugins:
        types = [type for plugin in plugins for type in plugin.specs]
        yield did_you_mean(own, types) or f"{distribution} offers {', '.join(types) or 'no nodes'}"


def _nearest(name: str, registry: Registry) -> str | None:
    """A hint that names a type which may be meant: not one that merely is of the same family."""
    family, _, own = name.partition(".")
    relatives = {type.partition(".")[2]: type for type in registry.specs if type.partition(".")[0] == family}
    if not relatives:
        return did_you_mean(name, registry.specs)
    hint = did_you_mean(own, relatives)
    return hint and hint.replace("'", f"'{family}.", 1)
