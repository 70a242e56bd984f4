"""Plugins and node files on the command line."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pytti_graph.core import manifest, plugins

BRIGHT = '''\
from pytti_graph import Image, Loss, Number, node


@node("loss.bright")
def bright(image: Image, level: Number = 0.5) -> Loss:
    """Pull the mean brightness of a picture to a level."""
    return (image.mean() - level) ** 2
'''
GRAPH = """\
pytti_graph: 1
seed: 1
clock: {frames: 1, steps: 3}
nodes:
  canvas: {type: image.rgb, width: 16, height: 16}
  light: {type: loss.bright, image: canvas, level: 0.9}
  optimise: {type: optimize.adam, losses: [light]}
  frames: {type: write.frames, image: canvas}
"""
HOOKS = """\
from pytti_graph import hookimpl


@hookimpl
def pytti_graph_nodes(register):
    register("{0}:bright")


"""


@pytest.fixture
def graph(folder):
    """A graph with a node that is not installed."""
    Path("light.yaml").write_text(GRAPH)
    return folder


@pytest.fixture
def beside(graph):
    """A file with that node, beside the graph."""
    Path("nodes").mkdir()
    Path("nodes/bright.py").write_text(BRIGHT)
    return graph


# Files


def test_a_file_beside_the_graph_is_found_but_not_run(cli, beside):
    """The error says what to type."""
    Path("nodes/bright.py").write_text(BRIGHT + "\nraise SystemExit('it was run')\n")
    outcome = cli("check", "light.yaml")
    assert outcome.code == 3
    assert outcome.err == (
        "light.yaml:6:17: error: light: unknown node type 'loss.bright'; nodes/bright.py has it; "
        "that is code, which is run only if you say so: add --nodes nodes\n"
    )


@pytest.mark.parametrize("path", ["nodes", "nodes/bright.py"])
def test_a_node_in_a_file_runs(cli, beside, path):
    """As a file or as a folder; the record says which file, with its sum."""
    assert cli("run", "light.yaml", "-o", "out", "--nodes", path, "-q").code == 0
    record = json.loads(Path("out/run.json").read_text())
    assert record["nodes"]["light"] | {"sha256": ""} == {
        "type": "loss.bright",
        "version": 1,
        "file": "nodes/bright.py",
        "sha256": "",
    }
    assert record["nodes"]["canvas"]["distribution"] == "pytti-graph"


def test_every_command_that_reads_graphs_takes_node_files(cli, beside):
    """And those that list what there is."""
    for command in ("check", "plan", "show", "fetch"):
        assert cli(command, "light.yaml", "--nodes", "nodes").code == 0, command
    assert "loss.bright" in cli("nodes", "--nodes", "nodes").out
    assert "nodes/bright.py" in cli("nodes", "loss.bright", "--nodes", "nodes").out
    assert "loss.bright" in cli("schema", "--nodes", "nodes").out


def test_a_rendering_with_a_node_file_resumes_with_it(cli, beside):
    """A run folder never makes code run by itself."""
    assert cli("run", "light.yaml", "-o", "out", "--nodes", "nodes", "-q").code == 0
    refused = cli("resume", "out")
    assert refused.code == 2
    assert "loss.bright of nodes/bright.py, which is code; if you trust it, add --nodes nodes/bright.py" in refused.err
    assert cli("resume", "out", "--nodes", "nodes", "-q").code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", "nodes/bright.py:1:5: error: this is not Python: '(' was never closed\n"),
        ("x = 1\nimport torchfoo\n", "nodes/bright.py:2:1: error: ModuleNotFoundError: No module named 'torchfoo'\n"),
        ("x = 1\n", 'error: nodes/bright.py offers no nodes; decorate a function with @node("family.name")\n'),
        (
            BRIGHT.replace("image: Image", "image"),
            "nodes/bright.py:4:1: error: TypeError: loss.bright: parameter 'image' has no annotation\n",
        ),
        (
            BRIGHT.replace("loss.bright", "loss.smoothness"),
            "error: nodes/bright.py offers loss.smoothness, which pytti-graph 0.1.0 itself offers too; "
            "give the node another name\n",
        ),
    ],
)
def test_a_file_that_cannot_be_used(cli, beside, text, message):
    """The error says where and why."""
    Path("nodes/bright.py").write_text(text)
    outcome = cli("check", "light.yaml", "--nodes", "nodes")
    assert outcome.code == 2
    assert outcome.err == message


def test_compiled_code_beside_a_file_is_not_run(cli, beside):
    """What is run is what stands in the file."""
    import importlib.util
    import py_compile

    evil = Path("evil.py")
    evil.write_text("raise SystemExit('the compiled code was run')")
    cached = Path(importlib.util.cache_from_source("nodes/bright.py"))
    cached.parent.mkdir()
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(evil), cfile=str(cached), invalidation_mode=mode)
    assert cli("check", "light.yaml", "--nodes", "nodes").code == 0


def test_one_type_twice_in_a_file(cli, beside):
    """Neither is taken by chance; the same file twice is the same file."""
    assert cli("check", "light.yaml", "--nodes", "nodes", "--nodes", "./nodes/bright.py").code == 0
    Path("nodes/bright.py").write_text(BRIGHT + BRIGHT.partition("\n\n")[2].replace("def bright", "def other"))
    assert "nodes/bright.py offers loss.bright twice" in cli("check", "light.yaml", "--nodes", "nodes").err


def test_a_path_without_nodes(cli, graph):
    """Nothing there, or an empty folder."""
    assert cli("check", "light.yaml", "--nodes", "gone.py").err.startswith("error: cannot read gone.py")
    Path("empty").mkdir()
    assert "has no Python files" in cli("check", "light.yaml", "--nodes", "empty").err


# Distributions


def test_plugins_lists_what_each_offers(cli, site, installed):
    """And on the other stream what failed, and why."""
    site.install("pytti-graph-bright", HOOKS.format("pytti_graph_bright") + BRIGHT, version="1.2")
    site.install("pytti-graph-bad", "import torchfoo", version="0.3")
    installed()
    outcome = cli("plugins")
    assert outcome.code == 0
    assert "pytti-graph-bright 1.2\n  nodes      loss.bright\n  hooks      pytti_graph_nodes\n" in outcome.out
    assert outcome.err == (
        "warning: pytti-graph-bad 0.3 cannot be used: ModuleNotFoundError: No module named 'torchfoo' "
        f"({site.path('pytti_graph_bad')}:1)\n"
    )
    [bright] = [plugin for plugin in json.loads(cli("plugins", "--json").out) if plugin["version"] == "1.2"]
    assert bright["types"] == ["loss.bright"]
    assert bright["failures"] == []


def test_no_plugins(cli, graph, site, installed):
    """The option may stand anywhere; the error says that they are off."""
    site.install("pytti-graph-bright", HOOKS.format("pytti_graph_bright") + BRIGHT)
    installed()
    assert cli("check", "light.yaml").code == 0
    for words in (("--no-plugins", "check", "light.yaml"), ("check", "light.yaml", "--no-plugins")):
        assert "plugins are switched off here" in cli(*words).err
    assert cli("check", "light.yaml").code == 0


def test_the_choice_of_plugins_takes_any_spelling_and_tells_of_misspelt_ones(cli, site, installed):
    """A name that means nothing would silently switch everything off."""
    site.install("pytti-graph-bright", HOOKS.format("pytti_graph_bright") + BRIGHT)
    installed(["PyTTI_graph.bright", "pytti-graph-brihgt"])
    outcome = cli("plugins")
    assert "loss.bright" in outcome.out
    assert outcome.err == "warning: PYTTI_GRAPH_PLUGINS names 'pytti-graph-brihgt', which is not installed\n"


def test_a_plugin_that_failed_is_named_where_its_node_is_missing(cli, graph, site, installed):
    """With the reason."""
    site.install("pytti-graph-bright", "import torchfoo")
    installed()
    assert "the plugin pytti-graph-bright 1.0 could not be used: ModuleNotFoundError" in cli("check", "light.yaml").err


def test_of_several_plugins_that_failed_the_one_with_the_node_is_named(cli, graph, site, installed):
    """Where none of them is known to have it, all are."""
    site.install("awful", "import torchfoo")
    site.install("pytti-graph-bright", HOOKS.format("pytti_graph_bright") + BRIGHT.replace("image: Image", "image"))
    installed()
    assert "the plugin pytti-graph-bright 1.0 could not be used: " in cli("check", "light.yaml").err
    Path("light.yaml").write_text(GRAPH.replace("loss.bright", "glow.worm"))
    assert "it may be in a part of awful, pytti-graph-bright that could not be used" in cli("check", "light.yaml").err


def test_a_published_plugin_is_known_by_its_nodes(cli, graph, site, installed):
    """The error says what to install."""
    installed([""])
    Path("seen.yaml").write_text("pytti_graph: 1\nnodes:\n  eye: {type: perceptor.imagenet}\n")
    assert "it belongs to pytti-graph-imagenet; some plugins are switched off" in cli("check", "seen.yaml").err


def test_two_plugins_that_offer_one_type(cli, graph, site, installed):
    """The error names both, and writing either's name chooses."""
    for name in ("alpha", "beta"):
        site.install(name, HOOKS.format(name) + BRIGHT)
    installed()
    outcome = cli("check", "light.yaml")
    assert outcome.code == 3
    assert outcome.err == (
        "light.yaml:6:17: error: light: alpha 1.0 and beta 1.0 both offer 'loss.bright'; "
        "say which: alpha/loss.bright or beta/loss.bright\n"
    )
    assert "both offer 'loss.bright'" in cli("nodes", "loss.bright").err
    assert "  alpha/loss.bright " in cli("nodes").out
    assert "beta 1.0" in cli("nodes", "beta/loss.bright").out
    Path("light.yaml").write_text(GRAPH.replace("loss.bright", "beta/loss.bright"))
    schema = json.loads(cli("schema").out)
    jsonschema.validate(yaml.safe_load(Path("light.yaml").read_text()), schema)
    assert cli("run", "light.yaml", "-o", "out", "-q").code == 0
    assert json.loads(Path("out/run.json").read_text())["nodes"]["light"]["distribution"] == "beta"
    assert cli("check", "out/frames/00000.png").code == 0


