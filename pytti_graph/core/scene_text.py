"""How prompts are cut out of a text: separators, brackets, quotes and escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pytti_graph.core.formulas import TextSyntaxError

_ESCAPE = re.compile(r'\\([|:"\[\]\\])')


class Piece(NamedTuple):
    """The part of a text that holds one prompt.

    Attributes:
        start: Where it begins.
        colons: Where the colons are that split it into fields.
        end: Where it ends.
        ends_scene: A scene ends with it.
    """

    start: int
    colons: tuple[int, ...]
    end: int
    ends_scene: bool

    def field(self, index: int) -> tuple[int, int] | None:
        """Begin and end of what follows a colon, or None if there are not so many."""
        if index >= len(self.colons):
            return None
        return self.colons[index] + 1, (*self.colons, self.end)[index + 1]


def pieces(text: str) -> Iterator[Piece]:
    """The prompts of a text, one after another.

    Raises:
        TextSyntaxError: A bracket or a quote is not closed.
    """
    start = 0
    while True:
        colons, end = _colons(text, start)
        ends_scene = text.startswith("||", end)
        yield Piece(start, colons, end, ends_scene or end == len(text))
        if end == len(text):
            return
        start = end + (2 if ends_scene else 1)


def _colons(text: str, start: int) -> tuple[tuple[int, ...], int]:
    """The colons that split the prompt at `start` into fields, and where it ends."""
    colons: list[int] = []
    bracket: int | None = None
    index = after_quotes(text, start)
    while index < len(text) and text[index] != "|":
        character = text[index]
        if _ESCAPE.match(text, index):
            index += 1
        elif character == "[" and bracket is None:
            bracket = index
        elif character == "]":
            if bracket is None:
                raise TextSyntaxError("']' has no '[' before it", index, "write '[' too, or \\] for the character")
            bracket = None
        elif character == ":" and bracket is None:
            colons.append(index)
        elif character == "_" and colons and bracket is None:
            index = max(index, after_quotes(text, index + 1) - 1)
        index += 1
    if bracket is not None:
        raise TextSyntaxError("'[' is not closed", bracket, "write ']' at its end, or \\[ for the character")
    return tuple(colons), index


def after_quotes(text: str, start: int) -> int:
    """Where a quoted text that begins at `start` (after spaces) ends, or `start`."""
    opening = skip_spaces(text, start, len(text))
    if not text.startswith('"', opening):
        return start
    index = opening + 1
    while index < len(text):
        if text[index] == '"':
            return index + 1
        index += 2 if _ESCAPE.match(text, index) else 1
    raise TextSyntaxError("'\"' is not closed", opening, "write '\"' at its end, or \\\" for the character")


def skip_spaces(text: str, start: int, end: int) -> int:
    """The first place from `start` to `end` that is not a space."""
    while start < end and text[start].isspace():
        start += 1
    return start


def unescaped(text: str) -> str:
    """A text with its backslashes taken as what they stand for."""
    return _ESCAPE.sub(r"\1", text)


def quoted(text: str) -> str:
    """A text in quotes, as prompts write it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
