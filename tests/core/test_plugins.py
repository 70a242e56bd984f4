"""Plugins come one by one, and a broken one harms no other."""

import importlib
import json
import subprocess
import sys

import pytest

from pytti_graph import MissingError, UsageError, node
from pytti_graph.core import hooks, manifest, plugins
from pytti_graph.core.nodes import spec_of

HOOK = "from pytti_graph import hookimpl, node\n@hookimpl\ndef pytti_graph_nodes(register):\n"
NAMED = "from pytti_graph import hookimpl\n@hookimpl\ndef pytti_graph_{}(register):\n    register('it', {})\n"


def offering(type, module, docstring='"""A node."""', x="x: float = 1.0"):
    """A plugin module with one node."""
    return (
        f"{HOOK}    register('{module}:made')\n"
        f"@node('{type}')\ndef made({x}) -> float:\n    {docstring}\n    return 1.0\n"
    )


def only(registry, distribution):
    """The plugin of a distribution."""
    [plugin] = [plugin for plugin in registry.plugins if plugin.distribution == distribution]
    return plugin


def test_the_built_in_nodes_come_through_the_same_hooks():
    """And nothing of them fails."""
    built_in = [plugin for plugin in plugins.installed().plugins if plugin.distribution == "pytti-graph"]
    assert [plugin.failures for plugin in built_in] == [()] * len(built_in)
    assert "image.pyramid" in {type for plugin in built_in for type in plugin.types}
    assert {"run", "check"} <= {offer.name for plugin in built_in for offer in plugin.offers}


def test_a_broken_plugin_harms_no_other(site, installed):
    """What it raised is kept, with the place."""
    site.install("broken", "import os\nimport torchfoo\n")
    site.install("good", offering("good.node", "good"))
    registry = installed()
    assert "good.node" in registry.specs
    assert only(registry, "broken").failures == (
        f"ModuleNotFoundError: No module named 'torchfoo' ({site.path('broken')}:2)",
    )
    assert only(registry, "good").failures == ()


@pytest.mark.parametrize("deed", ["import sys; sys.exit(3)", "raise KeyboardInterrupt", "print('hello')\nimport gone"])
def test_whatever_a_plugin_does_when_imported(site, installed, capfd, deed):
    """The rest is there, and nothing is printed."""
    site.install("a-wild", deed)
    site.install("good", offering("good.node", "good"))
    registry = installed()
    assert "good.node" in registry.specs
    assert str(site.path("a_wild")) in only(registry, "a-wild").failures[0]
    assert capfd.readouterr().out == ""


