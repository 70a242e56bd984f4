"""The hooks a plugin can implement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

PROJECT = "pytti_graph"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str | Callable[..., Any]], None]
"""Takes a decorated node, or "package.module:name" of one, so that importing a plugin imports nothing heavy."""


@hookspec
def pytti_graph_nodes(register: Register) -> None:
    """Offer node types, by calling `register` with each."""
