"""Changes to a document from outside: `--set canvas.width=512`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytti_graph.core.errors import GraphError, Position, Problem, UsageError, did_you_mean
from pytti_graph.graph.document import Document, check_type, check_variable, seed_of, title_of, value_of
from pytti_graph.graph.scalars import NOT_YAML, resolve
from pytti_graph.graph.values import NAME, Entry, Scalar, Source, Value
from pytti_graph.graph.yaml_reader import read_yaml

_FORM = "write node.argument=value, clock.frames=12, vars.name=value, seed=7 or title=..."


def override(document: Document, settings: Mapping[str, Any] | Sequence[str]) -> Document:
    """The document with some values replaced.

    A setting is `path=value` with a YAML scalar or a `[...]` or `{...}` collection as its value, or a path and a Python
    value. Paths are `seed`, `title`, `clock.<name>`, `vars.<name>` (of a variable that the graph has),
    `<node>.<argument>` and `<node>.type`; a node called `clock` or `vars` is reached by `nodes.clock.<argument>`.

    Raises:
        UsageError: A setting does not have that form.
        GraphError: A setting names nothing in the graph, or its value cannot be read; carries every such problem.
    """
    problems: list[Problem] = []
    for path, position, value in _settings(settings, problems):
        document = _Override(path, position, value, problems).applied(document)
    if problems:
        raise GraphError(problems)
    return document


def _settings(
    settings: Mapping[str, Any] | Sequence[str], problems: list[Problem]
) -> Iterator[tuple[str, Position | None, Value]]:
    if isinstance(settings, Mapping):
        for path, data in settings.items():
            yield path, None, value_of(data, problems, path)
    else:
        for text in [settings] if isinstance(settings, str) else settings:
            yield _setting(text, problems)


def _setting(text: str, problems: list[Problem]) -> tuple[str, Position, Value]:
    path, equals, written = text.partition("=")
    file = f"--set {text}"
    if not equals or not path.strip() or NOT_YAML.search(text):
        raise UsageError(f"cannot read the setting {text!r}", hint=_FORM)
    value = _written(written, Source(file, text), len(path) + 1, problems)
    return path.strip(), Position(file, 1, 1), value


def _written(written: str, source: Source, start: int, problems: list[Problem]) -> Value:
    """The value of a setting: YAML if it is quoted or bracketed, otherwise one plain scalar, whatever is in it."""
    stripped = written.strip()
    start += len(written) - len(written.lstrip())
    if stripped.startswith(("[", "{")) or (len(stripped) > 1 and stripped[0] in "\"'" and stripped[0] == stripped[-1]):
        try:
            value, found = read_yaml(" " * start + stripped, source.name)
        except GraphError as error:
            if stripped[0] in "[{":
                problems.extend(error.problems)
                return Value(None, source.position(start))
        else:
            problems.extend(found)
            if value is not None:
                return value
    try:
        data = resolve(stripped)
    except ValueError as error:
        problems.append(Problem(str(error), source.position(start)))
        data = 0
    return Value(data, source.position(start), Scalar(source, start, start + len(stripped), None))


class _Override:
    """One setting."""

    def __init__(self, path: str, position: Position | None, value: Value, problems: list[Problem]) -> None:
        self.path, self.position, self.value, self.problems = path, position, value, problems

    def applied(self, document: Document) -> Document:
        match self.path.split("."):
            case ["seed"]:
                return replace(document, seed=seed_of(self.value, self.problems))
            case ["title"]:
                return replace(document, title=title_of(self.value, self.problems))
            case ["clock", name] if NAME.fullmatch(name):
                return replace(document, clock={**document.clock, name: self._entry(name)})
            case ["vars", name]:
                return self._variable(document, name)
            case [node, argument] | ["nodes", node, argument] if NAME.fullmatch(argument):
                return self._argument(document, node, argument)
            case _:
                raise UsageError(f"cannot read the setting '{self.path}'", hint=_FORM)

    def _entry(self, key: str) -> Entry:
        return Entry(key, self.position, self.value)

    def _variable(self, document: Document, name: str) -> Document:
        if name not in document.variables:
            self._unknown(f"the graph has no variable '{name}'", did_you_mean(name, document.variables))
            return document
        check_variable(name, self.value, self.problems)
        return replace(document, variables={**document.variables, name: self._entry(name)})

    def _argument(self, document: Document, node: str, argument: str) -> Document:
        text = document.nodes.get(node)
        if text is None:
            self._unknown(f"the graph has no node '{node}'", did_you_mean(node, [*document.nodes, "clock", "vars"]))
            return document
        if argument == "type":
            check_type(node, self.value, self.problems)
            text = replace(text, type=self.value)
        else:
            text = replace(text, arguments={**text.arguments, argument: self._entry(argument)})
        return replace(document, nodes={**document.nodes, node: text})

    def _unknown(self, message: str, hint: str | None) -> None:
        self.problems.append(Problem(message, self.position, hint=hint))
