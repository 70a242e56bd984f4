"""How long reading, compiling and calling a formula takes: `python benchmarks/formulas.py`."""

from timeit import repeat

from pytti_graph.core.formulas import parse_formula

FORMULAS = {
    "2*sin(t)": (1.5,),
    "0.5 + bass.level": (0.25,),
    "1 if frame < 12 else previous(bass.level, 0)": (3, 0.5),
    "clamp(mix(0, 1, progress) + 0.1*sin(tau*t), 0, 1)": (1.5, 0.5),
}


def microseconds(function, *arguments, number=100_000):
    """Best time of one call, in microseconds."""
    return min(repeat(lambda: function(*arguments), number=number, repeat=5)) / number * 1e6


if __name__ == "__main__":
    for text, arguments in FORMULAS.items():
        formula = parse_formula(text)
        times = (
            microseconds(parse_formula, text, number=1000),
            microseconds(formula.compile, number=1000),
            microseconds(formula.compile(), *arguments),
        )
        print("{:52} read {:5.1f} µs   compile {:5.1f} µs   call {:5.2f} µs".format(text, *times))
