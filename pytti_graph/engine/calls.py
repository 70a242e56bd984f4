"""Turns the calls of a plan into Python callables on slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from torch import Tensor

from pytti_graph.core.nodes import NodeSpec
from pytti_graph.core.plugins import Registry
from pytti_graph.core.types import ParameterSet
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
    """Decides for one image whether a frame starts it anew or moves it (`start` if its input changed, else `warp`)."""

    def __init__(self) -> None:
        self.replay = False
        self._last: object = None
        self._started = False

    def start(self, method: Callable[..., Any]) -> Callable[..., None]:
        """`method`, called only when its first input is another object than last time."""

        def run(made: Any, picture: Any, *rest: Any) -> None:
            self._started = picture is not self._last
            self._last = picture
            if self._started and not self.replay:
                method(made, picture, *rest)

        return run

    def warp(self, method: Callable[..., Any]) -> Callable[..., None]:
        """`method`, called unless the image has just been started."""

        def run(made: Any, *inputs: Any) -> None:
            if not self._started and not self.replay:
                method(made, *inputs)

        return run


class Binder:
    """Makes bound calls for one rendering."""

    def __init__(self, plan: Plan, registry: Registry, injected: Mapping[int, Any]) -> None:
        self._plan, self._registry, self._injected = plan, registry, injected
        self._made: dict[str, Any] = {}
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
                return lambda *images: _parameters(call.detail, images)
            case "store":
                return snapshot
            case _:
                return self._phase(call)

    def _phase(self, call: Call) -> Callable[..., Any]:
        spec = self._plan.graph.nodes[call.node].spec
        function = self._method(spec, call.kind)
        moves = self.moves.setdefault(call.node, Moves()) if call.kind in ("start", "warp") else None
        if moves is not None:
            function = moves.start(function) if call.kind == "start" else moves.warp(function)
        streams = [self._injected[slot] for slot in call.inputs if isinstance(self._injected.get(slot), NodeStream)]
        return _restarting(function, streams) if streams else function

    def _method(self, spec: NodeSpec, kind: str) -> Callable[..., Any]:
        if spec.type not in self._made:
            self._made[spec.type] = self._registry.implementation(spec)
        made: Callable[..., Any] = self._made[spec.type]
        if not spec.stateful or kind == "init":
            return made
        method: Callable[..., Any] = getattr(made, "forward" if kind == "optimise" else kind)
        return method


def snapshot(value: Any) -> Any:
    """A value that nothing changes any more: detached, and apart from the parameters' memory."""
    return value.detach().clone() if isinstance(value, Tensor) else value


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


def _parameters(names: tuple[str, ...], images: tuple[Any, ...]) -> ParameterSet:
    tensors: dict[str, Tensor] = {}
    rates: dict[str, float] = {}
    for name, image in zip(names, images, strict=True):
        for key, parameter in image.parameters().items():
            tensors[f"{name}.{key}"] = parameter
            if (rate := getattr(image, "learning_rate", None)) is not None:
                rates[f"{name}.{key}"] = rate
    return ParameterSet(tensors, rates)
