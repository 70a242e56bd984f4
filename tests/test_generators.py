"""Nothing draws from torch's global generator (ruff bans the functions; here are the methods, which it cannot see)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("pytti_graph/**/*.py"), *ROOT.glob("plugins/*/pytti_graph_*/**/*.py")]
DRAWING = {
    "uniform_",
    "normal_",
    "random_",
    "bernoulli_",
    "bernoulli",
    "exponential_",
    "geometric_",
    "log_normal_",
    "cauchy_",
    "multinomial",
}


def undirected_draws(source):
    """Lines that call a method that draws, without naming a generator."""
    for call in ast.walk(ast.parse(source)):
        draws = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in DRAWING
        if draws and not any(keyword.arg == "generator" for keyword in call.keywords):
            yield call.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_draw_names_its_generator(path):
    """So that no node's numbers depend on another's."""
    assert list(undirected_draws(path.read_text("utf-8"))) == []


def test_the_check_finds_what_it_looks_for():
    """It is not blind."""
    assert list(undirected_draws("x.normal_()\ny.uniform_(0, 1, generator=g)")) == [1]
