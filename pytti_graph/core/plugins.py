"""Which plugins are installed, what they offer, and what failed."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

from pytti_graph.core import hooks, manifest
from pytti_graph.core.blame import described
from pytti_graph.core.errors import MissingError, UsageError, did_you_mean
from pytti_graph.core.inspection import Plugin as EntryPoint
from pytti_graph.core.inspection import load
from pytti_graph.core.nodes import NodeSpec, migration_of, spec_of
from pytti_graph.core.offers import Contents, Kind, Offer

BUILT_IN = "pytti-graph"
ONLY = "PYTTI_GRAPH_PLUGINS"
"""Environment variable: the entry points or distributions to use, separated by commas; empty for none."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of one distribution, or a file with nodes.

    Attributes:
        name: Name of the entry point.
        distribution: Distribution that brings it, or the file.
        version: Version of the distribution; empty for a file.
        specs: The node types it offers.
        offers: The commands, listeners and executors it offers.
        hooks: The hooks it implements.
        failures: What of it cannot be used, and why.
        warnings: What can be used, but should be mended.
    """

    name: str
    distribution: str
    version: str
    specs: Mapping[str, NodeSpec] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()
    hooks: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the node types it offers."""
        return tuple(self.specs)

    @property
    def is_foreign(self) -> bool:
        """It is not a part of pytti-graph itself."""
        return self.distribution != BUILT_IN


