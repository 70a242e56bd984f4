r"""The language of `prompt.scenes`: which texts a film should mean, when, and how much.

    a volcano:2 | smoke:-0.5 || a castle on a hill : 0.5 + bass.level : -0.2

* `||` separates scenes, `|` the prompts of a scene.
* A prompt is `text`, `text:weight` or `text:weight:stop`; weight (1 if not given) and stop (-inf) are formulas.
* What follows a colon must be a formula. If it is not (`12:30 pm`, `Alien: the film`), that is an error, never a
  guess; so are `12:30` and `12:30:15`, which could be a time of day. Write the text in quotes (`"12:30 pm"`), or spaces
  around the colon for a weight (`apollo 12 : 30`).
* A text that begins with `"` ends at the next `"`, and holds `|` and `:` as they are. Quotes inside a text mean nothing
  special.
* `\` before one of `| : " [ ] \` takes it literally, in quotes and outside; before anything else it is an ordinary
  character.
* A colon between `[` and `]` belongs to the text.
* Spaces and line breaks in a text that is not quoted count as one space.

Masks (`a volcano:1_left`, `[picture.png]`) are not supported yet, and refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pytti_graph.core.formulas import Formula, TextSyntaxError, parse_formula

_NO_VARIABLES: Mapping[str, float | str] = MappingProxyType({})
_QUOTE_HINT = 'if it belongs to the text, write the text in quotes: "{}"'
_EXAMPLE = "write text:weight, such as a volcano:0.5"
_ESCAPE = re.compile(r'\\([|:"\[\]\\])')
_CLOCK_TIME = re.compile(r"(?<![0-9.])(?:[01]?[0-9]|2[0-3])$")
_MASK = re.compile(r"(?<![A-Za-z0-9_])[0-9.]+_(?![0-9])|\)\s*_|\[")
_PROSE = re.compile(r"\w\s+(?!if|else|and|or|not)[^\W\d]")
_MINUTES = re.compile(r"[0-5][0-9]")


@dataclass(frozen=True)
class TextFormula:
    """A formula inside a text.

    Attributes:
        formula: The formula.
        offset: Where its source begins in the whole text (of a default: where its prompt begins).
    """

    formula: Formula
    offset: int


@dataclass(frozen=True)
class Prompt:
    """One text that the picture should mean.

    Attributes:
        text: The text.
        offset: Where it begins in the whole text.
        weight: Index of its weight in `Scenes.formulas`.
        stop: Index of its stop in `Scenes.formulas`.
    """

    text: str
    offset: int
    weight: int
    stop: int


@dataclass(frozen=True)
class Scenes:
    """Prompts by scene, and their formulas.

    Attributes:
        scenes: The prompts of each scene, at least one.
        formulas: Weights and stops; the defaults 1 and -inf are there once, if a prompt needs them.
    """

    scenes: tuple[tuple[Prompt, ...], ...]
    formulas: tuple[TextFormula, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The distinct texts, in order of appearance."""
        return tuple(dict.fromkeys(prompt.text for scene in self.scenes for prompt in scene))


