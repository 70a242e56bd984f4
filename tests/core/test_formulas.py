import math
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytti_graph.core.formulas import (
    CLOCK_NAMES,
    CONSTANTS,
    FUNCTIONS,
    FormulaValueError,
    Reference,
    TextSyntaxError,
    parse_formula,
    parse_reference,
    reserved,
)


def value(text, **names):
    formula = parse_formula(text, extra_names=[name for name in names if name not in CLOCK_NAMES])
    given_names = [*formula.clock_names, *formula.extra_names]
    return formula.compile()(*(names[name] for name in given_names))


def error_of(text, **options):
    with pytest.raises(TextSyntaxError) as caught:
        parse_formula(text, **options)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("-2**2", -4),
        ("2**-1", 0.5),
        ("2**3**2", 512),
        ("7 // 2 + 7 % 4", 6),
        ("-7 % 3", 2),
        ("(1 + 2) * 3", 9),
        ("1 < 2 < 3", 1),
        ("1 < 3 < 2", 0),
        ("not 1 == 2", 1),
        ("1 if 0 else 2 if 0 else 3", 3),
        ("0 or 5", 5),
        ("2 and 0", 0),
        (".5 + 1. + 1e-1", 1.6),
        ("round(2.567, 2)", 2.57),
        ("clamp(3)", 1),
        ("clamp(-3, -2, 2)", -2),
        ("mix(10, 20, 0.25)", 12.5),
        ("smoothstep(0, 2, 1)", 0.5),
        ("smoothstep(1, 1, 1)", 1),
        ("fract(-0.25)", 0.75),
        ("sign(-3) + sign(0)", -1),
        ("hypot(3, 4)", 5),
        ("log(8, 2)", 3),
        ("pow(2, 0.5)", math.sqrt(2)),
        ("min(3, 1, 2) + max(1, 2)", 3),
        ("-inf", -math.inf),
        ("tau / pi", 2),
        ("  1\n+ 1 ", 2),
    ],
)
def test_constant_formulas_fold(text, expected):
    """A formula without names has a value at once, the one Python gives."""
    formula = parse_formula(text)
    assert formula.value == pytest.approx(expected)
    assert formula.constant
    assert formula.compile()() == formula.value
    assert isinstance(formula.value, float)


def test_arguments_come_in_order():
    """Clock names in their own order, then extra names as given, then references as they appear."""
    formula = parse_formula("mu + b.x + R + step + a + t + a - b.x", extra_names=("r", "R", "mu"))
    assert formula.clock_names == ("t", "step")
    assert formula.extra_names == ("R", "mu")
    assert formula.references == (Reference("b", "x"), Reference("a"))
    assert [reference.offset for reference in formula.references] == [5, 22]
    assert formula.compile()(1, 10, 100, 1000, 1e4, 1e5) == 1 + 10 + 100 + 1000 + 2e5
    assert not formula.constant


def test_variables_are_constants():
    """A graph's numbers are put in; a text in a formula is an error that says how to insert it."""
    assert parse_formula("speed*2", {"speed": 3}).value == 6
    assert parse_formula("my_long_name_2", {"my_long_name_2": 1.5}).value == 1.5
    error = error_of("1 + look", variables={"look": "red"})
    assert (error.offset, error.message, error.hint) == (4, "'look' is a text", "write ${look} to insert it")


