"""The kinds of argument a node can take.

They are plain data, so that a manifest can hold them and a graph can be checked without importing the node.
"""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pytti_graph.core.marks import Bounds, Injected, PathMark, TextParser, Wire


@dataclass(frozen=True, slots=True)
class ReferenceType:
    """A reference to another node's value, or with `many` to several; gradients flow back if `differentiable`."""

    wire: str
    many: bool = False
    differentiable: bool = True

    def __str__(self) -> str:
        return f"list of {self.wire}" if self.many else self.wire


@dataclass(frozen=True, slots=True)
class NumberType:
    """A number or a formula."""

    integer: bool = False
    bounds: Bounds = field(default_factory=Bounds)

    def __str__(self) -> str:
        return "whole number" if self.integer else "number"


@dataclass(frozen=True, slots=True)
class TextType:
    """Text; with a `parser`, text with formulas inside, and with `keys` also lists and mappings that stand for it."""

    parser: str | None = None
    keys: str | None = None

    def __str__(self) -> str:
        return "text"


@dataclass(frozen=True, slots=True)
class BooleanType:
    """True or false."""

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class ChoiceType:
    """One of a few words or numbers."""

    choices: tuple[str | int | float | bool, ...]

    def __str__(self) -> str:
        return " | ".join(str(choice) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class PathType:
    """A file to read or to write; with `web`, or the address of a picture to read."""

    direction: Literal["input", "output"]
    web: bool = False

    def __str__(self) -> str:
        return "path or address" if self.web else "path"


@dataclass(frozen=True, slots=True)
class ListType:
    """A list."""

    item: ArgumentType

    def __str__(self) -> str:
        return f"list of {self.item}"


@dataclass(frozen=True, slots=True)
class MappingType:
    """A mapping with text keys."""

    value: ArgumentType

    def __str__(self) -> str:
        return f"mapping to {self.value}"


ArgumentType = ReferenceType | NumberType | TextType | BooleanType | ChoiceType | PathType | ListType | MappingType

_KINDS: dict[str, type[Any]] = {
    "reference": ReferenceType,
    "number": NumberType,
    "text": TextType,
    "boolean": BooleanType,
    "choice": ChoiceType,
    "path": PathType,
    "list": ListType,
    "mapping": MappingType,
}


def to_json(kind: ArgumentType) -> dict[str, Any]:
    """An argument type as JSON data."""
    name = next(name for name, cls in _KINDS.items() if isinstance(kind, cls))
    match kind:
        case ListType(item):
            return {"kind": name, "item": to_json(item)}
        case MappingType(value):
            return {"kind": name, "value": to_json(value)}
        case _:
            return {"kind": name, **asdict(kind)}


def from_json(data: dict[str, Any]) -> ArgumentType:
    """The inverse of `to_json`."""
    fields = {key: value for key, value in data.items() if key != "kind"}
    match data["kind"]:
        case "list":
            return ListType(from_json(fields["item"]))
        case "mapping":
            return MappingType(from_json(fields["value"]))
        case "number":
            return NumberType(fields["integer"], Bounds(**fields["bounds"]))
        case "choice":
            return ChoiceType(tuple(fields["choices"]))
        case kind:
            made: ArgumentType = _KINDS[kind](**fields)
            return made


def wire_of(annotation: Any) -> Wire | None:
    """The wire type that an annotation stands for, or None."""
    if get_origin(annotation) is Annotated:
        return next((mark for mark in annotation.__metadata__ if isinstance(mark, Wire)), None)
    wire = getattr(annotation, "__wire__", None)
    return wire if isinstance(wire, Wire) else None


def injected_of(annotation: Any) -> Injected | None:
    """What the engine is to provide for an annotation, or None."""
    if get_origin(annotation) is Annotated:
        return next((mark for mark in annotation.__metadata__ if isinstance(mark, Injected)), None)
    mark = getattr(annotation, "__injected__", None)
    return mark if isinstance(mark, Injected) else None


def without_none(annotation: Any) -> tuple[Any, bool]:
    """`X | None` as (X, True), anything else as (X, False)."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    rest = [part for part in get_args(annotation) if part is not type(None)]
    if len(rest) == 1:
        return rest[0], True
    raise TypeError(f"a union of several types ({annotation}) cannot be an argument")


def argument_type(annotation: Any) -> ArgumentType:
    """The argument type that an annotation stands for; raises TypeError if there is none."""
    if (wire := wire_of(annotation)) is not None:
        return ReferenceType(wire.name, False, wire.differentiable)
    if get_origin(annotation) is Annotated:
        return _annotated(annotation)
    if get_origin(annotation) is Literal:
        return ChoiceType(get_args(annotation))
    if get_origin(annotation) in (list, tuple, typing.get_origin(typing.Sequence[int])):
        item = get_args(annotation)[0]
        if (wire := wire_of(item)) is not None:
            return ReferenceType(wire.name, True, wire.differentiable)
        return ListType(argument_type(item))
    if get_origin(annotation) is dict:
        return MappingType(argument_type(get_args(annotation)[1]))
    plain: dict[Any, ArgumentType] = {
        bool: BooleanType(),
        int: NumberType(integer=True),
        float: NumberType(),
        str: TextType(),
        Path: PathType("input"),
    }
    if annotation in plain:
        return plain[annotation]
    raise TypeError(f"{annotation!r} is not a type that an argument can have")


def _annotated(annotation: Any) -> ArgumentType:
    base = argument_type(annotation.__origin__) if annotation.__origin__ is not Any else TextType()
    for mark in annotation.__metadata__:
        match mark:
            case Bounds() if isinstance(base, NumberType):
                base = NumberType(base.integer, mark)
            case TextParser(target, keys):
                base = TextType(target, keys)
            case PathMark(direction, web):
                base = PathType(direction, web)
            case _:
                pass
    return base
