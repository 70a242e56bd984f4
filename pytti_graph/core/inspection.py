"""Looks into plugins: imports them and writes down what they offer.

It runs in a process of its own (`python -m pytti_graph.core.inspection`), so that whatever a plugin does while it is
imported (print, exit, crash, import something huge) harms nobody.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TextIO

import pluggy

from pytti_graph.core import hooks
from pytti_graph.core.errors import did_you_mean
from pytti_graph.core.nodes import NodeSpec, spec_of
from pytti_graph.core.offers import Contents, Kind, Offer

KINDS: dict[str, Kind] = {
    "pytti_graph_commands": "command",
    "pytti_graph_listeners": "listener",
    "pytti_graph_executors": "executor",
}
API_NAME = "pytti_graph_api"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point to look into: `name = "module"` of a distribution."""

    name: str
    value: str

    @property
    def module(self) -> str:
        """The module that implements the hooks."""
        return self.value.partition(":")[0].strip()


Trying = Callable[[str], None]
"""Hears what is going to be imported, so that it can be blamed if nothing is heard any more."""


def contents(
    plugin: Plugin, known: Contents | None = None, *, nodes: bool, trying: Trying = lambda target: None
) -> Contents:
    """What a plugin offers; whatever goes wrong becomes a failure.

    Args:
        plugin: Where to look.
        known: What is known of it already, but for the nodes.
        nodes: Look into its nodes too, which may import heavy modules.
        trying: Hears what is going to be imported.
    """
    try:
        found = known if known is not None else _offered(plugin, trying)
        return _with_nodes(found, trying) if nodes else found
    except (Exception, SystemExit) as error:
        return Contents(failures=(told(error, plugin.module),), nodes=())


def told(error: BaseException, module: str) -> str:
    """An error as a user can pass it on: what and where."""
    if isinstance(error, _Refused):
        return str(error)
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    place = _place(error) or source(module)
    return f"{what} ({place})" if place else what


