"""Checks what a graph's `requires:` says: plugins and their versions."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from pytti_graph.core.errors import GraphError, MissingError, Problem
from pytti_graph.graph.document import Document, Value


def check_requirements(document: Document) -> None:
    """Check that what a graph asks for is installed, such as `requires: [pytti-graph-imagenet>=0.1]`.

    An entry with a condition, such as `av>=18; sys_platform == 'linux'`, counts only where that holds (PEP 508).

    Raises:
        GraphError: Entries are not requirements.
        MissingError: Distributions are missing, or their versions are not those asked for; carries all of them.
    """
    if document.requires is None or document.requires.data is None:
        return
    found = [_missing(requirement, entry) for requirement, entry in _requirements(document.requires)]
    if missing := [problem for problem in found if problem is not None]:
        raise MissingError.of(missing)


def _missing(requirement: Requirement, entry: Value) -> Problem | None:
    """What keeps a requirement from being met here, or None."""
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    hint = f"type: pip install '{requirement}'"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Problem(f"{requirement.name} is not installed", entry.position, hint=hint)
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return Problem(f"this graph needs {requirement}, and {version} is installed", entry.position, hint=hint)


def _requirements(value: Value) -> list[tuple[Requirement, Value]]:
    """All entries, read; raises `GraphError` with all that cannot be."""
    read: list[tuple[Requirement, Value]] = []
    problems = []
    for entry in value.data if isinstance(value.data, tuple) else (value,):
        try:
            requirement = Requirement(entry.data if isinstance(entry.data, str) else "")
            if requirement.url:  # what a graph says must not become advice to install something from anywhere
                raise InvalidRequirement(requirement.url)
            read.append((requirement, entry))
        except InvalidRequirement:
            message = f"requires: '{entry.data}' is not" if isinstance(entry.data, str) else "requires: expected"
            message += " the name of a distribution"
            hint = "write a list such as [pytti-graph-imagenet>=0.1]"
            problems.append(Problem(message, entry.position, argument="requires", hint=hint))
    if problems:
        raise GraphError(problems)
    return read
