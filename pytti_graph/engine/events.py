"""What the engine tells whoever listens, while it renders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from pytti_graph.core.errors import Problem

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


Status = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Frame:
    """A finished frame.

    Attributes:
        index: Its number, from 0.
        tensor: [1, 3, H, W], sRGB 0..1.
        losses: The losses of its last step, by node.
        steps: How many steps it took: those of the clock, or fewer if it ended early.
        ended_early: All optimisers had enough before the clock's steps were over.
    """

    index: int
    tensor: Tensor
    losses: Mapping[str, float]
    steps: int
    ended_early: bool = False

    @cached_property
    def image(self) -> Picture:
        """The frame as a Pillow image."""
        from pytti_graph.engine.pictures import to_picture

        return to_picture(self.tensor)


@dataclass(frozen=True, slots=True)
class Event:
    """Root of all events."""


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something the user should know before rendering."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Prepared(Event):
    """All is ready; rendering begins.

    Attributes:
        frames: How many frames are still to be made.
        steps: How many steps are still to be made, if no frame's steps end early.
        step_seconds: Measured time of one step, or None if there are none.
        memory: Most bytes in use so far, after one step.
        device: As shown to users.
        title: Of the graph, or its name.
        folder: The run folder, or None if nothing is written.
    """

    frames: int
    steps: int
    step_seconds: float | None
    memory: int
    device: str
    title: str
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Stepped(Event):
    """A step is done.

    Attributes:
        frame: Its frame, from 0.
        step: The step within the frame, from 0.
        total_step: The step since the beginning, from 0.
        read_losses: Gives the losses by node; asking makes a GPU wait, so ask seldom.
        read_preview: Gives the picture as it is now [1, 3, H, W], or None; ask seldom.
    """

    frame: int
    step: int
    total_step: int
    read_losses: Callable[[], Mapping[str, float]]
    read_preview: Callable[[], Tensor | None]


@dataclass(frozen=True, slots=True)
class FrameDone(Event):
    """A frame is finished and written."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Checkpointed(Event):
    """A checkpoint was written."""

    frame: int
    step: int


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The rendering is over, and everything is written.

    Attributes:
        status: How it ended.
        seconds: How long it took.
    """

    status: Status
    seconds: float


Listener = Callable[[Event], None]