def test_a_plugin_that_ends_python(site, installed):
    """Only it is lost."""
    site.install("before", offering("before.node", "before"))
    site.install("crash", "import os\nos._exit(11)\n")
    site.install("later", offering("later.node", "later"))
    registry = installed()
    assert {"before.node", "later.node"} <= set(registry.specs)
    assert "ended Python: exit code 11" in only(registry, "crash").failures[0]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("from pytti_graph import hookimpl\n@hookimpl\ndef pytti_graph_node(register): ...", "did you mean"),
        ("def pytti_graph_nodes(register): ...", "lacks the decorator @hookimpl"),
        ("from pytti_graph import hookimpl\n@hookimpl\ndef pytti_graph_nodes(registre): ...", "registre"),
        (f"{HOOK}    register('bad:gone')", "gone"),
        (offering("bad.node", "bad", x="x=1"), "parameter 'x' has no annotation"),
        (offering("bad.node", "bad", x="x: bytes"), "parameter 'x'"),
        (offering("bad.node", "bad", x="x: float = object()"), "parameter 'x': the default <object object"),
        (offering("bad.node", "bad", x="type: float = 1.0"), "no graph could set a parameter 'type'"),
        (offering("bad.node", "bad").replace("-> float", "-> bytes"), "not a type that a node can return"),
        (offering("Bad", "bad"), "not a node type name"),
        (offering("bad.node", "bad", x="x: 'Nmuber'"), "bad.node: an annotation names 'Nmuber'"),
        (offering("bad.node", "bad").replace(" -> float", ""), "bad.node: what it gives has no annotation"),
        (offering("bad.node", "bad").replace("@node('bad.node')", ""), "made is not a node"),
        (offering("bad.node", "bad").replace("@node('bad.node'", "@node('bad.node', version=0"), "from 1 on, not 0"),
        (f"{HOOK}    register('bad.made')", "written 'package.module:name', not 'bad.made'"),
        (f"{HOOK}    register('gone:made')", "No module named 'gone'"),
        ("from pytti_graph import hookimpl\n@hookimpl\ndef ptti_graph_nodes(register): ...", "'pytti_graph_nodes'?"),
        ("import pytti_graph\n", "it implements no hook; there are pytti_graph_nodes"),
        (f"pytti_graph_api = '1'\n{HOOK}    ...", "pytti_graph_api is a whole number, such as 1, not '1'"),
        (NAMED.format("commands", "'bad:greet'") + "greet = 3", "command 'it': TypeError: bad:greet cannot be called"),
        (NAMED.format("listeners", "lambda: 1"), "listener 'it': TypeError: what is registered is written 'package"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_a_plugin_that_is_written_wrong(site, installed, source, words):
    """It is told what and where."""
    site.install("bad", source)
    [failure] = only(installed(), "bad").failures
    assert words in failure
    assert str(site.path("bad")) in failure


def test_one_type_twice_in_a_plugin(site, installed):
    """The second is refused, with its place."""
    again = "@node('twice.node')\ndef again() -> float:\n    'Another.'\n    return 2.0\n"
    source = offering("twice.node", "double").replace("made')", "made')\n    register('double:again')", 1)
    site.install("double", source + again)
    [failure] = only(installed(), "double").failures
    assert failure.startswith("double:again: twice.node is offered twice, also by double:made (")
    assert failure.endswith(f"{site.path('double')}:10)")


def test_a_module_that_is_not_there(site, installed):
    """There is no file to name, so the entry point is named."""
    site.install("hollow", "", entry_points={"hollow": "nowhere"})
    [failure] = only(installed(), "hollow").failures
    assert failure == "ModuleNotFoundError: No module named 'nowhere' (the entry point hollow = nowhere)"


def test_the_place_of_a_failure_is_in_the_plugin(site, installed):
    """Not in the library that it calls wrongly."""
    site.install("fond", "import json\nx = 1\njson.loads('{')\n")
    [failure] = only(installed(), "fond").failures
    assert failure.endswith(f"({site.path('fond')}:3)")


def test_one_bad_node_leaves_the_others(site, installed):
    """Nodes in modules of their own fail on their own."""
    site.install(
        "mixed",
        f"{HOOK}    register('mixed_good:made')\n    register('mixed_bad:made')\n",
        mixed_good=offering("mixed.good", "mixed_good"),
        mixed_bad="import torchfoo",
    )
    plugin = only(installed(), "mixed")
    assert plugin.types == ("mixed.good",)
    assert plugin.failures[0].startswith("mixed_bad:made: ModuleNotFoundError")


def test_a_missing_docstring_is_a_warning(site, installed):
    """The node can be used all the same."""
    site.install("silent", offering("silent.node", "silent", docstring="pass"))
    plugin = only(installed(), "silent")
    assert plugin.types == ("silent.node",)
    assert "silent.node has no docstring" in plugin.warnings[0]


@pytest.mark.parametrize(("api", "words"), [(99, "pip install --upgrade pytti-graph"), (0, "ask its authors")])
def test_a_plugin_for_another_api(site, installed, api, words):
    """It is not imported: what it would fail with explains nothing."""
    site.install("other", f"pytti_graph_api = {api}\nfrom pytti_graph import SomethingElse\n")
    [failure] = only(installed(), "other").failures
    assert f"version {api} of the plugin API" in failure
    assert words in failure


def test_another_api_that_only_the_running_module_tells(site, installed):
    """What cannot be read without running it is looked at afterwards."""
    site.install("other", f"NEWEST = 99\npytti_graph_api = NEWEST\n{offering('other.node', 'other')}")
    [failure] = only(installed(), "other").failures
    assert "version 99 of the plugin API" in failure
    assert str(site.path("other")) in failure


@pytest.mark.parametrize("plugin", ["imagenet", "strokes"])
def test_our_own_plugins_say_their_api(plugin):
    """They are models for others."""
    module = importlib.import_module(f"pytti_graph_{plugin}")
    assert module.pytti_graph_api == hooks.API


def test_two_plugins_that_offer_one_type(site, installed):
    """Nobody gets it by its short name; each can be named."""
    site.install("one", offering("twice.node", "one"))
    site.install("two", offering("twice.node", "two"), version="2.5")
    registry = installed()
    assert registry.find("twice.node") is None
    assert registry.find("one/twice.node").target == "one:made"
    assert registry.find("two/twice.node").target == "two:made"
    assert [str(plugin) for plugin in registry.offering("twice.node")] == ["one 1.0", "two 2.5"]
    assert "twice.node is offered by two 2.5 too" in only(registry, "one").warnings[0]


def test_nobody_takes_a_type_from_the_built_ins(site, installed):
    """But theirs can be named."""
    site.install("greedy", offering("image.rgb", "greedy"))
    registry = installed()
    assert registry.find("image.rgb").target == "pytti_graph.nodes.images:RGB"
    assert registry.find("greedy/image.rgb").target == "greedy:made"


def test_only_the_wanted_plugins_are_loaded(site, installed):
    """`PYTTI_GRAPH_PLUGINS` names entry points or distributions; nothing names none."""
    site.install("one", offering("one.node", "one"), entry_points={"first": "one"})
    site.install("two", offering("two.node", "two"))
    assert {"one.node", "two.node"} & set(installed(["first"]).specs) == {"one.node"}
    assert {"one.node", "two.node"} & set(installed(["two"]).specs) == {"two.node"}
    assert {"one.node", "two.node"} & set(installed([]).specs) == set()


def test_a_manifest_is_rebuilt_when_a_source_changes(site, installed, monkeypatch):
    """Any of the plugin's packages, and used without importing while none has."""
    site.install("changing", offering("changing.node", "changing"))
    asked = []
    ask = manifest._ask
    monkeypatch.setattr(manifest, "_ask", lambda manifests, **more: asked.append(1) or ask(manifests, **more))
    assert "changing.node" in installed().specs
    before = len(asked)
    assert "changing.node" in installed().specs
    assert len(asked) == before > 0
    site.path("changing").write_text(offering("changed.node", "changing") + "# longer\n")
    assert "changed.node" in installed().specs
    assert len(asked) > before


def test_a_failure_is_looked_at_again(site, installed, monkeypatch):
    """Its cause may have gone: something installed, a variable set."""
    source = "import os\nos.environ['NEEDED_KEY']\n" + offering("needy.node", "needy")
    site.install("needy", source)
    assert "KeyError: 'NEEDED_KEY'" in only(installed(), "needy").failures[0]
    monkeypatch.setenv("NEEDED_KEY", "1")
    assert only(installed(), "needy").failures == ()


def test_what_is_changed_while_it_is_looked_at_is_not_remembered(site, installed):
    """The manifest would tell what is no longer there."""
    new = offering("slow.new", "slow_nodes")
    change = f"import pathlib; pathlib.Path(__file__).write_text({new!r})\n"
    source = f"{HOOK}    register('slow_nodes:made')\n"
    site.install("slow", source, slow_nodes=offering("slow.old", "slow_nodes") + change)
    assert "slow.old" in installed().specs
    assert "slow.new" in installed().specs


def test_the_present_folder_is_not_searched_for_modules(site, installed, tmp_path, monkeypatch):
    """It may be a folder of downloads."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tmp_path / "here")
    site.install("good", offering("good.node", "good"))
    assert "good.node" in installed().specs


def test_a_package_that_ends_python(site, installed):
    """Also where the entry point names a module inside of it, which nothing here imports."""
    site.install("wild", "", entry_points={"wild": "wildpack.plug"})
    package = site.folder / "wildpack"
    package.mkdir()
    (package / "__init__.py").write_text("import os\nos._exit(9)\n")
    (package / "plug.py").write_text(offering("wild.node", "wildpack.plug"))
    [failure] = only(installed(), "wild").failures
    assert failure == f"importing wildpack.plug ended Python: exit code 9 ({package / 'plug.py'})"


def test_a_node_that_ends_python_is_lost_alone(site, installed):
    """Its plugin keeps the others, and its commands."""
    site.install(
        "partly",
        f"{HOOK}    register('partly_bad:made')\n    register('partly_good:made')\n    register(42)\n"
        "@hookimpl\ndef pytti_graph_commands(register):\n    register('greet', 'partly_good:made')\n",
        partly_good=offering("partly.good", "partly_good"),
        partly_bad="import os\nos._exit(11)\n",
    )
    plugin = only(installed(), "partly")
    assert plugin.types == ("partly.good",)
    assert [offer.name for offer in plugin.offers] == ["greet"]
    assert sorted(failure.partition(":")[0] for failure in plugin.failures) == ["TypeError", "importing partly_bad"]


def test_a_plugin_that_hangs(site, installed, monkeypatch):
    """It is told which one is waited for, and it alone is given up in the end."""
    monkeypatch.setattr(manifest, "_PATIENCE", 0.2)
    monkeypatch.setattr(manifest, "_TIMEOUT", 4.0)
    site.install("a-good", offering("good.node", "a_good"))
    site.install("hanging", "import time\ntime.sleep(600)\n", version="0.3")
    site.install("later", offering("later.node", "later"))
    told = []
    with manifest.telling(lambda source: told.append(str(source))):
        registry = installed()
    assert {"good.node", "later.node"} <= set(registry.specs)
    assert only(registry, "hanging").failures == (
        f"importing hanging gave no answer in 4 seconds ({site.path('hanging')})",
    )
    assert told.count("hanging 0.3") == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda info: (info / "METADATA").write_bytes(b"\xff\xfe"),
        lambda info: (info / "METADATA").unlink(),
        lambda info: (info / "METADATA").write_text("Metadata-Version: 2.1\n"),
        lambda info: (info / "entry_points.txt").write_bytes(b"[pytti_graph]\n\xff = x\n"),
        lambda info: (info / "entry_points.txt").write_text("[pytti_graph]\nnonsense\n"),
    ],
)
def test_damaged_metadata_harm_no_other(site, installed, damage):
    """Whatever can still be known of the distribution is used."""
    site.install("hurt", offering("hurt.node", "hurt"))
    site.install("good", offering("good.node", "good"))
    damage(site.folder / "hurt-1.0.dist-info")
    assert "good.node" in installed(["good", "hurt", "hurt-1.0.dist-info"]).specs


def test_two_entry_points_of_one_distribution(site, installed):
    """The same node is taken once; another one of the same name is a failure that names both."""
    site.install(
        "double",
        f"{HOOK}    register('double_nodes:made')\n",
        entry_points={"first": "double", "second": "double", "third": "third"},
        double_nodes=offering("double.node", "double_nodes"),
        third=offering("double.node", "third"),
    )
    registry = installed()
    assert registry.find("double.node").target == "double_nodes:made"
    failures = [failure for plugin in registry.plugins for failure in plugin.failures]
    assert failures == ["third:made: the node 'double.node' is double_nodes:made of the entry point 'first' already"]


def test_a_damaged_cache_only_costs_time(site, installed, tmp_path):
    """The specifications are right all the same."""
    site.install("cached", offering("cached.node", "cached"))
    for damage in ("{", "[]", '{"key": 1, "contents": {}}'):
        assert "cached.node" in installed().specs
        for path in (tmp_path / "cache" / "manifests").glob("cached*.json"):
            path.write_text(damage)


@pytest.mark.parametrize(
    "change",
    [
        lambda contents: contents["nodes"][0].update(type=None),
        lambda contents: contents["nodes"][0].update(summary="Do harm."),
        lambda contents: contents.update(nodes={}),
        lambda contents: contents.update(targets=[None]),
    ],
)
def test_a_cache_that_somebody_has_changed(site, installed, tmp_path, change):
    """It is made anew."""
    site.install("cached", offering("cached.node", "cached"))
    assert "cached.node" in installed().specs
    [path] = (tmp_path / "cache" / "manifests").glob("cached*.json")
    kept = path.read_text()
    data = json.loads(kept)
    change(data["contents"])
    path.write_text(json.dumps(data))
    assert installed().specs["cached.node"].summary == "A node."
    assert path.read_text() == kept


def test_a_cache_that_cannot_be_written(site, installed, tmp_path):
    """A file is in its place."""
    (tmp_path / "cache").write_text("")
    site.install("cached", offering("cached.node", "cached"))
    assert "cached.node" in installed().specs


def test_python_inside_another_program(site, installed, monkeypatch):
    """Where there is no Python to start, plugins are imported here."""
    monkeypatch.setattr(sys, "executable", "/gone/python")
    site.install("inside", offering("inside.node", "inside"))
    assert "inside.node" in installed().specs


def test_listeners_are_chosen_by_name(site, installed):
    """One that two plugins offer by its distribution."""
    offer = "from pytti_graph import hookimpl\n@hookimpl\ndef pytti_graph_listeners(register):\n"
    for name in ("loud", "proud"):
        source = f"{offer}    register('horn', '{name}:Horn')\nclass Horn:\n    '''Toots.'''\n    name = '{name}'\n"
        site.install(name, source)
    registry = installed()
    assert registry.choose("listener", "proud/horn").name == "proud"
    with pytest.raises(UsageError, match=r"loud 1\.0 and proud 1\.0 both offer"):
        registry.choose("listener", "horn")
    with pytest.raises(UsageError, match="there is no listener 'trumpet'"):
        registry.choose("listener", "trumpet")


def test_a_node_that_cannot_be_imported_names_its_distribution():
    """And is fatal only when it is needed."""

    @node("gone.node")
    def gone() -> float: ...

    spec = spec_of(gone)
    registry = plugins.Registry({"gone.node": spec}, (plugins.Plugin("g", "gone-dist", "2.1", {"gone.node": spec}),))
    with pytest.raises(MissingError, match=r"gone\.node of gone-dist 2\.1"):
        registry.implementation(spec)


def test_importing_the_package_imports_nothing_heavy():
    """Neither torch nor networkx nor yaml."""
    code = "import sys, pytti_graph; print([m for m in ('torch', 'networkx', 'yaml', 'av', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
