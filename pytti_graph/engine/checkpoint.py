"""A rendering's state in one file, which is there whole or not at all (safetensors; nothing in it can run)."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pytti_graph.core.errors import UsageError
from pytti_graph.engine.files import write_whole

FORMAT = "1"


@dataclass(frozen=True)
class Checkpoint:
    """Where a rendering stands.

    Attributes:
        frame: The frame to go on with.
        step: Steps of it already done; 0 if it has not begun.
        begun: The frame's start and motion have happened.
        tensors: State of the machine.
        data: The rest of it, as JSON data.
        losses: Losses of the steps done [steps, losses].
    """

    frame: int
    step: int
    begun: bool
    tensors: dict[str, Tensor]
    data: dict[str, Any]
    losses: Tensor

    def save(self, path: Path) -> None:
        """Write it, replacing the one before only when it is complete."""
        tensors = {name: tensor.contiguous().clone() for name, tensor in self.tensors.items()}
        tensors["/losses"] = self.losses.contiguous().clone()
        state = {"frame": self.frame, "step": self.step, "begun": self.begun, "data": self.data}
        about = {"format": FORMAT, "state": json.dumps(state)}
        write_whole(path, lambda temporary: _save(tensors, temporary, about))

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Checkpoint:
        """Read a checkpoint; raises `UsageError` if it is damaged or of another format."""
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
        except (OSError, SafetensorError) as error:
            raise UsageError(f"the checkpoint {path} cannot be read: {error}") from None
        if about.get("format") != FORMAT:
            raise UsageError(f"the checkpoint {path} was written by another version of pytti-graph")
        state = json.loads(about["state"])
        losses = tensors.pop("/losses")
        return cls(state["frame"], state["step"], state["begun"], tensors, state["data"], losses)


def _save(tensors: dict[str, Tensor], path: Path, about: dict[str, str]) -> None:
    try:
        save_file(tensors, path, metadata=about)
    except SafetensorError as error:  # of Rust, which tells the system's reason only in words
        full = "os error 28" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path)) from error
