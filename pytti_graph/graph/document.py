"""Graph files as documents: what is written, where, checked as far as that is possible without knowing node types."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytti_graph.core.errors import GraphError, Position, Problem, UsageError, did_you_mean
from pytti_graph.core.formulas import CLOCK_NAMES, reserved
from pytti_graph.graph.interpolation import Origin, interpolate
from pytti_graph.graph.scalars import MAX_DIGITS, NOT_YAML, flow, quoted, scalar
from pytti_graph.graph.values import NAME, Entry, Value
from pytti_graph.graph.yaml_reader import MAX_DEPTH, MAX_SIZE, read_yaml
from pytti_graph.graph.yaml_slips import undecodable

__all__ = [
    "VERSION",
    "Document",
    "DocumentError",
    "Entry",
    "NodeText",
    "Origin",
    "Value",
    "document_from",
    "dump",
    "interpolate",
    "parse_document",
    "read_document",
]

VERSION = 1
"""The version of the graph format that this pytti-graph reads."""

KEYS = ("pytti_graph", "title", "seed", "clock", "vars", "nodes", "requires", "versions")
_BRACKETS = re.compile(r"[()\[\]{}]")


@dataclass(frozen=True, slots=True)
class NodeText:
    """A node as it is written.

    Attributes:
        id: Its name in the graph.
        position: Of its id.
        type: Its type, a text.
        arguments: Everything else, by name.
    """

    id: str
    position: Position | None = field(compare=False)
    type: Value
    arguments: dict[str, Entry]


@dataclass(frozen=True)
class Document:
    """A graph as it is written; equal to another if both say the same.

    Attributes:
        path: Its file, or None.
        name: What its run folders are called.
        version: Of the format.
        variables: `vars:`, numbers and texts by name. Formulas use the numbers by name; texts, and formulas kept as
            texts, are put in with `${name}`.
        requires: `requires:`, as written.
        versions: `versions:`, for which version of each node type it was written.
        unreadable: Ids of nodes that could not be read.
    """

    path: Path | None = field(compare=False)
    name: str
    version: int = VERSION
    title: str = ""
    seed: int | None = None
    clock: dict[str, Entry] = field(default_factory=dict)
    variables: dict[str, Entry] = field(default_factory=dict)
    nodes: dict[str, NodeText] = field(default_factory=dict)
    requires: Value | None = None
    versions: dict[str, int] = field(default_factory=dict)
    unreadable: frozenset[str] = field(default=frozenset(), compare=False)


def read_document(path: Path) -> Document:
    """Read a graph file.

    Raises:
        UsageError: There is no such file, or it cannot be opened.
        GraphError: It is not a graph; carries every problem found.
    """
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_SIZE + 1)
    except OSError as error:
        hint = did_you_mean(path.name, _files_beside(path))
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))
        raise UsageError(f"cannot read {path}: {reason}", hint=hint) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GraphError([undecodable(data, error, str(path))]) from None
    return _read(text, str(path), path.stem, path)


def parse_document(text: str, name: str) -> Document:
    """Read a graph from a text; `name` stands for the file in messages.

    Raises:
        GraphError: It is not a graph; carries every problem found.
    """
    return _read(text, name, Path(name).stem if name.endswith((".yaml", ".yml")) else name, None)


def document_from(mapping: Mapping[str, Any], name: str = "graph") -> Document:
    """Make a document of Python data: what a graph file says, as dictionaries, lists, texts, numbers and None.

    Raises:
        GraphError: It is not a graph; carries every problem found.
    """
    problems: list[Problem] = []
    return _document(value_of(mapping, problems), problems, name, None)


def _files_beside(path: Path) -> list[str]:
    try:
        return [file.name for file in path.parent.iterdir()]
    except OSError:
        return []


def _read(text: str, file: str, name: str, path: Path | None) -> Document:
    root, problems = read_yaml(text, file)
    if root is None or (root.data is None and not problems):
        hint = "a graph begins with 'pytti_graph: 1'"
        raise GraphError([*problems, Problem("the file is empty", Position(file, 1, 1), hint=hint)])
    return _document(root, problems, name, path)


def value_of(data: Any, problems: list[Problem], where: str = "", depth: int = 0) -> Value:
    """Python data as a value without a place; what cannot stand in a graph file becomes a problem."""
    if depth > MAX_DEPTH:
        problems.append(Problem(f"{where}: lists and mappings are nested too deeply"))
    elif isinstance(data, Mapping):
        return Value(_entries_of(data, problems, where, depth))
    elif isinstance(data, list | tuple):
        return Value(tuple(value_of(item, problems, where, depth + 1) for item in data))
    elif isinstance(data, str) and (match := NOT_YAML.search(data)):
        problems.append(Problem(f"{where}: a character that no text should hold (U+{ord(match.group()):04X})"))
    elif isinstance(data, int) and abs(data) >= 10**MAX_DIGITS:
        problems.append(Problem(f"{where}: the number has too many digits"))
    elif data is None or isinstance(data, bool):
        return Value(data)
    else:
        for kind in (str, int, float):
            if isinstance(data, kind):
                return Value(kind(data))
        hint = "give a text, a number, true or false, None, a list or a dictionary"
        problems.append(Problem(f"{where}: a {type(data).__name__} cannot stand in a graph", hint=hint))
    return Value(None)


def _entries_of(mapping: Mapping[Any, Any], problems: list[Problem], where: str, depth: int) -> dict[str, Entry]:
    entries = {}
    for key, item in mapping.items():
        path = f"{where}.{key}" if where else f"{key}"
        if isinstance(key, str) and key and not NOT_YAML.search(key):
            entries[key] = Entry(key, None, value_of(item, problems, path, depth + 1))
        else:
            problems.append(Problem(f"{path}: a key must be a text"))
    return entries


def _document(root: Value, problems: list[Problem], name: str, path: Path | None) -> Document:
    reader = _Reader(problems)
    document = reader.document(root, name, path)
    if problems:
        raise DocumentError(sorted(problems, key=_place), replace(document, unreadable=frozenset(reader.unreadable)))
    return document


class DocumentError(GraphError):
    """A file that is not a graph; carries what could be read of it, so that the rest can be checked too."""

    def __init__(self, problems: Iterable[Problem], document: Document) -> None:
        super().__init__(problems)
        self.document = document


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.position.line, problem.position.column) if problem.position else (0, 0)


class _Reader:
    """Takes a document apart, and collects what is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.unreadable: list[str] = []

    def document(self, root: Value, name: str, path: Path | None) -> Document:
        if not isinstance(root.data, dict):
            self._problem("a graph is a mapping", root.position, hint="begin with 'pytti_graph: 1'")
            return Document(path, name)
        top = root.data
        if not self._version(top, root):
            return Document(path, name)
        self._unknown_keys(top)
        variables = self._section(top, "vars")
        nodes = self._section(top, "nodes")
        for entry in variables.values():
            self._variable(entry, nodes)
        requires = top.get("requires")
        return Document(
            path,
            name,
            title=title_of(top["title"].value, self.problems) if "title" in top else "",
            seed=seed_of(top["seed"].value, self.problems) if "seed" in top else None,
            clock=self._section(top, "clock"),
            variables=variables,
            nodes={node.id: node for entry in nodes.values() if (node := self._node(entry)) is not None},
            requires=requires.value if requires else None,
            versions=self._versions(top),
        )

    def _version(self, top: Mapping[str, Entry], root: Value) -> bool:
        """True if the rest can be read."""
        entry = top.get("pytti_graph")
        if entry is None:
            hint = f"add the line 'pytti_graph: {VERSION}' at the top"
            self._problem("the version of the graph format is missing", root.position, hint=hint)
            return True
        version = entry.value.data
        if type(version) is int and version > VERSION:
            message = f"this graph needs a newer pytti-graph (format {version}; this one reads {VERSION})"
            self._problem(message, entry.value.position, hint="upgrade it: pip install --upgrade pytti-graph")
            return False
        if type(version) is not int or version != VERSION:
            message = f"unknown version of the graph format: {entry.value.written()!r}"
            self._problem(message, entry.value.position, hint=f"write 'pytti_graph: {VERSION}'")
        return True

    def _unknown_keys(self, top: Mapping[str, Entry]) -> None:
        for entry in top.values():
            if entry.key in KEYS or entry.key.startswith("x-"):
                continue
            hint = key_hint(entry, top)
            if hint is None and isinstance(entry.value.data, dict) and "type" in entry.value.data:
                hint = "nodes stand under 'nodes:', indented"
            hint = hint or did_you_mean(entry.key, KEYS)
            self._problem(f"unknown key '{entry.key}'", entry.position, hint=hint or f"a graph has {', '.join(KEYS)}")

    def _section(self, top: Mapping[str, Entry], key: str) -> dict[str, Entry]:
        entry = top.get(key)
        if entry is None or entry.value.data is None:
            return {}
        if isinstance(entry.value.data, dict):
            return entry.value.data
        self._problem(f"'{key}' must be a mapping", entry.value.position, hint="write 'name: value' lines, indented")
        return {}

    def _versions(self, top: Mapping[str, Entry]) -> dict[str, int]:
        versions = {}
        for entry in self._section(top, "versions").values():
            version = entry.value.data
            if type(version) is int and version >= 1:
                versions[entry.key] = version
            else:
                message = f"the version of '{entry.key}' must be a whole number, 1 or more"
                self._problem(message, entry.value.position, hint=f"write {entry.key}: 1")
        return versions

    def _variable(self, entry: Entry, nodes: Mapping[str, Entry]) -> None:
        why = reserved(entry.key) or (f"'{entry.key}' belongs to the clock" if entry.key in CLOCK_NAMES else None)
        if not NAME.fullmatch(entry.key):
            hint = key_hint(entry, {}) or "use letters, digits and _"
            self._problem(f"'{entry.key}' cannot be the name of a variable", entry.position, hint=hint)
        elif why is not None:
            message = f"'{entry.key}' cannot be the name of a variable"
            self._problem(message, entry.position, hint=f"{why}; choose another name")
        elif entry.key in nodes:
            self._problem(f"'{entry.key}' is a variable and a node", entry.position, hint="rename one of them")
        check_variable(entry.key, entry.value, self.problems)

    def _node(self, entry: Entry) -> NodeText | None:
        why = reserved(entry.key)
        if not NAME.fullmatch(entry.key):
            hint = key_hint(entry, {}) or "use letters, digits and _, and a letter at the beginning"
            self.unreadable.append(entry.key)
            self._problem(f"'{entry.key}' cannot be the name of a node", entry.position, hint=hint)
            return None
        if why is not None:
            message = f"'{entry.key}' cannot be the name of a node"
            self._problem(message, entry.position, hint=f"{why}; choose another name")
        body = entry.value.data
        if not isinstance(body, dict):
            kind = body if isinstance(body, str) and body else "image.pyramid"
            message, hint = "a node is a mapping with a type", f"write {entry.key}: {{type: {kind}}}"
            self.unreadable.append(entry.key)
            self._problem(message, entry.value.position, node=entry.key, hint=hint)
            return None
        arguments = {key: argument for key, argument in body.items() if key != "type"}
        self._arguments(entry.key, body)
        return self._typed(entry, body, arguments)

    def _typed(self, entry: Entry, body: Mapping[str, Entry], arguments: dict[str, Entry]) -> NodeText | None:
        kind = body.get("type")
        if kind is None:
            near = did_you_mean("type", arguments)
            self.unreadable.append(entry.key)
            hint = f"write 'type' for {near.removeprefix('did you mean ').rstrip('?')}" if near else "write 'type: ...'"
            self._problem("the type is missing", entry.position, node=entry.key, argument="type", hint=hint)
            return None
        check_type(entry.key, kind.value, self.problems)
        return NodeText(entry.key, entry.position, kind.value, arguments)

    def _arguments(self, node: str, body: Mapping[str, Entry]) -> None:
        for entry in body.values():
            if not NAME.fullmatch(entry.key):
                hint = key_hint(entry, body) or "use letters, digits and _"
                message = f"'{entry.key}' is not the name of an argument"
                self._problem(message, entry.position, node=node, argument=entry.key, hint=hint)

    def _problem(
        self,
        message: str,
        position: Position | None,
        node: str | None = None,
        argument: str | None = None,
        hint: str = "",
    ) -> None:
        self.problems.append(Problem(message, position, node, argument, hint or None))


