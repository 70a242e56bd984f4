"""Watches for numbers that are rounded to half precision and made float32 again."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pytti_graph.testing.subjects import shown_path

_CASTS = ("half", "bfloat16", "float", "double", "to", "type", "type_as")
_HALF = (torch.float16, torch.bfloat16)


class Rounding(TorchFunctionMode):
    """Looks at each change of precision of what gradients come back to.

    What a function computes in half precision, as a network may, is no loss for nothing: only numbers that are
    converted there and back within one function, with nothing done to them between, are told.

    Attributes:
        places: Where they are converted back, as "file:line".
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self._rounded: dict[int, tuple[Tensor, CodeType]] = {}

    def __torch_function__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", None) in _CASTS and isinstance(args[0], Tensor):
            frame = sys._getframe(1)
            was, now = args[0].dtype in _HALF, result.dtype in _HALF
            if now and not was and args[0].requires_grad:
                self._rounded[id(result)] = (result, frame.f_code)
            elif was and not now and self._rounded.get(id(args[0]), (None, None))[1] is frame.f_code:
                self.places.append(f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}")
        return result
