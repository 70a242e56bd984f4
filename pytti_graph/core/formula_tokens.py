"""The words of formulas: how text splits into them, and what to say about slips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pytti_graph.core.formula_names import FOREIGN, KEYWORDS

MAX_LENGTH = 1000
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=")


class TextSyntaxError(ValueError):
    """Text that cannot be read.

    Attributes:
        message: What is wrong.
        offset: At which character of the text, from 0.
        hint: What to write instead.
    """

    def __init__(self, message: str, offset: int, hint: str | None = None) -> None:
        self.message, self.offset, self.hint = message, offset, hint
        super().__init__(f"{message}; {hint}" if hint else message)

    def moved(self, distance: int) -> TextSyntaxError:
        """The same error in a longer text, in which this one begins at `distance`."""
        return TextSyntaxError(self.message, self.offset + distance, self.hint)


class Token(NamedTuple):
    """A word of a formula: kind is "number", "name", "operator", "other" or "end"."""

    kind: str
    text: str
    offset: int


_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<operator>\*\*|//|==|!=|<=|>=|&&|\|\||:=|[-+*/%<>(),.])"
    r"|(?P<other>\S)"
)

_INSTEAD = {
    "^": "write ** for a power",
    "=": "write == to compare",
    ":=": "write == to compare",
    "&&": "write 'and'",
    "&": "write 'and'",
    "||": "write 'or'",
    "|": "write 'or'",
    "!": "write 'not'",
    "~": "write 'not'",
    "?": "write 'a if condition else b'",
    "×": "write * to multiply",
    "·": "write * to multiply",
    "÷": "write / to divide",
    "−": "write - (the hyphen) for minus",
    "–": "write - (the hyphen) for minus",
    "²": "write **2",
    "³": "write **3",
    "π": "write pi",
    "°": "write radians(x) to turn degrees into radians",
    "$": "write the name alone, without ${}",
    "{": "write the name alone, without ${}",
    "[": "a formula gives one number",
    "'": "a formula holds numbers and names, no text",
    '"': "a formula holds numbers and names, no text",
    ";": "a formula gives one number",
    "#": "a formula holds no comments",
}


def tokens_of(text: str, longest: int = MAX_LENGTH) -> list[Token]:
    """Split a text of at most `longest` characters into tokens, ending with one of kind "end"."""
    if len(text) > longest:
        raise TextSyntaxError(f"a formula has at most {longest} characters", 0, "move parts of it to a node")
    tokens = [Token(str(match.lastgroup), match.group(), match.start()) for match in _TOKEN.finditer(text)]
    return [*tokens, Token("end", "", len(text.rstrip()))]


def misplaced(tokens: Sequence[Token], index: int) -> TextSyntaxError:
    """What is wrong with a token that cannot stand where it stands."""
    token = tokens[index]
    if token.kind == "end":
        return TextSyntaxError("the formula ends too early", token.offset, "a number or a name must follow")
    return TextSyntaxError(f"unexpected '{token.text}'", token.offset, _slip(tokens, index))


def _slip(tokens: Sequence[Token], index: int) -> str | None:
    before, token = tokens[index - 1] if index else None, tokens[index]
    if token.text in _INSTEAD:
        return _INSTEAD[token.text]
    if token.text == ")":
        return "there is no '(' for it" if _unbalanced(tokens, index) else "a number or a name is missing before it"
    if token.text == "," and before is not None and before.text.isdecimal() and tokens[index + 1].text.isdecimal():
        return f"write decimals with a point: {before.text}.{tokens[index + 1].text}"
    if before is None or before.text in OPERATORS or before.text in ("(", ",", *KEYWORDS):
        return "a number or a name is missing before it"
    if token.kind == "name" and token.text.lower() in FOREIGN:
        return FOREIGN[token.text.lower()] or "formulas join with if, else, and, or, not"
    if token.kind in ("number", "name") and before.kind in ("number", "name"):
        return f"write {before.text}*{token.text} to multiply"
    return "write * between them to multiply" if token.kind in ("number", "name") or token.text == "(" else None


def _unbalanced(tokens: Sequence[Token], index: int) -> bool:
    words = [token.text for token in tokens[: index + 1]]
    return words.count(")") > words.count("(")
