"""What the language of prompts reads otherwise than meant: times of day, files, addresses, masks after names."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import NamedTuple

from pytti_graph.core.addresses import address_fault, is_address, is_file
from pytti_graph.core.formula_names import CLOCK_NAMES, CONSTANTS
from pytti_graph.core.formula_tokens import tokens_of
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.scene_masks import file_kind, read_mask
from pytti_graph.core.scene_text import Piece, after_quotes

_HOUR = re.compile(r"(?<![0-9A-Za-z])(?<![0-9]\.)[0-9]{1,2}$")
_MINUTES = re.compile(r"(?::[0-9]{1,2})+(?![0-9]|\.[0-9])")
_ADDRESS = re.compile(r"[A-Za-z]+(:)//\S*?(?=:[-+.(0-9][^/]*$|\s|$)")
"""An address up to the weight that may follow it."""
_BRACKETS = re.compile(r"(?<!\\)\[([^\]]*)\]")


def check_time(text: str, piece: Piece, first: int) -> None:
    """Refuse a prompt of which the text ends in `12` and the weight begins with `30`, without spaces between them.

    Args:
        text: The whole text.
        piece: The prompt.
        first: Where its text begins.
    """
    if not piece.colons or after_quotes(text, first) != first:
        return
    colon = piece.colons[0]
    hour, minutes = _HOUR.search(text[first:colon]), _MINUTES.match(text, colon, piece.end)
    if hour and minutes:
        message = f"'{hour.group()}{minutes.group()}' could be a time, a ratio or a weight"
        more = text[minutes.end() : piece.end].lstrip()
        end = minutes.end() if more.startswith((":", "_")) else piece.end
        hint = f"{quote_hint(text, first, end)}; if it is a weight, write spaces around the colon"
        raise TextSyntaxError(message, colon, hint)


def check_address(text: str, piece: Piece, first: int) -> None:
    """Refuse an address that stands without brackets and quotes, before its colon is taken for that of a weight.

    Args:
        text: The whole text.
        piece: The prompt.
        first: Where its text begins.
    """
    match = _ADDRESS.search(text, first, piece.end)
    if match and match.start(1) in piece.colons:
        address = match.group()
        if (fault := address_fault(address)) is not None:
            raise TextSyntaxError(fault.message, match.start(), fault.hint)
        hint = f"write [{address}], and add --allow-network when you render it; {quote_hint(text, first, piece.end)}"
        raise TextSyntaxError(f"the address {address} stands without brackets", match.start(), hint)


def check_file_name(text: str, offset: int) -> None:
    """Refuse the name of a picture or a video as the text of a prompt, if it stands without brackets and quotes."""
    if is_file(text):
        kind = file_kind(text)
        hint = f"for a {kind}, write [{text}]; for the text, write it in quotes"
        raise TextSyntaxError(f"'{text}' reads like the name of a {kind}", offset, hint)


def check_brackets(text: str, start: int, end: int) -> None:
    """Refuse a picture or a video in brackets that has text beside it.

    Args:
        text: The whole text.
        start: Where the prompt's text begins, which is not in quotes.
        end: Where it ends.
    """
    for match in _BRACKETS.finditer(text, start, end):
        name = match[1].strip()
        if is_file(name) or is_address(name):
            hint = f"make it a prompt of its own, with '|' between them; {quote_hint(text, start, end)}"
            raise TextSyntaxError(f"the {file_kind(name)} {match[0]} has text beside it", match.start(), hint)


class Slip(NamedTuple):
    """A name in which a mask was probably meant to begin, where in the field that is, and what to write instead."""

    name: str
    offset: int
    hint: str


def mask_within_name(field: str, known: Container[str]) -> Slip | None:
    """The name in a weight's field in which a mask seems to begin, such as `progress_l`, or None.

    Args:
        field: The field.
        known: The names of variables. A text is taken for a mask only after one of them, or after a word of formulas.
    """
    texts = []
    for name, place, offset in _underscores(field):
        try:
            kind = read_mask(field, offset + 1, len(field)).kind
        except TextSyntaxError:
            continue
        before, mask = field[:offset].strip(), field[offset:].strip()
        slip = Slip(name, offset, f"for a mask after a name, write {before} {mask} or ({before}){mask}")
        if kind != "text":
            return slip
        if name[:place] in (*CLOCK_NAMES, *CONSTANTS) or name[:place] in known:
            texts.append(slip)
    return texts[0] if texts else None


def _underscores(field: str) -> Iterator[tuple[str, int, int]]:
    """Each `_` within a name: the name, and where it is in the name and in the field."""
    for token in tokens_of(field):
        if token.kind == "name":
            for match in re.finditer("(?<=.)_", token.text):
                yield token.text, match.start(), token.offset + match.start()


def quote_hint(text: str, start: int, end: int) -> str:
    """The advice to write a part of a text in quotes."""
    written = " ".join(text[start:end].split()).replace('"', '\\"')
    return f'if it belongs to the text, write the text in quotes: "{written}"'
