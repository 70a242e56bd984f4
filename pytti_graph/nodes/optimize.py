"""Optimisers: what moves the parameters of pictures downhill."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Loss, Parameters, node

_RATE = 0.05
"""Learning rate of images that do not say what suits them."""
_MOMENTS = "exp_avg", "exp_avg_sq", "step"


@node("optimize.adam")
class Adam:
    """Move the picture downhill with Adam (Kingma & Ba 2015).

    Args:
        losses: What is made smaller: their sum.
        learning_rate: How far each step goes; unsaid, what suits the image (0.02 for rgb, 0.05 for pyramid).
        beta1: How long the direction is remembered, 0..1.
        beta2: How long the steepness is remembered, 0..1.
        keep_moments: Go on from frame to frame with what is remembered, which makes films smooth. It does not move with
            the picture, so it suits motions of a few per cent a frame. Otherwise each frame starts afresh, as in
            PyTTI, with a jolt: Adam's first step moves everything by the whole learning rate.
    """

    def __init__(
        self,
        parameters: Parameters,
        beta1: Annotated[float, Bounds(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Bounds(ge=0, lt=1)] = 0.999,
        keep_moments: bool = False,
    ) -> None:
        self.parameters_by_name, self.keep_moments = dict(parameters), keep_moments
        groups: dict[float, list[Tensor]] = {}
        for name, parameter in parameters.items():
            groups.setdefault(parameters.learning_rates.get(name, _RATE), []).append(parameter)
        self.rates = list(groups)
        self.optimiser = torch.optim.Adam(
            [{"params": group} for group in groups.values()], betas=(beta1, beta2), foreach=True
        )

    def begin_frame(self) -> None:
        """Forget the moments, which belong to where things were, unless they are to be kept."""
        if not self.keep_moments:
            self.optimiser.state.clear()

    def forward(self, losses: list[Loss], learning_rate: Annotated[float, Bounds(ge=0, le=100)] | None = None) -> None:
        """Take one step by the gradients in the parameters."""
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate if learning_rate is None else learning_rate
        self.optimiser.step()

    def state_dict(self) -> dict[str, Tensor]:
        """The moments, as `name.exp_avg`, `name.exp_avg_sq` and `name.step`."""
        state = self.optimiser.state
        return {
            f"{name}.{moment}": state[parameter][moment]
            for name, parameter in self.parameters_by_name.items()
            if parameter in state
            for moment in _MOMENTS
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.optimiser.state.clear()
        for name, parameter in self.parameters_by_name.items():
            if f"{name}.step" in state:
                self.optimiser.state[parameter] = {moment: state[f"{name}.{moment}"].clone() for moment in _MOMENTS}
