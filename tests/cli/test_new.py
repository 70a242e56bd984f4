"""`new`: what it writes works, what it refuses it explains, and nothing is ever overwritten."""

import ast
import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from pytti_graph import __version__
from pytti_graph.core.node_files import with_files
from pytti_graph.core.plugins import Registry
from pytti_graph.scaffold import LONGEST, TEMPLATES
from pytti_graph.testing import violations

FORMS = sorted(path.name.removesuffix(".py.tmpl") for path in (TEMPLATES / "node").iterdir())
LONG = "-".join(["abcdefghi"] * 4)
RUN_ALL_FORMS = """\
pytti_graph: 1
seed: 1
clock: {frames: 2, fps: 4, steps: 2}
nodes:
  ramp: {type: source.ramp, width: 16, height: 8}
  beat: {type: value.beat, tempo: 90}
  drift: {type: motion.affine, zoom: "1 + 0.1*beat"}
  canvas: {type: image.rgb, width: 16, height: 8, start: ramp, warp: drift}
  harder: {type: filter.harder, image: canvas}
  warmer: {type: colour.warmer, image: harder}
  light: {type: loss.light, image: warmer, level: 0.8}
  optimise: {type: optimize.adam, losses: [light]}
  frames: {type: write.frames, image: warmer}
"""


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def made(cli, kind, name):
    """What `new` says that it wrote, as data."""
    outcome = cli("new", kind, name, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def function(cli, type):
    """The function of a new node."""
    path = made(cli, "node", type)["file"]
    [found] = [value for value in runpy.run_path(path).values() if getattr(value, "__module__", "") == "<run_path>"]
    return found


@pytest.mark.parametrize(
    ("name", "folder_name", "type"),
    [
        ("glow", "pytti-graph-glow", "loss.glow"),
        ("glow-worm", "pytti-graph-glow-worm", "loss.glow_worm"),
        ("pytti-graph-glow", "pytti-graph-glow", "loss.glow"),
        ("pytti_graph_Glow.Worm", "pytti-graph-glow-worm", "loss.glow_worm"),
        ("x2", "pytti-graph-x2", "loss.x2"),
        ("class", "pytti-graph-class", "loss.class"),
    ],
)
def test_names_of_plugins(cli, name, folder_name, type):
    data = made(cli, "plugin", name)
    assert (data["folder"], data["type"]) == (folder_name, type)
    assert files(Path(folder_name)) == sorted(data["files"])


@pytest.mark.parametrize(
    ("name", "wrong", "instead"),
    [
        ("Glow Worm", "it contains ' '", "write 'glow-worm'"),
        ("glühwürmchen", "it contains 'ü'", "write 'gluhwurmchen'"),
        ("../glow", "it contains '/'", "write 'glow'"),
        ("glow;rm", "it contains ';'", "write 'glow-rm'"),
        ("光", "it contains '光'", "write one such as 'glow'"),
        ("3d", "it must begin with a letter", "write one such as 'glow'"),
        ("glow-", "it must begin with a letter, and end with a letter or a digit", "write 'glow'"),
        ("x" * (LONGEST + 1), f"it has {LONGEST + 1} letters; {LONGEST} is the most", "write one such as 'glow'"),
        ("pytti-graph", "it says nothing about this one", "write one such as 'glow'"),
        ("pytti-graph-", "it says nothing about this one", "write one such as 'glow'"),
        ("", "it says nothing about this one", "write one such as 'glow'"),
    ],
)
def test_names_that_no_plugin_can_have(cli, folder, name, wrong, instead):
    before = files(folder)
    outcome = cli("new", "plugin", name)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: '{name}' cannot be the name of a plugin: {wrong}")
    assert instead in outcome.err
    assert files(folder) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plugin", "imagenet"), "pytti-graph-imagenet 0.1.0 is installed here already"),
        (("plugin", "smoothness"), f"pytti-graph {__version__} has a node loss.smoothness already"),
        (("node", "loss.smoothness"), f"pytti-graph {__version__} has a node loss.smoothness already"),
    ],
)
def test_what_is_installed_is_not_offered_twice(cli, folder, words, message):
    before = files(folder)
    outcome = cli("new", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert files(folder) == before


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_a_plugin_overwrites_nothing(cli, folder, there):
    path = folder / "pytti-graph-glow"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    before = files(folder)
    outcome = cli("new", "plugin", "glow")
    assert outcome.code == 2
    assert "pytti-graph-glow is there already; choose another name" in outcome.err
    assert files(folder) == before
    assert (folder / "pytti-graph-glow").is_dir() == (there == "folder")


def test_a_node_overwrites_nothing(cli):
    made(cli, "node", "loss.glow")
    Path("nodes/glow.py").write_text("mine")
    outcome = cli("new", "node", "filter.glow")
    assert outcome.code == 2
    assert "glow.py is there already" in outcome.err
    assert Path("nodes/glow.py").read_text() == "mine"


def test_output_names_the_folder_around_it(cli):
    assert cli("new", "plugin", "glow", "-o", "deep/down").code == 0
    assert Path("deep/down/pytti-graph-glow/pyproject.toml").exists()
    assert cli("new", "node", "loss.glow", "-o", "deep/own nodes").out.endswith("--nodes 'deep/own nodes'\n")
    assert Path("deep/own nodes/glow.py").exists()


@pytest.mark.parametrize("words", [("plugin", "glow"), ("node", "loss.glow")])
@pytest.mark.parametrize("where", ["film.yaml", "film.yaml/deeper"])
def test_a_file_is_no_folder_to_write_to(cli, words, where):
    outcome = cli("new", *words, "-o", where)
    assert outcome.code == 2
    assert outcome.err == f"error: {where} is not a folder; give '-o' the name of a folder\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
@pytest.mark.parametrize("words", [("plugin", "glow"), ("node", "loss.glow")])
def test_a_full_disk_leaves_nothing_behind(cli, folder, monkeypatch, words):
    def full(path, mode="r", **options):
        file = real(path, mode, **options)
        if mode != "x":
            return file
        file.close()
        return real(Path("/dev/full"), "w")

    real, before = Path.open, files(folder)
    monkeypatch.setattr(Path, "open", full)
    outcome = cli("new", *words)
    assert outcome.code == 2
    assert outcome.err.endswith("cannot be written: No space left on device\n")
    assert files(folder) == before


def test_the_next_commands_are_printed(cli):
    out = cli("new", "plugin", "glow").out
    assert out.endswith(
        "Next:\n"
        "  pip install -e './pytti-graph-glow[test]'\n"
        "  pytest pytti-graph-glow\n"
        "  pytti-graph run pytti-graph-glow/graphs/glow.yaml\n"
    )
    assert "  pytti_graph_glow/nodes.py\n" in out


@pytest.mark.parametrize("name", ["glow", "class", "test", "test-card", LONG])
def test_every_file_of_a_plugin_is_well_formed(cli, name):
    data = made(cli, "plugin", name)
    folder = Path(data["folder"])
    for path in map(folder.joinpath, data["files"]):
        text = path.read_text("utf-8")
        assert "$" not in text.replace("${{ matrix.python }}", ""), path
        if path.suffix == ".py":
            ast.parse(text)
        elif path.suffix in (".yaml", ".yml"):
            yaml.safe_load(text)
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=folder, check=True)


