"""Chooses where to compute and how precisely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import device as TorchDevice
from torch import dtype as DType

from pytti_graph.core.errors import UsageError

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """Where tensors live, and how precisely perceptors compute."""

    torch: TorchDevice
    dtype: DType

    @property
    def name(self) -> str:
        """As shown to users: "cuda (bfloat16)"."""
        return f"{self.torch} ({str(self.dtype).removeprefix('torch.')})"

    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""
        wait = getattr(torch.get_device_module(self.torch), "synchronize", None)
        if wait is not None:
            wait()

    def peak_memory(self) -> int | None:
        """Most bytes taken on an accelerator so far, or None where only the process's memory counts."""
        accelerator = torch.get_device_module(self.torch)
        peak = getattr(accelerator, "max_memory_allocated", None)
        return None if peak is None or self.torch.type == "cpu" else int(peak(self.torch))


def choose(name: str = "auto", precision: Precision = "auto") -> ComputeDevice:
    """The device of that name, or with "auto" the accelerator of this machine, or else its processor.

    Args:
        name: "auto", or a name that torch knows.
        precision: Of perceptors; "auto" is bfloat16 where an accelerator computes it, float32 elsewhere.

    Raises:
        UsageError: There is no such device.
    """
    if precision not in get_args(Precision):
        raise UsageError(f"'{precision}' is not a precision", hint=f"it is one of {', '.join(get_args(Precision))}")
    device = _device(name)
    if precision == "auto":
        fast = device.type != "cpu" and _computes_bfloat16(device)
        return ComputeDevice(device, torch.bfloat16 if fast else torch.float32)
    return ComputeDevice(device, getattr(torch, precision))


def _device(name: str) -> torch.device:
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return found if found is not None else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"the device '{name}' cannot be used: {reason}", hint="'--device auto' takes what there is"
        ) from None
    return device


def _computes_bfloat16(device: torch.device) -> bool:
    try:
        one = torch.ones(8, 8, device=device, dtype=torch.bfloat16)
        torch.nn.functional.conv2d(one[None, None], one[None, None, :3, :3])
    except (RuntimeError, NotImplementedError, TypeError):
        return False
    return True
