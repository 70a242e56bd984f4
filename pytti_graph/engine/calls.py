"""Turns the calls of a plan into Python callables on slots."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from torch import Size, Tensor

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import Cutouts, ParameterSet
from pytti_graph.engine.streams import NodeStream
from pytti_graph.graph.binding import BindingError, Computed, checked
from pytti_graph.graph.plan import Call, Plan


class BoundCall(NamedTuple):
    """A call ready to be made: `values[output] = function(*read(values))`."""

    function: Callable[..., Any]
    read: Callable[[list[Any]], Any]
    output: int
    release: tuple[int, ...]
    call: Call


class Moves:
    """Decides for one image whether a frame starts it anew or moves it (`start` if its inputs changed, else `warp`).

    Inputs are what comes from the graph; what the engine injects, such as streams, starts nothing.

    Attributes:
        replay: Do neither: the image has been restored and is where it should be.
        digest: Of the inputs it was last started with, as far as they are known only by that.
        shape: Of the image, [1, C, H, W], once it has been seen.
    """

    def __init__(self) -> None:
        self.replay = False
        self.digest: str | None = None
        self.shape: Size | None = None
        self._last: tuple[Any, ...] | None = None
        self._started = False

    def start(self, method: Callable[..., Any], injected: Sequence[bool]) -> Callable[..., None]:
        """`method`, called only when its inputs are others than last time.

        Args:
            method: Of the image.
            injected: Which of its arguments come from the engine.
        """

        def run(made: Any, *arguments: Any) -> None:
            inputs = tuple(value for value, given in zip(arguments, injected, strict=True) if not given)
            self._started = not self.replay and self._have_changed(inputs)
            self._last, self.digest = inputs, None
            if self._started:
                method(made, *arguments)

        return run

    def warp(self, method: Callable[..., Any]) -> Callable[..., None]:
        """`method`, called unless the image has just been started."""

        def run(made: Any, *inputs: Any) -> None:
            if not self._started and not self.replay:
                method(made, *inputs)

        return run

    def forward(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """`method`, whose first value tells the image's shape."""

        def run(made: Any, *inputs: Any) -> Any:
            value = method(made, *inputs)
            if self.shape is None and isinstance(value, Tensor):
                self.shape = value.shape
            return value

        return run

    def started_from(self) -> Size | None:
        """The shape [1, C, h, w] of the picture that it was last started with."""
        shapes = (value.shape for value in self._last or () if isinstance(value, Tensor) and value.ndim == 4)
        return next(shapes, None)

    def _have_changed(self, inputs: tuple[Any, ...]) -> bool:
        last = self._last
        if last is not None and all(now is before for now, before in zip(inputs, last, strict=True)):
            return False
        return self.last_digest() != digest(inputs)

    def last_digest(self) -> str | None:
        """Of the inputs it was last started with, or None if it never was."""
        if self.digest is None and self._last is not None:
            self.digest = digest(self._last)
        return self.digest


