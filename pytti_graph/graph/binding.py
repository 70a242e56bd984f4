"""Reads the argument values of a node as the types its schema declares."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pytti_graph.core.addresses import is_address
from pytti_graph.core.arguments import (
    ArgumentType,
    BooleanType,
    ChoiceType,
    ListType,
    MappingType,
    NumberType,
    PathType,
    ReferenceType,
    TextType,
)
from pytti_graph.core.errors import Position, did_you_mean
from pytti_graph.core.formulas import (
    Formula,
    Reference,
    TextSyntaxError,
    parse_formula,
    parse_reference,
)
from pytti_graph.core.marks import Bounds
from pytti_graph.core.scenes import TextFile, TextFormula
from pytti_graph.graph.composed import At, Composed
from pytti_graph.graph.document import Value, interpolate
from pytti_graph.graph.keyed_numbers import keyed_formula
from pytti_graph.graph.problems import BindingError

__all__ = [
    "BindingError",
    "Bound",
    "Computed",
    "Constant",
    "FileName",
    "Link",
    "Parsed",
    "bind",
    "checked",
    "formula_text",
    "number",
    "text",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known before anything runs."""

    value: Any


@dataclass(frozen=True, slots=True)
class Link:
    """The value of another node, or a list of them."""

    references: tuple[Reference, ...]
    many: bool
    places: tuple[Position | None, ...] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Computed:
    """A formula whose value changes; `hints` say what to write where a name that it uses is not known."""

    formula: Formula
    integer: bool
    bounds: Bounds
    at: Callable[[int], Position | None] = field(compare=False)
    hints: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def position(self) -> Position | None:
        """Where the formula begins."""
        return self.at(0)


