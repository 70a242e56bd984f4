"""Clause: equal streams, equal values; and nobody else's random numbers."""

from __future__ import annotations

import random  # noqa: TID251 (to see that a node leaves it alone)
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytti_graph.core.nodes import NodeSpec
from pytti_graph.testing.arguments import SUBJECT
from pytti_graph.testing.bench import state
from pytti_graph.testing.chance import global_draws
from pytti_graph.testing.observing import look
from pytti_graph.testing.subjects import Subject


def deterministic(subject: Subject, folder: Path) -> Iterator[str]:
    """For the same seed, node, frame and step the value is the same to the last bit.

    For another seed it is another, if the node draws random numbers. The global generators of torch, numpy and Python
    are left alone, and not borrowed either.
    """
    before = _global_generators()
    first, places = _outcome(subject, folder, seed=1)
    touched = [name for name, state in _global_generators().items() if not _same(state, before[name])]
    for name in touched:
        yield f"it draws from the global generator of {name}; ask for a Stream and draw from that"
    again, _ = _outcome(subject, folder, seed=1)
    if differing := _differing(first, again):
        yield (
            f"called twice with the same seed it gives different values ({', '.join(differing)}); draw all random "
            "numbers from its Stream, and keep nothing from one call to the next"
        )
        return
    follows = _draws(subject.spec) and bool(_differing(first, _outcome(subject, folder, seed=2)[0]))
    borrows = bool(places) and not touched and not follows
    if borrows and _differing(first, _outcome(subject, folder, seed=1, disturb=True)[0]):
        yield (
            f"it borrows a global generator for random numbers ({places[0]}), although it puts it back; ask for a "
            "Stream and draw from that"
        )
    elif _draws(subject.spec) and first and not follows:
        yield (
            "it asks for a Stream, but gives the same value for another seed; draw from the stream itself, not from a "
            "generator of its own (if only some arguments let it draw, give these as examples)"
        )


def _draws(spec: NodeSpec) -> bool:
    return any("Stream" in phase.injected.values() for phase in spec.phases)


def _outcome(subject: Subject, folder: Path, seed: int, disturb: bool = False) -> tuple[dict[str, Tensor], list[str]]:
    """All that can be seen after a call, of the value and of the object's state; and where it draws globally."""
    bench = subject.bench(folder, seed=seed)
    with global_draws(subject.package, disturb=disturb) as draws:
        born = state(bench.call(SUBJECT, "init")) if subject.spec.stateful else {}
        seen = {f"new.{name}": tensor.clone() for name, tensor in born.items()}
        seen |= look(bench.subject(), torch.empty(0))
        seen |= state(bench.objects.get(SUBJECT))
        if subject.spec.optimiser:
            seen |= bench.parameters()
    return {name: tensor.detach().clone() for name, tensor in seen.items()}, draws.places


def _differing(first: dict[str, Tensor], second: dict[str, Tensor]) -> list[str]:
    if first.keys() != second.keys():
        return sorted(first.keys() ^ second.keys())
    return [name for name, tensor in first.items() if not identical(tensor, second[name])]


def identical(first: Tensor, second: Tensor) -> bool:
    """Two tensors are the same, to the last bit; NaN is the same as NaN."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.is_floating_point():
        return bool(((first == second) | (first.isnan() & second.isnan())).all())
    return torch.equal(first, second)


def _global_generators() -> dict[str, Any]:
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "Python": random.getstate()}  # noqa: TID251


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor | np.ndarray):
        return bool((first == second).all())
    if isinstance(first, tuple):
        return all(_same(one, other) for one, other in zip(first, second, strict=True))
    return bool(first == second)
