"""What optimisers are made of: how they are asked for steps, averages of points, and when further steps are in vain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Image, Loss, Parameters

_RATE = 0.05
"""Learning rate of images that do not say what suits them."""
_LOOKS = 4
"""How often losses are looked at while patience lasts: seldom, since a graphics card has to be waited for."""

Part = Annotated[float, Bounds(ge=0, lt=1)]
Patience = Annotated[int, Bounds(ge=1, unit="steps")]


class Optimiser:
    """What all optimisers have in common: they limit gradients, take steps, and tell when enough is enough.

    Args:
        parameters: What to move.
        patience: See `Plateau`; None never has enough.
        tolerance: See `Plateau`.

    Attributes:
        names: Of the parameters.
        tensors: The parameters, in the same order.
        rates: The learning rate that suits each.
    """

    def __init__(self, parameters: Parameters, patience: int | None, tolerance: float) -> None:
        self.names, self.tensors = list(parameters), list(parameters.values())
        self.rates = [parameters.learning_rates.get(name, _RATE) for name in self.names]
        self.plateau = None if patience is None else Plateau(patience, tolerance)

    @torch.no_grad()
    def forward(
        self,
        losses: list[Loss],
        learning_rate: Annotated[float, Bounds(ge=0, le=100)] | None = None,
        clip: Annotated[float, Bounds(gt=0, infinite=True)] | None = None,
        images: list[Image] | None = None,
    ) -> None:
        """Take one step by the gradients in the parameters."""
        gradients = [tensor.grad for tensor in self.tensors if tensor.grad is not None]
        if clip is not None and gradients:
            shorten(gradients, clip)
        self.step(learning_rate)

    def step(self, learning_rate: float | None) -> None:
        """Move the parameters; without a learning rate each at its own."""
        raise NotImplementedError

    def settled(self, losses: Tensor) -> bool:
        """Whether further steps of a frame are in vain, by the losses [steps, losses] of those it has had."""
        return self.plateau is not None and self.plateau(losses)

    def by_name(self, suffix: str, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """One tensor for each parameter, by the parameter's name and a suffix."""
        return {f"{name}.{suffix}": tensor for name, tensor in zip(self.names, tensors, strict=True)}


def shorten(gradients: list[Tensor], longest: float) -> None:
    """Multiply gradients by what makes them so long together, if they are longer; their squares may overflow."""
    largest = torch.stack(torch._foreach_norm(gradients, math.inf)).max().clamp(min=torch.finfo(torch.float32).tiny)
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(torch._foreach_div(gradients, largest))))
    torch._foreach_mul_(gradients, (longest / length / largest).clamp(max=1))


class RunningMean:
    """The weighted mean of points that come one after another.

    Args:
        points: Tensors like those that will come.
        decay: By how much the weight of a point shrinks with each that comes after it. With equal weights, the mean is
            the exponential moving average, corrected at its beginning as in Adam (Kingma & Ba 2015, section 3).

    Attributes:
        values: The mean; nothing of meaning as long as all weights were 0.
        weight: The sum of all weights, [] (on the processor, so that no graphics card is waited for).
    """

    def __init__(self, points: Sequence[Tensor], decay: float = 1.0) -> None:
        self.values = [point.detach().clone() for point in points]
        self.decay = decay
        self.clear()

    def clear(self) -> None:
        """Forget all points; the next one is the mean."""
        self.weight = torch.zeros((), device="cpu")

    def add(self, points: list[Tensor], weight: float = 1.0) -> None:
        """Take in a point."""
        self.weight = self.decay * self.weight + weight
        if self.weight:
            torch._foreach_lerp_(self.values, points, float(weight / self.weight))

    def restore(self, values: list[Tensor], weight: Tensor) -> None:
        """Go on from other values."""
        torch._foreach_copy_(self.values, values)
        self.weight = weight.cpu()


class Plateau:
    """Tells when a loss has stopped falling.

    It compares means over a few steps, since losses of random crops are noisy: the lowest of the last `patience` steps
    with the lowest before. It has no memory but the losses, so that a rendering that goes on decides the same.

    Args:
        patience: In how many steps the loss has to fall.
        tolerance: By how much: this part of what it has fallen before, since the first steps.
    """

    def __init__(self, patience: int, tolerance: float) -> None:
        self.tolerance = tolerance
        self.width = max(1, patience // _LOOKS)
        self.waiting = math.ceil(patience / self.width)

    def __call__(self, losses: Tensor) -> bool:
        """Whether the sum of losses [steps, losses] has stopped falling; True only at every `width` steps."""
        count, rest = divmod(len(losses), self.width)
        if rest or count <= self.waiting:
            return False
        means = losses.sum(1).view(count, self.width).mean(1).tolist()
        before, lately = min(means[: -self.waiting]), min(means[-self.waiting :])
        return not lately < before - self.tolerance * (means[0] - before)
