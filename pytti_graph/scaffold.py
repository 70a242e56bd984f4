"""New plugins and new nodes, written from the templates beside this module.

A template is a file with `${placeholders}`, in its name too, and the ending `.tmpl`, so that no tool takes it for code.
"""

from __future__ import annotations

import builtins
import keyword
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from string import Template

from pytti_graph import __version__
from pytti_graph.core.errors import UsageError
from pytti_graph.core.hooks import API
from pytti_graph.core.plugins import installed

TEMPLATES = Path(__file__).parent / "templates"
PREFIX = "pytti-graph-"
LONGEST = 40
"""Letters that the name of a plugin or a node may have."""

_PLUGIN_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_TYPE = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)")
_MEANT_OTHERWISE = {*keyword.kwlist, *dir(builtins), "math", "node", "torch"}
"""What no node's function can be called: Python's words, and what the templates import."""


@dataclass(frozen=True, slots=True)
class PluginFolder:
    """A plugin that was written.

    Attributes:
        folder: Where it is.
        files: What it is made of, relative to the folder.
        type: Its node type.
        graph: The graph that shows it, relative to the folder.
    """

    folder: Path
    files: tuple[Path, ...]
    type: str
    graph: Path


def new_plugin(name: str, parent: Path) -> PluginFolder:
    """Write a distribution that installs and passes its tests: `pytti-graph-NAME`.

    Args:
        name: NAME, or `pytti-graph-NAME`.
        parent: The folder to put it in; made if there is none.

    Raises:
        UsageError: The name cannot be used, the folder is there already, or it cannot be written.
    """
    words = _words(_plugin_name(name))
    _refuse_installed(words["distribution"])
    _refuse_known(words["type"])
    files = _filled(TEMPLATES / "plugin", words)
    folder = parent / words["distribution"]
    _write_folder(folder, files)
    return PluginFolder(folder, tuple(files), words["type"], Path("graphs", f"{words['name']}.yaml"))


def new_node(type: str, folder: Path) -> Path:
    """Write a file with one node.

    Args:
        type: `family.name`; losses, sources and values have templates of their own, all others begin as filters.
        folder: The folder to put it in; made if there is none.

    Returns:
        The file.

    Raises:
        UsageError: The type cannot be used, the file is there already, or it cannot be written.
    """
    family, name = _type_parts(type)
    _refuse_known(type)
    template = TEMPLATES / "node" / f"{family}.py.tmpl"
    if not template.exists():
        template = TEMPLATES / "node" / "filter.py.tmpl"
    words = {"type": type, "name": name, "function": _function_name(name)}
    text = Template(template.read_text("utf-8")).substitute(words)
    path = folder / f"{name}.py"
    _make_folder(folder)
    _write_file(path, text)
    return path


def _words(name: str) -> dict[str, str]:
    """What the placeholders in the templates of a plugin stand for."""
    distribution, module = f"{PREFIX}{name}", name.replace("-", "_")
    return {
        "name": name,
        "module": module,
        "package": distribution.replace("-", "_"),
        "distribution": distribution,
        "type": f"loss.{module}",
        "function": _function_name(module),
        "version": ".".join(__version__.split(".")[:2]),
        "api": str(API),
        "author": _author(f"The authors of {distribution}"),
        "year": str(date.today().year),
    }


def _plugin_name(text: str) -> str:
    """NAME in its normal form (PEP 503), without the prefix."""
    name = re.sub(r"[-_.]+", "-", text.lower())
    name = "" if name == PREFIX.rstrip("-") else name.removeprefix(PREFIX)
    if (fault := _fault(name)) is None:
        return name
    other = _plain(name, "-")
    hint = f"write '{other}'" if other and _fault(other) is None else "write one such as 'glow' or 'glow-worm'"
    raise UsageError(f"'{text}' cannot be the name of a plugin: {fault}", argument="name", hint=hint)


def _fault(name: str) -> str | None:
    """What is wrong with the name of a plugin, or None."""
    if not name:
        return "it says nothing about this one"
    if len(name) > LONGEST:
        return f"it has {len(name)} letters; {LONGEST} is the most"
    if strange := re.search(r"[^a-z0-9-]", name):
        return f"it contains '{strange[0]}'; there can be letters a-z, digits and hyphens"
    if not _PLUGIN_NAME.fullmatch(name):
        return "it must begin with a letter, and end with a letter or a digit"
    return None


def _type_parts(type: str) -> tuple[str, str]:
    """Family and name."""
    if (match := _TYPE.fullmatch(type)) and len(type) <= LONGEST:
        return match[1], match[2]
    family, name = type.split(".", 1) if "." in type else ("loss", type)
    other = f"{_plain(family, '_')}.{_plain(name, '_')}"
    hint = f"write '{other}'" if _TYPE.fullmatch(other) and len(other) <= LONGEST else "write one such as 'loss.glow'"
    rule = f"it is written 'family.name', with at most {LONGEST} small letters, digits and underscores"
    message = f"'{type}' cannot be a node type: {rule}"
    raise UsageError(message, argument="type", hint=hint)


def _plain(text: str, joint: str) -> str:
    """Small letters a-z and digits, with `joint` for whatever else is between them."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, letters).strip(joint)


def _function_name(name: str) -> str:
    """What a node's function is called: its name, unless that means something else where it stands (then PEP 8).

    Tools take whatever begins with "test" for a test.
    """
    if name.startswith("test"):
        return f"node_{name}"
    return f"{name}_" if name in _MEANT_OTHERWISE else name


def _refuse_installed(distribution: str) -> None:
    try:
        found = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return
    hint = f"choose another name, or type: pip uninstall {distribution}"
    raise UsageError(f"{distribution} {found} is installed here already", argument="name", hint=hint)


def _refuse_known(type: str) -> None:
    if owners := installed().offering(type):
        hint = "choose another name; 'pytti-graph nodes' lists those that are taken"
        raise UsageError(f"{owners[0]} has a node {type} already", hint=hint)


def _author(otherwise: str) -> str:
    """Whoever git takes for the author, if it is there and knows."""
    command = ["git", "config", "user.name"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return otherwise
    return done.stdout.strip() or otherwise


def _filled(folder: Path, words: Mapping[str, str]) -> dict[Path, str]:
    """The files that a folder of templates stands for: path and text."""
    return {
        Path(Template(template.relative_to(folder).as_posix()).substitute(words)).with_suffix(""): Template(
            template.read_text("utf-8")
        ).substitute(words)
        for template in sorted(folder.rglob("*.tmpl"))
    }


def _write_folder(folder: Path, files: Mapping[Path, str]) -> None:
    """Write a new folder, whole or not at all."""
    _make_folder(folder.parent)
    try:
        folder.mkdir()
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        for path, text in files.items():
            _make_folder((folder / path).parent)
            _write_file(folder / path, text)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _make_folder(path: Path) -> None:
    """Make a folder, unless it is there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path} is not a folder", hint="give '-o' the name of a folder") from None
    except OSError as error:
        raise _unwritable(path, error) from None


def _write_file(path: Path, text: str) -> None:
    """Write a new file, whole or not at all."""
    try:
        file = path.open("x", encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> UsageError:
    if isinstance(error, FileExistsError):
        return UsageError(f"{path} is there already", hint="choose another name, or another folder with '-o FOLDER'")
    return UsageError(f"{path} cannot be written: {error.strerror or error}")
