r"""The language of `prompt.scenes`: which texts a film should mean, when, where and how much.

    a volcano:2_left | smoke:-0.5 || a castle on a hill : 0.5 + bass.level : 0.9

* `||` separates scenes, `|` the prompts of a scene.
* A prompt is `text`, `text:weight` or `text:weight:stop`; weight (1 if not given) and stop (-inf) are formulas.
* What follows a colon must be a formula. If it is not (`Alien: the film`), that is an error, never a guess; so is a
  colon between whole numbers of one or two digits, as in `12:30 pm` and `16:9`, which could be a time or a ratio. Write
  the text in quotes (`"12:30 pm"`), or spaces around the colon for a weight (`apollo 12 : 30`).
* A text that begins with `"` ends at the next `"`, and holds `|` and `:` as they are. Quotes inside a text mean nothing
  special.
* `\` before one of `| : " [ ] \` takes it literally, in quotes and outside; before anything else it is an ordinary
  character.
* A text in brackets, `[photo.png]`, is the file of a picture or, by its ending, of a video, which is meant in its
  place. It may be the http or https address of a picture. It stands alone in its prompt. A file's name without
  brackets is an error; as a text it is written in quotes.
* A colon between `[` and `]` belongs to the text. One of the two without the other is an error.
* Spaces and line breaks in a text that is not quoted count as one space.

A weight may be followed by a mask, and that by a cutoff, each after an `_`: `weight_mask_cutoff`.

* The `_` of a mask is one that begins a word where the formula has ended: after a number (`1_left`), a closing bracket
  (`(10*f_lo)_left`), or a name and a space (`f_lo _left`). An `_` within a name belongs to the name.
* A mask is `a`, `l`, `r`, `u`, `d`, `n`, `f` (or `all`, `left`, `right`, `up`, `down`, `near`, `far`), a file in
  brackets as above (`[sky.png]` for its white parts, `[-sky.png]` for its black ones), or a text. A text with `_`, `|`
  or `:` in it, or one that is a word of this list or a file's name, is written in quotes.
* A cutoff is a formula, and all that follows the `_` after the mask. A text needs one; files and `all` have none.

Weights, stops and cutoffs that never change must be able to do something: see `scene_ranges`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from pytti_graph.core.formulas import Formula, TextSyntaxError, parse_formula
from pytti_graph.core.scene_masks import PromptMask, check_path, file_kind, mask_start, read_mask
from pytti_graph.core.scene_ranges import check_cutoff, check_stop, check_weight
from pytti_graph.core.scene_slips import (
    check_address,
    check_brackets,
    check_file_name,
    check_time,
    mask_within_name,
    quote_hint,
)
from pytti_graph.core.scene_text import Piece, after_quotes, pieces, skip_spaces, unescaped

_NO_VARIABLES: Mapping[str, float | str] = MappingProxyType({})
_EXAMPLE = "write text:weight, such as a volcano:0.5"
_PROSE = re.compile(r"\w\s+(?!if|else|and|or|not)[^\W\d]")
_CLOSES = re.compile(r"[,.;!?)'’]")

Side = Literal["prefix", "scenes", "suffix"]


@dataclass(frozen=True)
class TextFormula:
    """A formula inside a text.

    Attributes:
        formula: The formula.
        offset: Where its source begins in the whole text (of a default: where its prompt begins).
        hints: What to write where no node or port has the name that is used, by that name.
        infinite: Its value may be infinite.
    """

    formula: Formula
    offset: int
    hints: Mapping[str, str] = field(default_factory=dict)
    infinite: bool = False


@dataclass(frozen=True)
class TextFile:
    """A file to read, named inside a text.

    Attributes:
        path: As written, relative to the graph's folder, or the address of a picture.
        offset: Where it begins in the whole text.
        web: It may be an address.
    """

    path: str
    offset: int
    web: bool = False


@dataclass(frozen=True)
class Prompt:
    """One text that the picture should mean.

    Attributes:
        text: The text.
        offset: Where it begins in the whole text.
        weight: Index of its weight in the formulas.
        stop: Index of its stop in the formulas.
        mask: Which crops it is about, or None for all.
        argument: The argument that it stands in.
        picture: The text is the path of a picture or a video, or a picture's address.
    """

    text: str
    offset: int
    weight: int
    stop: int
    mask: PromptMask | None = None
    argument: Side = "scenes"
    picture: bool = False

    @property
    def video(self) -> bool:
        """The text is the path of a video."""
        return self.picture and file_kind(self.text) == "video"

    def moved(self, distance: int) -> Prompt:
        """The same prompt, where `distance` other formulas stand before its own."""
        mask = self.mask
        if mask is not None and mask.cutoff is not None:
            mask = replace(mask, cutoff=mask.cutoff + distance)
        return replace(self, weight=self.weight + distance, stop=self.stop + distance, mask=mask)


@dataclass(frozen=True)
class Scenes:
    """Prompts by scene, and their formulas.

    Attributes:
        scenes: The prompts of each scene, at least one.
        formulas: Weights, stops and cutoffs; the defaults 1 and -inf are there once, if a prompt needs them.
        files: The pictures and videos that they name.
    """

    scenes: tuple[tuple[Prompt, ...], ...]
    formulas: tuple[TextFormula, ...]
    files: tuple[TextFile, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The distinct texts, in order of appearance."""
        return tuple(dict.fromkeys(prompt.text for scene in self.scenes for prompt in scene if not prompt.picture))


