"""What the documentation shows works, and what it should mention is mentioned."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

import pytti_graph
from pytti_graph import Graph
from pytti_graph.cli.main import app, execute
from pytti_graph.core import hooks
from pytti_graph.core.formulas import parse_formula
from pytti_graph.core.plugins import installed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
HAND_WRITTEN = [page for page in PAGES if page.name not in ("nodes.md", "command-line.md")]
CHEAP = ("check", "plan", "show", "nodes", "plugins", "schema", "examples")

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`(pytti-graph [^`]+)`")
_JOINTS = ("&&", "||", ";", "|", "do", ">")
_GRAPH = re.compile(r"(?:# (?P<name>[\w.-]+\.yaml)\n|#.*\n)?pytti_graph:")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def visible(page: Path) -> str:
    return _COMMENT.sub("", page.read_text("utf-8"))


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in _FENCE.findall(visible(page)) if language in languages]


def graphs(page: Path) -> Iterator[tuple[str, str]]:
    """The complete graphs of a page, with the names they are given."""
    for number, body in enumerate(blocks(page, "yaml")):
        if match := _GRAPH.match(body):
            yield match["name"] or f"graph-{number}.yaml", body


def commands(page: Path) -> Iterator[list[str]]:
    """Every `pytti-graph` command line that a page shows, without its first word, with 1 for what the shell puts in."""
    lines = [line for body in blocks(page, "sh") for line in body.replace("\\\n", " ").splitlines()]
    lines += _INLINE.findall(_FENCE.sub("", visible(page)).replace("\n", " "))
    for line in lines:
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        for command, part in groupby(words, key=lambda word: word not in _JOINTS):
            first, *rest = part
            if command and first == "pytti-graph":
                yield [re.sub(r"\$\w+", "1", word) for word in rest]


def parsed(words: list[str]) -> None:
    """Read a command line as the program does, without running it."""
    group: Any = typer.main.get_command(app)
    if set(words) & {"--help", "--version"} or words[0].isupper():
        return
    name, command, rest = group.resolve_command(group.make_context("pytti-graph", ["check"]), words)
    if rest or name in ("nodes", "plugins", "schema", "examples"):
        command.make_context(name, rest)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder such as a reader has: with a picture, and the examples."""
    pixels = np.random.default_rng(0).random((32, 48, 3)) * 255
    Image.fromarray(pixels.astype("uint8")).save(tmp_path / "photo.png")
    (tmp_path / "graphs").symlink_to(ROOT / "graphs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_python_snippets_run(page: Path, folder: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "snippets"}
    for body in blocks(page, "python"):
        exec(compile(body, name_of(page), "exec"), namespace)


@pytest.mark.parametrize("page", [page for page in PAGES if list(graphs(page))], ids=name_of)
def test_graphs_are_valid(page: Path, folder: Path) -> None:
    for name, text in graphs(page):
        (folder / name).write_text(text, "utf-8")
        assert Graph.load(folder / name).check() == [], name


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=name_of)
def test_parts_of_graphs_use_known_nodes_and_arguments(page: Path) -> None:
    for body in blocks(page, "yaml"):
        if _GRAPH.match(body):
            continue
        for node in yaml.safe_load(body).values():
            spec = installed().specs[node.pop("type")]
            assert [key for key in node if spec.parameter(key) is None] == []


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=name_of)
def test_command_lines_can_be_read(page: Path) -> None:
    for words in commands(page):
        try:
            parsed(words)
        except Exception as error:
            pytest.fail(f"pytti-graph {shlex.join(words)}: {error}")


@pytest.mark.parametrize("page", [DOCS / "tutorial.md", DOCS / "how-to" / "motion.md"], ids=name_of)
def test_formulas_in_tables_give_numbers_throughout_a_film(page: Path) -> None:
    shown = re.findall(r"`(?:zoom|rotate|translate_\w): \"([^\"]+)\"`", visible(page))
    assert len(shown) >= 3
    for formula in (parse_formula(text) for text in shown):
        value = formula.compile()
        for frame in range(48):
            clock = {"t": frame / 12, "frame": frame, "frames": 48, "fps": 12}
            value(*(clock[name] for name in formula.clock_names))


def test_cheap_commands_run(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = 0
    for page in HAND_WRITTEN:
        for name, text in graphs(page):
            (folder / name).write_text(text, "utf-8")
        for body in blocks(page, "sh"):
            for words in (shlex.split(line)[1:] for line in body.splitlines() if line.startswith("pytti-graph")):
                if words[0] in CHEAP:
                    for made in words[1:2]:
                        (folder / f"{made}.yaml").unlink(missing_ok=True)
                    assert execute(words) == 0, f"{name_of(page)}: {words}: {capfd.readouterr().err}"
                    ran += 1
    assert ran >= 4


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", visible(page))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(found), f"{target}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """What headings can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def reference() -> Any:
    path = DOCS / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current() -> None:
    stale = [name_of(page) for page, text in reference().pages().items() if page.read_text("utf-8") != text]
    assert not stale, f"run 'python docs/make_reference.py': {', '.join(stale)} would change"


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(visible(DOCS / "index.md"))}
    linked.add((DOCS / "index.md").resolve())
    assert {page.resolve() for page in DOCS.rglob("*.md")} == linked


def test_every_public_name_is_documented() -> None:
    code = " ".join(
        part for page in HAND_WRITTEN for part in (*blocks(page, "python"), *re.findall(r"`[^`\n]+`", visible(page)))
    )
    words = set(re.findall(r"\w+", code))
    assert sorted(set(pytti_graph.__all__) - words) == []


def test_every_hook_is_documented_with_a_sentence() -> None:
    page = " ".join(visible(DOCS / "plugins.md").split())
    source = ast.parse(Path(hooks.__file__).read_text("utf-8"))
    found = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assert found
    for hook in found:
        sentence = (ast.get_docstring(hook) or "").split("\n")[0]
        signature = f"`{hook.name}({', '.join(argument.arg for argument in hook.args.args)})`"
        assert signature in page, f"{signature} is not documented"
        assert sentence, f"{hook.name} has no docstring"
        assert sentence in page, f"{hook.name} is not explained as in its docstring: {sentence}"


def test_the_readme_has_one_command_for_each_purpose() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for heading in ("Quick start", "Development"):
        section = re.search(rf"^## {heading}$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
        assert section is not None
        assert len(_FENCE.findall(section[1])) == 1, heading