def test_the_distribution_says_what_it_needs_and_offers(cli):
    project = tomllib.loads(Path(made(cli, "plugin", "glow-worm")["folder"], "pyproject.toml").read_text())["project"]
    major, minor, *_ = __version__.split(".")
    assert project["name"] == "pytti-graph-glow-worm"
    assert f"pytti-graph>={major}.{minor}" in project["dependencies"]
    assert project["entry-points"] == {"pytti_graph": {"glow-worm": "pytti_graph_glow_worm"}}
    assert "test" in project["optional-dependencies"]


def test_a_release_is_built_checked_and_published_as_the_readme_says(cli):
    folder = Path(made(cli, "plugin", "glow")["folder"])
    job = yaml.safe_load((folder / ".github/workflows/release.yml").read_text())["jobs"]["release"]
    steps = [step.get("run") or step["uses"].partition("@")[0] for step in job["steps"]]
    wanted = ["python -m build", "twine check --strict dist/*", "pypa/gh-action-pypi-publish"]
    assert [step for step in steps if step in wanted] == wanted
    assert job["permissions"]["id-token"] == "write", "PyPI knows the workflow by it"
    publish = (folder / "README.md").read_text().partition("## Publish")[2]
    assert f"environment `{job['environment']}`" in " ".join(publish.split())
    assert "workflow `release.yml`" in publish


