"""Plugins come one by one, and a broken one harms no other."""

import subprocess
import sys

import pytest

from pytti_graph import MissingError, node
from pytti_graph.core import manifest, plugins
from pytti_graph.core.nodes import spec_of


class Distribution:
    """What importlib.metadata says of a distribution."""

    def __init__(self, name, *entry_points, version="1.0"):
        self.name, self.version, self.entry_points = name, version, entry_points


class EntryPoint:
    """What importlib.metadata says of an entry point."""

    group = "pytti_graph"

    def __init__(self, name, module):
        self.name, self._module = name, module

    def load(self):
        if isinstance(self._module, Exception):
            raise self._module
        return self._module


@pytest.fixture
def offering(monkeypatch, tmp_path):
    """Pretends that distributions are installed."""

    def install(*distributions):
        monkeypatch.setattr(plugins.metadata, "distributions", lambda: distributions)
        monkeypatch.setattr(manifest.platformdirs, "user_cache_dir", lambda name: str(tmp_path))
        plugins.installed.cache_clear()
        return plugins.installed()

    yield install
    plugins.installed.cache_clear()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a plugin module on disk."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, type):
        (tmp_path / f"{name}.py").write_text(
            "from pytti_graph import hookimpl, node\n"
            f"@node('{type}')\ndef made(x: float = 1.0) -> float:\n    return x\n"
            f"@hookimpl\ndef pytti_graph_nodes(register):\n    register('{name}:made')\n"
        )
        __import__(name)
        return sys.modules[name]

    return make


def test_the_built_in_nodes_come_through_the_same_hook():
    """And nothing of them fails."""
    registry = plugins.installed()
    built_in = next(plugin for plugin in registry.plugins if plugin.distribution == "pytti-graph")
    assert built_in.failure is None
    assert "image.pyramid" in built_in.types


def test_a_broken_plugin_harms_no_other(offering, module):
    """What it raised is kept."""
    registry = offering(
        Distribution("broken", EntryPoint("a", ImportError("no torchfoo"))),
        Distribution("good", EntryPoint("b", module("good_plugin", "good.node"))),
    )
    assert list(registry.specs) == ["good.node"]
    assert [(plugin.distribution, plugin.failure) for plugin in registry.plugins] == [
        ("broken", "ImportError: no torchfoo"),
        ("good", None),
    ]


def test_a_misspelt_hook_is_told(offering):
    """Instead of silently offering nothing."""

    class Misspelt:
        @plugins.hooks.hookimpl
        def pytti_graph_node(self, register): ...

    registry = offering(Distribution("wrong", EntryPoint("a", Misspelt())))
    assert "pytti_graph_node" in registry.plugins[0].failure


def test_two_plugins_that_offer_one_type(offering, module):
    """The first keeps it; the second is told."""
    registry = offering(
        Distribution("one", EntryPoint("a", module("plugin_one", "twice.node"))),
        Distribution("two", EntryPoint("b", module("plugin_two", "twice.node"))),
    )
    assert registry.specs["twice.node"].target == "plugin_one:made"
    assert "twice.node" in registry.plugins[1].failure


def test_only_the_wanted_plugins_are_loaded(offering, module, monkeypatch):
    """`PYTTI_GRAPH_PLUGINS` names entry points."""
    monkeypatch.setenv("PYTTI_GRAPH_PLUGINS", "b")
    registry = offering(
        Distribution("one", EntryPoint("a", module("plugin_a", "a.node"))),
        Distribution("two", EntryPoint("b", module("plugin_b", "b.node"))),
    )
    assert list(registry.specs) == ["b.node"]


def test_a_manifest_is_rebuilt_when_the_source_changes(tmp_path, monkeypatch, module):
    """And used without importing while it has not."""
    monkeypatch.setattr(manifest.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    made = module("changing", "changing.node")
    calls = []

    def load(target):
        calls.append(target)
        return made.made

    for _ in range(2):
        assert list(manifest.specifications("x", ["changing:made"], load)) == ["changing.node"]
    assert len(calls) == 1
    (tmp_path / "changing.py").write_text("# another\n")
    manifest.specifications("x", ["changing:made"], load)
    assert len(calls) == 2


def test_an_unwritable_or_damaged_cache_only_costs_time(tmp_path, monkeypatch, module):
    """The specifications are right all the same."""
    (tmp_path / "file").write_text("")
    made = module("cached", "cached.node")
    for place in (tmp_path / "file", tmp_path):
        monkeypatch.setattr(manifest.platformdirs, "user_cache_dir", lambda name, place=place: str(place))
        for _ in range(2):
            assert list(manifest.specifications("y", ["cached:made"], lambda target: made.made)) == ["cached.node"]
            if place.is_dir():
                (place / "manifests" / "y.json").write_text("{")


def test_a_node_that_cannot_be_imported_names_its_distribution(offering):
    """And is fatal only when it is needed."""

    @node("gone.node")
    def gone() -> float: ...

    spec = spec_of(gone)
    registry = plugins.Registry({"gone.node": spec}, (plugins.Plugin("g", "gone-dist", "2.1", ("gone.node",)),))
    with pytest.raises(MissingError, match=r"gone\.node of gone-dist 2\.1"):
        registry.implementation(spec)


def test_importing_the_package_imports_nothing_heavy():
    """Neither torch nor networkx nor yaml."""
    code = "import sys, pytti_graph; print([m for m in ('torch', 'networkx', 'yaml', 'av', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
