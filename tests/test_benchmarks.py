"""The benchmarks run: at the smallest size that they have, so their numbers mean nothing here."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch

ROOT = str(Path(__file__).parents[1])


@pytest.fixture
def load(monkeypatch):
    """Imports one of them, from the top of the repository."""
    monkeypatch.syspath_prepend(ROOT)
    threads = torch.get_num_threads()
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    torch.set_num_threads(threads)


def numbers(text):
    """All numbers in what is printed."""
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def test_cutouts(load, capsys, monkeypatch):
    cutouts = load("cutouts")
    monkeypatch.setattr(cutouts, "SIZE", 64)
    monkeypatch.setattr(cutouts, "gradient", torch.ones(cutouts.COUNT, 3, 64, 64))
    cutouts.main(1)
    assert re.search(r"loop_augmented / ours_augmented = \d", capsys.readouterr().out)


def test_engine(load, capsys):
    """Its overhead beside Hamilton's, and its memory."""
    engine = load("engine")
    engine.memory(frames=5)
    made = engine.machine(engine.chain(3))
    made._run(made._step)
    assert engine.hamilton(3) > 0
    assert 0.9 < numbers(capsys.readouterr().out)[-1] < 1.1


def test_formulas(load):
    formulas = load("formulas")
    for text, arguments in formulas.FORMULAS.items():
        assert formulas.microseconds(formulas.parse_formula(text).compile(), *arguments, number=1) > 0


def test_perceptor(load, capsys):
    load("perceptor").main(1)
    assert numbers(capsys.readouterr().out)[-1] > 0


def test_plugins(load, capsys, monkeypatch):
    plugins = load("plugins")
    monkeypatch.setattr(plugins, "PLUGINS", 1)
    monkeypatch.setattr(plugins, "COMMANDS", (("--help",),))
    plugins.main(1)
    assert re.search(r"--help   none .* 1 plugins .* times \(cold: ", capsys.readouterr().out)


def test_quality(load, capsys, monkeypatch, tmp_path):
    """One step of one picture, judged."""
    (tmp_path / "pace.json").write_text(json.dumps({"recommended": 1000.0}))
    options = ["--recipes", "recommended", "--seconds", "6", "--prompts", "1", "--seeds", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["quality", *options, "-o", str(tmp_path)])
    load("quality.__main__").main()
    assert re.search(r"^recommended +6 +1 ", capsys.readouterr().out, re.MULTILINE)
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_step(load, capsys):
    load("step").compare(1)
    assert numbers(capsys.readouterr().out)[-1] > 0
