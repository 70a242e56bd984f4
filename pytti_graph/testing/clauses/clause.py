"""What a clause of the contract is."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from pytti_graph.core.nodes import NUMBER, NodeSpec
from pytti_graph.testing.subjects import Subject, shown_path

Check = Callable[[Subject, Path], Iterator[str]]
"""Says in plain words all that is wrong with a node; it is given an empty folder to write in."""

_OWN, _TORCH, _PYTHON = Path(__file__).parents[1], Path(torch.__file__).parent, Path(sysconfig.get_path("stdlib"))


@dataclass(frozen=True)
class Clause:
    """One thing that every node promises.

    Attributes:
        name: For ids of tests.
        check: Its docstring says what is promised.
        applies: Whether it means anything for a node.
        runs: It runs the node, and so needs arguments for it.
    """

    name: str
    check: Check
    applies: Callable[[NodeSpec], bool] = lambda spec: True
    runs: bool = True

    @property
    def promise(self) -> str:
        """What is promised, in a sentence."""
        return " ".join((self.check.__doc__ or "").split())


def gives_a_value(spec: NodeSpec) -> bool:
    """It is neither a writer nor an optimiser."""
    return spec.returns is not None


def gives_tensors(spec: NodeSpec) -> bool:
    """Its value is made of tensors, as far as its type tells."""
    return spec.returns not in (None, NUMBER)


def place_of(error: BaseException) -> str:
    """Where in the author's code something went wrong, as "file:line": the last line that is not of a library."""
    frames: list[traceback.FrameSummary] = []
    cause: BaseException | None = error
    while cause is not None:
        frames += traceback.extract_tb(cause.__traceback__)
        cause = cause.__cause__
    own = [frame for frame in frames if not _is_library(Path(frame.filename))]
    frame = (own or frames)[-1]
    return f"{shown_path(frame.filename)}:{frame.lineno}"


def _is_library(file: Path) -> bool:
    """It is Python's, torch's or the kit's."""
    of_python = _PYTHON in file.parents and "site-packages" not in file.parts
    return of_python or _TORCH in file.parents or _OWN in file.parents


def first_line(error: BaseException) -> str:
    """What an error says, as far as its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
