"""What is made of a value that stays the same from step to step is made once."""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Rest = ParamSpec("Rest")
Made = TypeVar("Made")
_Function = Callable[Concatenate[Tensor, Rest], Made]


def remembered(make: _Function[Rest, Made]) -> _Function[Rest, Made]:
    """A function of a tensor that remembers what it gave, as long as the tensor lives and is not changed.

    Targets and masks change once a frame or never, but what compares with them runs at every step. A tensor is known
    again by being the same object, so looking it up costs nothing and waits for no device. Where gradients go back to
    it, nothing is remembered.

    Args:
        make: A function without side effects of a tensor and of hashable arguments. It returns the tensor itself, or
            something that does not share its memory, which would keep it alive for ever. Nobody may change what it
            returns.
    """
    kept: MutableMapping[Tensor, tuple[int, dict[Any, Made]]] = WeakTensorKeyDictionary()

    def run(source: Tensor, /, *rest: Rest.args, **more: Rest.kwargs) -> Made:
        if source.requires_grad or source.is_inference() or torch.is_inference_mode_enabled():
            return make(source, *rest, **more)
        version, made = kept.get(source, (-1, {}))
        if version != source._version:
            version, made = source._version, {}
            kept[source] = version, made
        key = (rest, *sorted(more.items()))
        if key in made:
            return made[key]
        new = make(source, *rest, **more)
        if new is not source:
            made[key] = new
        return new

    functools.update_wrapper(run, make)
    return run
