"""Runs a plan: the values of all slots, and the loop over calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.errors import GraphError, Problem, UsageError
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import Moment
from pytti_graph.engine.calls import Binder, BoundCall, snapshot
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.engine.failures import explain
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.streams import NodeStream
from pytti_graph.graph.binding import FileName, Parsed
from pytti_graph.graph.plan import Plan

_STATE = ("parameters", "state_dict")


def _state_of(made: Any, part: str) -> dict[str, Tensor]:
    return dict(getattr(made, part)()) if hasattr(made, part) else {}


class NodeReport:
    """Carries a node's warnings to the user, with the place in the graph file."""

    def __init__(self, plan: Plan, node: str, tell: Callable[[Problem], None]) -> None:
        self._node, self._tell = plan.graph.nodes[node], tell

    def warn(self, message: str, *, argument: str | None = None, offset: int = 0) -> None:
        """Warn about the node, at a character of one of its text arguments."""
        place = self._node.position
        if argument is not None:
            bound = self._node.arguments[argument]
            place = bound.at(offset) if isinstance(bound, Parsed) else self._node.places.get(argument) or place
        self._tell(Problem(message, place, self._node.id, argument, severity="warning"))


class Machine:
    """One rendering in progress: slots, objects and the present moment. It holds all its state itself."""

    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        *,
        seed: int,
        device: ComputeDevice,
        files: FileAccess,
        warn: Callable[[Problem], None],
    ) -> None:
        self.plan, self.device, self.files = plan, device, files
        self.moment = Moment(plan.graph.clock)
        self.values: list[Any] = [None] * plan.slots
        for slot, value in plan.constants.items():
            self.values[slot] = value
        for slot, value in plan.initial.items():
            self.values[slot] = value
        for slot, (name, node, argument) in plan.files.items():
            self.values[slot] = self._path(name, node, argument)
        self._injected = {
            slot: self._provide(injection.what, injection.node, injection.phase, seed, warn)
            for slot, injection in plan.injected.items()
        }
        for slot, value in self._injected.items():
            self.values[slot] = value
        binder = Binder(plan, registry, self._injected)
        self._moves = binder.moves

        def bound(calls: Sequence[Any]) -> list[BoundCall]:
            return [binder.bind(call) for call in calls]

        self._once, self._first, self._frame = bound(plan.once), bound(plan.first), bound(plan.frame)
        self._step, self._end, self._preview = bound(plan.step), bound(plan.end), bound(plan.preview)
        self._optimise = [(optimiser, binder.bind(optimiser.call)) for optimiser in plan.optimisers]
        self._step_slots = [call.output for call in plan.step]
        self._sinks = {*plan.sinks}
        self._losses = torch.empty(0)
        self._before: dict[str, Tensor] = {}
        self.loss_names = tuple(name for optimiser in plan.optimisers for name, _ in optimiser.losses)

    def _path(self, name: FileName, node: str, argument: str) -> Path:
        try:
            return self.files.input(name.text) if name.direction == "input" else self.files.output(name.text)
        except UsageError as error:
            place = self.plan.graph.nodes[node].places.get(argument)
            message, hint = error.problem.message, error.problem.hint
            raise GraphError([Problem(f"{argument}: {message}", place, node, argument, hint)]) from None

    def _provide(self, what: str, node: str, phase: str, seed: int, warn: Callable[[Problem], None]) -> Any:
        match what:
            case "Stream":
                return NodeStream(seed, node, phase, self.device.torch, self.moment)
            case "Moment":
                return self.moment
            case "Clock":
                return self.plan.graph.clock
            case "Device":
                return self.device
            case "Files":
                return self.files
            case "Report":
                return NodeReport(self.plan, node, warn)
            case _:
                raise TypeError(f"nothing is known of '{what}', which '{node}' asks for")

    # The loop

    def _run(self, calls: Sequence[BoundCall]) -> None:
        values = self.values
        call = None
        try:
            for call in calls:
                values[call[2]] = call[0](*call[1](values))
                for slot in call[3]:
                    values[slot] = None
        except Exception as error:
            assert call is not None
            raise explain(error, self.plan, call.call, self.moment, self._begun) from error

    def prepare(self) -> None:
        """Make what is made once: perceptors, prompts, images."""
        self._begun = False
        with torch.no_grad():
            self._run(self._once)
        self._begun = True

    def begin_frame(self, frame: int, *, replay: bool = False) -> None:
        """What happens before a frame's steps; with `replay` the images stay as they are (they were restored)."""
        self.moment.frame, self.moment.step = frame, 0
        self._tick()
        for moves in self._moves.values():
            moves.replay = replay
        self._before = {key: tensor.clone() for node in self._advanced_by_frames() for key, tensor in self._state(node)}
        calls = self._first if frame == 0 else self._frame
        with torch.no_grad():
            self._run([call for call in calls if call.call.kind != "store"] if replay else calls)
        if not replay:
            for optimiser, _ in self._optimise:
                if (begin := getattr(self.object(optimiser.node), "begin_frame", None)) is not None:
                    begin()
        steps = self.plan.graph.clock.steps_in(frame) if self._optimise else 0
        self._losses = torch.zeros(steps, len(self.loss_names), device=self.device.torch)

    def _tick(self) -> None:
        for name, slot in self.plan.clock.items():
            clock = self.moment if name not in ("frames", "fps") else self.plan.graph.clock
            self.values[slot] = getattr(clock, name)

    def step(self, *, update: bool = True) -> None:
        """One optimisation step; without `update` only the gradients are computed."""
        self._tick()
        self._run(self._step)
        rows = []
        for optimiser, call in self._optimise:
            losses = [self.values[slot] for _, slot in optimiser.losses]
            parameters = list(self._parameters(optimiser.images).values())
            for parameter in parameters:
                parameter.grad = None
            try:
                torch.autograd.backward(torch.stack(losses).sum(), inputs=parameters)
            except RuntimeError as error:
                raise explain(error, self.plan, call.call, self.moment, self._begun) from error
            rows += [loss.detach() for loss in losses]
        if rows and update:
            self._losses[self.moment.step] = torch.stack(rows)
        if update:
            with torch.no_grad():
                self._run([call for _, call in self._optimise])
            self.moment.step += 1
        for slot in self._step_slots:
            self.values[slot] = None

    def end_frame(self, *, write: bool = True) -> None:
        """Bring up to date what writers and `previous` need, and write."""
        self._tick()
        with torch.no_grad():
            self._run(self._end if write else [call for call in self._end if call.call.node not in self._sinks])
        for _, value, copy in self.plan.previous:
            self.values[copy] = snapshot(self.values[value])

    def output(self) -> Tensor | None:
        """The first output as it is in its slot now."""
        return self.values[self.plan.outputs[0][1]] if self.plan.outputs else None

    def preview(self) -> Tensor | None:
        """The first output, brought up to date in the middle of a frame."""
        self._tick()
        with torch.no_grad():
            self._run(self._preview)
        return self.output()

    # What it holds

    def object(self, node: str) -> Any:
        """The object of a stateful node."""
        return self.values[self.plan.objects[node]]

    def objects(self) -> dict[str, Any]:
        """The objects of all stateful nodes in use."""
        held = {node: self.values[slot] for node, slot in self.plan.objects.items()}
        return {node: made for node, made in held.items() if made is not None}

    def _parameters(self, images: Sequence[str]) -> dict[str, Tensor]:
        return {
            f"{image}.{name}": parameter
            for image in images
            for name, parameter in self.object(image).parameters().items()
        }

    def gradients(self) -> Mapping[str, Tensor | None]:
        """The gradient of each parameter that an optimiser moves, after a step."""
        images = [image for optimiser, _ in self._optimise for image in optimiser.images]
        return {name: parameter.grad for name, parameter in self._parameters(images).items()}

    def losses(self, upto: int | None = None) -> Tensor:
        """The losses of this frame's steps so far [steps, losses], on the device."""
        return self._losses[: self.moment.step if upto is None else upto]

    def resume_steps(self, done: Tensor) -> None:
        """Go on after the steps whose losses [steps, losses] a checkpoint holds."""
        self._losses[: done.shape[0]] = done
        self.moment.step = done.shape[0]

    def state(self, *, begun: bool) -> dict[str, Tensor]:
        """What the next steps depend on and is not computed anew: parameters, other state, `previous`.

        Args:
            begun: In the middle of a frame. Nodes that the frame's start has advanced are then told as they were
                before it, since resuming runs it again.
        """
        tensors = {key: tensor for node in self.objects() for key, tensor in self._state(node)}
        if begun:
            tensors |= self._before
        for index, (_, _, copy) in enumerate(self.plan.previous):
            if self.values[copy] is not None:
                tensors[f"/previous/{index}"] = torch.as_tensor(self.values[copy])
        return tensors

    def _state(self, node: str) -> Iterator[tuple[str, Tensor]]:
        for part in _STATE:
            for name, tensor in _state_of(self.object(node), part).items():
                yield f"{node}/{part}/{name}", tensor.detach()

    def _advanced_by_frames(self) -> Iterator[str]:
        """Nodes with a state of their own that runs on with each frame."""
        for call in self.plan.frame:
            spec = self.plan.graph.nodes[call.node].spec
            if call.kind == "forward" and spec.stateful and not spec.trainable:
                yield call.node

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state`, on a prepared machine."""
        for node, made in self.objects().items():
            parameters = _state_of(made, "parameters")
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(tensors[f"{node}/parameters/{name}"])
            prefix = f"{node}/state_dict/"
            if hasattr(made, "load_state_dict"):
                made.load_state_dict(
                    {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
                )
        for index, (_, _, copy) in enumerate(self.plan.previous):
            if (value := tensors.get(f"/previous/{index}")) is not None:
                self.values[copy] = value.item() if value.dim() == 0 else value

    def blame(self, parameter: str) -> str:
        """The loss whose gradient for a parameter is not finite."""
        image = parameter.partition(".")[0]
        self._tick()
        self._run(self._step)
        for optimiser in self.plan.optimisers:
            if image not in optimiser.images:
                continue
            moved = self._parameters(optimiser.images)[parameter]
            for name, slot in optimiser.losses:
                (gradient,) = torch.autograd.grad(self.values[slot], [moved], retain_graph=True, allow_unused=True)
                if gradient is not None and not bool(torch.isfinite(gradient).all()):
                    return f"the loss '{name}'"
        return "the sum of the losses"

    def close(self) -> None:
        """Let every writer finish its files."""
        for node, made in self.objects().items():
            if hasattr(made, "close"):
                try:
                    made.close()
                except Exception as error:
                    call = next(call for call in self.plan.end if call.node == node)
                    raise explain(error, self.plan, call, self.moment, self._begun) from error