def test_a_distribution_that_does_not_offer_the_type(cli, graph, site, installed):
    """What it does offer."""
    site.install("alpha", HOOKS.format("alpha") + BRIGHT)
    installed()
    Path("light.yaml").write_text(GRAPH.replace("loss.bright", "alpha/loss.brigth"))
    assert "did you mean 'loss.bright'?" in cli("check", "light.yaml").err
    Path("light.yaml").write_text(GRAPH.replace("loss.bright", "gamma/loss.bright"))
    assert "it belongs to gamma; " in cli("check", "light.yaml").err


COMMAND = '''\
from pytti_graph import hookimpl


@hookimpl
def pytti_graph_commands(register):
    register("greet", "{0}:greet", panel="Courtesy")


def greet(name: str) -> None:
    """Say hello."""
    print("hello", name)
'''


def test_a_command_from_a_plugin(cli, site, installed):
    """It is in the help, under its heading, and runs."""
    site.install("polite", COMMAND.format("polite"))
    installed()
    assert "\nCourtesy\n  greet       Say hello.\n" in cli("--help").out
    assert cli("greet", "Ada").out == "hello Ada\n"
    assert "Say hello." in cli("greet", "--help").out


def test_commands_of_one_name(cli, site, installed):
    """An error that names both; nobody takes one from the built-ins."""
    for name in ("polite", "civil"):
        site.install(name, COMMAND.format(name))
    site.install("greedy", COMMAND.format("greedy").replace('"greet"', '"check"'))
    installed()
    clash = "civil 1.0 and polite 1.0 both offer the command 'greet'; write one of civil/greet, polite/greet"
    assert clash in cli("greet", "Ada").err
    assert cli("polite/greet", "Ada").out == "hello Ada\n"
    assert "there is no command 'rude/greet'; " in cli("rude/greet", "Ada").err
    assert cli("check", "film.yaml").out == "ok\n"


