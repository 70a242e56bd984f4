"""Clause: gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from pytti_graph.core.arguments import ReferenceType, wire_of, without_none
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.core.types import Cutouts, Perceptor, Seen
from pytti_graph.testing.arguments import SUBJECT
from pytti_graph.testing.bench import Bench, Place
from pytti_graph.testing.observing import look, mapped, shown
from pytti_graph.testing.subjects import Subject

_LEAVES = {Cutouts: ("image",), Seen: ("embeddings",)}
"""The fields of values that gradients flow back to."""


@dataclass(frozen=True)
class _Precision:
    """How a derivative is measured: with which steps, one of which must do, and how near the gradient must come."""

    steps: tuple[float, ...]
    tolerance: float


_EXACT = _Precision((1e-6,), 1e-4)
"""For what is computed in float64."""
_ROUGH = _Precision((1e-2, 1e-3, 1e-4), 0.04)
"""For what is computed in float32: long steps are bent, short ones lost in rounding."""


def differentiable(spec: NodeSpec) -> tuple[str, ...]:
    """Its arguments through which a gradient is to flow back."""
    forward = spec.phase("forward")
    named = forward.parameters if forward else ()
    return tuple(
        parameter.name
        for parameter in spec.parameters
        if isinstance(parameter.type, ReferenceType)
        and parameter.type.differentiable
        and parameter.name in named
        and parameter.name not in spec.detached
    )


def has_gradients(spec: NodeSpec) -> bool:
    """It promises a gradient, or that there is none."""
    if spec.returns is None:
        return False
    return spec.trainable or spec.returns == "Perceptor" or bool(spec.detached) or bool(differentiable(spec))


def right_gradients(subject: Subject, folder: Path) -> Iterator[str]:
    """The gradients that come back to its arguments are those of its value, measured by finite differences.

    None comes back to arguments that are declared as detached. Every parameter of an image gets one that is finite.
    """
    spec = subject.spec
    bench = subject.bench(folder)
    if spec.trainable:
        yield from _parameters(bench)
    if spec.returns == "Perceptor":
        yield from _perceptor(bench.subject())
    if _flows(subject.hints.get("return")):
        for name in differentiable(spec):
            yield from _argument(bench, name)
    for name in spec.detached:
        parameter = spec.parameter(name)
        if parameter is not None and isinstance(parameter.type, ReferenceType):
            yield from _detached(bench, name)
        else:
            yield f"it declares '{name}' as detached, but has no such argument that refers to a node"


def _flows(hint: Any) -> bool:
    """A value of that annotation carries gradients on."""
    annotation, _ = without_none(hint)
    if (wire := wire_of(annotation)) is not None:
        return wire.differentiable
    parts = get_type_hints(annotation, include_extras=True).values() if isinstance(annotation, type) else ()
    return any(wire is not None and wire.differentiable for wire in map(wire_of, parts))


# One argument


@dataclass(frozen=True)
class _Leaf:
    """A tensor of an argument that gradients flow back to.

    Attributes:
        place: Where the argument comes from.
        key: The field of the value that holds it, or None if it is the value.
    """

    place: Place
    key: str | None

    def of(self, value: Any) -> Tensor:
        """The tensor of a value."""
        tensor: Tensor = value if self.key is None else getattr(value, self.key)
        return tensor

    def put(self, value: Any, tensor: Tensor) -> Any:
        """The value with another tensor in its place."""
        return tensor if self.key is None else replace(value, **{self.key: tensor})


def _leaves(bench: Bench, name: str) -> Iterator[_Leaf]:
    """The tensors of an argument that gradients flow back to."""
    for place in bench.places(name):
        value = bench.at(place)
        if isinstance(value, Tensor):
            yield _Leaf(place, None)
        elif is_dataclass(value):
            for key in _LEAVES.get(type(value), tuple(field.name for field in fields(value))):
                if isinstance(part := getattr(value, key), Tensor) and part.is_floating_point():
                    yield _Leaf(place, key)


def _argument(bench: Bench, name: str) -> Iterator[str]:
    plain = {place: bench.at(place) for other in bench.graph.nodes[SUBJECT].arguments for place in bench.places(other)}
    for leaf in _leaves(bench, name):

        def give(tensor: Tensor, leaf: _Leaf = leaf) -> dict[str, Tensor]:
            values = plain if tensor.dtype == torch.float32 else {p: _double(value) for p, value in plain.items()}
            bench.given = {**values, leaf.place: leaf.put(values[leaf.place], tensor)}
            return look(bench.subject(), tensor)

        found = _compare(give, leaf.of(plain[leaf.place]).detach())
        bench.given = {}
        if found is not None:
            yield _sentence(name, *found)


def _double(value: Any) -> Any:
    return mapped(value, Tensor.double)


def _sentence(name: str, gradient: float | None, difference: float) -> str:
    if gradient is None:
        return (
            f"its value depends on '{name}', but no gradient comes back to it; do without .detach(), .data, .item() "
            f"and torch.no_grad() on the way, or declare @node(..., detached=('{name}',)) if that is meant"
        )
    if gradient != gradient or abs(gradient) == float("inf"):
        return f"the gradient that comes back to '{name}' is not finite; keep away from 0/0, sqrt(0) and log(0)"
    return (
        f"the gradient that comes back to '{name}' is wrong: along a line it says {gradient:.4g}, but the value "
        f"changes by {difference:.4g}; mend the backward of your autograd function, or what is detached on the way"
    )


Function = Callable[[Tensor], dict[str, Tensor]]


def _compare(function: Function, at: Tensor) -> tuple[float | None, float] | None:
    """The slope that autograd gives and the measured one, if they differ; in float64 if the function computes in it."""
    try:
        with torch.no_grad():
            seen = function(at.double())
        exact = all(part.dtype == torch.float64 for part in seen.values() if part.is_floating_point())
    except Exception:
        exact = False  # what it raises in float32, if anything, is what matters
    return _mismatch(function, at.double(), _EXACT) if exact else _mismatch(function, at.float(), _ROUGH)


def _mismatch(function: Function, at: Tensor, precision: _Precision) -> tuple[float | None, float] | None:
    weights: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(7)

    def total(tensor: Tensor) -> Tensor:
        """One number of all that can be seen, in float64."""
        parts = {name: part for name, part in function(tensor).items() if part.is_floating_point()}
        for name, part in parts.items():
            if name not in weights:
                weights[name] = torch.randn(part.shape, generator=generator, dtype=torch.float64)  # noqa: TID251
        terms = [(part.double() * weights[name]).nan_to_num(0, 0, 0).sum() for name, part in parts.items()]
        return torch.stack(terms).sum()

    gradient = _gradient(total, at)
    if gradient is not None and not bool(gradient.isfinite().all()):
        return float("nan"), 0.0
    line = torch.randn(at.shape, generator=generator, dtype=at.dtype)  # noqa: TID251
    line = line / line.norm()
    if gradient is not None and float(gradient.norm()) > 0:
        line = line + gradient / gradient.norm()
    line = line / line.norm().clamp(min=1e-12)
    slope = None if gradient is None else float((gradient.double() * line.double()).sum())
    with torch.no_grad():
        measured = [float(total(at + h * line) - total(at - h * line)) / (2 * h) for h in precision.steps]
    if any(_near(slope or 0.0, one, precision.tolerance) for one in measured):
        return None
    return slope, measured[-1]


def _near(slope: float, measured: float, tolerance: float) -> bool:
    return abs(slope - measured) <= tolerance * max(abs(slope), abs(measured)) + 1e-3 * tolerance


def _gradient(total: Callable[[Tensor], Tensor], at: Tensor) -> Tensor | None:
    leaf = at.clone().requires_grad_()
    with torch.enable_grad():
        value = total(leaf)
        if not value.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
    return gradient


# The other promises


def _detached(bench: Bench, name: str) -> Iterator[str]:
    for leaf in _leaves(bench, name):
        plain = bench.at(leaf.place)
        tensor = leaf.of(plain).detach().clone().requires_grad_()
        bench.given = {leaf.place: leaf.put(plain, tensor)}
        with torch.enable_grad():
            roots = [part.sum() for part in look(bench.subject(), tensor).values() if part.requires_grad]
        bench.given = {}
        (gradient,) = torch.autograd.grad(torch.stack(roots).sum(), tensor, allow_unused=True) if roots else (None,)
        if gradient is not None and bool(gradient.any()):
            yield f"it declares '{name}' as detached, but a gradient comes back to it; use {name}.detach()"


def _parameters(bench: Bench) -> Iterator[str]:
    with torch.enable_grad():
        seen = look(bench.subject(), torch.empty(0))
    parameters = bench.objects[SUBJECT].parameters()
    for name, tensor in parameters.items():
        if not (tensor.requires_grad and tensor.is_leaf):
            yield f"its parameter '{name}' is not trainable; end the line that makes it with .requires_grad_()"
            return
    generator = torch.Generator().manual_seed(7)
    roots = [
        (tensor * torch.randn(tensor.shape, generator=generator)).sum()  # noqa: TID251
        for tensor in seen.values()
        if tensor.requires_grad
    ]
    moved = list(parameters.values())
    found = torch.autograd.grad(torch.stack(roots).sum(), moved, allow_unused=True) if roots else [None] * len(moved)
    for name, gradient in zip(parameters, found, strict=True):
        if gradient is None:
            yield (
                f"no gradient comes to its parameter '{name}'; let the value depend on it, without .detach() on the "
                "way, or leave it out of parameters()"
            )
        elif not bool(gradient.isfinite().all()):
            yield f"the gradient of its parameter '{name}' is not finite; keep away from 0/0, sqrt(0) and log(0)"


def _perceptor(perceptor: Perceptor) -> Iterator[str]:
    def see(images: Tensor) -> dict[str, Tensor]:
        return {"images": perceptor.encode_images(images)}

    found = _compare(see, shown(perceptor.size, torch.empty(0)))
    if found is not None:
        sentence, _, _ = _sentence("images", *found).partition(", or declare")
        yield f"in encode_images, {sentence}"