@pytest.mark.parametrize("git", ["knows", "is silent", "is missing"])
def test_the_licence_names_the_author_that_git_knows(cli, folder, monkeypatch, git):
    Path("config").write_text("[user]\nname = Ada Lovelace\n" if git == "knows" else "")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    if git == "is missing":
        monkeypatch.setenv("PATH", str(folder))
    text = Path(made(cli, "plugin", "glow")["folder"], "LICENSE").read_text()
    author = "Ada Lovelace" if git == "knows" else "The authors of pytti-graph-glow"
    assert f" {author}\n" in text
    assert text.startswith("MIT License\n\nCopyright (c) 20")


def test_importing_a_plugin_imports_no_torch(cli):
    folder = made(cli, "plugin", "glow")["folder"]
    code = "import sys, pytti_graph_glow as plugin; assert 'torch' not in sys.modules; print(plugin.pytti_graph_nodes)"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_new_nodes_of_every_form_make_a_graph(cli):
    for type in ("source.ramp", "value.beat", "filter.harder", "colour.warmer", "loss.light"):
        made(cli, "node", type)
    Path("forms.yaml").write_text(RUN_ALL_FORMS)
    assert cli("check", "forms.yaml", "--nodes", "nodes").code == 0
    assert cli("run", "forms.yaml", "--nodes", "nodes", "-q").code == 0


def test_a_new_node_says_how_to_use_it(cli):
    out = cli("new", "node", "loss.glow").out
    assert out.startswith("wrote nodes/glow.py: the node loss.glow")
    assert out.endswith("pytti-graph check GRAPH --nodes nodes\n")
    assert "    glow: {type: loss.glow, image: canvas" in Path("nodes/glow.py").read_text()


@pytest.mark.parametrize("form", FORMS)
def test_lines_for_a_graph_name_arguments_that_the_node_has(cli, form):
    path = made(cli, "node", f"{form}.own")["file"]
    lines = ast.get_docstring(ast.parse(Path(path).read_text())).partition("In a graph:\n")[2]
    line = yaml.safe_load(lines)["own"]
    [spec] = with_files(Registry(), [Path(path)]).specs.values()
    assert line.pop("type") == spec.type
    assert set(line) <= {parameter.name for parameter in spec.parameters}


@pytest.mark.parametrize("form", FORMS)
def test_a_new_node_keeps_the_contract(cli, form):
    assert violations(function(cli, f"{form}.own")) == []


@pytest.mark.parametrize(
    ("type", "instead"),
    [
        ("glow", "write 'loss.glow'"),
        ("Loss.Glow Worm", "write 'loss.glow_worm'"),
        ("loss.glow-worm", "write 'loss.glow_worm'"),
        ("loss.", "write one such as 'loss.glow'"),
        ("loss.3d", "write one such as 'loss.glow'"),
        ("loss.soft.glow", "write 'loss.soft_glow'"),
        ("loss.../../glow", "write 'loss.glow'"),
        ("loss." + "x" * LONGEST, "write one such as 'loss.glow'"),
        ("", "write one such as 'loss.glow'"),
    ],
)
def test_types_that_no_node_can_have(cli, type, instead):
    outcome = cli("new", "node", type)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: '{type}' cannot be a node type: it is written 'family.name'")
    assert instead in outcome.err
    assert not Path("nodes").exists()


