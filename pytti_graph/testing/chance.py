"""Watches who draws from the global generators of random numbers, and gives them other numbers."""

from __future__ import annotations

import random  # noqa: TID251 (to see who draws from it)
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType, ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Generator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytti_graph.testing.subjects import shown_path

_MACHINERY = ("torch._compile", "torch._dynamo")
"""What of torch stands between an operation and whoever sees it."""
_STATES = ("seed", "getstate", "setstate", "get_state", "set_state")
"""Functions of generators that draw nothing."""


class Draws:
    """Draws from the global generators that a package makes itself, not by a library that cannot be told otherwise.

    Args:
        package: Name of the package.
        disturb: Throw a number away before each, so that it gives another one, however the generator was seeded.

    Attributes:
        places: Where they were made, as "file:line".
    """

    def __init__(self, package: str, *, disturb: bool) -> None:
        self.places: list[str] = []
        self._package, self._disturb = package, disturb

    def draw(self, frame: FrameType, throw_away: Callable[[], Any]) -> None:
        """A function draws."""
        if str(frame.f_globals.get("__name__")).partition(".")[0] != self._package:
            return
        self.places.append(f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}")
        if self._disturb:
            throw_away()


@contextmanager
def global_draws(package: str, *, disturb: bool = False) -> Iterator[Draws]:
    """Watch the draws that a package makes from the global generators of torch, numpy and Python (see `Draws`)."""
    draws = Draws(package, disturb=disturb)
    with ExitStack() as stack:
        stack.enter_context(_Torch(draws))
        for module, kind in ((random, random.Random), (np.random, np.random.RandomState)):  # noqa: TID251
            for name, watched in _watched(module, kind, draws):
                stack.enter_context(mock.patch.object(module, name, watched))
        yield draws


class _Torch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Looks at each operation of torch."""

    def __init__(self, draws: Draws) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._draws = draws

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            generators = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Generator)]
            if all(generator is torch.default_generator for generator in generators):  # noqa: TID251
                self._draws.draw(_caller(), _throw_away)
        return func(*args, **(kwargs or {}))


def _throw_away() -> None:
    torch.rand(1, device="cpu")  # noqa: TID251


def _caller() -> FrameType:
    """Who called the operation of torch that is looked at."""
    frame = sys._getframe(2)
    while str(frame.f_globals.get("__name__")).startswith(_MACHINERY) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _watched(module: ModuleType, kind: type, draws: Draws) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of a module that draw from its global generator, each with one that tells of it first."""
    for name, function in vars(module).items():
        generator = getattr(function, "__self__", None)
        if isinstance(generator, kind) and name not in _STATES:
            yield name, _telling(function, generator, draws)


def _telling(function: Callable[..., Any], generator: Any, draws: Draws) -> Callable[..., Any]:
    def told(*args: Any, **kwargs: Any) -> Any:
        draws.draw(sys._getframe(1), generator.random)
        return function(*args, **kwargs)

    return told
