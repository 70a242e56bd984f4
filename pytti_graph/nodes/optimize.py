"""Optimisers: what moves the parameters of pictures downhill."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.optim.adam import adam  # torch.optim.Adam would import torch's compiler, which takes seconds

from pytti_graph import Bounds, Parameters, node
from pytti_graph.nodes.optimize_parts import Optimiser, Part, Patience, RunningMean

_MOMENTS = "exp_avg", "exp_avg_sq", "step"
_BOLDNESS = 3
"""How much farther schedule-free steps go than Adam's, since what is shown moves more slowly."""
_EPSILON = 1e-8
"""What keeps a parameter that has had no gradient yet from being divided by 0."""

_Moments = dict[str, Tensor]


@node("optimize.adam")
class Adam(Optimiser):
    """Move the picture downhill with Adam (Kingma & Ba 2015).

    Args:
        losses: What is made smaller: their sum.
        images: What is moved; unsaid, every image that the losses reach.
        learning_rate: How far each step goes; unsaid, what suits the image (0.02 for rgb, 0.05 for pyramid).
        clip: The longest that the gradient of all parameters together may be; a longer one is shortened. Unsaid, any.
        beta1: How long the direction is remembered, 0..1.
        beta2: How long the steepness is remembered, 0..1.
        average: Show the average of the frame's steps instead of the last one. With each later step, a step counts this
            much less: 0.9 averages over about 10 steps, 0.99 over about 100. The next frame goes on from what was
            shown.
        patience: End the steps of a frame when so many of them have brought nothing. Unsaid, all steps are taken. With
            several optimisers, when that holds for each.
        tolerance: What counts as nothing for `patience`, as a part of all that the frame's losses have fallen before.
        keep_moments: Go on from frame to frame with what is remembered, which makes films smooth. It does not move with
            the picture, so it suits motions of a few per cent a frame. Otherwise each frame starts afresh, as in
            PyTTI, with a jolt: Adam's first step moves everything by the whole learning rate.
    """

    def __init__(
        self,
        parameters: Parameters,
        beta1: Part = 0.9,
        beta2: Part = 0.999,
        average: Part | None = None,
        patience: Patience | None = None,
        tolerance: Part = 0.01,
        keep_moments: bool = False,
    ) -> None:
        super().__init__(parameters, patience, tolerance)
        self.beta1, self.beta2, self.keep_moments = beta1, beta2, keep_moments
        self.mean = None if average is None else RunningMean(self.tensors, average)
        self.moments: dict[str, _Moments] = {}

    def begin_frame(self) -> None:
        """Forget the moments, which belong to where things were, unless they are to be kept; and what was averaged."""
        if not self.keep_moments:
            self.moments.clear()
        if self.mean is not None:
            self.mean.clear()

    def step(self, learning_rate: float | None) -> None:
        """Adam's step, of the parameters that have a gradient."""
        groups: dict[float, list[tuple[Tensor, Tensor, _Moments]]] = {}
        for name, tensor, rate in zip(self.names, self.tensors, self.rates, strict=True):
            if tensor.grad is not None:
                moments = self.moments.get(name) or self.moments.setdefault(name, _no_moments(tensor))
                groups.setdefault(rate if learning_rate is None else learning_rate, []).append(
                    (tensor, tensor.grad, moments)
                )
        for rate, group in groups.items():
            averages, squares, steps = ([moments[key] for _, _, moments in group] for key in _MOMENTS)
            adam(
                [tensor for tensor, _, _ in group],
                [gradient for _, gradient, _ in group],
                averages,
                squares,
                [],
                steps,
                foreach=True,
                amsgrad=False,
                beta1=self.beta1,
                beta2=self.beta2,
                lr=rate,
                weight_decay=0.0,
                eps=_EPSILON,
                maximize=False,
            )
        if self.mean is not None:
            self.mean.add(self.tensors)

    def shown(self) -> dict[str, Tensor]:
        """The average of the frame's steps, if it is wanted and there have been any."""
        if self.mean is None or not self.mean.weight:
            return {}
        return dict(zip(self.names, self.mean.values, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """The moments, as `name.exp_avg`, `name.exp_avg_sq` and `name.step`; the average, as `name.mean`."""
        moments = {f"{name}.{key}": tensor for name, kept in self.moments.items() for key, tensor in kept.items()}
        if self.mean is None:
            return moments
        return {**moments, **self.by_name("mean", self.mean.values), "weight": self.mean.weight}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.moments = {
            name: {key: state[f"{name}.{key}"].clone() for key in _MOMENTS}
            for name in self.names
            if f"{name}.step" in state
        }
        for moments in self.moments.values():
            moments["step"] = moments["step"].cpu()
        if self.mean is not None:
            self.mean.restore([state[f"{name}.mean"] for name in self.names], state["weight"])


def _no_moments(tensor: Tensor) -> _Moments:
    """Adam's moments before the first step; steps are counted on the processor."""
    return {
        "exp_avg": torch.zeros_like(tensor),
        "exp_avg_sq": torch.zeros_like(tensor),
        "step": torch.zeros((), device="cpu"),
    }


@node("optimize.schedule_free")
class ScheduleFree(Optimiser):
    """Move the picture downhill with schedule-free AdamW, which settles without a learning rate that falls.

    Shown is an average of the frame's steps in which later ones count more; gradients are taken between it and the last
    step (algorithm 1 of Defazio et al., The Road Less Scheduled, 2024, arXiv 2405.15682). The next frame goes on from
    what was shown.

    Args:
        losses: What is made smaller: their sum.
        images: What is moved; unsaid, every image that the losses reach.
        learning_rate: How far each step goes; unsaid, three times what suits the image with Adam (0.06 for rgb, 0.15
            for pyramid), since an average moves more slowly than the steps.
        clip: The longest that the gradient of all parameters together may be; a longer one is shortened. Unsaid, any.
        beta1: Where gradients are taken, from 0, the last step, to 1, the average.
        beta2: How long the steepness is remembered, 0..1.
        weight_decay: How hard parameters are pulled to 0, beside the losses: painted pictures to grey, plain pixels to
            black. In painted pictures 0.1 keeps colours natural.
        patience: End the steps of a frame when so many of them have brought nothing. Unsaid, all steps are taken. With
            several optimisers, when that holds for each.
        tolerance: What counts as nothing for `patience`, as a part of all that the frame's losses have fallen before.
        keep_moments: Go on from frame to frame with the steepness that is remembered, which takes away the jolt at the
            beginning of each frame.
    """

    def __init__(
        self,
        parameters: Parameters,
        beta1: Part = 0.9,
        beta2: Part = 0.999,
        weight_decay: Annotated[float, Bounds(ge=0, le=1)] = 0.0,
        patience: Patience | None = None,
        tolerance: Part = 0.01,
        keep_moments: bool = False,
    ) -> None:
        super().__init__(parameters, patience, tolerance)
        self.beta1, self.beta2, self.weight_decay, self.keep_moments = beta1, beta2, weight_decay, keep_moments
        self.points = [tensor.detach().clone() for tensor in self.tensors]
        self.mean = RunningMean(self.points)
        self.squares = [torch.zeros_like(point) for point in self.points]
        self.steps = 0

    @torch.no_grad()
    def begin_frame(self) -> None:
        """Begin anew where the picture is."""
        torch._foreach_copy_(self.points, self.tensors)
        torch._foreach_copy_(self.mean.values, self.tensors)
        self.mean.clear()
        if not self.keep_moments:
            torch._foreach_zero_(self.squares)
            self.steps = 0

    def step(self, learning_rate: float | None) -> None:
        """A step of the algorithm; in its letters, parameters are y, points z, their mean x, and squares v.

        Epsilon stands beside the corrected root of v, as in Adam and in what the authors publish now. In the paper it
        stands beside v as it is, which holds back the first steps of large pictures, whose gradients are faint.
        """
        gradients = [torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for tensor in self.tensors]
        torch._foreach_mul_(self.squares, self.beta2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - self.beta2)
        self.steps += 1
        correction = math.sqrt(1 - self.beta2**self.steps)
        steepness = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(steepness, correction)
        torch._foreach_add_(steepness, _EPSILON)
        moves = torch._foreach_div(gradients, steepness)
        if self.weight_decay:
            torch._foreach_add_(moves, self.tensors, alpha=self.weight_decay * correction)
        rates = [_BOLDNESS * rate for rate in self.rates] if learning_rate is None else [learning_rate] * len(moves)
        torch._foreach_mul_(moves, rates)
        torch._foreach_sub_(self.points, moves)
        self.mean.add(self.points, (correction if learning_rate is None else correction * learning_rate) ** 2)
        torch._foreach_copy_(self.tensors, self.points)
        torch._foreach_lerp_(self.tensors, self.mean.values, self.beta1)

    def shown(self) -> dict[str, Tensor]:
        """The average."""
        return dict(zip(self.names, self.mean.values, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """`name.point`, `name.mean`, `name.square`, and what was counted: `weight`, `steps`."""
        counted = {"weight": self.mean.weight, "steps": torch.tensor(self.steps, device="cpu")}
        tensors = {"point": self.points, "mean": self.mean.values, "square": self.squares}
        return counted | {key: t for what, ts in tensors.items() for key, t in self.by_name(what, ts).items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""

        def named(what: str) -> list[Tensor]:
            return [state[f"{name}.{what}"] for name in self.names]

        torch._foreach_copy_(self.points, named("point"))
        torch._foreach_copy_(self.squares, named("square"))
        self.mean.restore(named("mean"), state["weight"])
        self.steps = int(state["steps"])
