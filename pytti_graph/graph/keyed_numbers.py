"""Reads numbers given frame by frame, such as `{0: 1, 30: "sin(t)", last: 0}`; a single picture counts its steps."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

from pytti_graph.core.errors import did_you_mean
from pytti_graph.graph.composed import At, Composed
from pytti_graph.graph.problems import BindingError
from pytti_graph.graph.values import Entry, Value

Read = Callable[[Value], tuple[str, At]]
"""Reads one number as the text of a formula, and tells where its characters stand."""

LAST, BETWEEN = "last", "between"
WAYS = {"linear": "keys_linear", "eased": "keys_eased", "held": "keys_held"}
"""How a number goes from one frame to the next, and the function of formulas that does it."""

_FRAME = re.compile(r"[0-9]{1,9}")
_HINT = f"write frames, such as {{0: 1, 30: 0}}, or {LAST} for the last one"


def keyed_formula(value: Value, read: Read) -> Composed:
    """The formula that a mapping of frames stands for.

    Raises:
        BindingError: A key is not a frame, frames are not in order, or there are none.
    """
    assert isinstance(value.data, dict)
    entries = list(value.data.values())
    way = next((_way(entry.value) for entry in entries if entry.key == BETWEEN), "linear")
    frames = [(_frame(entry), entry) for entry in entries if entry.key != BETWEEN]
    if not frames:
        raise BindingError("there are no frames", value.position, _HINT)
    for (earlier, _), (later, entry) in pairwise(frames):
        if later <= earlier:
            raise BindingError(f"frame {entry.key} comes after a later one", entry.position, "write frames in order")
    composed = Composed()
    composed.add(f"{WAYS[way]}(now", lambda offset: value.position)
    before = "0"
    for frame, entry in frames:
        where = f"max(last, {before})" if math.isinf(frame) else f"{frame:.0f}"
        _add(composed, where, entry, read)
        before = where
    composed.add(")", lambda offset: value.position)
    return composed


def _add(composed: Composed, where: str, entry: Entry, read: Read) -> None:
    formula, at = read(entry.value)
    composed.add(f", {where}, (", lambda offset: entry.position)
    composed.add(formula, at)
    composed.add(")", lambda offset: entry.value.position)


def _frame(entry: Entry) -> float:
    """The frame that a key names; the last one comes after all others."""
    if entry.key == LAST:
        return math.inf
    if _FRAME.fullmatch(entry.key):
        return int(entry.key)
    hint = did_you_mean(entry.key, [LAST, BETWEEN]) or _HINT
    raise BindingError(f"'{entry.key}' is not a frame", entry.position, hint)


def _way(value: Value) -> str:
    if isinstance(value.data, str) and value.data in WAYS:
        return value.data
    hint = did_you_mean(value.data, WAYS) if isinstance(value.data, str) else None
    raise BindingError(f"'{BETWEEN}' is one of {', '.join(WAYS)}", value.position, hint)
