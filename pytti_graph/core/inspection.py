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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TextIO

import pluggy

from pytti_graph.core import hooks
from pytti_graph.core.blame import described, own_place
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
_TARGET = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")


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
        return _with_nodes(found, trying, source(plugin.module)) if nodes else found
    except (Exception, SystemExit) as error:
        entry_point = f"the entry point {plugin.name} = {plugin.value}"
        return Contents(failures=(told(error, plugin.module, entry_point),), nodes=())


def told(error: BaseException, module: str, otherwise: str | None = None) -> str:
    """An error as a user can pass it on: what and where.

    Args:
        error: What was raised.
        module: The module that was looked into.
        otherwise: The place to name if there is no such file.
    """
    if isinstance(error, _Refused):
        return str(error)
    place = _place(error, module) or source(module) or otherwise
    return f"{described(error)} ({place})" if place else described(error)


def _place(error: BaseException, module: str) -> str | None:
    """File and line of the plugin's own code that failed, or that cannot be read."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    return own_place(error, module)


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
    path = source(plugin.module)
    if path and path.endswith(".py"):
        _check_api(_declared_api(path), path)  # before it is imported, which could fail with what explains nothing
    trying(plugin.module)
    module = EntryPoint(plugin.name, plugin.value, hooks.PROJECT).load()
    _check_api(getattr(sys.modules[plugin.module], API_NAME, None), path)
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
            targets.append(_target(node) if isinstance(node, str) else spec_of(node).target)
        except TypeError as error:
            failures.append(told(error, plugin.module))

    manager.hook.pytti_graph_nodes(register=register)
    offers: list[Offer] = []
    for hook, kind in KINDS.items():
        for name, target, panel in _named(manager, hook):
            try:
                offers.append(Offer(kind, str(name), _target(target), panel=panel))
            except TypeError as error:
                failures.append(f"{kind} '{name}': {told(error, plugin.module)}")
    found = replace(found, targets=tuple(dict.fromkeys(targets)), failures=tuple(failures))
    for offer in offers:
        trying(offer.target)
        found = _summarised(found, offer, source(plugin.module))
    return found


def _target(text: object) -> str:
    """The name of something to import; raises TypeError if it is none."""
    if isinstance(text, str) and _TARGET.fullmatch(text):
        return text
    what = repr(text) if isinstance(text, str) else getattr(text, "__qualname__", repr(text))
    raise TypeError(f"what is registered is written 'package.module:name', not {what}")


def _check_api(wanted: object, path: str | None) -> None:
    """Refuse a plugin for another API; None if it does not say for which."""
    if wanted is None or wanted == hooks.API:
        return
    if not isinstance(wanted, int):
        raise _Refused(f"{API_NAME} is a whole number, such as {hooks.API}, not {wanted!r} ({path})")
    newer = wanted > hooks.API
    remedy = "pip install --upgrade pytti-graph" if newer else "ask its authors for a newer release"
    raise _Refused(
        f"it is written for version {wanted} of the plugin API, and this pytti-graph has version {hooks.API}; "
        f"{'type: ' if newer else ''}{remedy} ({path})"
    )


def _declared_api(path: str) -> object:
    """What a module gives `pytti_graph_api`, read without running it; None if it does not say."""
    try:
        tree = ast.parse(Path(path).read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    for line in tree.body:
        match line:
            case ast.Assign([ast.Name(id)], ast.Constant(number)) if id == API_NAME:
                return number
            case ast.AnnAssign(ast.Name(id), _, ast.Constant(number)) if id == API_NAME:
                return number
    return None


def _check_names(manager: pluggy.PluginManager, module: Any, plugin: Plugin) -> None:
    """Refuse what looks like a hook and is none: silence would be worse."""
    known = [name for name in vars(hooks) if name.startswith("pytti_graph_")]
    implemented = {caller.name for caller in manager.get_hookcallers(module) or ()}
    if not implemented and not any(name.startswith("pytti_graph_") for name, _ in inspect.getmembers(module, callable)):
        raise _Refused(f"it implements no hook; there are {', '.join(known)} ({source(plugin.module)})")
    for name, member in inspect.getmembers(module, callable):
        if name in implemented & set(known) or not (name in implemented or name.startswith("pytti_graph_")):
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


def _named(manager: pluggy.PluginManager, hook: str) -> list[tuple[str, object, str]]:
    """What is registered by name, as it was given: name, target and panel."""
    found: list[tuple[str, object, str]] = []

    def register(name: str, target: str, *, panel: str = "") -> None:
        found.append((name, target, panel))

    getattr(manager.hook, hook)(register=register)
    return found


def _summarised(found: Contents, offer: Offer, registered: str | None) -> Contents:
    """The contents with an offer, if its name can be typed and it can be imported; `registered` names it."""
    if not _NAME.fullmatch(offer.name):
        failure = f"{offer.kind} {offer.name!r}: a name has small letters, digits and hyphens ({offer.target})"
        return replace(found, failures=(*found.failures, failure))
    try:
        made = load(offer.target)
        if not callable(made):
            raise TypeError(f"{offer.target} cannot be called, being {type(made).__name__}")
    except (Exception, SystemExit) as error:
        failure = f"{offer.kind} '{offer.name}': {told(error, offer.module, registered)}"
        return replace(found, failures=(*found.failures, failure))
    help = getattr(getattr(made, "info", None), "help", None)  # a group of commands tells what it is for itself
    text = help if isinstance(help, str) else inspect.getdoc(made) or ""
    summary = " ".join(text.partition("\n\n")[0].split())
    return replace(found, offers=(*found.offers, replace(offer, summary=summary)))


def _with_nodes(found: Contents, trying: Trying, registered: str | None) -> Contents:
    """The contents with the specifications of the nodes; `registered` is the file that names them."""
    specs: dict[str, NodeSpec] = {}
    failures, warnings = list(found.failures), list(found.warnings)
    for target in found.targets:
        trying(target)
        try:
            made = load(target)
            spec = spec_of(made)
        except (Exception, SystemExit) as error:
            failures.append(f"{target}: {told(error, target.partition(':')[0], registered)}")
            continue
        if spec.type in specs:
            twice = f"{spec.type} is offered twice, also by {specs[spec.type].target}"
            failures.append(f"{target}: {twice} ({_where(made)})")
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