@pytest.mark.parametrize("form", FORMS)
def test_functions_have_no_name_that_means_something_else(cli, form):
    tree = ast.parse(Path(made(cli, "node", f"{form}.own")["file"]).read_text())
    imports = [line for line in ast.walk(tree) if isinstance(line, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name for line in imports for alias in line.names}
    for name in {"lambda", "class", "float", "abs", *filter(str.islower, imported)}:
        path = Path(made(cli, "node", f"{form}.{name}")["file"])
        assert list(with_files(Registry(), [path]).specs) == [f"{form}.{name}"]
        assert f"def {name}_(" in path.read_text()


@pytest.mark.parametrize("form", FORMS)
def test_functions_are_not_taken_for_tests(cli, form):
    path = Path(made(cli, "node", f"{form}.test_card")["file"])
    assert "def node_test_card(" in path.read_text()


def test_new_loss(cli):
    loss = function(cli, "loss.own")
    dark = torch.full((1, 3, 4, 4), 0.2, dtype=torch.float64, requires_grad=True)
    assert float(loss(dark.detach(), level=0.5, weight=2)) == pytest.approx(2 * 0.3**2)
    assert torch.autograd.gradcheck(loss, (dark, 0.5))


def test_new_filter(cli):
    picture = torch.tensor([0.5, 0.6, 1.0]).reshape(1, 3, 1, 1)
    assert function(cli, "filter.own")(picture, strength=2).flatten().tolist() == pytest.approx([0.5, 0.7, 1.0])


def test_new_source(cli):
    ramp = function(cli, "source.own")
    device = SimpleNamespace(torch=torch.device("cpu"))
    right, up = ramp(device, 6, 4), ramp(device, 6, 4, angle=90)
    assert right.shape == (1, 3, 4, 6)
    assert (right.diff(dim=3) > 0).all()
    assert (up.diff(dim=2) < 0).all()
    diagonal = ramp(device, 6, 4, angle=45)
    assert (float(diagonal.min()), float(diagonal.max())) == pytest.approx((0, 1), abs=1e-6)


def test_new_value(cli):
    beat = function(cli, "value.own")
    assert [beat(SimpleNamespace(t=t), tempo=60, decay=2) for t in (0, 0.5, 1)] == [1, 0.5, 1]


def test_help(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = cli("new", "--help").out
    assert out.startswith("Usage: pytti-graph new COMMAND [OPTIONS]\n")
    assert "  node   " in out
    assert "  plugin " in out
    assert cli("new").code == 2
    for command in ("node", "plugin"):
        page = cli("new", command, "--help").out
        assert page.startswith(f"Usage: pytti-graph new {command}")
        assert max(map(len, page.splitlines())) <= 88


@pytest.mark.slow
def test_a_new_plugin_passes_its_tests_and_its_graph_renders(cli, folder):
    plugin = Path(made(cli, "plugin", "glow-worm")["folder"]).resolve()
    installed = dist_info(plugin)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(installed), str(plugin), os.environ.get("PYTHONPATH", "")]),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }

    def python(*words):
        command = [sys.executable, "-m", *map(str, words)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "passed" in python("pytest", plugin, "-p", "no:cacheprovider")
    assert "loss.glow_worm" in python("pytti_graph", "plugins")
    python("pytti_graph", "run", plugin / "graphs" / "glow-worm.yaml", "--draft", "-o", "skin")
    assert len(list(Path("skin/frames").iterdir())) == 1


def dist_info(plugin):
    """A folder that makes a plugin installed, once it is on the path: what pip would write of its `pyproject.toml`."""
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    folder = plugin.parent / "installed" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n")
    [(name, module)] = project["entry-points"]["pytti_graph"].items()
    (folder / "entry_points.txt").write_text(f"[pytti_graph]\n{name} = {module}\n")
    return folder.parent
