"""`check`, `plan`, `show`, `nodes`, `schema`, `examples` and `fetch`."""

import json
from pathlib import Path

import pytest

from pytti_graph.core.downloads import downloads
from pytti_graph.core.plugins import installed


def test_check_says_ok(cli):
    outcome = cli("check", "film.yaml")
    assert (outcome.code, outcome.out, outcome.err) == (0, "ok\n", "")


def test_check_prints_warnings_and_says_ok(cli):
    text = Path("film.yaml").read_text()
    Path("film.yaml").write_text(text + "  spare: {type: source.image, path: red.png}\n")
    outcome = cli("check", "film.yaml")
    assert outcome.code == 0
    assert outcome.out == "ok, with 1 warning\n"
    assert outcome.err.startswith("film.yaml:12:3: warning: spare: ")
    data = json.loads(cli("check", "film.yaml", "--json").out)
    assert data["ok"] is True
    assert data["problems"][0]["severity"] == "warning"


def test_check_takes_settings(cli):
    assert cli("check", "film.yaml", "--set", "canvas.width=0").code == 3
    assert cli("check", "film.yaml", "--set", "canvas.width=8").code == 0


def test_check_as_json(cli):
    Path("film.yaml").write_text(Path("film.yaml").read_text().replace("width: 32", "widht: 32"))
    outcome = cli("check", "film.yaml", "--json")
    assert outcome.code == 3
    assert outcome.err == ""
    (problem,) = json.loads(outcome.out)["problems"]
    assert problem == {
        "severity": "error",
        "message": "unknown argument 'widht' (image.rgb)",
        "file": "film.yaml",
        "line": 7,
        "column": 29,
        "node": "canvas",
        "argument": "widht",
        "hint": "did you mean 'width'?",
    }


def test_plan_says_what_runs_when_and_why(cli):
    outcome = cli("plan", "film.yaml")
    assert outcome.code == 0
    text = outcome.out
    order = ["Once, before the first frame", "At every step", "At the end of each frame"]
    assert sorted(order, key=text.index) == order
    once, rest = text.split("At every step")
    step, end = rest.split("At the end of each frame")
    assert "photo     for likeness  never changes: nothing it uses changes" in once
    assert "canvas" in step
    assert "changes each step: optimise optimises it" in step
    assert "likeness  for optimise" in step
    assert step.strip().endswith("optimise")
    assert "frames" in end
    assert "film" in end


def test_plan_as_json(cli):
    data = json.loads(cli("plan", "film.yaml", "--json").out)
    assert data["steps"] == 12
    assert data["nodes"]["photo"] == {
        "type": "source.image",
        "changes": "once",
        "reason": "nothing it uses changes",
        "runs": ["once"],
        "needed_by": "likeness",
    }
    assert data["sections"]["step"] == ["canvas", "likeness", "optimise"]
    assert data["dead"] == []


def test_show_draws_text(cli):
    outcome = cli("show", "film.yaml")
    assert outcome.code == 0
    assert "canvas  image.rgb  width 32, height 24" in outcome.out


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("film.mmd", b"%% A red film\nflowchart"),
        ("film.dot", b"digraph"),
        ("film.svg", b"<?xml"),
        ("film.png", b"\x89PNG"),
    ],
)
def test_show_writes_what_the_ending_says(cli, name, start):
    if name.endswith(("svg", "png")):
        pytest.importorskip("pygraphviz")
    outcome = cli("show", "film.yaml", "-o", name)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", f"wrote {name}\n")
    assert Path(name).read_bytes().startswith(start)


