"""What the contract is tried on: nodes given by themselves or as a distribution's."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, get_type_hints

from packaging.utils import canonicalize_name

from pytti_graph.api import Graph
from pytti_graph.core import hooks
from pytti_graph.core.errors import UsageError, did_you_mean
from pytti_graph.core.nodes import NodeSpec, spec_of
from pytti_graph.core.plugins import Plugin, Registry, installed
from pytti_graph.graph.checked import CheckedGraph
from pytti_graph.testing import tiny
from pytti_graph.testing.arguments import Examples, Nodes, folders, layout
from pytti_graph.testing.bench import Bench

FRAMES, STEPS = 2, 2
"""Length of the films that nodes are tried in."""

NodeOrDistribution = str | Callable[..., Any]
"""The name of an installed distribution, or a decorated function or class."""


def registry(*nodes: Callable[..., Any]) -> Registry:
    """Everything installed, the tiny nodes, and these nodes: for graphs in tests."""
    return installed().with_nodes(*tiny.NODES, *nodes)


@dataclass(frozen=True)
class Subject:
    """One node type, and what is needed to try it.

    Attributes:
        spec: Its specification.
        registry: Where it is, and the nodes around it.
        examples: Arguments that cannot be made up.
    """

    spec: NodeSpec
    registry: Registry
    examples: Examples

    @property
    def name(self) -> str:
        """Its type."""
        return self.spec.type

    @cached_property
    def made(self) -> Callable[..., Any]:
        """The function or class itself."""
        return self.registry.implementation(self.spec)

    @property
    def package(self) -> str:
        """The package that it is written in."""
        module: str = inspect.unwrap(self.made).__module__
        return module.partition(".")[0]

    @property
    def source(self) -> str:
        """Where it is written, as "file:line"."""
        made = inspect.unwrap(self.made)
        try:
            file, (_, line) = inspect.getsourcefile(made), inspect.getsourcelines(made)
        except (OSError, TypeError):
            return self.spec.target
        return f"{shown_path(file or '')}:{line}"

    @property
    def hints(self) -> dict[str, Any]:
        """The annotations of its function or of its `forward`."""
        made: Any = self.made
        return get_type_hints(made.forward if self.spec.stateful else made, include_extras=True)

    def layout(
        self, *, wires: Mapping[str, Mapping[str, Any]] | None = None, given: Mapping[str, Any] | None = None
    ) -> Nodes:
        """The nodes of a graph in which it has all it needs (see `arguments.layout`)."""
        return layout(self.spec.type, self.registry, self.examples, wires=wires, given=given)

    def graph(self, nodes: Nodes) -> Graph:
        """A short film of some nodes: two frames of two steps."""
        clock = {"frames": FRAMES, "fps": 12, "steps": STEPS}
        return Graph.build({"seed": 1, "clock": clock, "nodes": nodes}, name="contract", registry=self.registry)

    @cached_property
    def checked(self) -> CheckedGraph:
        """The graph of its plain layout."""
        return self.graph(self.layout()).checked

    def bench(self, folder: Path, *, nodes: Nodes | None = None, **more: Any) -> Bench:
        """A bench with it and what it needs, or with other nodes; other arguments as for `Bench`."""
        graph = self.checked if nodes is None else self.graph(nodes).checked
        return Bench(graph, self.registry, folder, allowed=folders(self.examples), **more)


def shown_path(file: str) -> str:
    """A path, relative to the present folder if it is in it."""
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative


def subjects(what: Sequence[NodeOrDistribution], examples: Examples) -> list[Subject]:
    """The nodes that are meant.

    Raises:
        UsageError: A distribution is not installed, offers no nodes or cannot be used, or examples are for a type whose
            name seems misspelt.
        TypeError: Something is neither the name of a distribution nor a node.
    """
    nodes = [entry for entry in what if not isinstance(entry, str)]
    known = registry(*nodes)
    specs = [spec for entry in what for spec in _specs(entry, known)]
    for stranger in (type for type in examples if type not in known.specs):
        if (hint := did_you_mean(stranger, [spec.type for spec in specs])) is not None:
            raise UsageError(f"examples are given for '{stranger}', but there is no such node type", hint=hint)
    return [Subject(spec, known, examples) for spec in {spec.type: spec for spec in specs}.values()]


def _specs(entry: NodeOrDistribution, known: Registry) -> list[NodeSpec]:
    if not isinstance(entry, str):
        return [known.specs[spec_of(entry).type]]
    plugins = plugins_of(entry, known)
    types = [type for plugin in plugins for type in plugin.types]
    if not types and (failures := [failure for plugin in plugins for failure in plugin.failures]):
        raise UsageError(f"{entry} cannot be used: {'; '.join(failures)}")
    if not types:
        names = dict.fromkeys(plugin.distribution for plugin in known.plugins)
        hint = did_you_mean(entry, names) or f"installed are {', '.join(names)}; a plugin must be installed to be tried"
        raise UsageError(f"no installed distribution '{entry}' offers nodes", hint=hint)
    return [known.specs[type] for type in types]


def plugins_of(distribution: str, known: Registry) -> list[Plugin]:
    """The plugins that a distribution brings, however its name is written."""
    wanted = canonicalize_name(distribution)
    return [plugin for plugin in known.plugins if canonicalize_name(plugin.distribution) == wanted]


def modules(distribution: str) -> list[str]:
    """The modules that a distribution's entry points name."""
    points = metadata.distribution(distribution).entry_points
    return [point.module for point in points if point.group == hooks.PROJECT]
