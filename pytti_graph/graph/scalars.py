"""YAML 1.2 core scalars: what plain words mean, and how values are written so that they read back equal."""

from __future__ import annotations

import math
import re

from pytti_graph.graph.values import Value

_CONSTANTS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
MAX_DIGITS = 100
"""Of a number; more than any quantity has."""

_BEYOND = r"\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
NOT_YAML = re.compile(rf"[^\t\n\r\x20-\x7e\x85\u2028\u2029{_BEYOND}]")
"""A character that a YAML file cannot hold, or that no one would see in it."""
_ESCAPED = re.compile(rf"[^\x20-\x21\x23-\x5b\x5d-\x7e{_BEYOND}]")


def resolve(text: str) -> bool | int | float | str | None:
    """What a plain scalar means: `off` and `12:30` are texts, `1e3` and `0x1F` numbers.

    Raises:
        ValueError: It is a number that is too large.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > MAX_DIGITS and (_FLOAT.fullmatch(text) or _BASED.fullmatch(text)):
        raise ValueError("the number has too many digits")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return text


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("the number is too large")
    return number


def flow(value: Value) -> str:
    """A value in one line of YAML that reads back equal."""
    if isinstance(value.data, tuple):
        return "[" + ", ".join(map(flow, value.data)) + "]"
    if isinstance(value.data, dict):
        return "{" + ", ".join(f"{quoted(key)}: {flow(entry.value)}" for key, entry in value.data.items()) + "}"
    return scalar(value.data)


def scalar(data: bool | int | float | str | None) -> str:
    """A scalar in YAML that reads back equal."""
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, str):
        return quoted(data)
    if isinstance(data, float) and not math.isfinite(data):
        return ".nan" if math.isnan(data) else ".inf" if data > 0 else "-.inf"
    return repr(data)


def quoted(text: str) -> str:
    """A text in YAML: as it is where nothing can be mistaken, in double quotes otherwise."""
    if _WORD.fullmatch(text) and resolve(text) == text:
        return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}.get(character)
    if short is not None:
        return short
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
