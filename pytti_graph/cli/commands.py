"""The commands that are offered, each imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import typer

from pytti_graph.core.blame import culprit
from pytti_graph.core.errors import MissingError
from pytti_graph.core.offers import Offer
from pytti_graph.core.plugins import Plugin, imported, offers

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
        made = imported(plugin, offer)
        if isinstance(made, typer.Typer):
            return _blamed_on(plugin, offer, typer.main.get_command(made))
        program = typer.Typer(add_completion=False, rich_markup_mode=None)
        program.command(offer.name, cls=self._class)(made)
        return _blamed_on(plugin, offer, typer.main.get_command(program))


def _blamed_on(plugin: Plugin, offer: Offer, command: Any) -> Any:
    """The command; an error that nobody foresaw gets a note of whose it is."""
    invoke = command.invoke

    def noted(context: Any) -> Any:
        try:
            return invoke(context)
        except Exception as error:
            if (whose := culprit(error, plugin, offer.module)) is not None:
                error.add_note(whose)
            raise

    command.invoke = noted
    return command


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
    """The plugin that offers a command, called by its name or by "distribution/name"."""
    if name.rpartition("/")[2] in {offer.name for _, offer in offers().offered("command")}:
        return offers().find_offer("command", name)
    for plugin in offers().plugins:
        for failure in plugin.failures:
            if failure.startswith(f"command '{name}': "):
                raise MissingError(f"a part of {plugin} cannot be used: {failure}", hint="see 'pytti-graph plugins'")
    raise KeyError(name)