def digest(inputs: tuple[Any, ...]) -> str:
    """The same for the same tensors and numbers."""
    found = hashlib.sha256()
    for value in inputs:
        if isinstance(value, Tensor):
            found.update(f"{value.dtype} {tuple(value.shape)} ".encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        else:
            found.update(f"{value!r} ".encode())
    return found.hexdigest()


class Binder:
    """Makes bound calls for one rendering."""

    def __init__(self, plan: Plan, registry: Registry, injected: Mapping[int, Any]) -> None:
        self._plan, self._registry, self._injected = plan, registry, injected
        self._made: dict[tuple[str, str], Any] = {}
        self.moves: dict[str, Moves] = {}

    def bind(self, call: Call) -> BoundCall:
        """Make one call ready."""
        return BoundCall(self._function(call), _reader(call.inputs), call.output, call.release, call)

    def _function(self, call: Call) -> Callable[..., Any]:
        match call.kind:
            case "formula":
                return _formula(call.detail)
            case "port":
                return attrgetter(call.detail)
            case "list" | "values":
                return lambda *items: list(items)
            case "parameters":
                return lambda *images: parameter_set(call.detail, images)
            case "store":
                return snapshot
            case _:
                return self._phase(call)

    def _phase(self, call: Call) -> Callable[..., Any]:
        spec = self._plan.graph.nodes[call.node].spec
        function = self._method(spec, call.kind)
        moves = self.moves.setdefault(call.node, Moves()) if call.kind in ("start", "warp") else None
        if moves is not None:
            injected = [slot in self._injected for slot in call.inputs[1:]]
            function = moves.start(function, injected) if call.kind == "start" else moves.warp(function)
        if call.kind == "forward" and call.node in self.moves:
            function = self.moves[call.node].forward(function)
        if call.kind == "forward" and (place := crops_place(spec, call.detail)) is not None:
            function = each_on_its_own(function, place)
        streams = [self._injected[slot] for slot in call.inputs if isinstance(self._injected.get(slot), NodeStream)]
        return _restarting(function, streams) if streams else function

    def _method(self, spec: NodeSpec, kind: str) -> Callable[..., Any]:
        key = spec.type, spec.target
        if key not in self._made:
            self._made[key] = self._registry.implementation(spec)
        made: Callable[..., Any] = self._made[key]
        if not spec.stateful or kind == "init":
            return made
        method: Callable[..., Any] = getattr(made, "forward" if kind == "optimise" else kind)
        return method


def crops_place(spec: NodeSpec, names: tuple[str, ...]) -> int | None:
    """Which input of a node is the crops that it changes, if it changes crops."""
    types = {parameter.name: parameter.type for parameter in spec.parameters}
    changed = [index for index, name in enumerate(names) if types.get(name) == ReferenceType("Cutouts")]
    return changed[0] + spec.stateful if spec.returns == "Cutouts" and len(changed) == 1 else None


def each_on_its_own(function: Callable[..., Cutouts], place: int) -> Callable[..., Cutouts]:
    """What changes crops, called once for the crops of each perceptor."""

    def run(*inputs: Any) -> Cutouts:
        crops: Cutouts = inputs[place]
        if not crops.others:
            return function(*inputs)
        return Cutouts.of_each([function(*inputs[:place], one, *inputs[place + 1 :]) for one in crops.each])

    return run


def snapshot(value: Any) -> Any:
    """A value that nothing changes any more: detached, and apart from the parameters' memory."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def parameter_set(names: tuple[str, ...], images: tuple[Any, ...]) -> ParameterSet:
    """The parameters of some images, each called `image.parameter`."""
    tensors: dict[str, Tensor] = {}
    rates: dict[str, float] = {}
    for name, image in zip(names, images, strict=True):
        for key, parameter in image.parameters().items():
            tensors[f"{name}.{key}"] = parameter
            if (rate := getattr(image, "learning_rate", None)) is not None:
                rates[f"{name}.{key}"] = rate
    return ParameterSet(tensors, rates)


def _reader(slots: tuple[int, ...]) -> Callable[[list[Any]], Any]:
    if not slots:
        return lambda values: ()
    if len(slots) == 1:
        return itemgetter(slice(slots[0], slots[0] + 1))
    return itemgetter(*slots)


def _restarting(function: Callable[..., Any], streams: list[NodeStream]) -> Callable[..., Any]:
    def run(*inputs: Any) -> Any:
        for stream in streams:
            stream.restart()
        return function(*inputs)

    return run


def _formula(computed: Computed) -> Callable[..., Any]:
    function, integer, bounds = computed.formula.compile(), computed.integer, computed.bounds

    def run(*inputs: Any) -> float:
        value = function(*inputs)
        try:
            return checked(integer, bounds, value)
        except BindingError as error:
            raise ValueError(f"the formula '{computed.formula.source}' {error.message}") from None

    return run