def test_a_command_that_fails_names_its_plugin(cli, site, installed):
    """With the version, the file and the line; what it refuses on purpose is told as it is."""
    site.install("polite", COMMAND.format("polite").replace('print("hello", name)', "raise ValueError('no voice')"))
    site.install(
        "civil",
        COMMAND.format("civil").replace('"greet"', '"bow"').replace('print("hello", name)', "raise UsageError('no')")
        + "\nfrom pytti_graph import UsageError\n",
    )
    installed()
    outcome = cli("greet", "Ada")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"error: ValueError: no voice; raised in polite 1.0 ({site.path('polite')}:11); ")
    assert (cli("bow", "Ada").code, cli("bow", "Ada").err) == (2, "error: no\n")


def test_the_help_of_a_command_names_its_arguments(cli, site, installed):
    """Also where the plugin has no word for them."""
    site.install("polite", COMMAND.format("polite"))
    installed()
    assert "Arguments\n  NAME" in cli("greet", "--help").out


def test_a_node_that_fails_names_its_plugin(cli, graph, site, installed):
    """Distribution, version, file and line, of its own code; -v prints all of it."""
    failing = BRIGHT.replace("image.mean() - level", "image @ level")
    site.install("pytti-graph-bright", HOOKS.format("pytti_graph_bright") + failing, version="0.7")
    installed()
    outcome = cli("run", "light.yaml", "-q", "-o", "out")
    assert outcome.code == 1
    place = f"{site.path('pytti_graph_bright')}:15"
    assert outcome.err.startswith("light.yaml:6:3: error: light: TypeError: ")
    assert f"; raised in pytti-graph-bright 0.7 ({place})" in outcome.err.splitlines()[0]
    assert "Traceback" not in outcome.err
    assert (
        f'  File "{site.path("pytti_graph_bright")}", line 15, in bright'
        in cli("run", "light.yaml", "-v", "-o", "more").err
    )


