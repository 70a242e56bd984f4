"""What the language of prompts reads otherwise than it was meant: times of day, and names of files."""

from __future__ import annotations

import re

from pytti_graph.core.addresses import is_address, is_file
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.scene_masks import file_kind
from pytti_graph.core.scene_text import Piece, after_quotes

_HOUR = re.compile(r"(?<![0-9A-Za-z])(?<![0-9]\.)[0-9]{1,2}$")
_MINUTES = re.compile(r"(?::[0-9]{1,2})+(?![0-9]|\.[0-9])")
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


def quote_hint(text: str, start: int, end: int) -> str:
    """The advice to write a part of a text in quotes."""
    written = " ".join(text[start:end].split()).replace('"', '\\"')
    return f'if it belongs to the text, write the text in quotes: "{written}"'