def test_extra_names_hide_variables():
    """What an argument provides wins over a variable of the same name."""
    formula = parse_formula("r", {"r": 3}, ("r",))
    assert formula.extra_names == ("r",)
    assert formula.compile()(5) == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("canvas", Reference("canvas")),
        (" eye.size ", Reference("eye", "size")),
        ("previous(canvas)", Reference("canvas", None, True)),
        ("previous( bass.level , 0 )", Reference("bass", "level", True, 0.0)),
        ("previous(x, -1.5)", Reference("x", None, True, -1.5)),
        ("frames", Reference("frames")),
        ("fps.x", Reference("fps", "x")),
    ],
)
def test_references(text, expected):
    """References parse to what they name, and read back from their own text."""
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected
    assert parse_reference(text).offset == len(text) - len(text.lstrip())


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("t", 0),
        ("sin", 0),
        ("3", 0),
        ("a + b", 2),
        ("a b", 2),
        ("a.b.c", 3),
        ("a.", 1),
        ("a._b", 1),
        ("a.__class__", 1),
        ("previous", 0),
        ("previous(previous(a))", 0),
        ("previous(a", 8),
        ("previous(a, b)", 12),
        ("previous(a, sin(1))", 12),
        ("previous(t)", 9),
        ("previous(a).b", 11),
    ],
)
def test_bad_references(text, offset):
    """What is not one reference is refused where it stops being one."""
    with pytest.raises(TextSyntaxError) as caught:
        parse_reference(text)
    assert caught.value.offset == offset
    assert caught.value.message


def test_frames_is_clock_in_formulas_and_node_in_references():
    """A node may be called `frames`, as in the example graph; alone in a formula the word means the clock."""
    assert parse_formula("frames*2").clock_names == ("frames",)
    assert parse_formula("frames.count").references == (Reference("frames", "count"),)
    assert parse_formula("now/last + last.count").clock_names == ("now", "last")
    assert reserved("frames") is None


def test_previous_in_formulas():
    """Values with different beginnings are different references."""
    formula = parse_formula("previous(a.x, 0) + previous(a.x, 1) + a.x + previous(a.x, 0)")
    assert len(formula.references) == 3
    assert formula.compile()(1, 10, 100) == 112


@pytest.mark.parametrize(
    ("text", "offset", "hint"),
    [
        ("2^3", 1, "**"),
        ("2t", 1, "2*t"),
        (" 2 t", 3, "2*t"),
        ("2(t + 1)", 1, "*"),
        ("sin(t) cos(t)", 7, "*"),
        ("sin 2", 0, "sin(2)"),
        ("1 + sin t", 4, "sin(t)"),
        ("sin", 0, "sin(x)"),
        ("sin(", 4, None),
        ("(1 + 2", 0, "')'"),
        ("1 + 2)", 5, "no '('"),
        ("0,5", 1, "0.5"),
        ("sin(0,5)", 0, "point"),
        ("sine(t)", 0, "'sin'"),
        ("1 + smoothstp(1, 2, t)", 4, "'smoothstep'"),
        ("t(2)", 0, "t*("),
        ("step(t)", 0, "x >= edge"),
        ("clamp()", 0, "clamp(x, low=0, high=1)"),
        ("mix(1, 2)", 0, "mix(a, b, amount)"),
        ("t = 3", 2, "=="),
        ("t && 1", 2, "and"),
        ("!t", 0, "not"),
        ("t ? 1 : 2", 2, "if condition else"),
        ("1 if t", 6, "if condition else"),
        ("1 if t else", 11, None),
        ("1 +", 3, None),
        ("", 0, None),
        ("   ", 0, "number"),
        ("* 2", 0, None),
        ("1_000", 0, "'_'"),
        ("0x1F", 0, "decimal"),
        ("1.2.3", 0, "one decimal point"),
        ("1e999", 0, None),
        ("${speed}*2", 0, "without ${}"),
        ("'text'", 0, "no text"),
        ("[1, 2]", 0, "one number"),
        ("true", 0, "write 1"),
        ("t is 3", 2, "=="),
        ("3 × t", 2, "*"),
        ("1 + not t", 4, "(not x)"),
        ("1/0", 0, None),
        (" sqrt(-1)", 1, None),
    ],
)
def test_slips_are_explained(text, offset, hint):
    """Common slips are reported at their character, with what to write instead."""
    error = error_of(text)
    assert error.offset == offset
    assert hint is None or hint in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "__class__.__bases__",
        "().__class__",
        "(1).__class__",
        "sin.__self__",
        "canvas.__class__",
        "canvas.size.__class__",
        "canvas._private",
        "().__class__.__bases__[0].__subclasses__()",
        "__import__('os')",
        "eval('1')",
        "open(1)",
        "lambda: 1",
        "(lambda: (lambda: 1))()",
        "[x for x in (1, 2)]",
        "f'{t}'",
        "'a' * 9",
        "b'a'",
        "(x := 3)",
        "{1: 2}",
        "*t",
        "max(*t)",
        "max(x=1, y=2)",
        "1; 2",
        "1 # 2",
        "t\\\n",
        "ｓｉｎ(1)",
        "𝓉",
        "yield",
        "await t",
        "None",
        "...",
        "1j",
        "t @ t",
        "9**9**9**9",
        "10**400",
        "1e308*10",
        "(" * 200 + "1" + ")" * 200,
        "-" * 500 + "1",
        "+".join("1" * 2000),
        "1 if 1 else " * 80 + "1",
        "\ud800",
        "\x00",
    ],
)
def test_nothing_else_gets_in(text):
    """Escapes from the sandbox, foreign syntax and endless work are refused."""
    error = error_of(text)
    assert 0 <= error.offset <= len(text)


