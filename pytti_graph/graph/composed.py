"""Texts put together from values of a graph file, which remember where each character comes from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from pytti_graph.core.errors import Position

At = Callable[[int], Position | None]


class Composed:
    """A text that grows."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._at: list[At] = []
        self._length = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def add(self, text: str, at: At) -> None:
        """Add a part; `at` tells the place of each of its characters."""
        self._parts.append(text)
        self._starts.append(self._length)
        self._at.append(at)
        self._length += len(text)

    def at(self, offset: int) -> Position | None:
        """The place of a character."""
        index = max(bisect_right(self._starts, offset) - 1, 0)
        return self._at[index](offset - self._starts[index])
