"""Which crops a change happens to."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from pytti_graph import Bounds, Stream

Probability = Annotated[float, Bounds(ge=0, le=1)]


def chosen(stream: Stream, count: int, probability: float) -> Tensor:
    """1 with the given probability, else 0: [N]."""
    return (stream.uniform(count) < probability).float()