def test_dunder_names_are_only_node_names():
    """A name cannot reach into Python: it is looked up among the graph's nodes."""
    formula = parse_formula("__builtins__ + __import__")
    assert formula.references == (Reference("__builtins__"), Reference("__import__"))
    assert formula.compile()(1, 2) == 3


def test_compiled_formulas_have_no_builtins():
    """The code of a formula sees no builtins."""
    function = parse_formula("t + 1").compile()
    assert function.__globals__["__builtins__"] == {}


@pytest.mark.parametrize(
    ("text", "t", "reason"),
    [
        ("1/t", 0, "division by zero in '1/t' (t = 0)"),
        ("1 % t", 0, "division by zero"),
        ("1 // t", 0.0, "division by zero"),
        ("t ** -1", 0, "division by zero"),
        ("sqrt(t)", -1, "square root of -1"),
        ("t ** 0.5", -4, "-4 to the power of 0.5"),
        ("log(t)", 0, "logarithm of 0"),
        ("log10(t)", -2, "logarithm of -2"),
        ("asin(t)", 2, "asin of 2"),
        ("exp(t)", 1e4, "too large"),
        ("t ** 9", 1e300, "too large"),
        ("t * t", 1e300, "too large"),
        ("t - t", math.inf, "no number comes out"),
        ("sin(t)", math.inf, "no number comes out"),
        ("floor(t)", math.inf, "too large"),
    ],
)
def test_values_that_do_not_exist(text, t, reason):
    """A formula without a value says why, and for which numbers."""
    with pytest.raises(FormulaValueError) as caught:
        parse_formula(text).compile()(t)
    assert reason in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_infinity_only_on_request():
    """Only a formula that says `inf` may be infinite; none gives NaN."""
    assert value("-inf if t < 1 else 0.5", t=0) == -math.inf
    with pytest.raises(FormulaValueError):
        value("inf - inf*t", t=1)


def test_conditions_are_lazy():
    """A branch that is not taken is not computed."""
    assert value("1/t if t else 0", t=0) == 0
    assert value("t and 1/t", t=0) == 0


def test_reserved_names():
    """Every word of the language is refused as a node's name, and ordinary names are not."""
    for name in [*FUNCTIONS, *CONSTANTS, "t", "frame", "step", "total_step", "progress", "previous", "if", "not"]:
        assert name in reserved(name)
    for name in ["eye", "canvas", "frames", "film", "smooth", "optimise", "_x", "sinus"]:
        assert reserved(name) is None


def test_functions_are_documented():
    """Every function has a signature with its name, and one sentence of help."""
    for name, entry in FUNCTIONS.items():
        assert entry.signature.startswith(f"{name}(")
        assert entry.help.endswith(".")
        least, most = entry.arity
        assert 1 <= least <= most


