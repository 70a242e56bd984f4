"""Nodes in plain Python files, which nobody has to package. They are code: only files that the user names are run."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from pytti_graph.core.errors import Position, UsageError
from pytti_graph.core.nodes import NodeSpec, spec_of
from pytti_graph.core.plugins import BUILT_IN, Plugin, Registry

FOLDER = "nodes"
"""The folder beside a graph where its own nodes are looked for, once the user allows it."""
_OFFER = re.compile(r"""^@(?:\w+\.)?node\(\s*["']([a-z0-9_.]+)["']""", re.MULTILINE)
_MOST = 1 << 20


def with_files(registry: Registry, paths: Iterable[Path]) -> Registry:
    """A registry with the nodes of some files.

    Args:
        registry: What is installed.
        paths: Python files, or folders of them. They are run.

    Raises:
        UsageError: A file cannot be run, holds no nodes, or offers a type that there is already.
    """
    once = {path.resolve(): path for path in _files(paths)}
    for path in once.values():
        nodes = _nodes(_run(path), path)
        for made in nodes:
            _check_new(registry, spec_of(made), path)
        registry = registry.with_nodes(*nodes, plugin=Plugin(path.stem, str(path), ""))
    return registry


def offering(folder: Path, type: str) -> Path | None:
    """The file in `folder/nodes` that seems to offer a node type; it is read, not run."""
    for path in sorted((folder / FOLDER).glob("*.py")):
        try:
            with path.open("rb") as file:
                text = file.read(_MOST).decode("utf-8", "replace")
        except OSError:
            continue
        if type in _OFFER.findall(text):
            return path
    return None


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = [file for file in sorted(path.glob("*.py")) if not file.name.startswith("_")]
            if not found:
                raise UsageError(f"the folder {path} has no Python files", hint="give a file, or a folder of them")
            yield from found
        elif path.is_file():
            yield path
        else:
            raise UsageError(f"cannot read {path}: there is no such file", hint="give a Python file with nodes")


def _run(path: Path) -> ModuleType:
    """Run a file as a module of its own."""
    name = f"pytti_graph_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_SourceLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        place = Position(str(path), error.lineno or 1, error.offset or 1)
        raise UsageError(f"this is not Python: {error.msg}", position=place) from None
    except (Exception, SystemExit) as error:
        what = " ".join(str(error).split())
        message = f"{type(error).__name__}: {what}" if what else type(error).__name__
        raise UsageError(message, position=Position(str(path), _line(error, path), 1)) from error
    return module


class _SourceLoader(SourceFileLoader):
    """Runs what stands in the file, never compiled code that lies beside it."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the file as it is now."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _line(error: BaseException, path: Path) -> int:
    """The line of the file where an error came from."""
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return own[-1] if own and own[-1] else 1


def _nodes(module: ModuleType, path: Path) -> list[Callable[..., Any]]:
    found = [made for made in vars(module).values() if _is_node(made) and made.__module__ == module.__name__]
    if not found:
        hint = 'decorate a function with @node("family.name")'
        raise UsageError(f"{path} offers no nodes", hint=hint)
    types = [spec_of(made).type for made in found]
    if twice := [type for type in types if types.count(type) > 1]:
        raise UsageError(f"{path} offers {twice[0]} twice", hint="give one of the nodes another name")
    return found


def _is_node(made: object) -> bool:
    try:
        return isinstance(spec_of(made), NodeSpec)
    except TypeError:
        return False


def _check_new(registry: Registry, spec: NodeSpec, path: Path) -> None:
    owners = registry.offering(spec.type)
    if owners:
        owner = f"{owners[0]}{' itself' if owners[0].distribution == BUILT_IN else ''}"
        hint = "give the node another name"
        raise UsageError(f"{path} offers {spec.type}, which {owner} offers too", hint=hint)
