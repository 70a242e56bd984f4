"""The defaults of a node's parameters, which have to be values that a graph file could give."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

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
from pytti_graph.core.formulas import TextSyntaxError, parse_formula


def default_value(kind: ArgumentType, default: Any) -> Any:
    """A default as JSON data: tuples become lists, paths texts; raises TypeError for what does not fit the type."""
    match kind, default:
        case ReferenceType(many=True), list() | tuple() if not default:
            return []
        case ReferenceType(), _:
            hint = "write '| None = None'"
            raise TypeError(f"the default {default!r} cannot be, since no node is in every graph; {hint}")
        case NumberType(), _:
            return _number(kind, default)
        case (TextType(), str()) | (BooleanType(), bool()):
            return default
        case ChoiceType(choices), _:
            if any(default == choice and type(default) is type(choice) for choice in choices):
                return default
            raise TypeError(f"the default {default!r} is none of {', '.join(map(repr, choices))}")
        case PathType(), str() | Path():
            return str(default)
        case ListType(item), list() | tuple():
            return [default_value(item, entry) for entry in default]
        case MappingType(value), dict() if all(isinstance(key, str) for key in default):
            return {key: default_value(value, entry) for key, entry in default.items()}
        case _:
            raise TypeError(f"the default {default!r} does not fit; its type is {kind}")


def _number(kind: NumberType, default: Any) -> int | float | str:
    if isinstance(default, bool) or not isinstance(default, int | float | str):
        raise TypeError(f"the default {default!r} is no number")
    value = _formula(default) if isinstance(default, str) else default
    if value is None:
        return default
    if math.isnan(value) or (kind.integer and value % 1 != 0):
        raise TypeError(f"the default {default!r} is no {kind}")
    if (wrong := kind.bounds.violated(value)) is not None:
        raise TypeError(f"the default {default!r} {wrong}")
    return default


def _formula(text: str) -> float | None:
    """The value of a formula that is a default, or None if it changes."""
    try:
        formula = parse_formula(text)
    except TextSyntaxError as error:
        raise TypeError(f"the default {text!r} is no formula: {error.message}") from None
    if formula.references:
        raise TypeError(f"the default {text!r} is no number, and no formula of the clock alone")
    return formula.value
