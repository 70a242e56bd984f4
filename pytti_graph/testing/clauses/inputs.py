"""Clause: arguments stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.testing.arguments import SUBJECT
from pytti_graph.testing.clauses.determinism import identical
from pytti_graph.testing.observing import tensors
from pytti_graph.testing.subjects import Subject


def takes_references(spec: NodeSpec) -> bool:
    """It is given values of other nodes."""
    return any(isinstance(parameter.type, ReferenceType) for parameter in spec.parameters)


def unchanged(subject: Subject, folder: Path) -> Iterator[str]:
    """What it is given, others use too: no argument is changed, neither its tensors nor the lists that hold them."""
    bench = subject.bench(folder)
    for phase in subject.spec.phases:
        if not bench.can(SUBJECT, phase.name):
            continue
        inputs = bench.inputs(SUBJECT, phase.name)
        given = {
            name: value for name, value in zip(phase.parameters, inputs, strict=True) if name not in phase.injected
        }
        before = {name: _snapshot(value) for name, value in given.items()}
        made = bench.call(SUBJECT, phase.name, inputs)
        if phase.name == "init":
            bench.objects[SUBJECT] = made
        for name, value in given.items():
            if (changed := _changed(before[name], _snapshot(value))) is not None:
                what = f"'{name}'" if changed == "value" else f"'{name}' ({changed.removeprefix('value.')})"
                yield f"it changes its argument {what}; return something new, without methods that end in '_'"


def _snapshot(value: Any) -> dict[str, tuple[Tensor, Tensor, int]]:
    """Each tensor of a value: itself, a copy of what is in it, and how often it has been written to."""
    return {name: (tensor, tensor.detach().clone(), tensor._version) for name, tensor in tensors(value)}


def _changed(before: dict[str, tuple[Tensor, Tensor, int]], after: dict[str, tuple[Tensor, Tensor, int]]) -> str | None:
    """The name of a tensor that has been changed, put in or taken away, or None."""
    if before.keys() != after.keys():
        return sorted(before.keys() ^ after.keys())[0]
    for name, (tensor, content, version) in before.items():
        now, content_now, version_now = after[name]
        if now is not tensor or version_now != version or not identical(content, content_now):
            return name
    return None
