"""Puts things into an order in which each comes after what it needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

_Item = TypeVar("_Item", bound=Hashable)


class CircleError(Exception):
    """Things that need one another: each the next, and the last the first."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(f"a circle of {len(items)}")
        self.items = items


def depth_first(roots: Iterable[_Item], needed: Callable[[_Item], Iterable[_Item]]) -> list[_Item]:
    """`roots` and all that they need, each after what it needs itself, in the order in which they ask for it.

    Without recursion, since graphs may be deep.

    Raises:
        CircleError: Something needs itself.
    """
    done: dict[_Item, None] = {}
    for root in roots:
        path: dict[_Item, Iterator[_Item]] = {} if root in done else {root: iter(needed(root))}
        while path:
            item, waiting = next(reversed(path.items()))
            other = next(waiting, None)
            if other is None:
                path.popitem()
                done[item] = None
            elif other in path:
                opened = list(path)
                raise CircleError(opened[opened.index(other) :])
            elif other not in done:
                path[other] = iter(needed(other))
    return list(done)
