"""Which node types are installed: plugins, one by one, and what failed."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, cast

import pluggy

from pytti_graph.core import hooks, manifest
from pytti_graph.core.errors import MissingError
from pytti_graph.core.nodes import NodeSpec, spec_of

BUILT_IN = "pytti-graph"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of one distribution.

    Attributes:
        name: Name of the entry point.
        distribution: Distribution that brings it.
        version: Version of the distribution.
        types: The node types it offers.
        failure: Why it could not be used, or None.
    """

    name: str
    distribution: str
    version: str
    types: tuple[str, ...] = ()
    failure: str | None = None


@dataclass(frozen=True)
class Registry:
    """The node types that graphs can use.

    Attributes:
        specs: Each type's specification.
        plugins: Where they come from, broken ones too.
    """

    specs: Mapping[str, NodeSpec] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    _made: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False)

    def implementation(self, spec: NodeSpec) -> Callable[..., Any]:
        """Import a node's function or class; raises `MissingError` if that fails."""
        if spec.type in self._made:
            return self._made[spec.type]
        try:
            return load_target(spec.target)
        except Exception as error:
            plugin = self.plugin_of(spec.type)
            origin = f"{plugin.distribution} {plugin.version}" if plugin else spec.target
            raise MissingError(
                f"{spec.type} of {origin} cannot be imported: {type(error).__name__}: {error}",
                hint="see 'pytti-graph plugins'",
            ) from error

    def plugin_of(self, type: str) -> Plugin | None:
        """The plugin that brings a node type."""
        return next((plugin for plugin in self.plugins if type in plugin.types), None)

    def with_nodes(self, *nodes: Callable[..., Any]) -> Registry:
        """This registry with more node types, given as decorated functions or classes."""
        added = {spec_of(node).type: node for node in nodes}
        specs = {type: spec_of(node) for type, node in added.items()}
        return replace(self, specs={**self.specs, **specs}, _made={**self._made, **added})


@functools.cache
def installed() -> Registry:
    """Everything that is installed here; `PYTTI_GRAPH_PLUGINS=a,b` loads only those entry points and the built-ins."""
    wanted = os.environ.get("PYTTI_GRAPH_PLUGINS")
    names = None if wanted is None else {name.strip() for name in wanted.split(",")}
    specs: dict[str, NodeSpec] = {}
    plugins = []
    for distribution, entry_point in _entry_points():
        if names is not None and distribution.name != BUILT_IN and entry_point.name not in names:
            continue
        plugin, found = _load(distribution, entry_point)
        clashes = [type for type in found if type in specs]
        if clashes:
            plugin = replace(plugin, failure=f"{', '.join(clashes)} is already offered by another plugin")
            found = {type: spec for type, spec in found.items() if type not in specs}
        specs.update(found)
        plugins.append(replace(plugin, types=tuple(found)))
    return Registry(specs, tuple(plugins))


def load_target(target: str) -> Callable[..., Any]:
    """Import "package.module:name"."""
    module, _, name = target.partition(":")
    made: Any = importlib.import_module(module)
    for part in name.split("."):
        made = getattr(made, part)
    return cast(Callable[..., Any], made)


def _entry_points() -> Iterable[tuple[metadata.Distribution, metadata.EntryPoint]]:
    """Entry points of all distributions, built-ins first, then by name."""
    found: dict[tuple[str, str], tuple[metadata.Distribution, metadata.EntryPoint]] = {}
    for distribution in metadata.distributions():
        for entry_point in distribution.entry_points:
            if entry_point.group == hooks.PROJECT:
                found.setdefault((distribution.name, entry_point.name), (distribution, entry_point))
    return [found[key] for key in sorted(found, key=lambda key: (key[0] != BUILT_IN, key))]


def _load(distribution: metadata.Distribution, entry_point: metadata.EntryPoint) -> tuple[Plugin, dict[str, NodeSpec]]:
    """One plugin; whatever it raises is kept as its failure and harms no other."""
    plugin = Plugin(entry_point.name, distribution.name, distribution.version)
    try:
        offered = _offered(entry_point)
        name = f"{distribution.name}-{distribution.version}-{entry_point.name}"
        found = manifest.specifications(name, offered, load_target)
    except Exception as error:
        return replace(plugin, failure=f"{type(error).__name__}: {error}"), {}
    return plugin, found


def _offered(entry_point: metadata.EntryPoint) -> list[str]:
    """What a plugin registers, as "package.module:name"."""
    offered: list[str] = []

    def register(node: str | Callable[..., Any]) -> None:
        offered.append(node if isinstance(node, str) else spec_of(node).target)

    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(entry_point.load(), entry_point.name)
    manager.check_pending()
    manager.hook.pytti_graph_nodes(register=register)
    return offered
