"""The words that formulas know: functions, constants and the clock."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple


class FormulaValueError(ValueError):
    """A formula that has no value for the numbers it was given.

    Attributes:
        reason: Why, in plain words ("division by zero").
    """

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason} in {where}" if where else reason)


class FormulaFunction(NamedTuple):
    """A function that formulas can call.

    Attributes:
        function: What computes it.
        signature: How it is written; `...` means any number more, `=` an argument that may be left out.
        help: One sentence.
    """

    function: Callable[..., float]
    signature: str
    help: str

    @property
    def arity(self) -> tuple[int, float]:
        """The fewest and the most arguments it takes."""
        parameters = self.signature[self.signature.index("(") + 1 : -1].split(", ")
        named = [parameter for parameter in parameters if parameter != "..."]
        least = sum("=" not in parameter for parameter in named)
        return least, math.inf if "..." in parameters else len(named)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except ValueError:
        reason = "division by zero" if base == 0 else f"{base:g} to the power of {exponent:g} is not a real number"
        raise FormulaValueError(reason) from None


def _square_root(x: float) -> float:
    if x < 0:
        raise FormulaValueError(f"square root of {x:g}")
    return math.sqrt(x)


def _logarithm(x: float, base: float = math.e) -> float:
    if x <= 0:
        raise FormulaValueError(f"logarithm of {x:g}")
    if base <= 0 or base == 1:
        raise FormulaValueError(f"logarithm to the base {base:g}")
    return math.log(x) if base == math.e else math.log(x, base)


def _log2(x: float) -> float:
    if x <= 0:
        raise FormulaValueError(f"logarithm of {x:g}")
    return math.log2(x)


def _log10(x: float) -> float:
    if x <= 0:
        raise FormulaValueError(f"logarithm of {x:g}")
    return math.log10(x)


def _arcsine(x: float) -> float:
    if not -1 <= x <= 1:
        raise FormulaValueError(f"asin of {x:g}, which is not in -1..1")
    return math.asin(x)


def _arccosine(x: float) -> float:
    if not -1 <= x <= 1:
        raise FormulaValueError(f"acos of {x:g}, which is not in -1..1")
    return math.acos(x)


def _round(x: float, digits: float = 0) -> float:
    return round(float(x), int(digits))


def _sign(x: float) -> float:
    return (x > 0) - (x < 0)


def _clamp(x: float, low: float = 0.0, high: float = 1.0) -> float:
    return low if x < low else high if x > high else x


def _mix(a: float, b: float, amount: float) -> float:
    return a + (b - a) * amount


def _smoothstep(low: float, high: float, x: float) -> float:
    if low == high:
        return float(x >= low)
    amount = _clamp((x - low) / (high - low))
    return amount * amount * (3 - 2 * amount)


def _between(x: float, pairs: tuple[float, ...]) -> tuple[float, float, float]:
    """The values of the keys around x, and how far x is from the first to the second: 0..1."""
    if len(pairs) % 2:
        raise FormulaValueError("a key without a value")
    keys, values = pairs[::2], pairs[1::2]
    if any(later < earlier for earlier, later in pairwise(keys)):
        raise FormulaValueError("keys that are not in order")
    index = bisect_right(keys, x)
    if index in (0, len(keys)):
        value = values[max(index - 1, 0)]
        return value, value, 0.0
    return values[index - 1], values[index], (x - keys[index - 1]) / (keys[index] - keys[index - 1])


def _keys_linear(x: float, *pairs: float) -> float:
    return _mix(*_between(x, pairs))


def _keys_eased(x: float, *pairs: float) -> float:
    before, after, amount = _between(x, pairs)
    return _mix(before, after, _smoothstep(0, 1, amount))


def _keys_held(x: float, *pairs: float) -> float:
    return _between(x, pairs)[0]


def _modulo(x: float, divisor: float) -> float:
    return x % divisor


def _fract(x: float) -> float:
    return x - math.floor(x)


FUNCTIONS: dict[str, FormulaFunction] = {
    "sin": FormulaFunction(math.sin, "sin(x)", "Sine of an angle in radians."),
    "cos": FormulaFunction(math.cos, "cos(x)", "Cosine of an angle in radians."),
    "tan": FormulaFunction(math.tan, "tan(x)", "Tangent of an angle in radians."),
    "asin": FormulaFunction(_arcsine, "asin(x)", "The angle in radians whose sine is x."),
    "acos": FormulaFunction(_arccosine, "acos(x)", "The angle in radians whose cosine is x."),
    "atan": FormulaFunction(math.atan, "atan(x)", "The angle in radians whose tangent is x."),
    "atan2": FormulaFunction(math.atan2, "atan2(y, x)", "The angle in radians of the point (x, y)."),
    "sinh": FormulaFunction(math.sinh, "sinh(x)", "Hyperbolic sine."),
    "cosh": FormulaFunction(math.cosh, "cosh(x)", "Hyperbolic cosine."),
    "tanh": FormulaFunction(math.tanh, "tanh(x)", "Hyperbolic tangent: squeezes any number into -1..1."),
    "exp": FormulaFunction(math.exp, "exp(x)", "e to the power of x."),
    "log": FormulaFunction(_logarithm, "log(x, base=e)", "Logarithm, natural unless a base is given."),
    "log2": FormulaFunction(_log2, "log2(x)", "Logarithm to the base 2."),
    "log10": FormulaFunction(_log10, "log10(x)", "Logarithm to the base 10."),
    "sqrt": FormulaFunction(_square_root, "sqrt(x)", "Square root."),
    "pow": FormulaFunction(_power, "pow(base, exponent)", "A power, as base ** exponent."),
    "hypot": FormulaFunction(math.hypot, "hypot(x, y, ...)", "Length of the vector (x, y, ...)."),
    "abs": FormulaFunction(abs, "abs(x)", "The number without its sign."),
    "sign": FormulaFunction(_sign, "sign(x)", "-1, 0 or 1: the sign of x."),
    "min": FormulaFunction(min, "min(a, b, ...)", "The smallest of the numbers."),
    "max": FormulaFunction(max, "max(a, b, ...)", "The largest of the numbers."),
    "clamp": FormulaFunction(_clamp, "clamp(x, low=0, high=1)", "x, but at least low and at most high."),
    "round": FormulaFunction(_round, "round(x, digits=0)", "The nearest whole number, or that many decimals."),
    "floor": FormulaFunction(math.floor, "floor(x)", "The whole number at or below x."),
    "ceil": FormulaFunction(math.ceil, "ceil(x)", "The whole number at or above x."),
    "fract": FormulaFunction(_fract, "fract(x)", "x - floor(x): a saw tooth that rises from 0 to 1."),
    "mod": FormulaFunction(_modulo, "mod(x, divisor)", "The remainder, as x % divisor, with the divisor's sign."),
    "mix": FormulaFunction(_mix, "mix(a, b, amount)", "From a (amount 0) to b (amount 1) in a straight line."),
    "lerp": FormulaFunction(_mix, "lerp(a, b, amount)", "The same as mix."),
    "smoothstep": FormulaFunction(
        _smoothstep, "smoothstep(low, high, x)", "From 0 (x at low) to 1 (x at high), easing in and out."
    ),
    "keys_linear": FormulaFunction(
        _keys_linear, "keys_linear(x, x0, y0, ...)", "From y0 (x at x0) to y1 (x at x1) and so on, in straight lines."
    ),
    "keys_eased": FormulaFunction(
        _keys_eased, "keys_eased(x, x0, y0, ...)", "The same, easing in and out of each key."
    ),
    "keys_held": FormulaFunction(
        _keys_held, "keys_held(x, x0, y0, ...)", "The same in steps: each value holds until the next key."
    ),
    "degrees": FormulaFunction(math.degrees, "degrees(x)", "Radians as degrees."),
    "radians": FormulaFunction(math.radians, "radians(x)", "Degrees as radians."),
}
"""Every function of formulas, by name."""

CONSTANTS: dict[str, float] = {"pi": math.pi, "tau": math.tau, "e": math.e, "inf": math.inf}
"""Numbers with a name; `tau` is a full turn in radians, `inf` is larger than every number."""

CLOCK_NAMES = ("t", "frame", "step", "total_step", "progress", "now", "last", "frames", "fps")
"""What the clock says, as positional arguments of a compiled formula are ordered."""

CLOCK_HELP: dict[str, str] = {
    "t": "the time in seconds",
    "frame": "the number of the frame, from 0",
    "step": "the step within the frame, from 0",
    "total_step": "the step since the beginning, from 0",
    "progress": "the part of all steps already done, 0..1",
    "now": "the frame, or in a single picture the step",
    "last": "the last frame, or in a single picture the last step",
    "frames": "how many frames there are",
    "fps": "the frames per second",
}
"""What each clock name means."""

KEYWORDS = ("and", "or", "not", "if", "else")
"""Words that join formulas."""

FOREIGN: dict[str, str | None] = {
    "true": "write 1",
    "false": "write 0",
    "null": "write 0",
    "none": "write 0",
    "nan": "write a number, such as 0",
    "lambda": None,
    "for": None,
    "in": None,
    "is": "write ==",
    "while": None,
    "import": None,
    "from": None,
    "def": None,
    "class": None,
    "return": None,
    "yield": None,
    "await": None,
    "async": None,
}
"""Words of other languages, in small letters, with what to write instead; kept out of graphs to keep them readable."""

_FREE_CLOCK_NAMES = ("now", "last", "frames", "fps")


def reserved(name: str) -> str | None:
    """Why `name` cannot be the id of a node ("'sin' is a function"), or None if it can.

    `frames`, `fps`, `now` and `last` may name nodes: alone in a formula they mean the clock, as references and before a
    dot the node.
    """
    if name in CLOCK_NAMES and name not in _FREE_CLOCK_NAMES:
        return f"'{name}' means {CLOCK_HELP[name]}"
    if name in FUNCTIONS:
        return f"'{name}' is a function"
    if name in CONSTANTS:
        return f"'{name}' is a constant"
    if name == "previous":
        return "'previous' takes a value from the previous frame"
    if name in KEYWORDS or name.lower() in FOREIGN:
        return f"'{name}' is a word with a meaning of its own"
    return None