def test_formulas_can_be_compared_and_pickled():
    """Formulas are values."""
    formula = parse_formula("2*sin(t) + a.b")
    assert pickle.loads(pickle.dumps(formula)) == formula == parse_formula("2*sin(t) + a.b")
    assert hash(formula) == hash(parse_formula("2*sin(t) + a.b"))
    assert pickle.loads(pickle.dumps(formula)).compile()(0, 1) == 1


numbers = st.floats(0, 1e6, allow_nan=False).map(repr)


def binary(operators, children):
    return st.tuples(children, st.sampled_from(operators), children).map(lambda parts: f"({' '.join(parts)})")


def expressions(children):
    one = st.sampled_from(["sin", "cos", "tan", "exp", "sqrt", "floor", "ceil", "abs", "tanh", "degrees", "log"])
    two = st.sampled_from(["min", "max", "atan2", "hypot", "pow"])
    return st.one_of(
        binary(["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"], children),
        st.tuples(one, children).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(two, children, children).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
        st.tuples(children, children, children).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
        st.tuples(children, children, children).map(lambda parts: f"({parts[0]} < {parts[1]} <= {parts[2]})"),
        st.tuples(st.sampled_from(["-", "+", "not "]), children).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(children, st.sampled_from(["2.0", "3.0", "-1.0"])).map(lambda parts: f"({' ** '.join(parts)})"),
        st.tuples(children, children).map(lambda parts: " - ".join(parts)),
        st.tuples(children, children).map(lambda parts: " * -".join(parts)),
    )


@given(st.recursive(numbers | st.sampled_from(["t", "frame", "pi"]), expressions, max_leaves=15), st.floats(-100, 100))
def test_formulas_agree_with_python(text, t):
    """A formula has the value of the Python expression, and none where Python has none."""
    names = {name: getattr(math, name) for name in dir(math) if not name.startswith("_")}
    names |= {"t": t, "frame": 7, "pow": math.pow, "abs": abs, "min": min, "max": max}
    try:
        expected = float(eval(text, {"__builtins__": {}}, names))
    except (ArithmeticError, ValueError):
        expected = math.nan
    if math.isfinite(expected):
        formula = parse_formula(text)
        arguments = {"t": t, "frame": 7}
        assert formula.compile()(*(arguments[name] for name in formula.clock_names)) == expected
    else:
        with pytest.raises((FormulaValueError, TextSyntaxError)):
            value(text, t=t, frame=7)


words = st.sampled_from(
    ["sin", "t", "previous", "if", "else", "(", ")", ",", ".", "**", "<", "2", "1e5", "a", "not", " "]
)


@given(st.text(max_size=60) | st.lists(words, max_size=30).map("".join) | st.lists(words, max_size=30).map(" ".join))
def test_any_text_is_read_or_refused(text):
    """No text makes anything but `TextSyntaxError` come out, with an offset inside the text."""
    for parse in (parse_formula, parse_reference):
        error = None
        try:
            parse(text)
        except TextSyntaxError as caught:
            error = caught
        assert error is None or (error.message and 0 <= error.offset <= len(text))


@given(st.lists(st.sampled_from(["a", "b.x", "t", "previous(c, 1)", "2"]), min_size=1, max_size=8))
def test_offsets_of_references(parts):
    """A reference's offset is where its text first stands."""
    text = " + ".join(parts)
    for reference in parse_formula(text).references:
        first = next(i for i in range(len(text)) if parse_at(text, i) == reference)
        assert reference.offset == first
    offsets = [reference.offset for reference in parse_formula(text).references]
    assert all(left < right for left, right in pairwise(offsets))


def parse_at(text, index):
    part = text[index:].split(" + ")[0]
    try:
        return parse_reference(part) if index == 0 or text[index - 1] == " " else None
    except TextSyntaxError:
        return None
