"""Gradients: which losses give them to which parameters, and the proof that they do and are finite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.errors import RenderError
from pytti_graph.core.injected import Moment
from pytti_graph.core.types import ParameterSet
from pytti_graph.graph.plan import Call, OptimiserPlan, Plan


@dataclass(frozen=True, slots=True)
class Descent:
    """One way back through the graph: from the sum of some losses to all parameters that are to make it smaller.

    Attributes:
        call: Of an optimiser that has these losses.
        losses: Their slots.
        parameters: Those of every optimiser that has just these losses.
    """

    call: Call
    losses: tuple[int, ...]
    parameters: list[Tensor]


def descents(optimisers: Iterable[tuple[OptimiserPlan, ParameterSet]]) -> list[Descent]:
    """The ways back for some optimisers with what they move; those with the same losses share one."""
    found: dict[tuple[int, ...], Descent] = {}
    for optimiser, moved in optimisers:
        slots = tuple(slot for _, slot in optimiser.losses)
        descent = found.setdefault(tuple(sorted(slots)), Descent(optimiser.call, slots, []))
        descent.parameters.extend(moved.values())
    return list(found.values())


def prove(plan: Plan, optimiser: OptimiserPlan, values: Sequence[Any], moved: ParameterSet, moment: Moment) -> None:
    """Prove the contract for one optimiser, after the losses have been computed.

    Args:
        plan: The plan.
        optimiser: Whose losses they are.
        values: All slots.
        moved: The parameters that it moves.
        moment: Now, for messages.

    Raises:
        RenderError: Names the loss that gives no gradient or one that is not finite, or the image that none reaches.
    """
    reached: set[str] = set()
    for name, slot in optimiser.losses:
        gradients = _gradients(values[slot], moved)
        if isinstance(gradients, str):
            raise _error(plan, name, gradients, moment)
        for key, gradient in gradients.items():
            if not bool(gradient.isfinite().all()):
                hint = "a number that goes into it may be too large, such as a weight"
                raise _error(plan, name, f"its gradient for {key} is not finite", moment, hint)
        reached |= set(gradients)
    for key in moved:
        if key not in reached:
            message = f"no gradient comes to its parameter '{key.partition('.')[2]}'"
            hint = "a loss that looks at the picture may be missing, such as loss.prompts"
            raise _error(plan, key, message, moment, hint)


def _gradients(loss: Any, moved: ParameterSet) -> dict[str, Tensor] | str:
    """The gradients of a loss by parameter, or what is wrong with it."""
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        return f"a loss is a tensor of shape [], not {_kind(loss)}"
    if not loss.requires_grad:
        return "no gradient comes from it: it does not depend on the picture, or a node breaks the gradient"
    found = torch.autograd.grad(loss, list(moved.values()), retain_graph=True, allow_unused=True)
    gradients = {key: gradient for key, gradient in zip(moved, found, strict=True) if gradient is not None}
    return gradients or "no gradient comes from it: a node between it and the picture breaks the gradient"


def _kind(loss: Any) -> str:
    return f"one of shape {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__


def _error(plan: Plan, name: str, message: str, moment: Moment, hint: str | None = None) -> RenderError:
    node = plan.graph.nodes[name.partition(".")[0]]
    frame, step = moment.frame, moment.step
    return RenderError(message, frame=frame, step=step, position=node.position, node=node.id, hint=hint)