def key_hint(entry: Entry, siblings: Mapping[str, Entry]) -> str | None:
    """What was meant by a key that is none: a formula cut at its comma, or a colon without a space."""
    name, colon, rest = entry.key.partition(":")
    if colon and NAME.fullmatch(name):
        return f"write a space after the colon: {name}: {'...' if _BRACKETS.search(rest) else rest}"
    if _BRACKETS.search(entry.key):
        return _formula_hint(entry, list(siblings.values()))
    return None


def _formula_hint(entry: Entry, siblings: list[Entry]) -> str:
    """Shows the formula that YAML cut at its commas, in quotes."""
    parts = [entry.key]
    before = siblings[: next((index for index, sibling in enumerate(siblings) if sibling is entry), 0)]
    for sibling in reversed(before):
        text = sibling.value.written()
        if sibling.value.data is None:
            parts.insert(0, sibling.key)
        elif isinstance(sibling.value.data, str) and text.count("(") > text.count(")"):
            return f'put the formula in quotes: {sibling.key}: "{", ".join([text, *parts])}"'
        else:
            break
    return "put the formula in quotes"


def title_of(value: Value, problems: list[Problem]) -> str:
    """The title of a graph: any scalar, as written."""
    if isinstance(value.data, tuple | dict):
        problems.append(Problem("the title must be a text", value.position, hint="put it in quotes"))
        return ""
    return value.written()


