"""The commands that are offered, each imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import typer

from pytti_graph.core.errors import MissingError, UsageError
from pytti_graph.core.offers import Offer
from pytti_graph.core.plugins import BUILT_IN, Plugin, offers

OTHERS = "From plugins"
"""Panel of commands that name none."""


class Commands(MutableMapping[str, Any]):
    """Commands by name; what the help needs is known without importing them."""

    def __init__(self, command: type[Any]) -> None:
        self._class = command
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._load(*_only(name))
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*(offer.name for _, offer in offers().offered("command")), *self._loaded]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _load(self, plugin: Plugin, offer: Offer) -> Any:
        from pytti_graph.core.inspection import load

        try:
            made = load(offer.target)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            message = f"the command '{offer.name}' of {plugin} cannot be imported: {reason}"
            raise MissingError(message, hint="see 'pytti-graph plugins'") from error
        if isinstance(made, typer.Typer):
            return typer.main.get_command(made)
        program = typer.Typer(add_completion=False, rich_markup_mode=None)
        program.command(offer.name, cls=self._class)(made)
        return typer.main.get_command(program)


def listed() -> list[Offer]:
    """The commands as the help lists them: panel by panel, the built-in ones first; each name once."""
    found: dict[str, list[Offer]] = {}
    names: set[str] = set()
    for _, offer in offers().offered("command"):
        if offer.name not in names:
            found.setdefault(offer.panel or OTHERS, []).append(offer)
            names.add(offer.name)
    return [offer for panel in found.values() for offer in panel]


def _only(name: str) -> tuple[Plugin, Offer]:
    """The plugin that offers a command; nobody can take one from the built-ins."""
    found = offers().offered("command", name)
    if not found:
        for plugin in offers().plugins:
            for failure in plugin.failures:
                if failure.startswith(f"command '{name}': "):
                    raise MissingError(
                        f"a part of {plugin} cannot be used: {failure}", hint="see 'pytti-graph plugins'"
                    )
        raise KeyError(name)
    if len(found) > 1 and found[0][0].distribution != BUILT_IN:
        owners = " and ".join(str(plugin) for plugin, _ in found)
        hint = "set PYTTI_GRAPH_PLUGINS to the plugins that you want to use"
        raise UsageError(f"{owners} both offer the command '{name}'", hint=hint)
    return found[0]
