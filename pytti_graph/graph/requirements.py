"""Checks what a graph's `requires:` says: plugins and their versions."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from pytti_graph.core.errors import GraphError, MissingError, Problem
from pytti_graph.graph.document import Document, Value


def check_requirements(document: Document) -> None:
    """Check that what a graph asks for is installed, such as `requires: [pytti-graph-imagenet>=0.1]`.

    Raises:
        GraphError: An entry is not a requirement.
        MissingError: A distribution is missing, or its version is not the one asked for.
    """
    if document.requires is None or document.requires.data is None:
        return
    for requirement, entry in list(_requirements(document.requires)):
        hint = f"type: pip install '{requirement}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            raise MissingError(f"{requirement.name} is not installed", position=entry.position, hint=hint) from None
        if not requirement.specifier.contains(version, prereleases=True):
            message = f"this graph needs {requirement}, and {version} is installed"
            raise MissingError(message, position=entry.position, hint=hint)


def _requirements(value: Value) -> Iterator[tuple[Requirement, Value]]:
    for entry in value.data if isinstance(value.data, tuple) else (value,):
        try:
            requirement = Requirement(entry.data if isinstance(entry.data, str) else "")
            if requirement.url:  # what a graph says must not become advice to install something from anywhere
                raise InvalidRequirement(requirement.url)
            yield requirement, entry
        except InvalidRequirement:
            message = f"requires: '{entry.data}' is not" if isinstance(entry.data, str) else "requires: expected"
            message += " the name of a distribution"
            hint = "write a list such as [pytti-graph-imagenet>=0.1]"
            raise GraphError([Problem(message, entry.position, argument="requires", hint=hint)]) from None
