"""The command line. Its commands and listeners are offered through the same hooks as any plugin's."""

from __future__ import annotations

from pytti_graph.core.hooks import RegisterNamed, hookimpl

COMMANDS = {
    "Make pictures": {
        "run": "pytti_graph.cli.run:run",
        "sweep": "pytti_graph.cli.sweep:sweep",
        "resume": "pytti_graph.cli.run:resume",
        "examples": "pytti_graph.cli.examples:examples",
        "fetch": "pytti_graph.cli.fetch:fetch",
    },
    "Look at a graph": {
        "check": "pytti_graph.cli.inspect:check",
        "plan": "pytti_graph.cli.inspect:plan",
        "show": "pytti_graph.cli.picture:show",
    },
    "Make your own": {"new": "pytti_graph.cli.new:app"},
    "Look at what is installed": {
        "nodes": "pytti_graph.cli.catalogue:nodes",
        "plugins": "pytti_graph.cli.catalogue:plugins",
        "schema": "pytti_graph.cli.catalogue:schema",
    },
}


@hookimpl
def pytti_graph_commands(register: RegisterNamed) -> None:
    """Offer the built-in commands."""
    for panel, commands in COMMANDS.items():
        for name, target in commands.items():
            register(name, target, panel=panel)


@hookimpl
def pytti_graph_listeners(register: RegisterNamed) -> None:
    """Offer the built-in listeners."""
    register("preview", "pytti_graph.cli.preview:Preview")
    register("events", "pytti_graph.cli.events:JsonLines")


@hookimpl
def pytti_graph_executors(register: RegisterNamed) -> None:
    """Offer the built-in executor."""
    register("local", "pytti_graph.executors:Local")
