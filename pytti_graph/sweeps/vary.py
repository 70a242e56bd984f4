"""Reads what varies: `seed=[1, 2, 3]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytti_graph.core.errors import GraphError, Problem, UsageError
from pytti_graph.graph.document import value_of
from pytti_graph.graph.scalars import NOT_YAML, flow
from pytti_graph.graph.values import Value
from pytti_graph.graph.yaml_reader import read_yaml

Axes = Mapping[str, tuple[Value, ...]]
"""What varies: the values of each path, in the order given."""

_FORM = "write seed=[1, 2, 3] or canvas.width=[128, 256]"


def read_vary(vary: Mapping[str, Iterable[Any]] | Sequence[str]) -> Axes:
    """Read what varies.

    Args:
        vary: Texts such as "seed=[1, 2, 3]", whose values are a YAML list; or Python values by path.

    Raises:
        UsageError: Something has not that form, has no values, or is given twice.
        GraphError: A list is not YAML.
    """
    axes: dict[str, tuple[Value, ...]] = {}
    pairs = _data(vary) if isinstance(vary, Mapping) else map(_text, [vary] if isinstance(vary, str) else vary)
    for path, values in pairs:
        if path in axes:
            raise UsageError(f"'{path}' varies twice", hint="give all of its values in one list")
        _check_values(path, values)
        axes[path] = values
    if not axes:
        raise UsageError("nothing varies", hint=_FORM)
    return axes


def _data(vary: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, tuple[Value, ...]]]:
    problems: list[Problem] = []
    for path, values in vary.items():
        if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
            raise UsageError(f"'{path}' needs a list of values, not {values!r}", hint="give a list such as [1, 2, 3]")
        yield _path(path), tuple(value_of(value, problems, path) for value in values)
    if problems:
        raise GraphError(problems)


def _text(text: str) -> tuple[str, tuple[Value, ...]]:
    path, equals, written = text.partition("=")
    if not equals or not path.strip() or NOT_YAML.search(text):
        raise UsageError(f"cannot read what varies: {text!r}", hint=_FORM)
    path, written = _path(path.strip()), written.strip()
    if not written.startswith("["):
        hint = f"write {path}=[{written}]; put texts with commas in quotes" if written else _FORM
        raise UsageError(f"'{path}' needs a list of values, not '{written}'", hint=hint)
    value, problems = read_yaml(" " * (text.index("[")) + written, f"--vary {text}")
    if problems:
        raise GraphError(problems)
    assert value is not None
    assert isinstance(value.data, tuple)
    return path, value.data


def _path(path: str) -> str:
    """One spelling for each path: `nodes.canvas.width` is `canvas.width`, but for nodes called like another section."""
    first, _, rest = path.partition(".")
    return rest if first == "nodes" and rest.count(".") == 1 and not rest.startswith(("clock.", "vars.")) else path


def _check_values(path: str, values: Sequence[Value]) -> None:
    if not values:
        raise UsageError(f"'{path}' has no values", hint=f"write {path}=[...] with one value or more")
    if any(value.data is None for value in values):
        raise UsageError(f"'{path}' has an empty value", hint="give each value, or leave it out")
    seen: set[str] = set()
    for text in map(flow, values):
        if text in seen:
            raise UsageError(f"'{path}' has the value {text} twice", hint="remove one of them")
        seen.add(text)
