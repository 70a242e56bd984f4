"""Several listeners that follow one rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytti_graph.core.errors import MissingError, Problem

if TYPE_CHECKING:
    from pytti_graph.engine.events import Event

ALWAYS = ("preview",)
"""Listeners that follow every rendering of the command line."""


class Listeners:
    """Tells every event to the progress line and to others; one of these that fails hears no more."""

    def __init__(self, progress: Callable[[Event], None], others: Mapping[str, Callable[[Event], None]]) -> None:
        self._progress, self._others = progress, dict(others)

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        from pytti_graph.engine.events import Warned

        self._progress(event)
        for name, listener in list(self._others.items()):
            try:
                listener(event)
            except (Exception, SystemExit) as error:
                del self._others[name]
                message = f"the listener '{name}' failed, and hears no more: {type(error).__name__}: {error}"
                self._progress(Warned(Problem(message, severity="warning")))


def chosen(names: Sequence[str]) -> dict[str, Callable[[Event], None]]:
    """The listeners that follow every rendering, and those that the user asks for by name.

    Raises:
        UsageError: There is no such listener.
        MissingError: One cannot be imported or made.
    """
    from pytti_graph.core.plugins import offers

    return {name: _made(name, offers().choose("listener", name)) for name in dict.fromkeys((*ALWAYS, *names))}


def _made(name: str, listener: Callable[[], Callable[[Event], None]]) -> Callable[[Event], None]:
    try:
        return listener()
    except (Exception, SystemExit) as error:
        message = f"the listener '{name}' ({listener.__module__}) cannot be made: {type(error).__name__}: {error}"
        raise MissingError(message, hint="see 'pytti-graph plugins'") from error
