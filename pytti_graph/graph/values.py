"""Values of a graph file that remember their place, down to the single character."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from pytti_graph.core.errors import Position

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What nodes, arguments and variables may be called."""

_BREAK = r"(?:\r\n|[\r\n\x85\u2028\u2029])"
_BREAKS = re.compile(_BREAK)
_FOLD = re.compile(rf"[ \t]*{_BREAK}(?:[ \t]*{_BREAK})*[ \t]*")
_CONTINUATION = re.compile(rf"\\{_BREAK}[ \t]*")
_PROPERTIES = re.compile(rf"(?:[&!]\S*(?:[ \t]|{_BREAK}|#.*)*)*")
_ESCAPE_WIDTHS = {"x": 4, "u": 6, "U": 10}


@dataclass(frozen=True)
class Source:
    """A text in which positions are counted.

    Attributes:
        name: The file, as shown in messages.
        text: All of it.
    """

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAKS.finditer(self.text))]

    def position(self, index: int) -> Position:
        """The place of a character."""
        line = bisect_right(self._line_starts, index)
        return Position(self.name, line, index - self._line_starts[line - 1] + 1)


class Scalar(NamedTuple):
    """How a scalar is written: `text[start:end]` of its source, in a YAML style (None or "" is plain)."""

    source: Source
    start: int
    end: int
    style: str | None

    @property
    def written(self) -> str:
        """The scalar as it stands in the file."""
        return self.source.text[self._start : self.end]

    @property
    def _start(self) -> int:
        match = _PROPERTIES.match(self.source.text, self.start, self.end)
        return match.end() if match else self.start

    def position(self, value: str, offset: int) -> Position:
        """The place of character `offset` of `value`, which is what this scalar means."""
        indices = list(self._block(value) if self.style in ("|", ">") else self._flow())
        if len(indices) != len(value):
            return self.source.position(self._start)
        quote = 1 if self.style in ("'", '"') else 0
        indices.append(max(self._start, self.end - quote) if self.style not in ("|", ">") else self.end)
        return self.source.position(indices[max(0, min(offset, len(value)))])

    def _flow(self) -> Iterator[int]:
        """Where each character of a plain or quoted scalar is written."""
        text, quoted = self.source.text, self.style in ("'", '"')
        index, end = self._start + quoted, self.end - quoted
        while index < end:
            if fold := _FOLD.match(text, index, end):
                breaks = [match.start() for match in _BREAKS.finditer(text, index, fold.end())]
                yield from breaks[1:] or breaks
                index = fold.end()
            elif self.style == '"' and (fold := _CONTINUATION.match(text, index, end)):
                index = fold.end()
            else:
                yield index
                index += self._width(index)

    def _width(self, index: int) -> int:
        """How many characters of the file one character takes."""
        text = self.source.text
        if self.style == '"' and text[index] == "\\":
            return _ESCAPE_WIDTHS.get(text[index + 1], 2)
        return 2 if self.style == "'" and text[index] == "'" else 1

    def _block(self, value: str) -> list[int]:
        """Where each character of a block scalar is written: its lines are found in the value one by one."""
        text = self.source.text
        header = _BREAKS.search(text, self._start, self.end)
        begin = header.end() if header else self.end
        indices = [begin] * len(value)
        done = 0
        for line in re.finditer(r"[^\r\n\x85\u2028\u2029]+", text[begin : self.end]):
            content = line.group().lstrip(" ")
            found = value.find(content, done) if content else -1
            if found < 0:
                continue
            first = begin + line.end() - len(content)
            for offset in range(done, found + len(content)):
                indices[offset] = max(begin + line.start(), first + offset - found)
            done = found + len(content)
        indices[done:] = [max(begin, self.end - 1)] * (len(value) - done)
        return indices


@dataclass(frozen=True, slots=True)
class Value:
    """A YAML value with its place; equal to another if it holds the same, wherever it stands.

    Attributes:
        data: The value itself: a scalar, a tuple of values, or entries by key.
        position: Where it begins, or None if the graph was built in Python.
        scalar: How it is written, for scalars of a file.
    """

    data: bool | int | float | str | tuple[Value, ...] | dict[str, Entry] | None
    position: Position | None = field(default=None, compare=False)
    scalar: Scalar | None = field(default=None, compare=False, repr=False)

    def at(self, offset: int) -> Position | None:
        """The place of a character of a text; of any other value, its beginning."""
        if self.scalar is None or not isinstance(self.data, str):
            return self.position
        return self.scalar.position(self.data, offset)

    def plain(self) -> Any:
        """The value as ordinary Python data, without places."""
        if isinstance(self.data, tuple):
            return [item.plain() for item in self.data]
        if isinstance(self.data, dict):
            return {key: entry.value.plain() for key, entry in self.data.items()}
        return self.data

    def written(self) -> str:
        """A scalar as the user wrote it."""
        if isinstance(self.data, str) or self.scalar is None:
            return "" if self.data is None else str(self.data)
        return self.scalar.written


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping, where it stands, and its value."""

    key: str
    position: Position | None = field(compare=False)
    value: Value
