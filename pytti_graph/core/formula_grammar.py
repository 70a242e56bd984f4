"""How formulas and references are written: tokens, grammar, and what to say about slips.

The parser builds a fresh tree out of a handful of `ast` nodes; text is never handed to Python's own parser. Names
become `v_t`, ... (clock and extra names), `r0`, `r1`, ... (references) or `f_sin`, ... (functions), so that no text can
name anything else.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytti_graph.core.errors import did_you_mean
from pytti_graph.core.formula_names import CLOCK_HELP, CLOCK_NAMES, CONSTANTS, FOREIGN, FUNCTIONS, KEYWORDS, reserved
from pytti_graph.core.formula_tokens import MAX_LENGTH, TextSyntaxError, Token, misplaced, tokens_of

MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Reference:
    """A value of another node: `canvas`, `eye.size`, `previous(canvas)` or `previous(bass.level, 0)`.

    Attributes:
        node: Id of the node.
        port: Field of its value, or None for the value itself.
        previous: The value at the end of the previous frame.
        initial: That value on frame 0, or None if the node has one.
        offset: Where the reference begins in its text.
    """

    node: str
    port: str | None = None
    previous: bool = False
    initial: float | None = None
    offset: int = field(default=0, compare=False)

    def __str__(self) -> str:
        name = f"{self.node}.{self.port}" if self.port else self.node
        initial = "" if self.initial is None else f", {self.initial!r}"
        return f"previous({name}{initial})" if self.previous else name


_POWERS = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
_NOT, _COMPARE, _UNARY = 3, 4, 7
_ARITHMETIC: dict[str, Callable[[], ast.operator]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
}
_COMPARISONS: dict[str, Callable[[], ast.cmpop]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}


class Parser:
    """Reads one formula or one reference; every problem is a `TextSyntaxError`.

    Attributes:
        references: The distinct references met so far, in order.
        clock: The clock names met so far.
        extra: The extra names met so far.
        infinite: The formula mentions `inf`, so its value may be infinite.
    """

    def __init__(
        self,
        text: str,
        variables: Mapping[str, float | str],
        extra_names: Sequence[str],
        longest: int = MAX_LENGTH,
    ) -> None:
        self.text, self.variables, self.extra_names = text, variables, extra_names
        self.tokens = tokens_of(text, longest)
        self.index = self.depth = 0
        self.references: list[Reference] = []
        self.clock: set[str] = set()
        self.extra: set[str] = set()
        self.infinite = False

    def formula(self) -> ast.expr:
        """The whole text as one expression."""
        if self.token.kind == "end":
            raise TextSyntaxError("the formula is empty", self.token.offset, "write a number")
        value = self._conditional()
        self._finish()
        return value

    def reference(self) -> Reference:
        """The whole text as one reference."""
        if self.token.kind != "name":
            message = "a node is missing here" if self.token.kind == "end" else f"'{self.text.strip()}' is not a node"
            raise TextSyntaxError(message, self.token.offset, "write the name of a node, such as canvas or eye.size")
        reference = self._reference()
        if self.token.kind != "end":
            hint = "write the name of a node, such as canvas or eye.size, with nothing after it"
            raise TextSyntaxError(f"unexpected '{self.token.text}' after a reference", self.token.offset, hint)
        return reference

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.index]

    def _next(self) -> Token:
        token = self.token
        self.index += token.kind != "end"
        return token

    def _accept(self, text: str) -> bool:
        found = self.token.text == text
        self.index += found
        return found

    def _conditional(self) -> ast.expr:
        value = self._expression(0)
        if not self._accept("if"):
            return value
        condition = self._expression(0)
        if not self._accept("else"):
            raise TextSyntaxError("'else' is missing", self.token.offset, "write 'a if condition else b'")
        with _Deeper(self):
            otherwise = self._conditional()
        return _placed(ast.IfExp(condition, value, otherwise))

    def _expression(self, least: int) -> ast.expr:
        """Everything that binds at least as strongly as `least` (precedence climbing, Richards 1979)."""
        with _Deeper(self):
            left = self._operand(least)
            while True:
                operator = self.token.text
                if operator in _COMPARISONS and least <= _COMPARE:
                    left = self._comparison(left)
                elif _POWERS.get(operator, -1) >= max(least, 1):
                    left = self._binary(left, operator)
                else:
                    return left

    def _binary(self, left: ast.expr, operator: str) -> ast.expr:
        self._next()
        power = _POWERS[operator]
        right = self._expression(power if operator == "**" else power + 1)
        if operator == "**":
            return _call("pow", [left, right])
        if operator in ("and", "or"):
            return _placed(ast.BoolOp(ast.And() if operator == "and" else ast.Or(), [left, right]))
        return _placed(ast.BinOp(left, _ARITHMETIC[operator](), right))

    def _comparison(self, left: ast.expr) -> ast.expr:
        operators: list[ast.cmpop] = []
        values: list[ast.expr] = []
        while self.token.text in _COMPARISONS:
            operators.append(_COMPARISONS[self._next().text]())
            values.append(self._expression(_COMPARE + 1))
        return _placed(ast.Compare(left, operators, values))

    def _operand(self, least: int) -> ast.expr:
        token = self._next()
        if token.text == "-":
            return _placed(ast.UnaryOp(ast.USub(), self._expression(_UNARY)))
        if token.text == "+":
            return _placed(ast.UnaryOp(ast.UAdd(), self._expression(_UNARY)))
        if token.text == "not":
            return self._negation(token, least)
        if token.text == "(":
            value = self._conditional()
            self._close(token)
            return value
        if token.kind == "number":
            return self._number(token)
        if token.kind == "name" and token.text not in KEYWORDS:
            return self._name(token)
        raise misplaced(self.tokens, self.tokens.index(token))

    def _negation(self, token: Token, least: int) -> ast.expr:
        if least > _NOT:
            raise TextSyntaxError("'not' needs brackets here", token.offset, "write (not x)")
        return _placed(ast.UnaryOp(ast.Not(), self._expression(_NOT)))

    def _number(self, token: Token) -> ast.expr:
        following = self.token
        if following.offset == token.offset + len(token.text):
            written = token.text + following.text
            if following.kind == "name" and token.text == "0" and following.text[0] in "xXbBoO":
                raise TextSyntaxError(f"'{written}' is not a number", token.offset, "write it as a decimal number")
            if following.kind == "name" and following.text.startswith("_"):
                raise TextSyntaxError(f"'{written}' is not a number", token.offset, "write digits without '_'")
            if following.text == "." or (following.kind == "number" and following.text.startswith(".")):
                raise TextSyntaxError(f"'{written}' is not a number", token.offset, "a number has one decimal point")
        value = float(token.text)
        if value == float("inf"):
            raise TextSyntaxError(f"'{token.text}' is too large", token.offset)
        return constant(value)

    def _name(self, token: Token) -> ast.expr:
        name = token.text
        if name == "previous" or self.token.text == ".":
            return self._wire(token)
        if name in FUNCTIONS:
            return self._function(token)
        if self.token.text == "(" and self.token.kind == "operator":
            raise self._not_a_function(token)
        if name in CLOCK_NAMES:
            self.clock.add(name)
            return variable(f"v_{name}")
        if name in self.extra_names:
            self.extra.add(name)
            return variable(f"v_{name}")
        if name in self.variables:
            return self._variable(token)
        if name in CONSTANTS:
            self.infinite |= name == "inf"
            return constant(CONSTANTS[name])
        return self._wire(token)

    def _variable(self, token: Token) -> ast.expr:
        value = self.variables[token.text]
        if isinstance(value, str):
            raise TextSyntaxError(f"'{token.text}' is a text", token.offset, f"write ${{{token.text}}} to insert it")
        return constant(float(value))

    def _wire(self, token: Token) -> ast.expr:
        self.index -= 1
        reference = self._reference()
        if reference not in self.references:
            self.references.append(reference)
        return variable(f"r{self.references.index(reference)}")

    def _function(self, token: Token) -> ast.expr:
        signature = FUNCTIONS[token.text].signature
        bracket = self.token
        if not self._accept("("):
            argument = bracket.text if bracket.kind in ("number", "name") and bracket.text not in KEYWORDS else "x"
            hint = f"write {token.text}({argument})" if signature.count(",") == 0 else f"write {signature}"
            raise TextSyntaxError(f"'{token.text}' is a function and needs brackets", token.offset, hint)
        arguments = [] if self.token.text == ")" else [self._conditional()]
        while self._accept(","):
            arguments.append(self._conditional())
        self._close(bracket)
        self._check_arity(token, arguments)
        return _call(token.text, arguments)

    def _check_arity(self, token: Token, arguments: Sequence[ast.expr]) -> None:
        least, most = FUNCTIONS[token.text].arity
        if least <= len(arguments) <= most:
            return
        wanted = f"{least}" if least == most else f"at least {least}" if len(arguments) < least else f"at most {most}"
        noun = "argument" if wanted == "1" else "arguments"
        hint = f"write {FUNCTIONS[token.text].signature}"
        if len(arguments) > most and all(isinstance(argument, ast.Constant) for argument in arguments):
            hint += ", and decimals with a point"
        raise TextSyntaxError(f"'{token.text}' takes {wanted} {noun}, not {len(arguments)}", token.offset, hint)

    def _reference(self) -> Reference:
        token = self._next()
        if token.text == "previous":
            return self._previous(token)
        self._check_node(token)
        return Reference(token.text, self._port(), offset=token.offset)

    def _previous(self, token: Token) -> Reference:
        bracket = self.token
        hint = "write previous(canvas) or previous(bass.level, 0)"
        if not self._accept("(") or self.token.kind != "name" or self.token.text == "previous":
            raise TextSyntaxError("'previous' needs the name of a node in brackets", token.offset, hint)
        inner = self._reference()
        initial = self._initial() if self._accept(",") else None
        self._close(bracket)
        return Reference(inner.node, inner.port, True, initial, token.offset)

    def _initial(self) -> float:
        start = self.token.offset
        negative = self._accept("-")
        if not negative:
            self._accept("+")
        value = self._operand(_UNARY) if self.token.kind in ("number", "name") else None
        if not isinstance(value, ast.Constant) or not isinstance(value.value, float):
            raise TextSyntaxError("the initial value must be a number", start, "write previous(bass.level, 0)")
        return -value.value if negative else value.value

    def _port(self) -> str | None:
        if self.token.text != ".":
            return None
        dot, token = self._next(), self._next()
        if token.kind != "name" or token.text.startswith("_"):
            raise TextSyntaxError("the name of a port must follow the dot", dot.offset, "write eye.size")
        if self.token.text == ".":
            raise TextSyntaxError("a port has no ports of its own", self.token.offset, "write eye.size")
        return token.text

    def _check_node(self, token: Token) -> None:
        why = reserved(token.text)
        if why is not None:
            hint = FOREIGN.get(token.text.lower())
            raise TextSyntaxError(f"{why}, not a node", token.offset, hint)

    def _close(self, bracket: Token) -> None:
        if self._accept(")"):
            return
        if self.token.kind == "end":
            raise TextSyntaxError("'(' is not closed", bracket.offset, "write ')' at its end")
        raise misplaced(self.tokens, self.index)

    def _finish(self) -> None:
        if self.token.kind != "end":
            raise misplaced(self.tokens, self.index)

    def _not_a_function(self, token: Token) -> TextSyntaxError:
        name = token.text
        known = name in CLOCK_NAMES or name in CONSTANTS or name in self.variables or name in self.extra_names
        if name == "step":
            hint: str | None = "write (x >= edge), which is 1 or 0"
        else:
            hint = f"write {name}*(...) to multiply" if known else did_you_mean(name, FUNCTIONS)
        if known:
            meaning = f"means {CLOCK_HELP[name]}" if name in CLOCK_HELP else "is a number"
            return TextSyntaxError(f"'{name}' {meaning}; it is not a function", token.offset, hint)
        return TextSyntaxError(f"unknown function '{name}'", token.offset, hint)


class _Deeper:
    """Counts nesting, and refuses too much of it."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            hint = "move parts of it to a node"
            raise TextSyntaxError("the formula is nested too deeply", self.parser.token.offset, hint)

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1


def constant(value: float) -> ast.expr:
    """A number in a formula's tree."""
    return _placed(ast.Constant(value))


def variable(name: str) -> ast.expr:
    """A value that is given at each call."""
    return _placed(ast.Name(name, ast.Load()))


def _call(function: str, arguments: list[ast.expr]) -> ast.expr:
    return _placed(ast.Call(_placed(ast.Name(f"f_{function}", ast.Load())), arguments, []))


def _placed(node: ast.expr) -> ast.expr:
    node.lineno = node.end_lineno = 1
    node.col_offset = node.end_col_offset = 0
    return node
