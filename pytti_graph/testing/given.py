"""What the engine hands to nodes, made by hand, so that a node can be called directly in a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from pytti_graph.core.injected import Clock, Device, Files, Moment, Stream
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.streams import NodeStream


def stream(seed: int = 0, node: str = "node", *, frame: int = 0, step: int = 0, phase: str = "forward") -> Stream:
    """Random numbers as the engine gives them: the same for the same arguments, others for any other.

    Args:
        seed: The graph's seed.
        node: Id of the node that draws.
        frame: The present frame.
        step: The present step within it.
        phase: The method that draws: "init", "start", "warp" or "forward" (functions too).
    """
    made = NodeStream(seed, node, phase, torch.device("cpu"), Moment(Clock(), frame, step))
    made.restart()
    return made


def device(name: str = "cpu", dtype: torch.dtype = torch.float32) -> Device:
    """A device, and the precision of perceptors on it."""
    return ComputeDevice(torch.device(name), dtype)


def moment(frame: int = 0, step: int = 0, *, frames: int = 2, fps: float = 12.0, steps: int = 2) -> Moment:
    """A moment of a film of so many frames, with so many steps in each; `moment(...).clock` is its clock."""
    return Moment(Clock(frames=frames, fps=fps, steps=steps, warmup=steps), frame, step)


def files(folder: Path) -> Files:
    """Files to read and to write in one folder, such as pytest's `tmp_path`; nothing outside, and no network."""
    return FileAccess(folder, folder)


@dataclass
class Notes:
    """Keeps what a node warns of.

    Attributes:
        messages: Each with the argument it concerns, or None.
    """

    messages: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, message: str, *, argument: str | None = None, offset: int = 0) -> None:
        """Keep a warning."""
        self.messages.append((message, argument))


def report() -> Notes:
    """A report to hand to a node; its `messages` are what the node has warned of."""
    return Notes()
