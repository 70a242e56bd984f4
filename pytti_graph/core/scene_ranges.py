"""Which numbers make sense in prompts: weights, stops and cutoffs that would never do anything are refused."""

from __future__ import annotations

import math

from pytti_graph.core.formulas import TextSyntaxError

FARTHEST = 4.93
"""The largest distance that there is, half the square of pi, as it is told everywhere."""


def check_weight(weight: float | None, offset: int) -> None:
    """Refuse a weight without end.

    Args:
        weight: Its value, or None if it changes.
        offset: Where it begins in the whole text.
    """
    if weight is not None and math.isinf(weight):
        raise TextSyntaxError(f"the weight {weight:g} has no end", offset, "write a number, such as 2")


def check_stop(weight: float | None, stop: float | None, offset: int) -> None:
    """Refuse a stop that is never reached, or at which the prompt never pulls; -inf is none.

    Args:
        weight: The value of the prompt's weight, or None if it changes.
        stop: The value of the stop, or None if it changes.
        offset: Where the stop begins in the whole text.
    """
    if stop is None or stop == -math.inf:
        return
    if weight is not None and weight < 0 <= stop:
        example = -stop if 0 < stop < FARTHEST else -1.2
        hint = f"a negative weight stops at minus a distance, such as {example:g}"
        raise TextSyntaxError(f"with the stop {stop:g} nothing is pushed away", offset, hint)
    if stop >= FARTHEST:
        hint = f"no distance is larger than {FARTHEST}; a positive weight stops at a small one, such as 0.8"
        raise TextSyntaxError(f"with the stop {stop:g} nothing is pulled", offset, hint)
    if weight is not None and weight > 0 > stop:
        hint = "a positive weight stops at a distance, such as 0.8; without a stop, leave it out"
        raise TextSyntaxError(f"the stop {stop:g} is never reached", offset, hint)
    if stop < -FARTHEST:
        hint = f"no distance is larger than {FARTHEST}; a negative weight stops at minus a distance, such as -1.2"
        raise TextSyntaxError(f"the stop {stop:g} is never reached", offset, hint)


def check_cutoff(kind: str | None, cutoff: float | None, offset: int) -> None:
    """Refuse a cutoff beyond the edges of the picture, or beyond all distances.

    Args:
        kind: Of its mask.
        cutoff: Its value, or None if it changes.
        offset: Where it begins in the whole text.
    """
    most = FARTHEST if kind == "text" else 1
    if cutoff is None or 0 <= cutoff <= most:
        return
    if kind == "text":
        hint = "write a distance, such as 0.8"
    else:
        example = cutoff / 100 if 10 <= cutoff <= 100 else 0.5
        hint = f"write a part of the picture, such as {example:g}"
    raise TextSyntaxError(f"a cutoff of this mask is between 0 and {most:g}, not {cutoff:g}", offset, hint)
