"""Runs single nodes of a graph as the engine would, with everything open to be looked at and replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.injected import Device, Moment, Stream
from pytti_graph.core.nodes import MOVES, PHASES, PhaseName
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import ParameterSet
from pytti_graph.engine.calls import parameter_set
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.streams import NodeStream
from pytti_graph.graph.binding import Bound, Computed, FileName, Link, Parsed, checked
from pytti_graph.graph.checked import CheckedGraph, CheckedNode
from pytti_graph.testing import given
from pytti_graph.testing.arguments import SUBJECT

Place = tuple[str, str | None]
"""The id of a node, and one of its ports or None for its value."""
MakeStream = Callable[[int, str, str, Moment], Stream]


def _stream(seed: int, node: str, phase: str, moment: Moment) -> Stream:
    made = NodeStream(seed, node, phase, torch.device("cpu"), moment)
    made.restart()
    return made


class Bench:
    """One graph at one moment. Values are made when they are asked for, and kept.

    Args:
        graph: The graph, checked.
        registry: Where its nodes are.
        folder: Where files are read and written.
        seed: Of all streams.
        device: Where to compute.
        moment: Now.
        allowed: Other folders that may be read.
        make_stream: Makes the streams.

    Attributes:
        values: Values of nodes by id.
        objects: Objects of stateful nodes by id.
        given: What references (id and port) give in place of the nodes' values.
    """

    def __init__(
        self,
        graph: CheckedGraph,
        registry: Registry,
        folder: Path,
        *,
        seed: int = 1,
        device: Device | None = None,
        moment: Moment | None = None,
        allowed: Sequence[Path] = (),
        make_stream: MakeStream = _stream,
    ) -> None:
        self.graph, self.registry, self.seed = graph, registry, seed
        self.device = device if device is not None else given.device()
        self.moment = moment if moment is not None else given.moment()
        self.files = FileAccess(folder, folder, allowed=allowed)
        self.report = given.report()
        self.values: dict[str, Any] = {}
        self.objects: dict[str, Any] = {}
        self.given: dict[Place, Any] = {}
        self._make_stream = make_stream

    def subject(self) -> Any:
        """Run the node that is tried, anew, and give its value."""
        self.values.pop(SUBJECT, None)
        self.objects.pop(SUBJECT, None)
        return self.value(SUBJECT)

    def value(self, id: str) -> Any:
        """A node's value; for images after `start`, if the graph gives that a picture."""
        if id not in self.values:
            node = self.graph.nodes[id]
            if node.spec.stateful and id not in self.objects:
                self.begin(id)
            self.values[id] = self.call(id, "forward")
        return self.values[id]

    def begin(self, id: str) -> Any:
        """Make a stateful node's object, start it if it can be started, and give it."""
        self.objects[id] = self.call(id, "init")
        if self.can(id, "start"):
            self.call(id, "start")
        return self.objects[id]

    def can(self, id: str, phase: PhaseName) -> bool:
        """True if a node has that phase and the graph asks for it."""
        node = self.graph.nodes[id]
        if node.spec.phase(phase) is None:
            return False
        return phase not in MOVES or not any(map(node.lacks, node.spec.needed_in(phase)))

    def call(self, id: str, phase: PhaseName, inputs: Sequence[Any] | None = None) -> Any:
        """Call one phase of a node; gradients are noted in `forward` only, as the caller has set them."""
        node = self.graph.nodes[id]
        if node.spec.optimiser and phase == "forward":
            self._compute_gradients()
        if inputs is None:
            inputs = self.inputs(id, phase)
        function: Any = self.registry.implementation(node.spec)
        if node.spec.stateful and phase != "init":
            function = getattr(self.objects[id], PHASES[phase])
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase == "forward" and not node.spec.optimiser):
            return function(*inputs)

    def inputs(self, id: str, phase: PhaseName) -> list[Any]:
        """What a phase is called with, in order."""
        node = self.graph.nodes[id]
        called = node.spec.phase(phase)
        assert called is not None
        return [
            self._injected(node, phase, name, called.injected[name])
            if name in called.injected
            else self._read(node.arguments[name])
            for name in called.parameters
        ]

    def parameters(self) -> ParameterSet:
        """The parameters of all images of the graph."""
        images = [id for id, node in self.graph.nodes.items() if node.spec.trainable]
        for image in images:
            self.value(image)
        return parameter_set(tuple(images), tuple(self.objects[image] for image in images))

    def _compute_gradients(self) -> None:
        """Leave gradients of a graph's losses in the parameters of its images."""
        losses = [id for id, node in self.graph.nodes.items() if node.spec.returns == "Loss"]
        with torch.enable_grad():
            parameters = list(self.parameters().values())
            self.values = {id: value for id, value in self.values.items() if id not in losses}
            for id, node in self.graph.nodes.items():
                if node.spec.trainable:
                    self.values[id] = self.call(id, "forward")
            torch.autograd.backward([self.value(id) for id in losses], inputs=parameters)
        self.values |= {id: self.values[id].detach() for id in losses}

    def _read(self, bound: Bound) -> Any:
        match bound:
            case Link(references, many):
                values = [self.at((reference.node, reference.port)) for reference in references]
                return values if many else values[0]
            case Computed():
                return self._computed(bound)
            case FileName(text, "output"):
                return self.files.output(text)
            case FileName(text, _, web):
                return self.files.picture(text) if web else self.files.input(text)
            case Parsed(parsed):
                return parsed
            case _:
                return bound.value

    def places(self, argument: str) -> list[Place]:
        """What an argument of the subject refers to."""
        bound = self.graph.nodes[SUBJECT].arguments[argument]
        references = bound.references if isinstance(bound, Link) else ()
        return list(dict.fromkeys((reference.node, reference.port) for reference in references))

    def at(self, place: Place) -> Any:
        """What a reference gives."""
        if place in self.given:
            return self.given[place]
        value = self.value(place[0])
        return value if place[1] is None else getattr(value, place[1])

    def _computed(self, computed: Computed) -> float:
        formula = computed.formula
        clock: Mapping[str, Any] = {
            name: getattr(self.moment if hasattr(self.moment, name) else self.moment.clock, name)
            for name in formula.clock_names
        }
        inputs = [*clock.values(), *(self.at((reference.node, reference.port)) for reference in formula.references)]
        return checked(computed.integer, computed.bounds, formula.compile()(*inputs))

    def _injected(self, node: CheckedNode, phase: str, name: str, what: str) -> Any:
        match what:
            case "Stream":
                return self._make_stream(self.seed, node.id, phase, self.moment)
            case "FormulaValues":
                bound = node.arguments[name]
                assert isinstance(bound, Parsed)
                return [self._computed(computed) for computed in bound.formulas]
            case "Parameters":
                return self.parameters()
            case _:
                provided = {
                    "Moment": self.moment,
                    "Clock": self.moment.clock,
                    "Device": self.device,
                    "Files": self.files,
                    "Report": self.report,
                }
                return provided[what]


def state(made: Any) -> dict[str, Tensor]:
    """The parameters and the state of a stateful node's object, by name."""
    found: dict[str, Tensor] = {}
    for part in ("parameters", "state_dict"):
        if hasattr(made, part):
            found |= {f"{part}.{name}": tensor for name, tensor in getattr(made, part)().items()}
    return found