def test_a_node_of_a_file_that_fails_names_the_file(cli, beside):
    """And the line; a file has no version."""
    Path("nodes/bright.py").write_text(BRIGHT.replace("image.mean() - level", "image @ level"))
    assert "; raised in nodes/bright.py:7\n" in cli("run", "light.yaml", "-q", "--nodes", "nodes").err


@pytest.mark.parametrize(("raised", "told"), [("SystemExit(2)", "SystemExit: 2"), ("SystemExit", "SystemExit")])
def test_a_node_that_leaves_the_program_fails_like_any_other(cli, beside, raised, told):
    """With its place, for people and for programs."""
    Path("nodes/bright.py").write_text(BRIGHT.replace("return (", f"raise {raised}\n    return ("))
    message = f"light: {told} (frame 0, step 0); raised in nodes/bright.py:7\n"
    assert cli("run", "light.yaml", "-q", "--nodes", "nodes").err == f"light.yaml:6:3: error: {message}"
    outcome = cli("run", "light.yaml", "--json", "--nodes", "nodes")
    assert (outcome.code, json.loads(outcome.out)["problems"][0]["node"]) == (1, "light")


@pytest.mark.parametrize(
    "words",
    [
        ("check", "light.yaml", "--json"),
        ("plan", "light.yaml", "--json"),
        ("run", "light.yaml", "--json"),
        ("nodes", "--json"),
        ("schema",),
    ],
)
def test_what_nodes_print_is_not_among_what_programs_read(cli, beside, words):
    """Neither when a file is run, nor while its nodes render."""
    chatty = BRIGHT.replace("    return", '    print("rendering")\n    return')
    Path("nodes/bright.py").write_text('print("made")\n' + chatty)
    outcome = cli(*words, "--nodes", "nodes")
    assert outcome.code == 0
    json.loads(outcome.out)
    assert "made\n" in outcome.err
    assert ("rendering\n" in outcome.err) == (words[0] == "run")


def test_events_are_alone_on_the_standard_output(cli, beside):
    """Whatever else there is to say goes to the other stream."""
    chatty = BRIGHT.replace("    return", '    print("rendering")\n    return')
    Path("nodes/bright.py").write_text(chatty)
    outcome = cli("run", "light.yaml", "--nodes", "nodes", "--listen", "events")
    assert [json.loads(line)["event"] for line in outcome.out.splitlines()][-1] == "Ended"
    assert {"rendering", "done"} <= set(outcome.err.split())


def test_a_command_that_cannot_be_imported_is_told_by_plugins(cli, site, installed):
    """And is not in the help."""
    site.install("polite", COMMAND.format("gone"))
    installed()
    assert "greet" not in cli("--help").out
    failure = "command 'greet': ModuleNotFoundError: No module named 'gone'"
    assert failure in cli("plugins").err
    assert failure in cli("greet").err
    assert cli("greet").code == 4


