"""Clauses: on an accelerator, and in what precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.nodes import NUMBER, NodeSpec
from pytti_graph.core.types import Perceptor
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.testing.arguments import SUBJECT
from pytti_graph.testing.bench import Bench, state
from pytti_graph.testing.clauses.clause import first_line, gives_tensors, place_of
from pytti_graph.testing.clauses.gradients import differentiable
from pytti_graph.testing.observing import TEXTS, look, mapped
from pytti_graph.testing.rounding import Rounding
from pytti_graph.testing.standin import (
    ACCELERATOR,
    MixedError,
    UnknownError,
    WaitingError,
    accelerator,
    numberless,
    told,
)
from pytti_graph.testing.subjects import Subject


def computes(spec: NodeSpec) -> bool:
    """It takes or gives tensors."""
    return gives_tensors(spec) or any(isinstance(parameter.type, ReferenceType) for parameter in spec.parameters)


def on_accelerator(subject: Subject, folder: Path) -> Iterator[str]:
    """On an accelerator all its tensors are there, forwards and backwards.

    Nothing in `forward`, which may run at every step, waits for numbers from there.
    """
    bench = subject.bench(folder, device=ComputeDevice(ACCELERATOR, torch.float32), make_stream=numberless)
    if not _prepared(bench):
        return
    for name in () if may_wait(subject.spec) else differentiable(subject.spec):
        bench.given |= {place: mapped(bench.at(place), _followed) for place in bench.places(name)}
    try:
        with torch.enable_grad(), accelerator():
            strays = _run(subject, bench)
    except MixedError as error:
        yield (
            f"a tensor of the processor meets one of the accelerator in {error} ({place_of(error)}); make tensors with "
            "device=device.torch or device=image.device"
        )
    except WaitingError as error:
        yield (
            f"it waits for the accelerator ({place_of(error)}): .item(), float(tensor), 'if tensor', .cpu(), a boolean "
            "index or the like reads numbers from it at every step; compute with tensors instead"
        )
    except UnknownError:
        return
    else:
        if strays:
            yield f"its {strays} is on the processor; make tensors with device=device.torch, or from those it is given"


def _prepared(bench: Bench) -> bool:
    """Everything that the node needs could be made; if not, that is no fault of the node."""
    try:
        with accelerator():
            for id in set(bench.graph.nodes) - {SUBJECT}:
                bench.value(id)
    except (MixedError, WaitingError, UnknownError):
        return False
    return True


def _followed(tensor: Tensor) -> Tensor:
    """The same tensor, from which gradients are noted."""
    with torch.enable_grad():
        return tensor.detach().requires_grad_().clone()


def _run(subject: Subject, bench: Bench) -> str:
    """Run the node, forwards and backwards; the names of what it leaves on the processor."""
    try:
        with told():
            if subject.spec.stateful:
                bench.begin(SUBJECT)
            if bench.can(SUBJECT, "warp"):
                bench.call(SUBJECT, "warp")
            if may_wait(subject.spec):
                bench.value(SUBJECT)
    except WaitingError:
        return ""  # it may, but there are no numbers to go on with
    value = bench.value(SUBJECT)
    seen = look(value, torch.empty(0, device=ACCELERATOR), texts=False) | _texts(value)
    seen |= state(bench.objects.get(SUBJECT))
    strays = [name for name, tensor in seen.items() if tensor.device != ACCELERATOR and tensor.dim()]
    roots = [tensor.sum() for tensor in seen.values() if tensor.requires_grad]
    if roots and not strays:
        torch.autograd.backward(torch.stack(roots).sum())
    return ", ".join(name.removeprefix("value.") for name in strays)


def _texts(value: Any) -> dict[str, Tensor]:
    """What a perceptor makes of texts; they are read once, so that it may wait there."""
    try:
        with told():
            return {"texts": value.encode_texts(list(TEXTS))} if isinstance(value, Perceptor) else {}
    except WaitingError:
        return {}


def may_wait(spec: NodeSpec) -> bool:
    """It has to: a number is computed on the processor, and a file written by it. The size of crops is known."""
    ports = () if spec.returns == "Cutouts" else spec.ports.values()
    return (spec.returns is None and not spec.optimiser) or NUMBER in (spec.returns, *ports)


def precise(subject: Subject, folder: Path) -> Iterator[str]:
    """Values are float32 for float32 inputs, also when perceptors compute in bfloat16.

    Nothing is rounded to half precision and back on the way. A perceptor that tells how it looks at pictures tells its
    precision, where that makes a difference.
    """
    value, plain = _looked(subject, folder, torch.float32)
    if wrong := _other_types(plain):
        yield f"its {wrong}; give values back in float32 (numpy and Python make float64: use .float())"
        return
    if (place := _rounds(subject, folder)) is not None:
        yield f"it rounds numbers to half precision and back ({place}), which only loses some; keep them in float32"
    try:
        half_value, half = _looked(subject, folder, torch.bfloat16)
    except Exception as error:
        yield (
            f"with perceptors in bfloat16 it raises {first_line(error)} ({place_of(error)}); device.dtype is for what "
            "a perceptor computes inside, pictures and losses stay float32"
        )
        return
    if wrong := _other_types(half):
        yield f"with perceptors in bfloat16 its {wrong}; give values back in float32, with .float()"
    settings = getattr(value, "image_settings", None)
    same = settings is not None and settings == half_value.image_settings
    if same and not all(torch.equal(tensor, half[name]) for name, tensor in plain.items() if name in half):
        yield (
            "its image_settings are the same in float32 and in bfloat16, but not what it sees, which is kept by them; "
            "put str(device.dtype) among them"
        )


def _rounds(subject: Subject, folder: Path) -> str | None:
    """Where numbers that gradients come back to are rounded for nothing, or None."""
    bench = subject.bench(folder)
    with contextlib.suppress(Exception), torch.enable_grad(), Rounding() as rounding:
        for name in differentiable(subject.spec):
            bench.given |= {place: mapped(bench.at(place), _followed) for place in bench.places(name)}
        look(bench.subject(), torch.empty(0))
    return next(iter(rounding.places), None)


def _looked(subject: Subject, folder: Path, dtype: torch.dtype) -> tuple[Any, dict[str, Tensor]]:
    """The node's value with perceptors in a precision, and what can be seen of it and of the node."""
    bench = subject.bench(folder, device=ComputeDevice(torch.device("cpu"), dtype))
    with torch.no_grad():
        value = bench.subject()
        seen: dict[str, Tensor] = look(value, torch.empty(0))
    return value, seen | _parameters(bench.objects.get(SUBJECT))


def _other_types(seen: dict[str, Tensor]) -> str | None:
    """Which of these are not float32, or None."""
    wrong = [f"{name} is {_named(tensor)}" for name, tensor in seen.items() if _is_other(tensor)]
    return " and its ".join(wrong) or None


def _parameters(made: Any) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state(made).items() if name.startswith("parameters.")}


def _is_other(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dtype != torch.float32


def _named(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
