"""The masks of prompts: where a weight ends and its mask begins, and what a mask says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal, NamedTuple

from pytti_graph.core.addresses import address_fault, is_address, is_file, is_video
from pytti_graph.core.errors import did_you_mean
from pytti_graph.core.formula_names import KEYWORDS
from pytti_graph.core.formula_tokens import tokens_of
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.scene_text import after_quotes, skip_spaces, unescaped

MaskKind = Literal["left", "right", "up", "down", "near", "far", "picture", "video", "text"]

_WORDS: dict[str, MaskKind | None] = {
    "all": None,
    "left": "left",
    "right": "right",
    "up": "up",
    "down": "down",
    "near": "near",
    "far": "far",
}
WORDS = {**{word[0]: kind for word, kind in _WORDS.items()}, **_WORDS}
"""What masks may be called, and their kind; None lets everything through."""

_MASK_HINT = "a mask is one of a, l, r, u, d, n, f, a picture in brackets, or a text with a cutoff, as in 1_sky_0.8"


@dataclass(frozen=True)
class PromptMask:
    """Which crops a prompt is about.

    Attributes:
        kind: What tells.
        text: The path of a picture or a video, the address of a picture, or a text that crops must be near to; else "".
        inverted: Black parts of what is in the file count, not white ones.
        cutoff: Index of the cutoff in the formulas, or None if it is not given.
        offset: Where it begins in the whole text.
    """

    kind: MaskKind
    text: str
    inverted: bool
    cutoff: int | None
    offset: int


class MaskText(NamedTuple):
    """A mask as it is written: its kind, what is in its brackets or quotes, and where its cutoff begins."""

    kind: MaskKind | None
    text: str
    inverted: bool
    cutoff: int | None


def mask_start(field: str) -> int | None:
    """Where the `_` is that begins a mask in a weight's field, or None if there is none.

    In a formula no value directly follows another. So where a word that begins with `_` follows a number, a name or a
    closing bracket, the formula has ended. Names are never cut: in `10*f_lo` there is no mask.
    """
    before = None
    for token in tokens_of(field):
        ends = before is not None and (
            before.kind == "number" or before.text == ")" or (before.kind == "name" and before.text not in KEYWORDS)
        )
        if ends and token.kind == "name" and token.text.startswith("_"):
            return token.offset
        before = token
    return None


def read_mask(text: str, start: int, end: int) -> MaskText:
    """Read a mask.

    Args:
        text: The whole text.
        start: Where the mask begins, after its `_`.
        end: Where its field ends.

    Raises:
        TextSyntaxError: It is not a mask.
    """
    first = skip_spaces(text, start, end)
    if first == end:
        raise TextSyntaxError("a mask is missing after '_'", start - 1, _MASK_HINT)
    if text[first] == "[":
        return _in_file(text, first, end)
    if text[first] == '"':
        return _in_quotes(text, first, end)
    closing = text.find("_", first, end)
    closing = end if closing < 0 else closing
    word = " ".join(unescaped(text[first:closing]).split())
    if not word:
        raise TextSyntaxError("a mask is missing after '_'", start - 1, _MASK_HINT)
    if is_file(word):
        hint = f"write it in brackets, as in 1_[{word}]; for the text, write it in quotes"
        raise TextSyntaxError(f"'{word}' is the name of a {file_kind(word)}", first, hint)
    cutoff = _cutoff(text, closing, end)
    kind = WORDS.get(word, "text")
    if kind == "text" and cutoff is None:
        hint = did_you_mean(word, _WORDS) or _MASK_HINT
        if word.lower() in WORDS:
            hint = f"write it in small letters: {word.lower()}"
        raise TextSyntaxError(f"'{word}' is not a mask", first, hint)
    if kind is None and cutoff is not None:
        raise TextSyntaxError("the mask 'all' has no cutoff", cutoff, "leave it out")
    return MaskText(kind, word if kind == "text" else "", False, cutoff)


def _cutoff(text: str, start: int, end: int) -> int | None:
    """Where the formula of a cutoff begins, which follows an `_` at `start`, or None if there is none."""
    start = skip_spaces(text, start, end)
    if start == end:
        return None
    if text[start] != "_":
        raise TextSyntaxError("unexpected text after a mask", start, "a cutoff follows after '_', as in 1_sky_0.8")
    first = skip_spaces(text, start + 1, end)
    if first == end:
        raise TextSyntaxError("a cutoff is missing after '_'", start, "write a number, as in 1_left_0.3")
    return first


def _in_quotes(text: str, first: int, end: int) -> MaskText:
    closing = after_quotes(text, first)
    meant = unescaped(text[first + 1 : closing - 1])
    if not meant.strip():
        raise TextSyntaxError("a mask is empty", first, "write a text between the quotes")
    cutoff = _cutoff(text, closing, end)
    if cutoff is None:
        hint = f"write the distance to it after '_', as in 1_{text[first:closing]}_0.8"
        if meant in WORDS:
            hint = f"for the mask '{meant}', leave the quotes out; else {hint}"
        raise TextSyntaxError("a mask that is a text needs a cutoff", first, hint)
    return MaskText("text", meant, False, cutoff)


def _in_file(text: str, first: int, end: int) -> MaskText:
    closing = text.find("]", first, end)
    assert closing >= 0, "brackets are closed when prompts are cut out"
    begin = skip_spaces(text, first + 1, closing)
    inverted = text.startswith("-", begin)
    begin = skip_spaces(text, begin + inverted, closing)
    path = text[begin:closing].strip()
    check_path(path, begin, "mask")
    kind = file_kind(path)
    if (cutoff := _cutoff(text, closing + 1, end)) is not None:
        hint = f"leave it out: grey parts of the {kind} count in part"
        raise TextSyntaxError(f"a mask that is a {kind} has no cutoff", cutoff, hint)
    return MaskText(kind, path, inverted, None)


def file_kind(path: str) -> Literal["picture", "video"]:
    """What a file in brackets is, by its name; what lies in the network is a picture."""
    return "video" if is_video(path) and not is_address(path) else "picture"


def check_path(path: str, offset: int, what: str) -> None:
    """Refuse what cannot be the path of a picture or a video, or a picture's address; raises `TextSyntaxError`."""
    if not path:
        raise TextSyntaxError("there is no file in the brackets", offset, f"write a file, as in [{what}.png]")
    if is_address(path):
        if (fault := address_fault(path)) is not None:
            raise TextSyntaxError(fault.message, offset, fault.hint)
        return
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive:
        hint = "write it relative to the graph's folder, so that the graph works elsewhere too"
        raise TextSyntaxError(f"'{path}' is an absolute path", offset, hint)
