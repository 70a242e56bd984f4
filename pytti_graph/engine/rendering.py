"""Renders a plan frame by frame: rehearsal, steps, checkpoints, interruption."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.errors import Interrupted, Problem, PyttiGraphError, RenderError
from pytti_graph.core.plugins import Registry
from pytti_graph.engine.checkpoint import Checkpoint
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.engine.events import Checkpointed, Event, Frame, FrameDone, Listener, Prepared, Stepped, Warned
from pytti_graph.engine.failures import no_gradient, not_finite
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine
from pytti_graph.engine.runfolder import RunFolder
from pytti_graph.graph.plan import Plan

CHECKPOINT_SECONDS = 30.0


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
        step_seconds: Measured time of one step, once rendering has begun.
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
    step_seconds: float | None = field(default=None, init=False)
    _saved: float = field(default=0.0, init=False)

    def frames(self) -> Iterator[Frame]:
        """Render; yields each frame when it is finished and written.

        Raises:
            Interrupted: `cancelled` said so; a checkpoint was written, if there is a folder.
            RenderError: Something went wrong; what was finished is kept.
        """
        clock = self.plan.graph.clock
        machine = self._machine()
        start = self.checkpoint.frame if self.checkpoint else 0
        for frame in range(start, clock.frames):
            try:
                done = self._begin(machine, frame)
                if frame == start:
                    self._rehearse(machine, frame, done)
                finished = self._frame(machine, frame)
            except RenderError:
                with contextlib.suppress(PyttiGraphError):  # what went wrong first is what to tell
                    self._close(machine)
                raise
            yield finished
        self._close(machine)

    def _machine(self) -> Machine:
        machine = Machine(
            self.plan, self.registry, seed=self.seed, device=self.device, files=self.files, warn=self._warn
        )
        machine.prepare()
        if self.folder is not None:
            weights = _weights(machine)
            self.folder.update_record(weights=weights)
        self._saved = time.monotonic()
        return machine

    def _warn(self, problem: Problem) -> None:
        self.listen(Warned(problem))

    # One frame

    def _begin(self, machine: Machine, frame: int) -> int:
        """Bring a frame to where its steps begin, or where a checkpoint left it; returns the steps already done."""
        kept = self.checkpoint
        if kept is None or kept.frame != frame:
            machine.begin_frame(frame)
            return 0
        machine.restore(kept.tensors)
        if kept.begun:
            machine.begin_frame(frame, replay=True)
            machine.resume_steps(kept.losses)
        else:
            if frame > 0:
                machine.begin_frame(frame - 1, replay=True)
                machine.restore(kept.tensors)
            machine.begin_frame(frame)
        self.checkpoint = None
        return kept.step

    def _frame(self, machine: Machine, frame: int) -> Frame:
        steps = self._steps(frame)
        for step in range(machine.moment.step, steps):
            machine.step()
            self.listen(self._stepped(machine, frame, step))
            if self.cancelled():
                self._stop(machine, frame, step + 1)
            elif self.folder is not None and time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save(machine, frame, step + 1, begun=True)
        losses = self._finite(machine, frame)
        machine.end_frame(write=self.folder is not None)
        finished = self._finished(machine, frame, losses)
        if self.folder is not None:
            self._log(frame, losses)
            self._save(machine, frame + 1, 0, begun=False)
        self.listen(FrameDone(finished))
        if self.cancelled() and frame + 1 < self.plan.graph.clock.frames:
            self._close(machine)
            raise self._interrupted(frame + 1, 0)
        return finished

    def _steps(self, frame: int) -> int:
        return self.plan.graph.clock.steps_in(frame) if self.plan.optimisers else 0

    def _stepped(self, machine: Machine, frame: int, step: int) -> Event:
        def read() -> Mapping[str, float]:
            rows = machine.losses(step + 1)[-1:]
            return dict(zip(machine.loss_names, rows[0].tolist(), strict=True)) if len(rows) else {}

        total = self.plan.graph.clock.steps_before(frame) + step + 1
        return Stepped(frame, step, total, read, machine.preview)

    def _finished(self, machine: Machine, frame: int, losses: list[list[float]]) -> Frame:
        image = machine.output()
        last = dict(zip(machine.loss_names, losses[-1], strict=True)) if losses else {}
        return Frame(frame, image.detach() if image is not None else torch.empty(0), last)

    def _finite(self, machine: Machine, frame: int) -> list[list[float]]:
        """The losses of this frame, read from the device once; raises `RenderError` at the first that is not finite."""
        rows: list[list[float]] = machine.losses().tolist()
        for step, row in enumerate(rows):
            for name, value in zip(machine.loss_names, row, strict=True):
                if value != value or value in (float("inf"), float("-inf")):
                    raise not_finite(self.plan, name, frame, step)
        return rows

    def _log(self, frame: int, losses: list[list[float]]) -> None:
        assert self.folder is not None
        names = [optimiser_loss for optimiser in self.plan.optimisers for optimiser_loss, _ in optimiser.losses]
        before = self.plan.graph.clock.steps_before(frame)
        self.folder.append_losses(
            {"frame": frame, "step": step, "total_step": before + step, **dict(zip(names, row, strict=True))}
            for step, row in enumerate(losses)
        )

    # Before rendering

    def _rehearse(self, machine: Machine, frame: int, done: int) -> None:
        """Try one step without changing anything: proves that every gradient comes, and measures time and memory."""
        if self._steps(frame) > machine.moment.step:
            machine.step(update=False)
            self._prove_gradients(machine)
            self.device.synchronize()
            begin = time.perf_counter()
            machine.step(update=False)
            self.device.synchronize()
            self.step_seconds = time.perf_counter() - begin
        clock = self.plan.graph.clock
        total = clock.total_steps - clock.steps_before(frame) - done if self.plan.optimisers else 0
        memory = self.device.peak_memory() or _process_memory()
        self.listen(Prepared(clock.frames - frame, total, self.step_seconds, memory, self.device.name))

    def _prove_gradients(self, machine: Machine) -> None:
        for name, gradient in machine.gradients().items():
            if gradient is None:
                raise no_gradient(self.plan, name, "never comes: no loss depends on it")
            if not bool(torch.isfinite(gradient).all()):
                raise no_gradient(self.plan, name, f"is not finite; it comes from {machine.blame(name)}")

    # Stopping

    def _save(self, machine: Machine, frame: int, step: int, *, begun: bool) -> None:
        assert self.folder is not None
        losses: Tensor = machine.losses() if begun else machine.losses(0)
        if begun:
            self._finite(machine, frame)
        Checkpoint(frame, step, begun, machine.state(begun=begun), losses).save(self.folder.checkpoint)
        self._saved = time.monotonic()
        self.listen(Checkpointed(frame, step))

    def _stop(self, machine: Machine, frame: int, step: int) -> None:
        if self.folder is not None:
            self._save(machine, frame, step, begun=True)
        self._close(machine)
        raise self._interrupted(frame, step)

    def _interrupted(self, frame: int, step: int) -> Interrupted:
        hint = f"continue with 'pytti-graph resume {self.folder.path}'" if self.folder is not None else None
        return Interrupted(f"stopped at frame {frame}, step {step}", hint=hint)

    def _close(self, machine: Machine) -> None:
        """Let writers finish their files."""
        if self.folder is not None:
            machine.close()


def _weights(machine: Machine) -> dict[str, Any]:
    return {
        value.name: dict(value.weights)
        for value in machine.values
        if hasattr(value, "encode_images") and getattr(value, "weights", None)
    }


def _process_memory() -> int:
    """Most bytes this process has taken so far."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