def test_a_listener_that_cannot_be_made(cli, site, installed):
    """The error names it, and comes before rendering."""
    site.install("counting", LISTENER.format("counting", "pass").replace("self.frames = 0", "raise SystemExit(3)"))
    installed()
    outcome = cli("run", "film.yaml", "--listen", "tally")
    assert outcome.code == 4
    message = f"the listener 'tally' cannot be made: SystemExit: 3; raised in counting 1.0 ({site.path('counting')}:13)"
    assert message in outcome.err


def test_commands_that_cannot_be_typed_are_refused(cli, site, installed):
    """They would only garble the help."""
    site.install("polite", COMMAND.format("polite").replace('"greet"', '"--help me"'))
    installed()
    assert "command '--help me': a name has small letters, digits and hyphens" in cli("plugins").err


@pytest.mark.parametrize("terminal", [True, False])
def test_whoever_waits_is_told_for_what(cli, site, installed, monkeypatch, terminal):
    """At a terminal; it is no result, and no word for logs."""
    monkeypatch.setattr(manifest, "_PATIENCE", 0.1)
    site.install("slow", "import time\ntime.sleep(1)\n" + COMMAND.format("slow"), version="0.2")
    monkeypatch.setattr("pytti_graph.cli.waiting._is_watched", lambda: terminal)
    installed()
    site.path("slow").write_text("import time\ntime.sleep(2)\n" + COMMAND.format("slow"))
    plugins.forget()
    outcome = cli("plugins", "--json")
    assert "slow" in {plugin["distribution"] for plugin in json.loads(outcome.out)}
    assert ("looking into the plugin slow 0.2, which takes a while; " in outcome.err) == terminal


def test_plugins_tells_of_clashes(cli, site, installed):
    """Of commands and the like too."""
    for name in ("polite", "civil"):
        site.install(name, COMMAND.format(name))
    installed()
    warning = "the command 'greet' is offered by civil 1.0 too; write 'polite/greet' for this one"
    assert f"warning: polite 1.0: {warning}" in cli("plugins").err


# Listeners

LISTENER = '''\
from pytti_graph import Ended, FrameDone, hookimpl


@hookimpl
def pytti_graph_listeners(register):
    register("tally", "{0}:Tally")


class Tally:
    """Counts the frames."""

    def __init__(self):
        self.frames = 0

    def __call__(self, event):
        if isinstance(event, FrameDone):
            self.frames += 1
            {1}
        elif isinstance(event, Ended):
            print(event.status, self.frames)
'''


def test_a_listener_from_a_plugin(cli, site, installed):
    """It follows the rendering, when it is asked for."""
    site.install("counting", LISTENER.format("counting", "pass"))
    installed()
    assert "finished" not in cli("run", "film.yaml", "-q").out
    assert cli("run", "film.yaml", "-q", "--listen", "tally").out == "finished 3\n"


def test_a_listener_that_fails_harms_nothing(cli, site, installed):
    """It is told once, and left out."""
    site.install("counting", LISTENER.format("counting", "1 / 0"))
    installed()
    outcome = cli("run", "film.yaml", "--listen", "tally")
    assert outcome.code == 0
    assert outcome.err.count("the listener 'tally' failed, and hears no more: ZeroDivisionError") == 1
    assert f"raised in counting 1.0 ({site.path('counting')}:18)" in outcome.err


def test_events_as_json_lines(cli):
    """For programs that follow a rendering."""
    lines = [json.loads(line) for line in cli("run", "film.yaml", "-q", "--listen", "events").out.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "Stepped"] == [
        "Prepared",
        *["Checkpointed", "FrameDone"] * 3,
        "Ended",
    ]
    assert lines[0]["folder"].endswith("film-1")
    assert lines[-1]["status"] == "finished"
    assert set(lines[-2]["losses"]) == {"likeness"}


def test_an_unknown_listener(cli):
    """The error comes before rendering."""
    outcome = cli("run", "film.yaml", "--listen", "event")
    assert (outcome.code, outcome.err) == (2, "error: there is no listener 'event'; did you mean 'events'?\n")
