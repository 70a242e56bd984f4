"""Renders a plan frame by frame: rehearsal, steps, checkpoints, interruption."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.errors import Interrupted, Problem, PyttiGraphError, UsageError
from pytti_graph.core.plugins import Registry
from pytti_graph.engine.checkpoint import Checkpoint
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.engine.events import Checkpointed, Event, Frame, FrameDone, Listener, Prepared, Stepped, Warned
from pytti_graph.engine.failures import broken_picture, not_finite, wrong_picture
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine
from pytti_graph.engine.runfolder import RunFolder
from pytti_graph.graph.plan import Plan

CHECKPOINT_SECONDS = 30.0
_MANY_STEPS = 10
"""With more steps than these the estimate of time is worth one more rehearsal: in the first one that is timed,
allocators and caches are still cold."""
ENDED_EARLY = "ended early"
"""In `losses.jsonl`, marks the last step of a frame whose optimisers had enough; no node can be called so."""


@dataclass
class Rendering:
    """One rendering of a plan.

    Attributes:
        plan: The compiled graph.
        registry: Where its nodes are.
        seed: Of all random streams.
        device: Where to compute.
        files: What may be read and written.
        folder: Where to write, or None to write nothing.
        checkpoint: Where to go on, or None to begin.
        listen: Hears events.
        cancelled: Asked after each step; True stops cleanly.
        warnings: Told before anything else.
        step_seconds: Measured time of one step, once rendering has begun.
        begun: Rendering has begun: from now on there may be something to keep.
    """

    plan: Plan
    registry: Registry
    seed: int
    device: ComputeDevice
    files: FileAccess
    folder: RunFolder | None = None
    checkpoint: Checkpoint | None = None
    listen: Listener = lambda event: None
    cancelled: Callable[[], bool] = lambda: False
    warnings: Sequence[Problem] = ()
    step_seconds: float | None = field(default=None, init=False)
    begun: bool = field(default=False, init=False)
    _saved: float = field(default=0.0, init=False)

    def frames(self) -> Iterator[Frame]:
        """Render; yields each frame when it is finished and written.

        Whatever ends it (but a second Ctrl-C), the writers finish their files: a film has all frames that are done.

        Raises:
            Interrupted: `cancelled` said so; a checkpoint was written, if there is a folder.
            RenderError: Something went wrong; what was finished is kept.
        """
        clock = self.plan.graph.clock
        for problem in self.warnings:
            self._warn(problem)
        machine = self._machine()
        start = self.checkpoint.frame if self.checkpoint else 0
        try:
            for frame in range(start, clock.frames):
                self._begin(machine, frame)
                if frame == start:
                    self._rehearse(machine, frame)
                yield self._frame(machine, frame)
                if self.cancelled() and frame + 1 < clock.frames:
                    raise self._interrupted(frame + 1, 0)
        except KeyboardInterrupt:
            raise
        except BaseException:
            with contextlib.suppress(PyttiGraphError):  # what went wrong first is what to tell
                self._close(machine)
            raise
        self._close(machine)

    def _machine(self) -> Machine:
        machine = Machine(
            self.plan, self.registry, seed=self.seed, device=self.device, files=self.files, warn=self._warn
        )
        machine.prepare()
        if self.folder is not None:
            self.folder.update_record(weights=_weights(machine))
        self._saved = time.monotonic()
        return machine

    def _warn(self, problem: Problem) -> None:
        self.listen(Warned(problem))

    # One frame

    def _begin(self, machine: Machine, frame: int) -> None:
        """Bring a frame to where its steps begin, or where a checkpoint left it."""
        kept, self.checkpoint = self.checkpoint, None
        if kept is None:
            machine.begin_frame(frame)
            return
        try:
            machine.restore(kept.tensors, kept.data)
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            hint = "its graph.yaml may have been changed since"
            raise UsageError(f"the checkpoint does not fit this graph: {reason}", hint=hint) from None
        machine.begin_frame(frame, replay=kept.begun)
        if kept.begun:
            machine.resume_steps(kept.losses)

    def _frame(self, machine: Machine, frame: int) -> Frame:
        steps = self._steps(frame)
        while machine.moment.step < steps and not machine.settled():
            machine.step()
            self.listen(self._stepped(machine))
            if self.cancelled():
                raise self._stop(machine, frame)
            if self.folder is not None and time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save(machine, frame, begun=True)
        losses = self._finite(machine, frame)
        finished = self._finished(machine, frame, machine.end_frame(write=self.folder is not None), losses)
        if self.folder is not None:
            self._log(machine, frame, losses)
            self._save(machine, frame + 1, begun=False)
        self.listen(FrameDone(finished))
        return finished

    def _steps(self, frame: int) -> int:
        return self.plan.graph.clock.steps_in(frame) if self.plan.optimisers else 0

    def _stepped(self, machine: Machine) -> Event:
        moment, names = machine.moment, machine.loss_names
        row = machine.losses()[-1]

        def read() -> Mapping[str, float]:
            return dict(zip(names, row.tolist(), strict=True))

        return Stepped(moment.frame, moment.step - 1, moment.total_step - 1, read, machine.preview)

    def _finished(self, machine: Machine, frame: int, image: Tensor | None, losses: list[list[float]]) -> Frame:
        last = dict(zip(machine.loss_names, losses[-1], strict=True)) if losses else {}
        early = len(losses) < self._steps(frame)
        if not self.plan.outputs:
            return Frame(frame, torch.empty(0), last, len(losses), early)
        if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[:2] != (1, 3):
            raise wrong_picture(self.plan, self.plan.outputs[0][0], image, frame)
        return Frame(frame, image, last, len(losses), early)

    def _finite(self, machine: Machine, frame: int) -> list[list[float]]:
        """This frame's losses, read from the device once; raises `RenderError` if they or a picture are not finite."""
        rows: list[list[float]] = machine.losses().tolist()
        for step, row in enumerate(rows):
            for name, value in zip(machine.loss_names, row, strict=True):
                if not math.isfinite(value):
                    raise not_finite(self.plan, name, frame, step)
        if (image := machine.broken()) is not None:
            raise broken_picture(self.plan, image, frame, len(rows) - 1)
        return rows

    def _log(self, machine: Machine, frame: int, losses: list[list[float]]) -> None:
        assert self.folder is not None
        before = self.plan.graph.clock.steps_before(frame)
        rows: list[dict[str, Any]] = [
            {
                "frame": frame,
                "step": step,
                "total_step": before + step,
                **dict(zip(machine.loss_names, row, strict=True)),
            }
            for step, row in enumerate(losses)
        ]
        if rows and len(rows) < self._steps(frame):
            rows[-1][ENDED_EARLY] = True
        self.folder.append_losses(rows)

    # Before rendering

    def _rehearse(self, machine: Machine, frame: int) -> None:
        """Try one step without changing anything: proves that every gradient comes, and measures time and memory."""
        left = self._steps(frame) - machine.moment.step
        if left > 0 or not self.plan.optimisers:
            machine.rehearse()
        clock = self.plan.graph.clock
        later = clock.total_steps - clock.steps_before(frame + 1) if self.plan.optimisers else 0
        if left > 0:
            rounds = 2 if left + later > _MANY_STEPS else 1
            self.step_seconds = min(self._seconds(machine.time_step) for _ in range(rounds))
        memory = self.device.peak_memory() or _process_memory()
        self.begun = True
        title, folder = self.plan.graph.title or self.plan.graph.name, self.folder.path if self.folder else None
        frames, steps = clock.frames - frame, left + later
        self.listen(Prepared(frames, steps, self.step_seconds, memory, self.device.name, title, folder))

    def _seconds(self, work: Callable[[], None]) -> float:
        """How long something takes, with what it leaves the device to do."""
        self.device.synchronize()
        begin = time.perf_counter()
        work()
        self.device.synchronize()
        return time.perf_counter() - begin

    # Stopping

    def _save(self, machine: Machine, frame: int, *, begun: bool) -> None:
        assert self.folder is not None
        if begun:
            self._finite(machine, frame)
        losses = machine.losses() if begun else machine.losses()[:0]
        tensors, data = machine.state(begun=begun)
        step = machine.moment.step if begun else 0
        Checkpoint(frame, step, begun, tensors, data, losses).save(self.folder.checkpoint)
        self._saved = time.monotonic()
        self.listen(Checkpointed(frame, step))

    def _stop(self, machine: Machine, frame: int) -> Interrupted:
        if self.folder is not None:
            self._save(machine, frame, begun=True)
        return self._interrupted(frame, machine.moment.step)

    def _interrupted(self, frame: int, step: int) -> Interrupted:
        hint = f"continue with 'pytti-graph resume {self.folder.shown}'" if self.folder is not None else None
        return Interrupted(f"stopped at frame {frame}, step {step}", hint=hint)

    def _close(self, machine: Machine) -> None:
        """Let writers finish their files."""
        if self.folder is not None:
            machine.close()


def _weights(machine: Machine) -> dict[str, Any]:
    """File names and sums of the weights of perceptors, and of whatever else tells them in `weights` and `name`."""
    told = [value for value in machine.values if isinstance(getattr(value, "weights", None), Mapping)]
    return {value.name: dict(value.weights) for value in told if value.weights and hasattr(value, "name")}


def _process_memory() -> int:
    """Most bytes this process has taken so far."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
