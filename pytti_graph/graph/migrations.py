"""Brings graphs that were written for former versions of their nodes forward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pytti_graph.core.blame import culprit, described
from pytti_graph.core.errors import GraphError, Problem
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.core.plugins import Registry
from pytti_graph.graph.document import Document, Entry, NodeText, value_of
from pytti_graph.graph.unknown_arguments import unknown_argument


def migrate(document: Document, registry: Registry) -> tuple[Document, list[Problem]]:
    """The document with arguments as the installed nodes take them, and warnings that tell what was changed.

    Which version a node was written for, `versions:` of the graph tells. A graph without it was written by hand, and is
    read as the present version; where that does not know an argument and a former version did, it was that.

    Raises:
        GraphError: A node is written for a newer version than the installed one, for a version that nothing brings
            forward, or its migration fails.
    """
    nodes: dict[str, NodeText] = {}
    warnings: list[Problem] = []
    problems: list[Problem] = []
    for node in document.nodes.values():
        spec = registry.find(str(node.type.data))
        try:
            nodes[node.id] = node if spec is None else _node(node, spec, document.versions, registry, warnings)
        except GraphError as error:
            problems.extend(error.problems)
            nodes[node.id] = node
    if problems:
        raise GraphError(problems)
    return replace(document, nodes=nodes, versions=present_versions(nodes.values(), registry)), warnings


def present_versions(nodes: Iterable[NodeText], registry: Registry) -> dict[str, int]:
    """The installed version of each of some nodes' types."""
    types = dict.fromkeys(str(node.type.data) for node in nodes)
    return {type: spec.version for type in types if (spec := registry.find(type)) is not None}


def _node(
    node: NodeText, spec: NodeSpec, versions: Mapping[str, int], registry: Registry, warnings: list[Problem]
) -> NodeText:
    written = versions.get(str(node.type.data))
    if written is None:
        return _recognised(node, spec, registry, warnings)
    if written > spec.version:
        message = f"this graph needs version {written} of {spec.type}, and version {spec.version} is installed"
        owner = registry.plugin_of(spec)
        hint = f"type: pip install --upgrade {owner.distribution}" if owner and owner.version else None
        raise GraphError([Problem(message, node.type.position, node.id, "type", hint)])
    return _brought_forward(node, spec, written, registry, warnings)


def _recognised(node: NodeText, spec: NodeSpec, registry: Registry, warnings: list[Problem]) -> NodeText:
    """A node without a version: if it has unknown arguments, the newest former version that explains them."""
    unknown = _unknown(node, spec)
    if not unknown:
        return node
    failures: list[Problem] = []
    for former in reversed(spec.migrations):
        told: list[Problem] = []
        try:
            migrated = _brought_forward(node, spec, former, registry, told)
        except GraphError as error:
            failures.append(error.problem)
            continue
        if not _unknown(migrated, spec):
            warnings.extend(told)
            return migrated
    if failures:
        raise GraphError([_perhaps_former(unknown_argument(node, spec, entry), failures[0]) for entry in unknown])
    return node


def _perhaps_former(unknown: Problem, failure: Problem) -> Problem:
    """An unknown argument that may be one of a former version, had its migration not failed."""
    return replace(unknown, hint=f"{unknown.hint}; or, if the graph is older, {failure.message} ({failure.hint})")


def _unknown(node: NodeText, spec: NodeSpec) -> list[Entry]:
    return [entry for entry in node.arguments.values() if spec.parameter(entry.key) is None]


def _brought_forward(
    node: NodeText, spec: NodeSpec, written: int, registry: Registry, warnings: list[Problem]
) -> NodeText:
    migrated = node
    for version in range(written, spec.version):
        migrated = _step(migrated, spec, version, registry)
    if strange := [entry.key for entry in _unknown(migrated, spec) if entry.key not in node.arguments]:
        error = TypeError(f"it gives '{strange[0]}', which version {spec.version} does not take")
        raise _failure(node, spec, written, registry, error)
    if migrated is not node and (changes := _changes(node, migrated)):
        message = f"written for version {written} of {spec.type}, and read as version {spec.version}: {changes}"
        hint = "change the graph so"
        warnings.append(Problem(message, node.position, node.id, hint=hint, severity="warning"))
    return migrated


def _step(node: NodeText, spec: NodeSpec, version: int, registry: Registry) -> NodeText:
    if version not in spec.migrations:
        owner = registry.plugin_of(spec)
        message = f"written for version {version} of {spec.type}, which version {spec.version} cannot read"
        older = f"install an older {owner.distribution}, or " if owner and owner.version else ""
        hint = f"{older}write the node anew"
        raise GraphError([Problem(message, node.type.position, node.id, "type", hint)])
    before = {name: entry.value.plain() for name, entry in node.arguments.items()}
    try:
        after: object = registry.migration(spec, version)(dict(before))
        if not isinstance(after, Mapping):
            gives = "nothing" if after is None else f"a value of type {type(after).__name__}"
            raise TypeError(f"it gives {gives}, not the arguments of the next version")
        if (odd := next((name for name in after if not isinstance(name, str)), None)) is not None:
            raise TypeError(f"it gives an argument called {odd!r}; a name is a text")
        return replace(node, arguments=_entries(node, before, after))
    except (Exception, SystemExit) as error:
        raise _failure(node, spec, version, registry, error) from error


def _failure(node: NodeText, spec: NodeSpec, version: int, registry: Registry, error: BaseException) -> GraphError:
    message = f"the migration of {spec.type} from version {version} failed: {described(error)}"
    plugin = registry.plugin_of(spec)
    hint = culprit(error, plugin, spec.target.partition(":")[0]) or f"this is a bug of {plugin or spec.type}"
    return GraphError([Problem(message, node.position, node.id, hint=hint)])


def _entries(node: NodeText, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Entry]:
    """The new arguments, each with the place of the one it was made of; raises TypeError for what is no data."""
    problems: list[Problem] = []
    gone = {name: value for name, value in before.items() if name not in after}
    entries = {}
    for name, value in after.items():
        old = node.arguments.get(name) or next(
            (node.arguments[key] for key, data in gone.items() if data == value), None
        )
        place = node.position if old is None else old.position
        same = old is not None and old.value.plain() == value
        made = old.value if old is not None and same else replace(value_of(value, problems, name), position=place)
        entries[name] = Entry(name, place, made)
    if problems:
        raise TypeError("; ".join(problem.message for problem in problems))
    return entries


def _changes(before: NodeText, after: NodeText) -> str:
    """In words what a migration changed."""
    old, new = before.arguments, after.arguments
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
    renamed = {name: next((other for other in come if new[other].value == old[name].value), None) for name in gone}
    parts = [f"'{name}' is now '{other}'" if other else f"'{name}' is gone" for name, other in renamed.items()]
    parts += [f"'{name}' is {new[name].value.written()}" for name in come if name not in renamed.values()]
    parts += [
        f"'{name}' is now {new[name].value.written()}"
        for name in new
        if name in old and new[name].value != old[name].value
    ]
    return ", ".join(parts)