def _place(error: BaseException) -> str | None:
    """File and line of the plugin's own code that failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    skipped = tuple(str(Path(module.__file__ or "").parent) for module in (hooks, importlib, pluggy))
    own = [frame for frame in own if not frame.filename.startswith(skipped)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else None


def source(module: str) -> str | None:
    """The file of a module, without importing it or the packages it is in."""
    top, _, rest = module.partition(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if found is None or not rest:
        return found.origin if found is not None and found.has_location else None
    inside = rest.replace(".", "/")
    places = [Path(folder, inside) for folder in found.submodule_search_locations or ()]
    files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    return next((str(file) for file in files if file.is_file()), None)


class _Refused(Exception):
    """A plugin that cannot be used; the message says all."""


def _offered(plugin: Plugin, trying: Trying) -> Contents:
    """What a plugin registers through its hooks; of its other modules only those of commands and such are imported."""
    _check_api(plugin.module)
    trying(plugin.module)
    module = EntryPoint(plugin.name, plugin.value, hooks.PROJECT).load()
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.register(module, plugin.name)
    except pluggy.PluginValidationError as error:
        raise _Refused(f"{' '.join(str(error).split())} ({source(plugin.module)})") from None
    _check_names(manager, module, plugin)
    found = Contents(hooks=tuple(sorted(caller.name for caller in manager.get_hookcallers(module) or ())))
    targets: list[str] = []
    failures: list[str] = []

    def register(node: str | Callable[..., Any]) -> None:
        try:
            targets.append(node if isinstance(node, str) else spec_of(node).target)
        except TypeError as error:
            failures.append(told(error, plugin.module))

    manager.hook.pytti_graph_nodes(register=register)
    offers = [offer for hook, kind in KINDS.items() for offer in _named(manager, hook, kind)]
    found = replace(found, targets=tuple(dict.fromkeys(targets)), failures=tuple(failures))
    for offer in offers:
        trying(offer.target)
        found = _summarised(found, offer)
    return found


def _check_api(module: str) -> None:
    """Refuse a plugin for another API before importing it, since it would fail with something that explains nothing."""
    path = source(module)
    wanted = _declared_api(path) if path and path.endswith(".py") else None
    if wanted is None or wanted == hooks.API:
        return
    newer = wanted > hooks.API
    remedy = "pip install --upgrade pytti-graph" if newer else "ask its authors for a newer release"
    raise _Refused(
        f"it is written for version {wanted} of the plugin API, and this pytti-graph has version {hooks.API}; "
        f"{'type: ' if newer else ''}{remedy} ({path})"
    )


def _declared_api(path: str) -> int | None:
    """The number that a module gives `pytti_graph_api`, read without running it."""
    try:
        tree = ast.parse(Path(path).read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    for line in tree.body:
        match line:
            case ast.Assign([ast.Name(id)], ast.Constant(int(number))) if id == API_NAME:
                return number
            case ast.AnnAssign(ast.Name(id), _, ast.Constant(int(number))) if id == API_NAME:
                return number
    return None


def _check_names(manager: pluggy.PluginManager, module: Any, plugin: Plugin) -> None:
    """Refuse what looks like a hook and is none: silence would be worse."""
    known = [name for name in vars(hooks) if name.startswith("pytti_graph_")]
    implemented = {caller.name for caller in manager.get_hookcallers(module) or ()}
    for name, member in inspect.getmembers(module, callable):
        if not name.startswith("pytti_graph_") or name in implemented & set(known):
            continue
        if getattr(member, "__module__", plugin.module) != plugin.module:
            continue
        if name in known:
            raise _Refused(f"{name} lacks the decorator @hookimpl ({_where(member)})")
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise _Refused(f"there is no hook '{name}'; {hint} ({_where(member)})")


def _where(member: Any) -> str:
    code = inspect.unwrap(member).__code__ if inspect.isfunction(inspect.unwrap(member)) else None
    return f"{code.co_filename}:{code.co_firstlineno}" if code else str(inspect.getsourcefile(member))


def _named(manager: pluggy.PluginManager, hook: str, kind: Kind) -> Iterator[Offer]:
    found: list[Offer] = []

    def register(name: str, target: str, *, panel: str = "") -> None:
        found.append(Offer(kind, name, target, panel=panel))

    getattr(manager.hook, hook)(register=register)
    return iter(found)


def _summarised(found: Contents, offer: Offer) -> Contents:
    """The contents with an offer, if its name can be typed and it can be imported."""
    if not _NAME.fullmatch(offer.name):
        failure = f"{offer.kind} {offer.name!r}: a name has small letters, digits and hyphens ({offer.target})"
        return replace(found, failures=(*found.failures, failure))
    try:
        made = load(offer.target)
    except (Exception, SystemExit) as error:
        failure = f"{offer.kind} '{offer.name}': {told(error, offer.target.partition(':')[0])}"
        return replace(found, failures=(*found.failures, failure))
    help = getattr(getattr(made, "info", None), "help", None)  # a group of commands tells what it is for itself
    text = help if isinstance(help, str) else inspect.getdoc(made) or ""
    summary = " ".join(text.partition("\n\n")[0].split())
    return replace(found, offers=(*found.offers, replace(offer, summary=summary)))


def _with_nodes(found: Contents, trying: Trying) -> Contents:
    specs: dict[str, NodeSpec] = {}
    failures, warnings = list(found.failures), list(found.warnings)
    for target in found.targets:
        trying(target)
        try:
            made = load(target)
            spec = spec_of(made)
        except (Exception, SystemExit) as error:
            failures.append(f"{target}: {told(error, target.partition(':')[0])}")
            continue
        if spec.type in specs:
            failures.append(f"{target}: {spec.type} is offered twice, also by {specs[spec.type].target}")
            continue
        specs[spec.type] = spec
        if not spec.summary:
            warnings.append(f"{spec.type} has no docstring, so nobody can know what it does ({_where(made)})")
    return replace(
        found, nodes=tuple(specs.values()), failures=tuple(dict.fromkeys(failures)), warnings=tuple(warnings)
    )


def load(target: str) -> Any:
    """Import "package.module:name"."""
    module, _, name = target.partition(":")
    made: Any = importlib.import_module(module)
    for part in name.split("."):
        made = getattr(made, part)
    return made


def main(arguments: Sequence[str]) -> None:
    """Read a task from the file named first, and write the contents into the file named second, plugin by plugin."""
    task = json.loads(Path(arguments[0]).read_text("utf-8"))
    sys.path[:] = task["path"]
    with Path(arguments[1]).open("w", encoding="utf-8") as answer:
        for entry in task["plugins"]:
            known = Contents.from_json(entry["known"]) if entry["known"] else None
            plugin = Plugin(entry["name"], entry["value"])
            found = contents(plugin, known, nodes=task["nodes"], trying=partial(_tell, answer, "trying"))
            _tell(answer, "contents", found.to_json())


def _tell(answer: TextIO, key: str, value: Any) -> None:
    print(json.dumps({key: value}), file=answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
