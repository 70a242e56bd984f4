"""The hooks a plugin can implement. Each takes `register`, and calls it for everything it offers.

What is offered is given by name, as "package.module:name", so that importing a plugin imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pluggy

PROJECT = "pytti_graph"
API = 1
"""The version of the plugin API: hooks, the `node` decorator and what travels on wires. A plugin names the one it is
written for as `pytti_graph_api = 1` in the module of its entry point; it changes only when plugins must change."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str | Callable[..., Any]], None]
"""Takes "package.module:name" of a decorated node, or the node itself."""


class RegisterNamed(Protocol):
    """Takes something by the name that users call it."""

    def __call__(self, name: str, target: str, *, panel: str = "") -> None:
        """Offer `target` ("package.module:name") as `name`; for commands, `panel` is their heading in the help."""
        ...


@hookspec
def pytti_graph_nodes(register: Register) -> None:
    """Offer node types, by calling `register` with each."""


@hookspec
def pytti_graph_commands(register: RegisterNamed) -> None:
    """Offer commands of the command line, by calling `register` with the name and the function of each."""


@hookspec
def pytti_graph_listeners(register: RegisterNamed) -> None:
    """Offer listeners that follow a rendering, by calling `register` with the name and the class of each."""


@hookspec
def pytti_graph_executors(register: RegisterNamed) -> None:
    """Offer ways to run the variations of a sweep, by calling `register` with the name and the class of each."""
