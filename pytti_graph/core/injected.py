"""What the engine hands to nodes: the clock, the moment, streams of random numbers, files. Torch-free at import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytti_graph.core.marks import Injected

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch import device as TorchDevice
    from torch import dtype as DType


@dataclass(frozen=True, slots=True)
class Clock:
    """How a graph counts time.

    Attributes:
        frames: Number of frames.
        fps: Frames per second; `t = frame / fps`.
        steps: Optimisation steps in each frame.
        warmup: Steps of frame 0 (`steps` if the graph does not say).
        scene_frames: Frames that the scenes share; the last scene stays for the rest. None for all.
    """

    frames: int = 1
    fps: float = 12.0
    steps: int = 100
    warmup: int = 100
    scene_frames: int | None = None

    def steps_in(self, frame: int) -> int:
        """Optimisation steps of one frame."""
        return self.warmup if frame == 0 else self.steps

    def steps_before(self, frame: int) -> int:
        """Optimisation steps of all frames before this one."""
        return 0 if frame == 0 else self.warmup + (frame - 1) * self.steps

    @property
    def last(self) -> int:
        """The last frame, or in a single picture the last step."""
        return max(self.frames - 1 if self.frames != 1 else self.steps_in(0) - 1, 0)

    @property
    def total_steps(self) -> int:
        """Optimisation steps of the whole rendering."""
        return self.steps_before(self.frames)


@dataclass(slots=True)
class Moment:
    """Now: which frame, which step within it (the engine moves it along)."""

    clock: Clock
    frame: int = 0
    step: int = 0

    @property
    def t(self) -> float:
        """Seconds since the beginning of the film."""
        return self.frame / self.clock.fps

    @property
    def total_step(self) -> int:
        """Steps since the beginning of the rendering."""
        return self.clock.steps_before(self.frame) + self.step

    @property
    def now(self) -> int:
        """The frame, or in a single picture the step; when all steps are taken, still the last one."""
        return self.frame if self.clock.frames != 1 else min(self.step, self.clock.last)

    @property
    def progress(self) -> float:
        """Part of all steps already done, 0..1."""
        total = self.clock.total_steps
        return self.total_step / total if total else self.frame / self.clock.frames


class Stream(Protocol):
    """A node's own random numbers: the same for the same (seed, node id, frame, step), whatever else there is."""

    @property
    def generator(self) -> Generator:
        """The generator itself, on the engine's device."""
        ...

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high)."""
        ...

    def normal(self, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Normally distributed numbers."""
        ...


class Device(Protocol):
    """Where tensors live, and how precisely perceptors compute."""

    @property
    def torch(self) -> TorchDevice:
        """For `tensor.to(...)` and `torch.zeros(..., device=...)`."""
        ...

    @property
    def dtype(self) -> DType:
        """Precision of perceptors: float32 or bfloat16. Pictures and losses are always float32."""
        ...


class Files(Protocol):
    """The folders and the network that a graph was given."""

    def input(self, path: str | Path) -> Path:
        """Resolve a file to read; raises `UsageError` when it lies outside the allowed folders."""
        ...

    def picture(self, path: str) -> Path:
        """Resolve a picture to read: a file as `input` does, or an http or https address, which is fetched once.

        Raises:
            UsageError: It lies outside the allowed folders, or has not been fetched and cannot or may not be.
        """
        ...

    @property
    def network(self) -> bool:
        """True if downloads are allowed."""
        ...

    def save_frame(self, folder: Path, frame: int, image: Tensor) -> Path:
        """Write a picture [1, 3, H, W] as lossless `folder/00000.png`, carrying its graph, whole or not at all."""
        ...

    def write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Let `write` make a file under a temporary name, then move it to `path`."""
        ...


class Report(Protocol):
    """Tells the user something."""

    def warn(self, message: str, *, argument: str | None = None, offset: int = 0) -> None:
        """Warn about the node, at a character of one of its text arguments; the same is said only once."""
        ...


if not TYPE_CHECKING:
    for _injected in (Clock, Moment, Stream, Device, Files, Report):
        _injected.__injected__ = Injected(_injected.__name__)
