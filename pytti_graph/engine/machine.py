"""Runs a plan: the values of all slots, and the loop over calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.errors import GraphError, Problem, PyttiGraphError, UsageError
from pytti_graph.core.injected import Moment
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import ParameterSet
from pytti_graph.engine.calls import Binder, BoundCall, parameter_set, snapshot
from pytti_graph.engine.device import ComputeDevice
from pytti_graph.engine.failures import explain
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.gradients import Descent, descents, prove
from pytti_graph.engine.streams import NodeStream
from pytti_graph.engine.stretching import stretched
from pytti_graph.graph.binding import FileName, Parsed
from pytti_graph.graph.plan import Call, Plan


class NodeReport:
    """Carries a node's warnings to the user, with the place in the graph file."""

    def __init__(self, plan: Plan, node: str, tell: Callable[[Problem], None]) -> None:
        self._node, self._tell, self._told = plan.graph.nodes[node], tell, set[Problem]()

    def warn(self, message: str, *, argument: str | None = None, offset: int = 0) -> None:
        """Warn about the node, at a character of one of its text arguments; the same is said only once."""
        place = self._node.position
        if argument is not None:
            bound = self._node.arguments[argument]
            place = bound.at(offset) if isinstance(bound, Parsed) else self._node.places.get(argument) or place
        problem = Problem(message, place, self._node.id, argument, severity="warning")
        if problem not in self._told:
            self._told.add(problem)
            self._tell(problem)


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
        self._registry, self._warn = registry, warn
        self.moment = Moment(plan.graph.clock)
        self._frame_moment = Moment(plan.graph.clock)  # for nodes that change once a frame: their step is always 0
        self._begun = False
        self.values: list[Any] = [None] * plan.slots
        injected = {
            slot: self._provide(injection.what, injection.node, injection.phase, seed, warn)
            for slot, injection in plan.injected.items()
        }
        for slot, value in {**plan.constants, **plan.initial, **self._paths(), **injected}.items():
            self.values[slot] = value
        binder = Binder(plan, registry, injected)
        self.moves = binder.moves

        def bound(calls: Sequence[Call]) -> list[BoundCall]:
            return [binder.bind(call) for call in calls]

        self._once, self._first, self._frame = bound(plan.once), bound(plan.first), bound(plan.frame)
        self._step, self._end, self._preview = bound(plan.step), bound(plan.end), bound(plan.preview)
        self._optimise = [(optimiser, binder.bind(optimiser.call)) for optimiser in plan.optimisers]
        self._updates = [call for _, call in self._optimise]
        self._moved: list[ParameterSet] = []
        self._descents: list[Descent] = []
        self._step_slots = [call.output for call in plan.step]
        sinks = {*plan.sinks}
        self._unwritten = [call for call in self._end if call.call.kind != "forward" or call.call.node not in sinks]
        self._by_frame: list[str] = []
        self._by_step: list[str] = []
        self._before: dict[str, Tensor] = {}
        self._losses = torch.empty(0)
        self.loss_names = tuple(name for optimiser in plan.optimisers for name, _ in optimiser.losses)
        self._loss_slots = [slot for optimiser in plan.optimisers for _, slot in optimiser.losses]

    def _paths(self) -> dict[int, Path]:
        """The files that the calls of the plan read and write."""
        plan = self.plan
        calls = (*plan.once, *plan.first, *plan.frame, *plan.step, *plan.end)
        used = {slot for call in calls for slot in call.inputs}
        return {slot: self._path(*file) for slot, file in plan.files.items() if slot in used}

    def _path(self, name: FileName, node: str, argument: str) -> Path:
        try:
            if name.direction == "output":
                return self.files.output(name.text)
            return self.files.picture(name.text) if name.web else self.files.input(name.text)
        except UsageError as error:
            place = self.plan.graph.nodes[node].places.get(argument)
            message, hint = error.problem.message, error.problem.hint
            raise GraphError([Problem(f"{argument}: {message}", place, node, argument, hint)]) from None

    def _provide(self, what: str, node: str, phase: str, seed: int, warn: Callable[[Problem], None]) -> Any:
        by_step = phase == "forward" and self.plan.timings[node].changes == "step"
        moment = self.moment if by_step else self._frame_moment
        match what:
            case "Stream":
                return NodeStream(seed, node, phase, self.device.torch, moment)
            case "Moment":
                return moment
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
        except (Exception, SystemExit) as error:
            assert call is not None
            raise self._explained(error, call.call) from error

    @contextlib.contextmanager
    def _blamed_on(self, call: Call) -> Iterator[None]:
        """Whatever goes wrong inside is the fault of this call."""
        try:
            yield
        except (Exception, SystemExit) as error:
            raise self._explained(error, call) from error

    def _explained(self, error: Exception | SystemExit, call: Call) -> PyttiGraphError:
        plugin = self._registry.plugin_of(self.plan.graph.nodes[call.node].spec)
        return explain(error, self.plan, call, self.moment, self._begun, plugin)

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Nodes that have a state of their own have it again afterwards."""
        kept = {node: {key: t.clone() for key, t in self.object(node).state_dict().items()} for node in self._by_step}
        try:
            yield
        finally:
            for node, state in kept.items():
                self.object(node).load_state_dict(state)

    def prepare(self) -> None:
        """Make what is made once: perceptors, prompts, images."""
        with _gradient_mode(False):
            self._run(self._once)
            self._begun = True
            self._moved = [self._parameters(optimiser.images) for optimiser in self.plan.optimisers]
        self._descents = descents(zip(self.plan.optimisers, self._moved, strict=True))
        self._by_frame = self._stateful(self.plan.frame)
        self._by_step = self._stateful((*self.plan.step, *self.plan.end))

    def _stateful(self, calls: Sequence[Call]) -> list[str]:
        """Nodes among these calls that have a state of their own: neither images nor optimisers nor writers."""
        found = dict.fromkeys(call.node for call in calls if call.kind == "forward" and call.node in self.plan.objects)
        specs = {node: self.plan.graph.nodes[node].spec for node in found}
        nodes = [node for node, spec in specs.items() if not spec.trainable and spec.returns is not None]
        return [node for node in nodes if hasattr(self.object(node), "state_dict")]

    def begin_frame(self, frame: int, *, replay: bool = False) -> None:
        """What happens before a frame's steps; with `replay` the images stay as they are (they were restored)."""
        self.moment.frame = self._frame_moment.frame = frame
        self.moment.step = 0
        self._tick()
        for moves in self.moves.values():
            moves.replay = replay
        self._before = {key: tensor.clone() for node in self._by_frame for key, tensor in self._state(node)}
        calls = self._first if frame == 0 else self._frame
        with _gradient_mode(False):
            self._run([call for call in calls if call.call.kind != "store"] if replay else calls)
            if not replay:
                self._begin_optimisers()
        steps = self.plan.graph.clock.steps_in(frame) if self._optimise else 0
        self._losses = torch.zeros(steps, len(self.loss_names), device=self.device.torch)

    def _begin_optimisers(self) -> None:
        for (optimiser, call), moved in zip(self._optimise, self._moved, strict=True):
            with self._blamed_on(call.call):
                for name, parameter in self._parameters(optimiser.images).items():
                    if parameter is not moved.get(name):
                        raise ValueError(
                            f"'{name}' is another tensor than before; images change their parameters in place"
                        )
                if (begin := getattr(self.object(optimiser.node), "begin_frame", None)) is not None:
                    begin()

    def _tick(self) -> None:
        for name, slot in self.plan.clock.items():
            clock = self.moment if name not in ("frames", "fps", "last") else self.plan.graph.clock
            self.values[slot] = getattr(clock, name)

    def step(self) -> None:
        """One optimisation step."""
        self._backward()
        with _gradient_mode(False):
            self._run(self._updates)
        self.moment.step += 1
        self._let_go()

    def _backward(self) -> None:
        """Compute the losses, note them, and leave their gradients in the parameters."""
        self._tick()
        values = self.values
        with _gradient_mode(True):
            self._run(self._step)
            for moved in self._moved:
                for parameter in moved.values():
                    parameter.grad = None
            for descent in self._descents:
                with self._blamed_on(descent.call):
                    total = torch.stack([values[slot] for slot in descent.losses]).sum()
                    shared = descent is not self._descents[-1]  # later ones may pass through the same nodes
                    torch.autograd.backward(total, inputs=descent.parameters, retain_graph=shared)
        self._losses[self.moment.step] = torch.stack([values[slot].detach() for slot in self._loss_slots])

    def _let_go(self) -> None:
        for slot in self._step_slots:
            self.values[slot] = None

    def rehearse(self) -> None:
        """Try what a step and a frame's end compute, and prove that every gradient comes, changing nothing.

        Raises:
            RenderError: A loss gives no gradient, or one that is not finite; or a value is out of bounds.
        """
        self._tick()
        with self._undisturbed():
            with _gradient_mode(True):
                self._run(self._step)
                for (optimiser, _), moved in zip(self._optimise, self._moved, strict=True):
                    prove(self.plan, optimiser, self.values, moved, self.moment)
            self._let_go()
            with _gradient_mode(False):
                self._run(self._unwritten)
        self._warn_of_stretching()

    def _warn_of_stretching(self) -> None:
        """Tell of pictures to start from that images of another shape have just taken."""
        for node, moves in self.moves.items():
            start, image = moves.started_from(), moves.shape
            if start is None or image is None:
                continue
            if (problem := stretched(self.plan.graph, node, start, image)) is not None:
                self._warn(problem)

    def time_step(self) -> None:
        """Do the work of a step without moving anything."""
        with self._undisturbed():
            self._backward()
            self._let_go()

    def settled(self) -> bool:
        """Whether all optimisers say that further steps of this frame are in vain; one that cannot say never does."""
        parts = torch.split(self.losses(), [len(optimiser.losses) for optimiser in self.plan.optimisers], 1)
        for (optimiser, call), losses in zip(self._optimise, parts, strict=True):
            settled = getattr(self.object(optimiser.node), "settled", None)
            with self._blamed_on(call.call):
                if settled is None or not settled(losses):
                    return False
        return True

    def _show(self) -> list[tuple[Tensor, Tensor]]:
        """Make parameters what their optimisers want to be shown of them; returns these with what they were."""
        replaced = []
        for (optimiser, call), moved in zip(self._optimise, self._moved, strict=True):
            if (shown := getattr(self.object(optimiser.node), "shown", None)) is not None:
                with self._blamed_on(call.call):
                    for name, tensor in shown().items():
                        replaced.append((moved[name], moved[name].clone()))
                        moved[name].copy_(tensor)
        return replaced

    def end_frame(self, *, write: bool = True) -> Tensor | None:
        """Make images what is shown of them, and bring up to date what writers and `previous` need of them.

        Args:
            write: Run the writers, too.

        Returns:
            The first output.
        """
        self._tick()
        with _gradient_mode(False):
            self._show()
            self._run(self._end if write else self._unwritten)
        output = snapshot(self.values[self.plan.outputs[0][1]]) if self.plan.outputs else None
        for _, value, copy in self.plan.previous:
            self.values[copy] = snapshot(self.values[value])
        return output

    def preview(self) -> Tensor | None:
        """The first output, brought up to date in the middle of a frame."""
        if not self.plan.outputs:
            return None
        self._tick()
        with self._undisturbed(), _gradient_mode(False):
            replaced = self._show()
            try:
                self._run(self._preview)
                picture: Tensor = snapshot(self.values[self.plan.outputs[0][1]])
            finally:
                for parameter, before in replaced:
                    parameter.copy_(before)
        return picture

    # What it holds

    def object(self, node: str) -> Any:
        """The object of a stateful node."""
        return self.values[self.plan.objects[node]]

    def objects(self) -> dict[str, Any]:
        """The objects of all stateful nodes in use."""
        held = {node: self.values[slot] for node, slot in self.plan.objects.items()}
        return {node: made for node, made in held.items() if made is not None}

    def _parameters(self, images: tuple[str, ...]) -> ParameterSet:
        return parameter_set(images, tuple(self.object(image) for image in images))

    def losses(self) -> Tensor:
        """The losses of this frame's steps so far [steps, losses], on the device."""
        return self._losses[: self.moment.step]

    def broken(self) -> str | None:
        """An image whose parameters hold values that are not finite, or None; waits for the device."""
        for moved in self._moved:
            for name, parameter in moved.items():
                if not bool(parameter.isfinite().all()):
                    return name.partition(".")[0]
        return None

    def resume_steps(self, done: Tensor) -> None:
        """Go on after the steps whose losses [steps, losses] a checkpoint holds."""
        self._losses[: done.shape[0]] = done
        self.moment.step = done.shape[0]

    def _state(self, node: str) -> Iterator[tuple[str, Tensor]]:
        made = self.object(node)
        for part in ("parameters", "state_dict"):
            if hasattr(made, part):
                for name, tensor in getattr(made, part)().items():
                    yield f"{node}/{part}/{name}", tensor.detach()

    def state(self, *, begun: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the next steps depend on and is not computed anew, as tensors, and as JSON data.

        Args:
            begun: In the middle of a frame. Nodes that the frame's start has advanced are then told as they were
                before it, since resuming runs it again.
        """
        tensors = {key: tensor for node in self.objects() for key, tensor in self._state(node)}
        if begun:
            tensors |= self._before
        numbers = {}
        for index, (_, _, copy) in enumerate(self.plan.previous):
            if isinstance(value := self.values[copy], Tensor):
                tensors[f"/previous/{index}"] = value
            elif value is not None:
                numbers[str(index)] = value
        started = {node: moves.last_digest() for node, moves in self.moves.items()}
        return tensors, {"previous": numbers, "started": started}

    def restore(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """The inverse of `state`, on a prepared machine; raises KeyError or RuntimeError if it does not fit."""
        for node, made in self.objects().items():
            if hasattr(made, "parameters"):
                with _gradient_mode(False):
                    for name, parameter in made.parameters().items():
                        parameter.copy_(tensors[f"{node}/parameters/{name}"])
            if hasattr(made, "load_state_dict"):
                prefix = f"{node}/state_dict/"
                kept = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
                made.load_state_dict(kept)
        for index, (_, _, copy) in enumerate(self.plan.previous):
            self.values[copy] = tensors.get(f"/previous/{index}", data["previous"].get(str(index), self.values[copy]))
        for node, moves in self.moves.items():
            moves.digest = data["started"].get(node)

    def close(self) -> None:
        """Let every node that has a `close` finish its files."""
        for node, made in self.objects().items():
            if hasattr(made, "close"):
                with self._blamed_on(Call("forward", node, node, (), 0)):
                    made.close()


@contextlib.contextmanager
def _gradient_mode(enabled: bool) -> Iterator[None]:
    """Whatever the caller is in: `no_grad`, `inference_mode` or nothing."""
    with torch.inference_mode(False), torch.set_grad_enabled(enabled):
        yield
