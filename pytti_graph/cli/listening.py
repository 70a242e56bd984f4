"""Several listeners that follow one rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytti_graph.core.blame import culprit, described
from pytti_graph.core.errors import MissingError, Problem

if TYPE_CHECKING:
    from pytti_graph.core.offers import Offer
    from pytti_graph.core.plugins import Plugin
    from pytti_graph.engine.events import Event

ALWAYS = ("preview",)
"""Listeners that follow every rendering of the command line."""


@dataclass(frozen=True, slots=True)
class Other:
    """A listener besides the progress line.

    Attributes:
        hear: Called with each event.
        plugin: Who offers it.
        offer: What it is called, and where it is.
    """

    hear: Callable[[Event], None]
    plugin: Plugin
    offer: Offer


class Listeners:
    """Tells every event to the progress line and to others; one of these that fails hears no more."""

    def __init__(self, progress: Callable[[Event], None], others: Mapping[str, Other]) -> None:
        self._progress, self._others = progress, dict(others)

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        from pytti_graph.engine.events import Warned

        self._progress(event)
        for name, other in list(self._others.items()):
            try:
                other.hear(event)
            except (Exception, SystemExit) as error:
                del self._others[name]
                message = f"the listener '{name}' failed, and hears no more: {described(error)}"
                hint = culprit(error, other.plugin, other.offer.module)
                self._progress(Warned(Problem(message, hint=hint, severity="warning")))


def chosen(names: Sequence[str]) -> dict[str, Other]:
    """The listeners that follow every rendering, and those that the user asks for by name.

    Raises:
        UsageError: There is no such listener.
        MissingError: One cannot be imported or made.
    """
    from pytti_graph.core.plugins import offers

    found = {name: offers().find_offer("listener", name) for name in dict.fromkeys((*ALWAYS, *names))}
    return {name: _made(plugin, offer) for name, (plugin, offer) in found.items()}


def _made(plugin: Plugin, offer: Offer) -> Other:
    from pytti_graph.core.plugins import imported

    listener = imported(plugin, offer)
    try:
        return Other(listener(), plugin, offer)
    except (Exception, SystemExit) as error:
        message = f"the listener '{offer.name}' cannot be made: {described(error)}"
        raise MissingError(message, hint=culprit(error, plugin, offer.module)) from error
