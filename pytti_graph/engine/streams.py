"""Random numbers that depend on (seed, node, frame, step) and on nothing else."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from pytti_graph.core.injected import Moment

_MASK = (1 << 64) - 1


class NodeStream:
    """The random numbers of one phase of one node; the engine restarts it before each call.

    `moment` is the node's own: its step is always 0 if the node changes once a frame, wherever it is placed.
    """

    def __init__(self, seed: int, node: str, phase: str, device: torch.device, moment: Moment) -> None:
        digest = hashlib.blake2b(f"{seed}\0{node}\0{phase}".encode(), digest_size=8).digest()
        self._base = int.from_bytes(digest, "little")
        self._moment = moment
        self._generator = torch.Generator(device=device)

    @property
    def generator(self) -> torch.Generator:
        """The generator itself, on the engine's device."""
        return self._generator

    def restart(self) -> None:
        """Begin the numbers of the present frame and step."""
        mixed = _mix(self._base ^ _mix((self._moment.frame << 32) ^ self._moment.step))
        self._generator.manual_seed(mixed >> 1)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high)."""
        made = torch.rand(shape, generator=self._generator, device=self._generator.device, dtype=torch.float32)
        return made.mul_(high - low).add_(low) if (low, high) != (0.0, 1.0) else made

    def normal(self, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Normally distributed numbers."""
        made = torch.randn(shape, generator=self._generator, device=self._generator.device, dtype=torch.float32)
        return made.mul_(std).add_(mean) if (mean, std) != (0.0, 1.0) else made


def _mix(x: int) -> int:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014)."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