@dataclass(frozen=True)
class Registry:
    """What graphs and the command line can use.

    Attributes:
        specs: Each type's specification; types that several plugins offer are missing here.
        plugins: Where they come from, broken ones too.
    """

    specs: Mapping[str, NodeSpec] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    _made: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False)

    def find(self, type: str) -> NodeSpec | None:
        """The specification of `family.name` or, from a certain distribution, `distribution/family.name`."""
        distribution, slash, name = type.rpartition("/")
        if not slash:
            return self.specs.get(type)
        owners = (plugin for plugin in self.plugins if plugin.distribution == distribution)
        return next((plugin.specs[name] for plugin in owners if name in plugin.specs), None)

    def named(self) -> dict[str, NodeSpec]:
        """Every node type by the name that graphs can give it: with its distribution where several offer it."""
        disputed = {
            f"{plugin.distribution}/{type}": spec
            for plugin in self.plugins
            for type, spec in plugin.specs.items()
            if self.specs.get(type) is not spec and type not in self._made
        }
        return {**self.specs, **disputed}

    def offering(self, type: str) -> list[Plugin]:
        """The plugins that offer a node type of this name."""
        return [plugin for plugin in self.plugins if type in plugin.specs]

    def plugin_of(self, spec: NodeSpec) -> Plugin | None:
        """The plugin that a specification comes from."""
        return next((plugin for plugin in self.offering(spec.type) if plugin.specs[spec.type] is spec), None)

    def implementation(self, spec: NodeSpec) -> Callable[..., Any]:
        """Import a node's function or class; raises `MissingError` if that fails."""
        made = self._made.get(spec.type)
        if made is not None and spec_of(made) is spec:
            return made
        try:
            found: Callable[..., Any] = load(spec.target)
        except (Exception, SystemExit) as error:
            origin = self.plugin_of(spec) or spec.target
            raise MissingError(
                f"{spec.type} of {origin} cannot be imported: {described(error)}",
                hint="see 'pytti-graph plugins'",
            ) from error
        return found

    def migration(self, spec: NodeSpec, version: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """What brings arguments of `version` of a node to the next version."""
        return migration_of(self.implementation(spec), version)

    def with_nodes(self, *nodes: Callable[..., Any], plugin: Plugin | None = None) -> Registry:
        """This registry with more node types, given as decorated functions or classes.

        Args:
            nodes: They take the place of installed ones of the same type.
            plugin: Where they come from, for messages.
        """
        added = {spec_of(node).type: node for node in nodes}
        specs = {type: spec_of(node) for type, node in added.items()}
        plugins = self.plugins if plugin is None else (*self.plugins, replace(plugin, specs=specs))
        return replace(self, specs={**self.specs, **specs}, plugins=plugins, _made={**self._made, **added})

    def offered(self, kind: Kind, name: str | None = None) -> list[tuple[Plugin, Offer]]:
        """The commands, listeners or executors there are, or those of one name."""
        return [
            (plugin, offer)
            for plugin in self.plugins
            for offer in plugin.offers
            if offer.kind == kind and name in (None, offer.name)
        ]

    def find_offer(self, kind: Kind, name: str) -> tuple[Plugin, Offer]:
        """The command, listener or executor that a user calls by name, or by "distribution/name", and whose it is.

        Raises:
            UsageError: There is none, or several plugins offer one.
        """
        distribution, _, own = name.rpartition("/")
        found = [(p, o) for p, o in self.offered(kind, own) if distribution in ("", p.distribution)]
        built_in = [(plugin, offer) for plugin, offer in found if not plugin.is_foreign]
        match built_in or found:
            case []:
                elsewhere = [f"{plugin.distribution}/{own}" for plugin, _ in self.offered(kind, own)]
                known = elsewhere or list(dict.fromkeys(offer.name for _, offer in self.offered(kind)))
                hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
                raise UsageError(f"there is no {kind} '{name}'", hint=hint)
            case [only]:
                return only
            case several:
                owners = [plugin for plugin, _ in several]
                hint = f"write one of {', '.join(f'{plugin.distribution}/{own}' for plugin in owners)}"
                raise UsageError(f"{' and '.join(map(str, owners))} both offer the {kind} '{name}'", hint=hint)

    def choose(self, kind: Kind, name: str) -> Any:
        """Import what `find_offer` finds.

        Raises:
            UsageError: There is none, or several plugins offer one.
            MissingError: It cannot be imported.
        """
        return imported(*self.find_offer(kind, name))


def imported(plugin: Plugin, offer: Offer) -> Any:
    """Import a command, a listener or an executor; raises `MissingError` if that fails."""
    try:
        return load(offer.target)
    except (Exception, SystemExit) as error:
        message = f"the {offer.kind} '{offer.name}' of {plugin} cannot be imported: {described(error)}"
        raise MissingError(message, hint="see 'pytti-graph plugins'") from error


@functools.cache
def installed() -> Registry:
    """Everything that is installed here; `PYTTI_GRAPH_PLUGINS=a,b` uses only those plugins and the built-ins."""
    plugins = _plugins(nodes=True)
    offering: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        for type in plugin.specs:
            offering[type].append(plugin)
    specs = {type: owners[0].specs[type] for type, owners in offering.items() if _is_clear(owners)}
    return Registry(specs, tuple(_with_clashes(plugin, offering, plugins) for plugin in plugins))


@functools.cache
def offers() -> Registry:
    """What is installed here besides nodes: much quicker to know than the nodes, which import torch the first time."""
    return Registry({}, tuple(_plugins(nodes=False)))


def forget() -> None:
    """Look for plugins anew when they are asked for next: something has been installed, or the choice has changed."""
    for known in (installed, offers, _manifests):
        known.cache_clear()


def _is_clear(owners: Sequence[Plugin]) -> bool:
    """Nobody can take a type from the built-ins."""
    return len(owners) == 1 or owners[0].distribution == BUILT_IN


def _with_clashes(plugin: Plugin, offering: Mapping[str, Sequence[Plugin]], plugins: Sequence[Plugin]) -> Plugin:
    if plugin.distribution == BUILT_IN:
        return plugin
    warnings = [
        f"{type} is offered by {' and '.join(map(str, others))} too; write '{plugin.distribution}/{type}' for this one"
        for type in plugin.specs
        if (others := [other for other in offering[type] if other is not plugin])
    ]
    for offer in plugin.offers:
        names = [
            str(p)
            for p in plugins
            for o in p.offers
            if p is not plugin and (o.kind, o.name) == (offer.kind, offer.name)
        ]
        choice = f"write '{plugin.distribution}/{offer.name}' for this one"
        warnings += (
            [f"the {offer.kind} '{offer.name}' is offered by {' and '.join(names)} too; {choice}"] if names else []
        )
    return replace(plugin, warnings=(*plugin.warnings, *warnings))


@functools.cache
def _manifests() -> manifest.Manifests:
    return manifest.Manifests(_wanted(_sources()))


def _plugins(*, nodes: bool) -> list[Plugin]:
    known = _manifests()
    found = [_plugin(source, found) for source, found in zip(known.sources, known.contents(nodes=nodes), strict=True)]
    return [*_once(found), *_damaged()]


def _once(plugins: Iterable[Plugin]) -> Iterator[Plugin]:
    """The plugins, each without what another entry point of its distribution offers already."""
    taken: dict[tuple[str, str, str], tuple[str, str]] = {}
    for plugin in plugins:
        failures, kept = list(plugin.failures), set()
        offered = [("node", type, spec.target) for type, spec in plugin.specs.items()]
        for kind, name, target in [*offered, *((o.kind, o.name, o.target) for o in plugin.offers)]:
            first, entry = taken.setdefault((plugin.distribution, kind, name), (target, plugin.name))
            if entry == plugin.name:
                kept.add((kind, name))
            elif first != target:
                failures.append(f"{target}: the {kind} '{name}' is {first} of the entry point '{entry}' already")
        specs = {type: spec for type, spec in plugin.specs.items() if ("node", type) in kept}
        offers = tuple(offer for offer in plugin.offers if (offer.kind, offer.name) in kept)
        yield replace(plugin, specs=specs, offers=offers, failures=tuple(failures))


def _plugin(source: manifest.Source, contents: Contents) -> Plugin:
    return Plugin(
        source.plugin.name,
        source.distribution,
        source.version,
        specs={spec.type: spec for spec in contents.nodes or ()},
        offers=contents.offers,
        hooks=contents.hooks,
        failures=contents.failures,
        warnings=contents.warnings,
    )


def unknown_names() -> list[str]:
    """What `PYTTI_GRAPH_PLUGINS` names that is not installed."""
    known = {_normal(name) for source in _sources() for name in (source.plugin.name, source.distribution)}
    return sorted(_chosen() - known)


def _wanted(sources: Iterable[manifest.Source]) -> Iterable[manifest.Source]:
    if ONLY not in os.environ:
        return sources
    names = _chosen()
    return (s for s in sources if s.trusted or names & {_normal(s.plugin.name), _normal(s.distribution)})


def _chosen() -> set[str]:
    return {_normal(name.strip()) for name in os.environ.get(ONLY, "").split(",") if name.strip()}


def _normal(name: str) -> str:
    """One spelling for each name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _sources() -> list[manifest.Source]:
    """Entry points of all distributions, built-ins first, then by name."""
    found: dict[tuple[str, str], manifest.Source] = {}
    for distribution in metadata.distributions():
        try:
            sources = list(_sources_of(distribution))
        except Exception:
            continue  # `_damaged` tells
        for source in sources:
            found.setdefault((source.distribution, source.plugin.name), source)
    return [found[key] for key in sorted(found, key=lambda key: (key[0] != BUILT_IN, key))]


def _sources_of(distribution: metadata.Distribution) -> Iterator[manifest.Source]:
    if entry_points := distribution.entry_points.select(group=hooks.PROJECT):
        about = distribution.metadata
        name, version = str(about["Name"] or _folder(distribution)), str(about["Version"] or "")
        for entry_point in entry_points:
            plugin = EntryPoint(entry_point.name, entry_point.value)
            yield manifest.Source(name, version, plugin, trusted=name == BUILT_IN)


def _damaged() -> Iterator[Plugin]:
    """Distributions whose metadata cannot be read, and which may be plugins."""
    for distribution in metadata.distributions():
        try:
            list(_sources_of(distribution))
        except Exception as error:
            failure = f"its metadata is damaged: {type(error).__name__}: {error} ({distribution.locate_file('')})"
            yield Plugin("", _folder(distribution), "", failures=(failure,))


def _folder(distribution: metadata.Distribution) -> str:
    """The name of the folder with the metadata: all that is known of a distribution that does not say its name."""
    return str(getattr(distribution, "_path", "")).replace("\\", "/").rpartition("/")[2] or "a distribution"
