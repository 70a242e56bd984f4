"""Prompts made of prompts: embeddings are directions, and directions can be mixed and taken apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from torch import Tensor

from pytti_graph import Bounds, CropTarget, Number, Prompts, Seen, UsageError, node
from pytti_graph.nodes.embeddings import mean_direction, slerp, without_direction

Change = Callable[[Tensor], Tensor]
"""Makes other unit vectors of unit vectors [N, D]."""


@node("prompt.mix")
def mix(prompts: Prompts, other: Prompts, amount: Annotated[Number, Bounds(ge=0, le=1)] = 0.5) -> Prompts:
    """Mean something between two things.

    Each prompt is turned towards the other ones, along the shortest way between two directions (slerp; Shoemake 1985).
    That is not the same as two prompts beside each other: those make a picture of both, this one a picture of
    something that is both. Weights, stops and masks stay those of the first.

    Args:
        prompts: What is meant at amount 0.
        other: What is meant at amount 1; of several prompts, their mean by weight.
        amount: How far to go from the first to the other.
    """
    return _changed(prompts, other, "other", lambda towards: lambda vectors: slerp(vectors, towards, amount))


@node("prompt.without")
def without(prompts: Prompts, other: Prompts, amount: Annotated[Number, Bounds(ge=0, le=1)] = 1.0) -> Prompts:
    """Mean a thing without something that comes with it.

    What the prompts have in common with the other ones is taken out of them, so that the picture is neither pulled
    towards those nor pushed away from them. A prompt that is nothing else stays as it is. Weights, stops and masks stay
    as they are.

    Args:
        prompts: What is meant.
        other: What is taken out of it; of several prompts, their mean by weight.
        amount: How much of it is taken out: 1 all of it, 0 nothing.
    """
    return _changed(prompts, other, "other", lambda taken: lambda vectors: without_direction(vectors, taken, amount))


def _changed(prompts: Prompts, other: Prompts, argument: str, change: Callable[[Tensor], Change]) -> Prompts:
    """Prompts with their embeddings changed, for each perceptor by what the other prompts mean to it."""
    if len(prompts.others) != len(other.others):
        raise UsageError(
            f"{1 + len(prompts.others)} perceptors read the prompts, but {1 + len(other.others)} the other ones",
            argument=argument,
            hint="give both the same list of perceptors",
        )
    pairs = zip(prompts.each, other.each, strict=True)
    return Prompts.of_each([_with(one, change(_meaning(beside))) for one, beside in pairs])


def _meaning(prompts: Prompts) -> Tensor:
    """What prompts mean together: [1, D]."""
    return mean_direction(prompts.embeddings * prompts.weights.unsqueeze(1))


def _with(prompts: Prompts, change: Change) -> Prompts:
    targets = tuple(None if target is None else Changed(target, change) for target in prompts.targets)
    return replace(prompts, embeddings=change(prompts.embeddings), targets=targets)


@dataclass(frozen=True, eq=False)
class Changed:
    """A target whose directions are changed.

    Attributes:
        target: What it was.
        change: What is made of it.
    """

    target: CropTarget
    change: Change

    def __call__(self, seen: Seen) -> Tensor:
        """What each crop is to mean: [N, D]."""
        return self.change(self.target(seen))