@dataclass(frozen=True)
class Affix:
    """What stands before or after each scene.

    Attributes:
        text: What is added to the text beside it.
        prompts: Whole prompts, on the far side of it.
        formulas: Of the prompts.
        files: Of the prompts.
    """

    text: str = ""
    prompts: tuple[Prompt, ...] = ()
    formulas: tuple[TextFormula, ...] = ()
    files: tuple[TextFile, ...] = ()


def parse_scenes(text: str, variables: Mapping[str, float | str] = _NO_VARIABLES) -> Scenes:
    """Read scenes of prompts.

    Args:
        text: As described above.
        variables: A graph's variables, for the formulas.

    Raises:
        TextSyntaxError: The text is not in this language.
    """
    if not text.strip():
        raise TextSyntaxError("there are no prompts", 0, "write a text, such as a volcano at night")
    reader = _Reader(text, variables, "scenes")
    scenes: list[tuple[Prompt, ...]] = []
    prompts: list[Prompt] = []
    for piece in pieces(text):
        prompts.append(reader.prompt(piece))
        if piece.ends_scene:
            scenes.append(tuple(prompts))
            prompts = []
    return Scenes(tuple(scenes), tuple(reader.formulas), tuple(reader.files))


def parse_prefix(text: str, variables: Mapping[str, float | str] = _NO_VARIABLES) -> Affix:
    """Read what stands before each scene: whole prompts, then text that the first prompt of the scene goes on.

    Raises:
        TextSyntaxError: The text is not in this language, or the last piece is not only text.
    """
    return _affix(text, variables, "prefix")


def parse_suffix(text: str, variables: Mapping[str, float | str] = _NO_VARIABLES) -> Affix:
    """Read what stands after each scene: text that its last prompt goes on with, then whole prompts.

    Raises:
        TextSyntaxError: The text is not in this language, or the first piece is not only text.
    """
    return _affix(text, variables, "suffix")


def _affix(text: str, variables: Mapping[str, float | str], side: Side) -> Affix:
    reader = _Reader(text, variables, side)
    cut = list(pieces(text))
    if broken := next((piece for piece in cut[:-1] if piece.ends_scene), None):
        raise TextSyntaxError(f"a {side} is added to every scene, and has none itself", broken.end, "write one '|'")
    beside, others = (cut[-1], cut[:-1]) if side == "prefix" else (cut[0], cut[1:])
    added = reader.added(beside)
    return Affix(added, tuple(map(reader.prompt, others)), tuple(reader.formulas), tuple(reader.files))