def parse_scenes(text: str, variables: Mapping[str, float | str] = _NO_VARIABLES) -> Scenes:
    """Read scenes of prompts.

    Args:
        text: As described above.
        variables: A graph's variables, for the formulas.

    Raises:
        TextSyntaxError: The text is not in this language.
    """
    return _Reader(text, variables).scenes()


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, float | str]) -> None:
        self.text, self.variables = text, variables
        self.formulas: list[TextFormula] = []
        self.defaults: dict[str, int] = {}

    def scenes(self) -> Scenes:
        if not self.text.strip():
            raise TextSyntaxError("there are no prompts", 0, "write a text, such as a volcano at night")
        scenes: list[tuple[Prompt, ...]] = []
        prompts: list[Prompt] = []
        start = 0
        while True:
            cuts, end = self._cuts(start)
            prompts.append(self._prompt(start, cuts, end))
            ends_scene = self.text.startswith("||", end)
            if ends_scene or end == len(self.text):
                scenes.append(tuple(prompts))
                prompts = []
            if end == len(self.text):
                return Scenes(tuple(scenes), tuple(self.formulas))
            start = end + (2 if ends_scene else 1)

    def _cuts(self, start: int) -> tuple[list[int], int]:
        """The colons that split the prompt at `start` into fields, and where it ends."""
        colons: list[int] = []
        bracket: int | None = None
        index = self._after_quotes(start)
        while index < len(self.text) and self.text[index] != "|":
            character = self.text[index]
            if _ESCAPE.match(self.text, index):
                index += 1
            elif character == "[" and bracket is None:
                bracket = index
            elif character == "]":
                bracket = None
            elif character == ":" and bracket is None:
                colons.append(index)
            index += 1
        if bracket is not None:
            raise TextSyntaxError("'[' is not closed", bracket, "write ']' at its end, or \\[ for the character")
        return colons, index

    def _after_quotes(self, start: int) -> int:
        """Where a quoted text that begins at `start` (after spaces) ends, or `start`."""
        opening = _skip_spaces(self.text, start, len(self.text))
        if not self.text.startswith('"', opening):
            return start
        index = opening + 1
        while index < len(self.text):
            if self.text[index] == '"':
                return index + 1
            index += 2 if _ESCAPE.match(self.text, index) else 1
        raise TextSyntaxError("'\"' is not closed", opening, "write '\"' at its end, or \\\" for the character")

    def _prompt(self, start: int, colons: list[int], end: int) -> Prompt:
        first = _skip_spaces(self.text, start, end)
        if first == end:
            raise TextSyntaxError("a prompt is empty", start, "write a text, or remove the '|' beside it")
        if len(colons) > 2:
            raise TextSyntaxError("a prompt has only text:weight:stop", colons[2], self._quote_hint(first, end))
        text = self._prompt_text(first, colons[0] if colons else end)
        if self._clock_time(start, colons, end):
            message = f"'{self._time_text(colons, end)}' could be a time or a weight"
            hint = self._quote_hint(first, end) + "; if it is a weight, write spaces around the colon"
            raise TextSyntaxError(message, colons[0], hint)
        bounds = [*colons, end, end]
        weight = self._formula(first, bounds[0], bounds[1]) if colons else self._default("1", first)
        stop = self._formula(first, bounds[1], bounds[2]) if len(colons) == 2 else self._default("-inf", first)
        return Prompt(text, first, weight, stop)

    def _prompt_text(self, first: int, end: int) -> str:
        written = self.text[first:end].strip()
        if not written:
            raise TextSyntaxError("the text before ':' is missing", first, _EXAMPLE)
        if written.startswith('"'):
            return self._quoted_text(first, end)
        if written.startswith("[") and written.endswith("]"):
            raise TextSyntaxError("prompts that are pictures, in [...], are not supported yet", first, "write a text")
        return " ".join(_unescaped(written).split())

    def _quoted_text(self, first: int, end: int) -> str:
        closing = self._after_quotes(first)
        rest = _skip_spaces(self.text, closing, end)
        if rest < end:
            hint = 'put all of it in quotes, or write \\" for the character'
            raise TextSyntaxError("a quoted text goes on after its closing quote", rest, hint)
        text = _unescaped(self.text[first + 1 : closing - 1])
        if not text.strip():
            raise TextSyntaxError("a prompt is empty", first, "write a text between the quotes")
        return text

    def _formula(self, first: int, colon: int, end: int) -> int:
        start = _skip_spaces(self.text, colon + 1, end)
        source = self.text[start:end].rstrip()
        if not source:
            raise TextSyntaxError("a formula is missing after ':'", colon, _EXAMPLE)
        try:
            formula = parse_formula(source, self.variables)
        except TextSyntaxError as error:
            raise self._not_a_formula(error, source, start, first) from None
        self.formulas.append(TextFormula(formula, start))
        return len(self.formulas) - 1

    def _not_a_formula(self, error: TextSyntaxError, source: str, start: int, first: int) -> TextSyntaxError:
        if _MASK.search(source):
            hint = "write the weight alone, such as a volcano:0.5"
            return TextSyntaxError("masks are not supported yet", start, hint)
        reason = "" if _PROSE.search(source) else f": {error.message}" + (f" ({error.hint})" if error.hint else "")
        end = self.text.find("|", start)
        hint = self._quote_hint(first, end if end >= 0 else len(self.text))
        return TextSyntaxError(f"'{source}' is not a formula{reason}", start + error.offset, hint)

    def _default(self, source: str, offset: int) -> int:
        if source not in self.defaults:
            self.defaults[source] = len(self.formulas)
            self.formulas.append(TextFormula(parse_formula(source), offset))
        return self.defaults[source]

    def _clock_time(self, start: int, colons: list[int], end: int) -> bool:
        """True for `12:30` and `12:30:15`, written without spaces, at the end of a prompt that is not quoted."""
        if not 1 <= len(colons) <= 2 or self._after_quotes(start) != start:
            return False
        fields = self._time_text(colons, end).split(":")[1:]
        return bool(_CLOCK_TIME.search(self.text[start : colons[0]])) and all(map(_MINUTES.fullmatch, fields))

    def _time_text(self, colons: list[int], end: int) -> str:
        hours = re.search(r"[0-9]*$", self.text[: colons[0]])
        return (hours.group() if hours else "") + self.text[colons[0] : end].rstrip()

    def _quote_hint(self, first: int, end: int) -> str:
        return _QUOTE_HINT.format(" ".join(self.text[first:end].split()).replace('"', '\\"'))


def _skip_spaces(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)
