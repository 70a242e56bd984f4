"""Formulas and references: one small, safe language, read once and compiled once.

A formula gives one number: `2*sin(t)`, `0.5 + bass.level`, `1 if frame < 12 else previous(bass.level, 0)`. It knows
the functions in `FUNCTIONS`, the clock names in `CLOCK_NAMES`, the extra names of its argument, a graph's variables,
and the constants in `CONSTANTS`; a name is looked up in that order. Anything else, and every name with a port, refers
to another node, and is checked with the graph. Comparisons and `not` give 1 or 0; `and` and `or` give one of their
sides, as in Python. All arithmetic is on real numbers.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, MappingProxyType
from typing import Any

from pytti_graph.core.formula_grammar import Parser, Reference, constant
from pytti_graph.core.formula_names import (
    CLOCK_NAMES,
    CONSTANTS,
    FUNCTIONS,
    FormulaFunction,
    FormulaValueError,
    reserved,
)
from pytti_graph.core.formula_tokens import MAX_LENGTH, TextSyntaxError

__all__ = [
    "CLOCK_NAMES",
    "CONSTANTS",
    "FUNCTIONS",
    "Formula",
    "FormulaFunction",
    "FormulaValueError",
    "Reference",
    "TextSyntaxError",
    "parse_formula",
    "parse_reference",
    "reserved",
]

_NO_VARIABLES: Mapping[str, float | str] = MappingProxyType({})


@dataclass(frozen=True)
class Formula:
    """A formula that has been read.

    Attributes:
        source: Its text.
        references: The values of other nodes it uses, each once, in order of appearance.
        clock_names: The clock names it uses, in the order of `CLOCK_NAMES`.
        extra_names: The extra names it uses, in the order the caller gave them.
        value: Its value if nothing in it varies, else None.
        infinite: It mentions `inf`, so that its value may be infinite.
        tree: The rebuilt expression.
    """

    source: str
    references: tuple[Reference, ...]
    clock_names: tuple[str, ...]
    extra_names: tuple[str, ...]
    value: float | None
    infinite: bool = field(repr=False)
    tree: ast.expr = field(compare=False, repr=False)

    @property
    def constant(self) -> bool:
        """True if it always has the same value."""
        return self.value is not None

    def compile(self) -> Callable[..., float]:
        """A function of the clock names, then the extra names, then the references, by position.

        It gives a finite float (or an infinite one if the formula says `inf`), or raises `FormulaValueError`.
        """
        names = [*self.clock_names, *self.extra_names, *map(str, self.references)]
        parameters = [f"v_{name}" for name in (*self.clock_names, *self.extra_names)]
        parameters += [f"r{index}" for index in range(len(self.references))]
        namespace: dict[str, Any] = {f"f_{name}": entry.function for name, entry in FUNCTIONS.items()}
        namespace |= {
            "__builtins__": {},
            "FAILURES": (ArithmeticError, ValueError, TypeError),
            "explain": _Explanation(self.source, names),
            "float": float,
            "usable": _is_number if self.infinite else math.isfinite,
        }
        exec(_code(self.tree, parameters), namespace)  # noqa: S102 (a tree of whitelisted nodes, without builtins)
        function: Callable[..., float] = namespace["formula"]
        return function


class _Explanation:
    """Makes the error of a formula that has no value."""

    def __init__(self, source: str, names: Sequence[str]) -> None:
        self.source, self.names = source.strip(), names

    def __call__(self, error: Exception | None, value: float, *arguments: float) -> FormulaValueError:
        values = ", ".join(f"{name} = {argument:g}" for name, argument in zip(self.names, arguments, strict=True))
        where = f"'{self.source}'" + (f" ({values})" if values else "")
        return FormulaValueError(_reason(error, value), where)


def _reason(error: Exception | None, value: float) -> str:
    if isinstance(error, FormulaValueError):
        return error.reason
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, OverflowError) or (error is None and math.isinf(value)):
        return "the result is too large"
    return "no number comes out"


def _is_number(value: float) -> bool:
    return not math.isnan(value)


_TEMPLATE = """
def formula({parameters}):
    try:
        value = float(EXPRESSION)
    except FAILURES as error:
        raise explain(error, 0.0{arguments}) from None
    if usable(value):
        return value
    raise explain(None, value{arguments})
"""


def _code(tree: ast.expr, parameters: Sequence[str]) -> CodeType:
    """The code of a function whose body is `tree`, put in the place of a name of our own template."""
    module = ast.parse(
        _TEMPLATE.format(
            parameters=", ".join([*parameters, "/"] if parameters else []),
            arguments="".join(f", {parameter}" for parameter in parameters),
        )
    )
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and node.args and getattr(node.args[0], "id", "") == "EXPRESSION":
            node.args[0] = tree
            break
    return compile(module, "<formula>", "exec")


def parse_formula(
    text: str,
    variables: Mapping[str, float | str] = _NO_VARIABLES,
    extra_names: Sequence[str] = (),
    longest: int = MAX_LENGTH,
) -> Formula:
    """Read a formula.

    Args:
        text: The formula.
        variables: A graph's variables: numbers are put in; a text in a formula is an error.
        extra_names: Names the caller provides at each call; they hide variables and nodes of the same name.
        longest: How many characters it may have.

    Raises:
        TextSyntaxError: The text is not a formula, or it is constant and has no value.
    """
    parser = Parser(text, variables, extra_names, longest)
    tree = parser.formula()
    formula = Formula(
        source=text,
        references=tuple(parser.references),
        clock_names=tuple(name for name in CLOCK_NAMES if name in parser.clock),
        extra_names=tuple(name for name in extra_names if name in parser.extra),
        value=None,
        infinite=parser.infinite,
        tree=tree,
    )
    varies = formula.references or formula.clock_names or formula.extra_names
    return formula if varies else _folded(formula)


def _folded(formula: Formula) -> Formula:
    """The same formula with its constant value."""
    try:
        value = formula.compile()()
    except FormulaValueError as error:
        start = len(formula.source) - len(formula.source.lstrip())
        raise TextSyntaxError(error.reason, start, "the formula has no value") from None
    return Formula(formula.source, (), (), (), value, formula.infinite, constant(value))


def parse_reference(text: str) -> Reference:
    """Read a reference: `canvas`, `eye.size`, `previous(canvas)` or `previous(bass.level, 0)`.

    Raises:
        TextSyntaxError: The text is not one reference.
    """
    return Parser(text, _NO_VARIABLES, ()).reference()
