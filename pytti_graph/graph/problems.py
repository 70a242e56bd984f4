"""What is wrong with a value, before it is known whose argument it is."""

from __future__ import annotations

from pytti_graph.core.errors import Position, Problem


class BindingError(Exception):
    """A value that does not fit its argument."""

    def __init__(self, message: str, position: Position | None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.position, self.hint = message, position, hint

    def problem(self, node: str, argument: str) -> Problem:
        """This error as a problem of a node's argument."""
        return Problem(f"{argument}: {self.message}", self.position, node, argument, self.hint)