def seed_of(value: Value, problems: list[Problem]) -> int | None:
    """The seed of a graph."""
    seed = value.data
    if seed is None or (type(seed) is int and 0 <= seed < 2**63):
        return seed
    problems.append(
        Problem("the seed must be a whole number from 0 to 2**63 - 1", value.position, hint="write 'seed: 7'")
    )
    return None


def check_variable(name: str, value: Value, problems: list[Problem]) -> None:
    """Variables are numbers or texts."""
    data = value.data
    if isinstance(data, bool) or not isinstance(data, int | float | str):
        hint = "write a number, or put a text in quotes"
        problems.append(Problem(f"variable '{name}' must be a number or a text", value.position, hint=hint))
    elif isinstance(data, float) and math.isnan(data):
        problems.append(Problem(f"variable '{name}' is not a number", value.position, hint="write a number"))


def check_type(node: str, value: Value, problems: list[Problem]) -> None:
    """The type of a node is a text."""
    if not isinstance(value.data, str) or not value.data:
        hint = "write a type such as image.pyramid"
        problems.append(Problem("the type must be a text", value.position, node, "type", hint))


def dump(document: Document) -> str:
    """The document as a graph file that reads back equal, in the same order."""
    lines = [f"pytti_graph: {document.version}"]
    if document.title:
        lines.append(f"title: {quoted(document.title)}")
    if document.seed is not None:
        lines.append(f"seed: {scalar(document.seed)}")
    if document.clock:
        lines.append(f"clock: {flow(Value(document.clock))}")
    if document.requires is not None:
        lines.append(f"requires: {flow(document.requires)}")
    if document.variables:
        lines += ["vars:", *_lines((entry.key, entry.value) for entry in document.variables.values())]
    if document.nodes:
        lines += ["nodes:", *_lines((node.id, _body(node)) for node in document.nodes.values())]
    if document.versions:
        lines.append(f"versions: {flow(_plain_mapping(document.versions))}")
    return "\n".join(lines) + "\n"


def _plain_mapping(mapping: Mapping[str, int]) -> Value:
    return Value({key: Entry(key, None, Value(number)) for key, number in mapping.items()})


def _lines(entries: Iterable[tuple[str, Value]]) -> list[str]:
    return [f"  {quoted(key)}: {flow(value)}" for key, value in entries]


def _body(node: NodeText) -> Value:
    return Value({"type": Entry("type", None, node.type), **node.arguments})