@dataclass(frozen=True, slots=True)
class FileName:
    """A path, resolved when rendering; with `web`, it may be the address of a picture."""

    text: str
    direction: str
    web: bool = False

    @property
    def address(self) -> str | None:
        """The address, if it is one and not the path of a file."""
        return self.text if self.web and is_address(self.text) else None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text with formulas inside.

    Attributes:
        parsed: What its parser made of it.
        formulas: Its formulas.
        files: The files that it names, with their places.
        at: The place of a character of it.
    """

    parsed: Any
    formulas: tuple[Computed, ...]
    files: tuple[tuple[FileName, Position | None], ...]
    at: Callable[[int], Position | None] = field(compare=False)


_LONGEST = 1_000_000
"""Characters of the formula that numbers by frame make together."""
_EXACT = 2**53
"""Formulas count whole numbers up to here one by one."""

Bound = Constant | Link | Computed | FileName | Parsed


def bind(kind: ArgumentType, value: Value, variables: Mapping[str, float | str]) -> Bound:
    """Read `value` as `kind`; raises `BindingError` if it does not fit."""
    match kind:
        case ReferenceType():
            return _reference(kind, value)
        case NumberType():
            return number(kind, value, variables)
        case TextType(parser=str(parser), keys=keys):
            return _parsed(parser, keys, value, variables)
        case PathType(direction, web):
            return FileName(text(value, variables), direction, web)
        case _:
            return Constant(_literal(kind, value, variables))


def number(kind: NumberType, value: Value, variables: Mapping[str, float | str]) -> Constant | Computed:
    """A number, a formula in a text, or a mapping of frames to these."""
    data = value.data
    if isinstance(data, dict):
        return _keyed(kind, value, variables)
    if isinstance(data, bool) or not isinstance(data, int | float | str):
        raise BindingError(f"expected a {kind} or a formula, not {_describe(data)}", value.position)
    if isinstance(data, int | float):
        return Constant(checked(kind.integer, kind.bounds, data, value.position))
    try:
        formula = parse_formula(data, variables)
        if formula.value is not None:
            return Constant(checked(kind.integer, kind.bounds, formula.value, value.position))
    except TextSyntaxError as error:
        raise BindingError(error.message, value.at(error.offset), error.hint) from None
    return Computed(formula, kind.integer, kind.bounds, value.at)


def _keyed(kind: NumberType, value: Value, variables: Mapping[str, float | str]) -> Constant | Computed:
    """Numbers by frame, as the formula that goes through them."""
    composed = keyed_formula(value, lambda item: formula_text(kind, item, variables))
    formula = parse_formula(composed.text, variables, longest=_LONGEST)
    return Computed(formula, kind.integer, kind.bounds, composed.at)


def formula_text(kind: NumberType, value: Value, variables: Mapping[str, float | str]) -> tuple[str, At]:
    """A number or a formula that stands in a longer one: its text, and the places of its characters."""
    bound = number(kind, value, variables)
    if isinstance(bound, Computed):
        return bound.formula.source, bound.at
    return repr(bound.value).removesuffix(".0"), lambda offset: value.position


def checked(integer: bool, bounds: Bounds, value: float, position: Position | None = None) -> float:
    """`value` as the int or the float that is wanted; raises `BindingError` if it is none, or out of bounds."""
    if math.isnan(value):
        raise BindingError("must be a number, not nan", position)
    if (wrong := bounds.violated(value)) is not None:
        raise BindingError(f"{wrong}{' ' + bounds.unit if bounds.unit else ''}, not {value:.10g}", position)
    if integer and (math.isinf(value) or value != int(value)):
        raise BindingError(f"must be a whole number, not {value:.10g}", position)
    value = int(value) if integer else float(value)
    if integer and abs(value) > _EXACT:
        raise BindingError(f"must be from -2**53 to 2**53, not {value:.10g}", position)
    return value


def _reference(kind: ReferenceType, value: Value) -> Bound:
    items = value.data if kind.many and isinstance(value.data, tuple) else (value,)
    if kind.many and not items:
        raise BindingError("expected at least one node", value.position)
    references = [(_one_reference(kind, item), item) for item in items]
    places = tuple(item.at(reference.offset) for reference, item in references)
    return Link(tuple(reference for reference, _ in references), kind.many, places)


def _one_reference(kind: ReferenceType, value: Value) -> Reference:
    if isinstance(value.data, dict):
        hint = "give that node an id of its own under 'nodes:', and write the id here"
        raise BindingError(f"expected the id of a node that gives {kind.wire}, not a node", value.position, hint)
    if not isinstance(value.data, str):
        message = f"expected the id of a node that gives {kind.wire}, not {_describe(value.data)}"
        raise BindingError(message, value.position)
    try:
        return parse_reference(value.data)
    except TextSyntaxError as error:
        raise BindingError(error.message, value.at(error.offset), error.hint) from None


def _parsed(parser: str, keys: str | None, value: Value, variables: Mapping[str, float | str]) -> Parsed:
    at: At
    if keys is not None and isinstance(value.data, tuple):
        composed: Composed = _imported(keys)(value, variables)
        written, at = composed.text, composed.at
    else:
        written, at = _inserted(value, variables)
    try:
        parsed = _imported(parser)(written, variables)
    except TextSyntaxError as error:
        raise BindingError(error.message, at(error.offset), error.hint) from None
    formulas = tuple(_computed(part, at) for part in parsed.formulas)
    named: Sequence[TextFile] = getattr(parsed, "files", ())
    files = tuple((FileName(part.path, "input", part.web), at(part.offset)) for part in named)
    return Parsed(parsed, formulas, files, at)


def _computed(part: TextFormula, at: At) -> Computed:
    return Computed(part.formula, False, Bounds(infinite=part.infinite), _from(at, part.offset), part.hints)


def _from(at: Callable[[int], Position | None], start: int) -> Callable[[int], Position | None]:
    return lambda offset: at(start + offset)


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    made: Callable[..., Any] = getattr(import_module(module), name)
    return made


def text(value: Value, variables: Mapping[str, float | str]) -> str:
    """A text with variables put in; raises `BindingError` if the value is none."""
    return _inserted(value, variables)[0]


def _inserted(value: Value, variables: Mapping[str, float | str]) -> tuple[str, At]:
    if not isinstance(value.data, str):
        raise BindingError(f"expected text, not {_describe(value.data)}", value.position, _quote_hint(value.data))
    try:
        made, origin = interpolate(value.data, variables)
    except TextSyntaxError as error:
        raise BindingError(error.message, value.at(error.offset), error.hint) from None
    return made, lambda offset: value.at(origin(offset))


def _literal(kind: ArgumentType, value: Value, variables: Mapping[str, float | str]) -> Any:
    match kind, value.data:
        case TextType(), _:
            return text(value, variables)
        case BooleanType(), bool():
            return value.data
        case ChoiceType(choices), _:
            return _choice(choices, value, variables)
        case NumberType(), _:
            bound = number(kind, value, variables)
            if isinstance(bound, Computed):
                raise BindingError("expected a number that does not change", value.position)
            return bound.value
        case ListType(item), tuple(items):
            return [_literal(item, entry, variables) for entry in items]
        case MappingType(item), dict(entries):
            return {key: _literal(item, entry.value, variables) for key, entry in entries.items()}
        case _:
            raise BindingError(f"expected {kind}, not {_describe(value.data)}", value.position)


def _choice(choices: Sequence[Any], value: Value, variables: Mapping[str, float | str]) -> Any:
    data = text(value, variables) if isinstance(value.data, str) else value.data
    for choice in choices:
        if data == choice and type(data) is type(choice):
            return choice
    words = ", ".join(str(choice) for choice in choices)
    hint = did_you_mean(str(data), [str(choice) for choice in choices])
    raise BindingError(f"expected one of {words}, not {_describe(data)}", value.position, hint)


def _describe(data: Any) -> str:
    match data:
        case None:
            return "nothing"
        case bool():
            return str(data).lower()
        case int() | float():
            return f"the number {data:.10g}"
        case str():
            return f"'{data}'" if len(data) <= 60 else f"'{data[:57]}...'"
        case tuple() | list():
            return "a list"
        case _:
            return "a mapping"


def _quote_hint(data: Any) -> str | None:
    return f'write it in quotes: "{data!r}"' if isinstance(data, int | float) and not isinstance(data, bool) else None
