"""Clause: bad arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytti_graph.core.arguments import ChoiceType, MappingType, NumberType, TextType
from pytti_graph.core.errors import GraphError, PyttiGraphError
from pytti_graph.core.marks import Bounds
from pytti_graph.core.nodes import Parameter
from pytti_graph.testing.arguments import SUBJECT, Nodes
from pytti_graph.testing.clauses.clause import first_line, place_of
from pytti_graph.testing.subjects import Subject

_STRANGER = "no_such_argument"
_ODD_TEXTS = ("", " ", "(", ":", "a:(", "a:b:c:d", "||", '"', "a:1/0", "\\", "[x")


def refuses(subject: Subject, folder: Path) -> Iterator[str]:
    """Wrong arguments are refused by `check()` with a `GraphError` that names them; the defaults are accepted.

    Wrong are numbers out of bounds, NaN, unknown choices, unknown arguments and missing ones. No text with formulas
    makes `check()` raise anything else.
    """
    nodes = subject.layout()
    try:
        subject.graph(nodes).checked  # noqa: B018 (reading it is what checks)
    except PyttiGraphError as error:
        yield f"its own defaults (or the examples) are refused: {error.problem.message}; change them or the bounds"
        return
    yield from _attempt(subject, nodes, _STRANGER, {_STRANGER: 1}, "an unknown argument")
    for parameter in subject.spec.parameters:
        for value, what in _bad_values(parameter):
            yield from _attempt(subject, nodes, parameter.name, {parameter.name: value}, what)
        if parameter.required:
            yield from _attempt(subject, nodes, parameter.name, None, "a graph without it")
        if isinstance(parameter.type, TextType) and parameter.type.parser:
            yield from _odd_texts(subject, nodes, parameter)


def _bad_values(parameter: Parameter) -> Iterator[tuple[Any, str]]:
    match parameter.type:
        case NumberType(_, bounds):
            yield float("nan"), "a number that is not one (NaN)"
            yield "no number", "a text in place of a number"
            yield from ((value, f"{value:g}, which is out of its bounds,") for value in _outside(bounds))
        case ChoiceType():
            yield "no_such_choice", "an unknown choice"
        case MappingType():
            yield "no mapping", "a text in place of a mapping"
        case _:
            yield {"no": "such value"}, "a mapping"


def _outside(bounds: Bounds) -> Iterator[float]:
    if bounds.ge is not None:
        yield bounds.ge - 1
    if bounds.gt is not None:
        yield bounds.gt
    if bounds.le is not None:
        yield bounds.le + 1
    if bounds.lt is not None:
        yield bounds.lt


def _attempt(subject: Subject, nodes: Nodes, name: str, change: dict[str, Any] | None, what: str) -> Iterator[str]:
    changed = {**nodes[SUBJECT], **(change or {})}
    if change is None:
        changed.pop(name, None)
    try:
        subject.graph({**nodes, SUBJECT: changed}).check()
    except GraphError as error:
        if any(problem.node == SUBJECT and problem.argument == name for problem in error.problems):
            return
    except Exception as error:
        yield _other_error(name, what, error)
        return
    yield f"{what} for '{name}' is not refused with a GraphError that names it"


def _odd_texts(subject: Subject, nodes: Nodes, parameter: Parameter) -> Iterator[str]:
    for text in _ODD_TEXTS:
        try:
            subject.graph({**nodes, SUBJECT: {**nodes[SUBJECT], parameter.name: text}}).check()
        except GraphError:
            continue
        except Exception as error:
            yield _other_error(parameter.name, f"the text {text!r}", error)
            return


def _other_error(name: str, what: str, error: Exception) -> str:
    return (
        f"{what} for '{name}' raises {first_line(error)} ({place_of(error)}); a parser raises TextSyntaxError for what "
        "it cannot read"
    )
