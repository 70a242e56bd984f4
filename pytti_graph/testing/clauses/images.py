"""Clause: what starts and moves an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.graph.ports import meant_port
from pytti_graph.testing.arguments import SUBJECT
from pytti_graph.testing.bench import Bench
from pytti_graph.testing.subjects import Subject

LEAST_PSNR = 34.0
"""Decibels that a motion which moves nothing must leave of an image."""


def is_image(spec: NodeSpec) -> bool:
    """It is trainable, gives a picture, and can be started or moved."""
    moves = spec.phase("start") or spec.phase("warp")
    return spec.trainable and gives_picture(spec) and moves is not None


def gives_picture(spec: NodeSpec) -> bool:
    """Its value is a picture, or has one on a port."""
    return spec.returns == "Image" or meant_port(spec, "Image") is not None


def _seen(value: Any, spec: NodeSpec) -> Tensor:
    """The picture that a value is, or has."""
    port = meant_port(spec, "Image")
    picture: Tensor = value if port is None else getattr(value, port)
    return picture


def starts_and_moves(subject: Subject, folder: Path) -> Iterator[str]:
    """`start` brings an image nearer to the picture it is given, and a `warp` that moves nothing leaves it as it is.

    What is left after such a warp agrees with what was there to 34 dB or better. Parameters are changed in place.
    """
    bench = subject.bench(folder)
    made = bench.objects[SUBJECT] = bench.call(SUBJECT, "init")
    before = dict(made.parameters())
    wanted = _started_from(bench, subject.spec)
    if wanted is not None:
        blank = _seen(bench.value(SUBJECT), subject.spec)
        bench.call(SUBJECT, "start")
        started = _seen(bench.call(SUBJECT, "forward"), subject.spec)
        if started.shape == wanted.shape and _error(started, wanted) >= 0.9 * _error(blank, wanted):
            yield "its value is no nearer to the picture after start(picture) than before; encode the picture there"
    if bench.can(SUBJECT, "warp"):
        still = _seen(bench.call(SUBJECT, "forward"), subject.spec).clone()
        bench.call(SUBJECT, "warp")
        moved = _seen(bench.call(SUBJECT, "forward"), subject.spec)
        left = float(-10 * torch.log10(_error(moved, still).clamp(min=1e-12)))
        if left < LEAST_PSNR:
            yield (
                f"a warp that moves nothing changes its picture to {left:.1f} dB, which should be {LEAST_PSNR:.0f} or "
                "more; warp what is seen, or what is before the last non-linear step"
            )
    for name, tensor in made.parameters().items():
        if tensor is not before.get(name):
            yield f"start or warp makes another tensor of its parameter '{name}'; change it in place, as with copy_()"


def _started_from(bench: Bench, spec: NodeSpec) -> Tensor | None:
    """The picture that its `start` is given."""
    if not bench.can(SUBJECT, "start"):
        return None
    pictures = [name for name in spec.needed_in("start") if _is_picture(spec, name)]
    phase = spec.phase("start")
    assert phase is not None
    values = dict(zip(phase.parameters, bench.inputs(SUBJECT, "start"), strict=True))
    return next((values[name] for name in pictures), None)


def _is_picture(spec: NodeSpec, name: str) -> bool:
    parameter = spec.parameter(name)
    return parameter is not None and isinstance(parameter.type, ReferenceType) and parameter.type.wire == "Image"


def _error(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference."""
    return (one - other).detach().square().mean()