def with_affixes(prefix: Affix, scenes: Scenes, suffix: Affix) -> tuple[tuple[Prompt, ...], ...]:
    """The prompts of each scene with what stands before and after it.

    The formulas that they count are those of the prefix, then those of the scenes, then those of the suffix. Nothing is
    added to pictures.
    """
    before, after = len(prefix.formulas), len(prefix.formulas) + len(scenes.formulas)
    first = prefix.prompts
    last = tuple(prompt.moved(after) for prompt in suffix.prompts)
    made = []
    for scene in scenes.scenes:
        prompts = [prompt.moved(before) for prompt in scene]
        if not prompts[0].picture:
            prompts[0] = replace(prompts[0], text=_joined(prefix.text, prompts[0].text))
        if not prompts[-1].picture:
            prompts[-1] = replace(prompts[-1], text=_joined(prompts[-1].text, suffix.text))
        made.append((*first, *prompts, *last))
    return tuple(made)


def _joined(before: str, after: str) -> str:
    return before + after if not before or not after or _CLOSES.match(after) else f"{before} {after}"


class _Reader:
    """Reads the prompts of one argument, and collects their formulas and files."""

    def __init__(self, text: str, variables: Mapping[str, float | str], argument: Side) -> None:
        self.text, self.variables, self.argument = text, variables, argument
        self.formulas: list[TextFormula] = []
        self.files: list[TextFile] = []
        self.defaults: dict[str, int] = {}

    def added(self, piece: Piece) -> str:
        """The text of a piece that goes on a prompt of a scene."""
        first = skip_spaces(self.text, piece.start, piece.end)
        check_address(self.text, piece, first)
        if piece.colons:
            place = "ends" if self.argument == "prefix" else "begins"
            hint = f"a prompt of its own {place} with '|'; a text with ':' is written in quotes"
            message = f"what the {self.argument} adds to a prompt has no weight"
            raise TextSyntaxError(message, piece.colons[0], hint)
        if first < piece.end and self._picture(first, piece.end) is not None:
            hint = f"make it a prompt of its own, with '|' {'after' if self.argument == 'prefix' else 'before'} it"
            raise TextSyntaxError(f"the {self.argument} adds a picture to a text", first, hint)
        return self._prompt_text(first, piece.end) if first < piece.end else ""

    def prompt(self, piece: Piece) -> Prompt:
        """One prompt."""
        start, colons, end = piece[:3]
        first = skip_spaces(self.text, start, end)
        if first == end:
            raise TextSyntaxError("a prompt is empty", start, "write a text, or remove the '|' beside it")
        check_address(self.text, piece, first)
        if len(colons) > 2:
            raise TextSyntaxError("a prompt has only text:weight:stop", colons[2], quote_hint(self.text, first, end))
        picture = self._picture(first, colons[0] if colons else end)
        text = self._prompt_text(first, colons[0] if colons else end) if picture is None else picture
        if picture is None and not self.text.startswith('"', first):
            check_file_name(text, first)
        check_time(self.text, piece, first)
        weight, mask = self._weight(first, piece)
        stop = self._stop(first, piece, weight)
        return Prompt(text, first, weight, stop, mask, self.argument, picture is not None)

    def _picture(self, first: int, end: int) -> str | None:
        """The path of a prompt that is a picture or a video, or None."""
        written = self.text[first:end].rstrip()
        if not written.startswith("[") or written.find("]") != len(written) - 1:
            return None
        path = written[1:-1].strip()
        offset = skip_spaces(self.text, first + 1, end)
        check_path(path, offset, "photo")
        self.files.append(TextFile(path, offset, web=True))
        return path

    def _weight(self, first: int, piece: Piece) -> tuple[int, PromptMask | None]:
        if (field := piece.field(0)) is None:
            return self._default("1", first), None
        start, end = field
        try:
            underscore = mask_start(self.text[start:end])
        except TextSyntaxError as error:
            raise error.moved(start) from None
        ends = end if underscore is None else start + underscore
        weight = self._formula(first, start, ends, weight=True)
        check_weight(self.formulas[weight].formula.value, self.formulas[weight].offset)
        return weight, None if underscore is None else self._mask(first, ends + 1, end)

    def _mask(self, first: int, start: int, end: int) -> PromptMask | None:
        written = read_mask(self.text, start, end)
        offset = skip_spaces(self.text, start, end)
        if written.kind in ("picture", "video"):
            self.files.append(TextFile(written.text, self.text.index(written.text, offset), web=True))
        cutoff = None if written.cutoff is None else self._formula(first, written.cutoff, end)
        if cutoff is not None:
            check_cutoff(written.kind, self.formulas[cutoff].formula.value, self.formulas[cutoff].offset)
        if written.kind is None:
            return None
        return PromptMask(written.kind, written.text, written.inverted, cutoff, offset)

    def _stop(self, first: int, piece: Piece, weight: int) -> int:
        if (field := piece.field(1)) is None:
            return self._default("-inf", first)
        index = self._formula(first, *field, infinite=True)
        pull, stop = self.formulas[weight].formula.value, self.formulas[index].formula.value
        check_stop(pull, stop, self.formulas[index].offset)
        return index

    def _prompt_text(self, first: int, end: int) -> str:
        written = self.text[first:end].strip()
        if not written:
            raise TextSyntaxError("the text before ':' is missing", first, _EXAMPLE)
        if written.startswith('"'):
            return self._quoted_text(first, end)
        check_brackets(self.text, first, end)
        return " ".join(unescaped(written).split())

    def _quoted_text(self, first: int, end: int) -> str:
        closing = after_quotes(self.text, first)
        rest = skip_spaces(self.text, closing, end)
        if rest < end:
            hint = 'put all of it in quotes, or write \\" for the character'
            raise TextSyntaxError("a quoted text goes on after its closing quote", rest, hint)
        text = unescaped(self.text[first + 1 : closing - 1])
        if not text.strip():
            raise TextSyntaxError("a prompt is empty", first, "write a text between the quotes")
        return text

    def _formula(self, first: int, begin: int, end: int, weight: bool = False, infinite: bool = False) -> int:
        start = skip_spaces(self.text, begin, end)
        source = self.text[start:end].rstrip()
        if not source:
            raise TextSyntaxError("a formula is missing after ':'", begin - 1, _EXAMPLE)
        slip = mask_within_name(source, self.variables) if weight else None
        try:
            formula = parse_formula(source, self.variables)
        except TextSyntaxError as error:
            if slip is not None:
                raise TextSyntaxError(f"'{source}' is not a formula", start + slip.offset, slip.hint) from None
            raise self._not_a_formula(error, source, start, first) from None
        self.formulas.append(TextFormula(formula, start, {slip.name: slip.hint} if slip else {}, infinite))
        return len(self.formulas) - 1

    def _not_a_formula(self, error: TextSyntaxError, source: str, start: int, first: int) -> TextSyntaxError:
        reason = "" if _PROSE.search(source) else f": {error.message}" + (f" ({error.hint})" if error.hint else "")
        end = self.text.find("|", start)
        hint = quote_hint(self.text, first, end if end >= 0 else len(self.text))
        if error.hint is None and source.startswith(",", error.offset):
            hint = f"prompts are separated by '|', not by commas; {hint}"
        return TextSyntaxError(f"'{source}' is not a formula{reason}", start + error.offset, hint)

    def _default(self, source: str, offset: int) -> int:
        if source not in self.defaults:
            self.defaults[source] = len(self.formulas)
            self.formulas.append(TextFormula(parse_formula(source), offset, infinite=True))
        return self.defaults[source]
