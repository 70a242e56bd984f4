"""A stand-in for an accelerator: torch's "meta" device, whose tensors have shapes but hold no numbers.

Where a program would mix an accelerator's tensors with the processor's, or wait for numbers from it, there are no
numbers to be had here; that shows on any machine, with any build of torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytti_graph.core.injected import Moment, Stream

ACCELERATOR = torch.device("meta")

_WAITING = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
"""What torch says of operations that need to know numbers before they can go on."""
_PUTS = ("aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
_MAY_MIX = ("aten::_to_copy", "aten::copy_", "aten::index", *_PUTS)
"""Operations that torch allows tensors of two devices: copies, and numbers to index with."""
_WORDS = ("meta device type tensor to numpy", "copy out of meta tensor", "on meta tensors", "repeat_interleave a meta")
"""What torch says where it wants numbers that there are none of."""


class MixedError(Exception):
    """Tensors of the processor and of the accelerator met in one operation."""


class WaitingError(Exception):
    """The processor would wait for numbers from the accelerator."""


class UnknownError(Exception):
    """The stand-in cannot compute something that an accelerator may well compute."""


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Looks at each operation of torch."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = any(operand.device == ACCELERATOR for operand in operands)
        name = func.name().partition(".")[0]
        if there and name not in _MAY_MIX and any(t.device != ACCELERATOR and t.dim() for t in operands):
            raise MixedError(f"torch's '{name.removeprefix('aten::')}'")
        if there and name in _PUTS and _puts_where(*args[1:3]):
            raise WaitingError("places that a mask tells are not known")
        try:
            return func(*args, **(kwargs or {}))
        except NotImplementedError as error:
            if there and any(tag in func.tags for tag in _WAITING):
                raise WaitingError(str(error)) from error
            raise


def _puts_where(indices: Sequence[Tensor | None], values: Tensor) -> bool:
    """Values are put where a mask is true, one for each such place; a single value for all is filled in unseen."""
    return values.numel() != 1 and any(index is not None and index.dtype == torch.bool for index in indices)


@contextmanager
def accelerator() -> Iterator[None]:
    """Watch what is done with tensors on `ACCELERATOR`.

    Raises:
        MixedError: They meet tensors of the processor that are more than a single number.
        WaitingError: Their numbers are asked for.
        UnknownError: It cannot be told.
    """
    with _Watch(), told():  # type: ignore[no-untyped-call]
        yield


@contextmanager
def told() -> Iterator[None]:
    """Tell what torch raises itself, for want of numbers, as a `WaitingError` or an `UnknownError`."""
    try:
        yield
    except (TypeError, RuntimeError) as error:
        if any(words in str(error) for words in _WORDS):
            raise WaitingError(str(error)) from error
        if isinstance(error, NotImplementedError):
            raise UnknownError(str(error)) from error
        raise


class Numberless:
    """The random numbers of an accelerator that has none: shapes."""

    def __init__(self, seed: int, node: str, phase: str, moment: Moment) -> None:
        self.generator = torch.Generator()

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """A tensor of that shape."""
        return torch.empty(shape, device=ACCELERATOR)

    def normal(self, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """A tensor of that shape."""
        return torch.empty(shape, device=ACCELERATOR)


def numberless(seed: int, node: str, phase: str, moment: Moment) -> Stream:
    """A `Numberless` stream, in the place of the engine's."""
    return Numberless(seed, node, phase, moment)
