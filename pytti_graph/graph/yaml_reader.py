"""Reads YAML into values with exact places: YAML 1.2 core scalars, bounded anchors, no tags, no duplicate keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from pytti_graph.core.errors import GraphError, Position, Problem
from pytti_graph.graph.scalars import NOT_YAML, resolve
from pytti_graph.graph.values import Entry, Scalar, Source, Value
from pytti_graph.graph.yaml_slips import syntax_problem

MAX_SIZE = 8 * 2**20
MAX_DEPTH = 50
MAX_ALIASED = 100_000
MAX_KEY = 200

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Anchor(NamedTuple):
    value: Value
    size: int
    height: int


def read_yaml(text: str, file: str) -> tuple[Value | None, list[Problem]]:
    """Read a YAML text.

    Returns:
        Its value (None if there is nothing in it), and every problem that did not keep it from being read.

    Raises:
        GraphError: It cannot be read to its end.
    """
    source = Source(file, text.removeprefix("\ufeff"))
    problems: list[Problem] = []
    try:
        _refuse_unreadable(source)
        return _Reader(source, problems).document(), problems
    except yaml.YAMLError as error:
        raise GraphError([*problems, syntax_problem(error, source)]) from None
    except GraphError as error:
        raise GraphError([*problems, *error.problems]) from None


def _refuse_unreadable(source: Source) -> None:
    if len(source.text) > MAX_SIZE:
        raise GraphError([Problem(f"the file is larger than {MAX_SIZE // 2**20} MiB", Position(source.name, 1, 1))])
    if (match := NOT_YAML.search(source.text)) is not None:
        message = f"a character that no text should hold (U+{ord(match.group()):04X})"
        raise GraphError([Problem(message, source.position(match.start()), hint="delete it, or type it again")])


class _Reader:
    """Builds values from the parser's events, so that depth and size are known before anything is built."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.source, self.problems = source, problems
        self.events: Iterator[Any] = iter(yaml.parse(source.text, Loader=_LOADER))
        self.anchors: dict[str, _Anchor] = {}
        self.open_anchors: set[str] = set()
        self.count = self.aliased = self.deepest = 0

    def document(self) -> Value | None:
        root: Value | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    hint = "write one graph in a file, and no '---' in it"
                    raise self._fatal("a second document begins here", event, hint)
                root = self._value(next(self.events), 0)
        return root

    def _value(self, event: Any, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self._fatal("lists and mappings are nested too deeply", event)
        self.count += 1
        self.deepest = max(self.deepest, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.tag is not None:
            hint = "remove it; a value in quotes is a text"
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(f"tags such as '{tag}' are not allowed", event, hint)
        return self._content(event, depth) if event.anchor is None else self._anchored(event, depth)

    def _content(self, event: Any, depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        position = self._position(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return Value(tuple(self._items(depth)), position)
        return Value(self._entries(depth), position)

    def _anchored(self, event: Any, depth: int) -> Value:
        count, deepest, self.deepest = self.count, self.deepest, depth
        self.open_anchors.add(event.anchor)
        value = self._content(event, depth)
        self.open_anchors.discard(event.anchor)
        self.anchors[event.anchor] = _Anchor(value, self.count - count + 1, self.deepest - depth)
        self.deepest = max(deepest, self.deepest)
        return value

    def _alias(self, event: Any, depth: int) -> Value:
        if event.anchor in self.open_anchors:
            self._problem(f"'*{event.anchor}' refers to a value that it is a part of", event)
            return Value(None, self._position(event))
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            hint = f"write a text that begins with * in quotes; for an alias, write &{event.anchor} before it"
            self._problem(f"nothing is called '&{event.anchor}'", event, hint)
            return Value(None, self._position(event))
        self.count += anchor.size
        self.aliased += anchor.size
        self.deepest = max(self.deepest, depth + anchor.height)
        if self.aliased > MAX_ALIASED or self.deepest > MAX_DEPTH:
            raise self._fatal("aliases (*) repeat too much", event)
        return anchor.value

    def _scalar(self, event: Any) -> Value:
        position = self._position(event)
        scalar = Scalar(self.source, event.start_mark.index, event.end_mark.index, event.style)
        if event.style:
            return Value(event.value, position, scalar)
        try:
            return Value(resolve(event.value), position, scalar)
        except ValueError as error:
            self._problem(str(error), event, "write fewer digits")
            return Value(0, position, scalar)

    def _items(self, depth: int) -> Iterator[Value]:
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield self._value(event, depth + 1)

    def _entries(self, depth: int) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, depth)
            value = self._value(next(self.events), depth + 1)
            if key == "<<" and not getattr(event, "style", None):
                self._merge(value, event, merged)
            elif key is not None:
                self._add(own, Entry(key, self._position(event), value))
        return {**merged, **own} if merged else own

    def _key(self, event: Any, depth: int) -> str | None:
        """The text of a key, or None (and a problem) if it is none."""
        plain = isinstance(event, yaml.ScalarEvent) and event.tag is None and event.anchor is None
        text = event.value if plain else self._value(event, depth + 1).data
        if not isinstance(text, str):
            self._problem("a key must be a word, not a list, a mapping or a number", event, "write name: value")
        elif not text:
            self._problem("a key is missing before ':'", event, "write name: value")
        elif len(text) > MAX_KEY:
            self._problem("a key is too long", event, "write a short name, then ': ' and the value")
        else:
            return text
        return None

    def _add(self, entries: dict[str, Entry], entry: Entry) -> None:
        first = entries.setdefault(entry.key, entry)
        if first is not entry:
            line = first.position.line if first.position else 0
            hint = f"it is already on line {line}; remove one of them"
            self.problems.append(Problem(f"duplicate key '{entry.key}'", entry.position, hint=hint))

    def _merge(self, value: Value, event: Any, merged: dict[str, Entry]) -> None:
        """Add the entries of one mapping or of several; the first to name a key wins."""
        mappings = value.data if isinstance(value.data, tuple) else (value,)
        for mapping in mappings:
            if isinstance(mapping.data, dict):
                merged.update({key: entry for key, entry in mapping.data.items() if key not in merged})
            elif mapping.data is not None or mapping.scalar is not None:
                self._problem("'<<' needs a mapping, or a list of mappings", event, "write '<<: *name'")

    def _position(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(self.source.name, mark.line + 1, mark.column + 1)

    def _problem(self, message: str, event: Any, hint: str | None = None) -> None:
        self.problems.append(Problem(message, self._position(event), hint=hint))

    def _fatal(self, message: str, event: Any, hint: str | None = None) -> GraphError:
        return GraphError([Problem(message, self._position(event), hint=hint)])
