"""Starting up, help, usage errors, exit codes, crashes, pipes."""

import subprocess
import sys
import time

import pytest

from pytti_graph import __version__
from pytti_graph.cli import COMMANDS as PANELS
from pytti_graph.cli.commands import Commands
from pytti_graph.cli.help import Command
from pytti_graph.cli.main import execute

COMMANDS = sorted(name for panel in PANELS.values() for name in panel)
HEAVY = ("torch", "networkx", "yaml", "av", "numpy", "PIL", "open_clip")


def modules_after(*words):
    """The heavy modules that a command imports, and its exit code."""
    code = (
        "import sys, io, contextlib\n"
        "from pytti_graph.cli.main import execute\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = execute({list(map(str, words))!r})\n"
        f"print(code, *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, *names = done.stdout.split()
    return int(code), names


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(folder, words):
    assert modules_after(*words) == (0, [])


def test_check_does_not_import_torch(cli, folder):
    assert cli("check", "film.yaml").code == 0
    code, heavy = modules_after("check", "film.yaml")
    assert code == 0
    assert not {"torch", "av", "open_clip", "PIL"} & {*heavy}


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_torch_finds_large_pages_switched_on_when_it_is_imported(folder, monkeypatch, given, expected):
    """Unless the user has said something else."""
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    if given is not None:
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given)
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch':\n"
        "            print('torch finds', os.environ.get('THP_MEM_ALLOC_ENABLE'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from pytti_graph.cli.main import main\n"
        "main(['run', 'film.yaml', '--quiet'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"torch finds {expected}\n"


def test_help_answers_in_a_fraction_of_a_second(program):
    begin = time.perf_counter()
    assert program("--help").wait(timeout=20) == 0
    assert time.perf_counter() - begin < 3, "0.3 s on a quiet machine"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_80_columns(cli, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = cli(command, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: pytti-graph {command}")
    assert "-h, --help" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 88


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    parameters = Commands(Command)[command].params
    assert all(parameter.help for parameter in parameters)


def test_without_a_command_help_is_shown(cli):
    outcome = cli()
    assert outcome.code == 2
    assert "Make pictures" in outcome.out


def test_version(cli):
    assert cli("--version").out == f"pytti-graph {__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rnu"], "error: no such command 'rnu'"),
        (["run"], "error: missing argument"),
        (["run", "film.yaml", "--fram", "3"], "--frames"),
        (["run", "film.yaml", "--frames", "0"], "error: invalid value for '--frames'"),
        (["run", "film.yaml", "--frames", "many"], "error: invalid value for '--frames'"),
        (["run", "film.yaml", "--precision", "half"], "'half' is not one of 'auto', 'float32', 'bfloat16'"),
        (["run", "film.yaml", "--device", "toaster"], "the device 'toaster' cannot be used"),
        (["resume", "nowhere"], "nowhere is not a run folder"),
        (["show", "film.yaml", "-o", "film.jpg"], "the ending of film.jpg names no format"),
    ],
)
def test_usage_errors_exit_with_2(cli, words, expected):
    outcome = cli(*words)
    assert outcome.code == 2
    assert expected in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_a_bug_is_one_line(cli, monkeypatch):
    from pytti_graph.api import Graph

    def broken(self, **options):
        raise ZeroDivisionError("oh [no]")

    monkeypatch.setattr(Graph, "check", broken)
    outcome = cli("check", "film.yaml")
    assert outcome.code == 1
    assert outcome.err == (
        "error: ZeroDivisionError: oh [no]; this is a bug in pytti-graph or a plugin; -v prints where it happened\n"
    )
    outcome = cli("check", "film.yaml", "-v")
    assert outcome.code == 1
    assert "Traceback" in outcome.err


def test_ctrl_c_before_anything_begins(cli, monkeypatch):
    from pytti_graph.api import Graph

    def interrupted(self, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Graph, "check", interrupted)
    assert cli("check", "film.yaml").code == 130


def test_a_reader_that_goes_away_is_no_error(program):
    process = program("schema")
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=20)
    assert err == ""


def test_python_m(program):
    out, _ = program("--version").communicate(timeout=20)
    assert out == f"pytti-graph {__version__}\n"


def test_control_characters_in_messages_are_shown_not_obeyed(capsys):
    execute(["check", "no\x1b[31msuch.yaml"])
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\\x1b" in err


def test_no_color_and_no_terminal_mean_no_control_characters(cli):
    for words in (["nodes"], ["nodes", "image.rgb"], ["plan", "film.yaml"], ["plugins"], ["--help"], ["check", "x"]):
        outcome = cli(*words)
        assert "\x1b" not in outcome.out + outcome.err
