"""Says what the program waits for before it does anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytti_graph.core.manifest import Source


def say_waiting(source: Source) -> None:
    """Tell whoever sits at the terminal that a plugin is being looked into."""
    if _is_watched():
        from pytti_graph.cli.output import say

        say(f"looking into the plugin {source}, which takes a while; --no-plugins does without", err=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()
