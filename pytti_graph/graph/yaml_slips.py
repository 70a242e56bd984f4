"""Says in plain words what is wrong with a YAML text that cannot be read."""

from __future__ import annotations

import re
from typing import Any

from yaml import YAMLError

from pytti_graph.core.errors import Position, Problem
from pytti_graph.graph.values import Source

_QUOTE = 'write the text or formula in quotes: "..."'


def syntax_problem(error: YAMLError, source: Source) -> Problem:
    """The problem that a YAML parser's error stands for."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index = _index(mark, source) if mark is not None else 0
    context = getattr(error, "context", None) or ""
    opened = _index(getattr(error, "context_mark", None) or mark, source) if mark is not None else 0
    problem = getattr(error, "problem", None) or str(error)
    message, hint, place = _plain_words(problem, context, source.text, index, opened)
    return Problem(message, source.position(place), hint=hint)


def _index(mark: Any, source: Source) -> int:
    return max(0, min(int(mark.index), len(source.text)))


def _plain_words(problem: str, context: str, text: str, index: int, opened: int) -> tuple[str, str | None, int]:
    """Message, hint and place."""
    character = text[index : index + 1]
    if "nesting depth" in problem:  # libyaml's own limit, met before the reader's where it looks far ahead
        return "lists and mappings are nested too deeply", None, index
    if "cannot start any token" in problem:
        return _bad_start(character, text, index)
    if "quoted scalar" in context:
        return _bad_quotes(problem, text, index, opened)
    if "flow mapping" in context or "flow sequence" in context:
        return _bad_brackets(text, index, opened)
    if "mapping values are not allowed" in problem:
        return _bad_colon(text, index)
    if "block scalar" in context:
        return f"a text cannot begin with '{text[opened : opened + 1]}'", _QUOTE, opened
    if "block mapping" in context or "block collection" in context:
        return _bad_line(text, index)
    if "expected ':'" in problem:
        return "a ':' is missing after this name", "write name: value, with a space after the colon", opened
    if "node content" in problem and character in ("}", "]", ","):
        return f"unexpected '{character}'", "there is no bracket for it; " + _QUOTE, index
    if "flow node" in context and not text[index:].strip():
        return "a '[' or '{' is not closed", "write ']' or '}' at its end", index
    if "anchor" in context or "alias" in context or "tag" in context:
        return f"a text cannot begin with '{text[opened : opened + 1]}'", _QUOTE, opened
    return f"this is not YAML ({problem.strip()})", None, index


def _bad_start(character: str, text: str, index: int) -> tuple[str, str | None, int]:
    if character == "\t":
        return "a tab stands where only spaces may", "indent with spaces", index
    if character in ("@", "`", "%"):
        return f"a text cannot begin with '{character}'", _QUOTE, index
    return f"unexpected '{character}'", _QUOTE, index


def _bad_quotes(problem: str, text: str, index: int, opened: int) -> tuple[str, str | None, int]:
    quote = text[opened : opened + 1]
    if "escape" in problem:
        hint = "write \\\\ for a backslash, or use single quotes"
        return f"unknown escape '\\{text[index + 1 : index + 2]}' in a quoted text", hint, index
    if "hexadecimal" in problem:
        return "an escape in a quoted text is not finished", "write \\\\ for a backslash, or use single quotes", index
    return f"the quote {quote} is not closed", f"write {quote} at the end of the text", opened


def _bad_brackets(text: str, index: int, opened: int) -> tuple[str, str | None, int]:
    bracket = text[opened : opened + 1]
    closing = "}" if bracket == "{" else "]"
    before = text[:index].rstrip()
    if (
        before.endswith(('"', "'"))
        and text[opened:index].count("\n") == 0
        and text[index : index + 1] not in ("", "\n")
    ):
        return "something follows a quoted text", "put all of it in one pair of quotes, or write a comma", index
    if text[index : index + 1] in "}]" and text[index : index + 1]:
        return f"'{bracket}' is closed by '{text[index]}'", f"write '{closing}', or quote the text", index
    hint = (
        f"write '{closing}' at its end, and a comma between its parts; quote texts and formulas with brackets in them"
    )
    return f"'{bracket}' is not closed", hint, opened


def _bad_colon(text: str, index: int) -> tuple[str, str | None, int]:
    start = max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1
    before = text[start:index]
    if ":" in before:
        return "a second ': ' in one line", 'if it belongs to the text, write the text in quotes: "..."', index
    first = start + len(before) - len(before.lstrip())
    previous = text[:start].rstrip().rpartition("\n")[2]
    if re.match(r"\s*[A-Za-z_]\w*:[^\s]", previous):
        return "this line does not fit the one above", "write a space after the colon above it", first
    return "this line is indented more than it may be", "indent it like the line above, or quote the text above", first


def _bad_line(text: str, index: int) -> tuple[str, str | None, int]:
    start = text.rfind("\n", 0, index) + 1
    before = text[start:index]
    if before.strip():
        return "something follows a value that is complete", "put all of it in one pair of quotes", index
    if text[index : index + 1] in ("}", "]", ","):
        return f"unexpected '{text[index]}'", "there is no bracket for it", index
    return "this line is not indented like the ones it belongs to", "indent it with as many spaces as they have", index


def undecodable(data: bytes, error: UnicodeDecodeError, file: str) -> Problem:
    """The problem of a file that is not UTF-8 text."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Problem("the file is UTF-16", Position(file, 1, 1), hint="save it as UTF-8")
    before = data[: error.start].decode("utf-8", "replace")
    place = Source(file, before).position(len(before))
    return Problem("the file is not UTF-8 text", place, hint="save it as UTF-8")
