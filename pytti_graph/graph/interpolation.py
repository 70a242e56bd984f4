"""`${name}` in texts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from pytti_graph.core.errors import did_you_mean
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.graph.values import NAME

_INSERTION = re.compile(r"\$(?P<escaped>\$\{)|\$\{(?P<name>[^{}]*)(?P<closed>\}?)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Maps places in a text with variables put in to places in the text as written; call it with an offset.

    Attributes:
        pieces: Where each piece begins in the new text, where it comes from, and whether it was inserted.
    """

    pieces: tuple[tuple[int, int, bool], ...]

    def __call__(self, offset: int) -> int:
        """Where character `offset` of the new text comes from; inside an insertion, the `$` that begins it."""
        begin, origin, inserted = self.pieces[max(0, bisect_right(self.pieces, (offset, float("inf"))) - 1)]
        return origin if inserted else origin + offset - begin


def interpolate(text: str, variables: Mapping[str, float | str]) -> tuple[str, Origin]:
    """Put variables in the place of `${name}`; `$${` stands for `${` itself. What is put in is not searched again.

    Raises:
        TextSyntaxError: A variable is not known, or a bracket not closed.
    """
    parts: list[str] = []
    pieces: list[tuple[int, int, bool]] = [(0, 0, False)]
    length = done = 0
    for match in _INSERTION.finditer(text):
        piece = "${" if match["escaped"] else _inserted(match, variables)
        parts += [text[done : match.start()], piece]
        length += match.start() - done
        pieces.append((length, match.start(), True))
        length, done = length + len(piece), match.end()
        pieces.append((length, done, False))
    return "".join([*parts, text[done:]]), Origin(tuple(pieces))


def _inserted(match: re.Match[str], variables: Mapping[str, float | str]) -> str:
    name = match["name"].strip()
    if not match["closed"]:
        raise TextSyntaxError("'${' is not closed", match.start(), "write ${name}, or $${ for the characters")
    if not NAME.fullmatch(name):
        raise TextSyntaxError(f"'{name}' is not the name of a variable", match.start(), "write ${name}")
    if name not in variables:
        hint = did_you_mean(name, variables) or f"add '{name}: ...' under 'vars:', or write $${{ for the characters"
        raise TextSyntaxError(f"unknown variable '{name}'", match.start(), hint)
    return str(variables[name])