def test_show_without_graphviz(cli, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    outcome = cli("show", "film.yaml", "-o", "film.svg")
    assert outcome.code == 4
    assert "pip install 'pytti-graph[pictures]'" in outcome.err


def test_nodes_lists_every_type_with_one_line(cli):
    lines = cli("nodes").out.splitlines()
    for type, spec in installed().specs.items():
        assert any(line.split() == [*type.split(), *spec.summary.split()] for line in lines)
        assert spec.summary, f"{type} has no summary"


def test_nodes_as_json(cli):
    data = json.loads(cli("nodes", "--json").out)
    assert [entry["type"] for entry in data] == sorted(installed().specs)
    one = json.loads(cli("nodes", "image.rgb", "--json").out)
    assert one in data
    assert {argument["name"] for argument in one["arguments"]} >= {"width", "height"}


@pytest.mark.parametrize("type", sorted(installed().specs))
def test_a_node_is_explained_in_full(cli, type):
    spec = installed().specs[type]
    outcome = cli("nodes", type)
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert outcome.out.startswith(type)
    assert " ".join(spec.summary.split()) in text
    for parameter in spec.parameters:
        assert parameter.help, f"{type}.{parameter.name} is not explained"
        assert " ".join(parameter.help.split()) in text
    for port in spec.ports:
        assert f"{port} (" in text


def test_a_node_shows_type_default_bounds_and_unit(cli):
    text = " ".join(cli("nodes", "image.rgb").out.split())
    assert "width whole number default 512 px, at least 1" in text
    assert "changes at each step while an optimiser moves it" in text


@pytest.mark.parametrize(
    ("name", "hint"),
    [("image.rbg", "did you mean 'image.rgb'?"), ("loss", "the family has loss."), ("zzz", "lists them")],
)
def test_a_node_that_is_not_there(cli, name, hint):
    outcome = cli("nodes", name)
    assert outcome.code == 2
    assert hint in outcome.err


def test_schema_is_printed_or_written(cli):
    printed = json.loads(cli("schema").out)
    cli("schema", "-o", "graph.schema.json")
    assert json.loads(Path("graph.schema.json").read_text()) == printed
    assert "image.rgb" in printed["$defs"]


def test_an_example_comes_with_the_picture_that_it_reads(cli, folder):
    assert cli("examples", "style").code == 0
    assert cli("check", "style.yaml").code == 0
    assert (folder / "style.png").is_file()


def test_examples_are_listed_with_titles(cli):
    outcome = cli("examples")
    assert outcome.code == 0
    assert "zoom" in outcome.out
    assert outcome.out == cli("examples", "--list").out
    titles = {entry["name"]: entry["title"] for entry in json.loads(cli("examples", "--json").out)}
    assert all(titles.values())


def test_an_example_is_copied_and_never_overwrites(cli):
    outcome = cli("examples", "zoom")
    assert outcome.code == 0
    assert outcome.out == "wrote zoom.yaml; render it with: pytti-graph run zoom.yaml\n"
    Path("zoom.yaml").write_text("mine")
    outcome = cli("examples", "zoom")
    assert outcome.code == 2
    assert outcome.err == "error: zoom.yaml already exists; choose another name with '-o FILE'\n"
    assert Path("zoom.yaml").read_text() == "mine"


def test_an_example_goes_where_it_is_told(cli):
    Path("graphs").mkdir()
    assert cli("examples", "zoom.yaml", "-o", "graphs").code == 0
    assert cli("examples", "zoom", "-o", "mine.yaml").code == 0
    assert Path("graphs/zoom.yaml").read_text() == Path("mine.yaml").read_text()


def test_an_example_that_is_not_there(cli):
    outcome = cli("examples", "zom")
    assert outcome.code == 2
    assert "did you mean 'zoom'?" in outcome.err
    assert cli("examples", "-o", "x.yaml").code == 2


# fetch


class Weights:
    """A download that takes nothing from the network."""

    source, destination = "https://example.org/eye.bin", Path("cache")

    def __init__(self, error=None):
        self.error = error

    def cached(self):
        path = self.destination / "eye.bin"
        return path if path.exists() else None

    def size(self):
        if self.error:
            raise self.error
        return 3 << 20

    def fetch(self):
        self.destination.mkdir()
        (self.destination / "eye.bin").write_bytes(b"weights")
        return self.destination / "eye.bin"


@pytest.fixture
def needy(monkeypatch):
    """Makes `loss.match` need a download."""
    from pytti_graph.nodes import losses

    def make(*found, seen=None):
        def listed(weight):
            if seen is not None:
                seen.append(weight)
            return found

        downloads(listed)(losses.match)

    yield make
    downloads(lambda: [])(losses.match)


def test_fetch_says_sizes_first_and_fetches_once(cli, needy):
    arguments = []
    needy(Weights(), seen=arguments)
    outcome = cli("fetch", "film.yaml", "--set", "likeness.weight=2")
    assert outcome.code == 0
    assert outcome.out.splitlines() == ["https://example.org/eye.bin: 3.0 MB", "fetched cache/eye.bin"]
    assert arguments == [2]
    assert cli("fetch", "film.yaml").out == "already here: cache/eye.bin\n"


def test_fetch_without_a_network(cli, needy):
    needy(Weights(OSError("Name or service not known")))
    outcome = cli("fetch", "film.yaml")
    assert outcome.code == 4
    assert outcome.err.startswith("error: https://example.org/eye.bin cannot be fetched: Name or service not known; ")
    assert "cache" in outcome.err


def test_fetch_with_nothing_to_do(cli):
    outcome = cli("fetch", "film.yaml")
    assert outcome.code == 0
    assert outcome.out == "nothing to download: everything the graph needs is installed\n"
