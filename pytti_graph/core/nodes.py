"""The `@node` decorator: a signature becomes a schema."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, TypeVar, get_type_hints

from pytti_graph.core.arguments import (
    ArgumentType,
    NumberType,
    ReferenceType,
    argument_type,
    from_json,
    injected_of,
    to_json,
    wire_of,
    without_none,
)
from pytti_graph.core.defaults import default_value

Rate = Literal["once", "frame", "step"]
DeclaredRate = Literal["once", "frame", "step", "timeline"]
PhaseName = Literal["init", "start", "warp", "forward"]

PHASES: dict[PhaseName, str] = {"init": "__init__", "start": "start", "warp": "warp", "forward": "forward"}
MOVES: tuple[PhaseName, ...] = ("start", "warp")
"""Phases that a graph need not ask for."""
NUMBER = "Number"

Arguments = dict[str, Any]
"""Arguments of a node as a graph file gives them: numbers, texts, lists, by name."""
Migration = Callable[[Arguments], Arguments]
"""Makes the arguments of one version of a node into those of the next."""

_ATTRIBUTE = "__pytti_graph_node__"
_MIGRATIONS = "__pytti_graph_migrations__"
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_Made = TypeVar("_Made", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument that a graph file can give to a node.

    Attributes:
        name: Its key in the file.
        type: How its value is read.
        required: It has no default.
        optional: It may be left empty (None).
        default: Its value when not given, as JSON data.
        help: One or more sentences for the user.
        conditional: It has no default, but is needed only where the graph asks for the phase it belongs to.
    """

    name: str
    type: ArgumentType
    required: bool
    optional: bool
    default: Any
    help: str
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """A call that the engine makes: a function, or a method of a class.

    Attributes:
        name: "forward" for functions.
        parameters: Argument names in the order of the signature.
        injected: For those that the engine provides, what it provides.
    """

    name: PhaseName
    parameters: tuple[str, ...]
    injected: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """All that is known of a node type without importing it.

    Attributes:
        type: `family.name`.
        target: Where its implementation is, as "package.module:name".
        summary: One sentence.
        description: The rest of its documentation.
        parameters: What a graph file can set.
        phases: The calls the engine makes.
        returns: Wire type of its value, or None for a sink (a writer or an optimiser).
        ports: Fields of its value that can be referred to, with their wire types.
        rate: How often its value changes by itself, or None if only with its inputs.
        stateful: It is a class.
        trainable: It has parameters that an optimiser can move.
        optimiser: It moves parameters.
        random: Its `forward` draws random numbers.
        detached: Arguments through which no gradient flows back.
        either: Arguments of which a graph must give at least one.
        rising: Numbers of which none may be above the next.
        version: Version of the node's arguments.
        migrations: The versions that arguments can be brought forward from, each to the next.
    """

    type: str
    target: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    phases: tuple[Phase, ...]
    returns: str | None
    ports: Mapping[str, str]
    rate: DeclaredRate | None = None
    stateful: bool = False
    trainable: bool = False
    optimiser: bool = False
    random: bool = False
    detached: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()
    version: int = 1
    migrations: tuple[int, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def phase(self, name: PhaseName) -> Phase | None:
        """The phase of that name, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def needed_in(self, name: PhaseName) -> tuple[str, ...]:
        """What the graph must give for a phase to be called: first the reference that asks for it."""
        phase, known = self.phase(name), {parameter.name: parameter for parameter in self.parameters}
        own = [known[key] for key in phase.parameters if key in known] if phase else []
        references = [p.name for p in own if isinstance(p.type, ReferenceType) and not p.required]
        return tuple(dict.fromkeys([*references[:1], *(p.name for p in own if p.conditional)]))

    def to_json(self) -> dict[str, Any]:
        """This specification as JSON data."""
        data = dataclasses.asdict(self)
        for entry, parameter in zip(data["parameters"], self.parameters, strict=True):
            entry["type"] = to_json(parameter.type)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NodeSpec:
        """The inverse of `to_json`."""
        parameters = tuple(Parameter(**{**entry, "type": from_json(entry["type"])}) for entry in data["parameters"])
        phases = tuple(Phase(entry["name"], tuple(entry["parameters"]), entry["injected"]) for entry in data["phases"])
        lists = {name: tuple(data[name]) for name in ("detached", "either", "rising", "migrations")}
        return cls(**{**data, "parameters": parameters, "phases": phases, **lists})


def node(
    type: str,
    *,
    rate: DeclaredRate | None = None,
    detached: Sequence[str] = (),
    either: Sequence[str] = (),
    rising: Sequence[str] = (),
    version: int = 1,
    migrations: Mapping[int, Migration] | None = None,
) -> Callable[[_Made], _Made]:
    """Make a node type of a function or a class.

    A function is called whenever its inputs change. A class may have these phases, whose parameters together are its
    arguments: `__init__` (once), `start` (on frame 0 and when its input changes), `warp` (later frames, before the
    steps), `forward` (whenever its value is needed and may have changed), and `close` (at the end). A class with
    `parameters()` is trainable.

    Args:
        type: `family.name`, lower case.
        rate: How often its value changes by itself: "frame", "step", or "timeline" (each frame of a film, each step of
            a single picture). Unsaid, nodes that draw random numbers and trainable nodes change at each step, nodes
            that ask for the `Moment` each frame, others only with their inputs.
        detached: Arguments through which no gradient flows back, though their type would allow it.
        either: Arguments that may be left out, but not all of them: a graph must give at least one.
        rising: Numbers of which none may be above the next, such as ("smallest", "largest"). A graph is refused whose
            constants are; of formulas, the node has to see to it.
        version: Raised when the arguments change.
        migrations: For each former version, a function that takes its arguments as a graph file gives them, and returns
            those of the next version. Graphs written for that version are brought forward with it.

    Raises:
        TypeError: A parameter or the value has no annotation or one that cannot be used, a parameter has a name that no
            graph could write or a default that does not fit its type, the name is not `family.name`, `either` names
            what is no argument or has a value anyway, `rising` names what is no number or has defaults that fall, the
            version is no number, or a migration is not from a former version.
    """
    if not isinstance(type, str):
        raise TypeError("@node needs the name of the node: @node('family.name')")
    if not _TYPE_NAME.fullmatch(type):
        raise TypeError(f"'{type}' is not a node type name; write it as 'family.name' in lower case")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise TypeError(f"{type}: a version is a whole number from 1 on, not {version!r}")
    known = dict(sorted((migrations or {}).items()))
    if wrong := [former for former in known if not 1 <= former < version]:
        raise TypeError(f"{type}: a migration from version {wrong[0]} makes no sense for version {version}")

    def decorate(made: _Made) -> _Made:
        spec = _specification(type, made, rate, tuple(detached), version)
        for name in either:
            if (parameter := spec.parameter(name)) is None or parameter.required or parameter.default is not None:
                raise TypeError(f"{type}: either=... names '{name}', which is no argument whose default is None")
        _check_rising(spec, rising)
        spec = dataclasses.replace(spec, either=tuple(either), rising=tuple(rising), migrations=tuple(known))
        setattr(made, _ATTRIBUTE, spec)
        setattr(made, _MIGRATIONS, known)
        return made

    return decorate


def _check_rising(spec: NodeSpec, names: Sequence[str]) -> None:
    defaults = []
    for name in names:
        if (parameter := spec.parameter(name)) is None or not isinstance(parameter.type, NumberType):
            raise TypeError(f"{spec.type}: rising=... names '{name}', which is no argument that is a number")
        defaults.append(parameter.default)
    for smaller, larger in pairwise(defaults):
        if isinstance(smaller, int | float) and isinstance(larger, int | float) and smaller > larger:
            raise TypeError(f"{spec.type}: rising=... names {', '.join(names)}, whose defaults do not rise")


def spec_of(made: object) -> NodeSpec:
    """The specification of a decorated function or class; raises TypeError for anything else."""
    spec = made.__dict__.get(_ATTRIBUTE) if hasattr(made, "__dict__") else None
    if not isinstance(spec, NodeSpec):
        name = getattr(made, "__qualname__", None) or repr(made)
        raise TypeError(f"{name} is not a node; decorate it with @node('family.name')")
    return spec


def migration_of(made: object, version: int) -> Migration:
    """What brings the arguments of a node's `version` to the next; it is one of the specification's `migrations`."""
    migrations: Mapping[int, Migration] = getattr(made, _MIGRATIONS)
    return migrations[version]


@dataclass(slots=True)
class _Signature:
    """What the phases of a node say together."""

    type: str
    help: dict[str, str]
    parameters: dict[str, Parameter] = dataclasses.field(default_factory=dict)
    phases: list[Phase] = dataclasses.field(default_factory=list)

    def read(self, name: PhaseName, function: Callable[..., Any], *, method: bool) -> Any:
        """Add one phase; returns its return annotation."""
        hints = _hints(self.type, function)
        names, injected = [], {}
        for parameter in list(inspect.signature(function).parameters.values())[1 if method else 0 :]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"{self.type}: '*{parameter.name}' cannot be an argument of a node")
            if parameter.name not in hints:
                raise TypeError(f"{self.type}: parameter '{parameter.name}' has no annotation")
            names.append(parameter.name)
            annotation, _ = without_none(hints[parameter.name])
            if (mark := injected_of(annotation)) is not None:
                injected[parameter.name] = mark.name
            else:
                self._add(parameter, hints[parameter.name])
        if name == "forward" and "return" not in hints:
            hint = "write '-> Image' and the like, or '-> None' for writers and optimisers"
            raise TypeError(f"{self.type}: what it gives has no annotation; {hint}")
        self.phases.append(Phase(name, tuple(names), injected))
        return hints.get("return")

    def _add(self, parameter: inspect.Parameter, annotation: Any) -> None:
        if parameter.name == "type" or not parameter.name.isascii():
            why = "'type' says what a node is" if parameter.name == "type" else "write it with letters a-z"
            raise TypeError(f"{self.type}: no graph could set a parameter '{parameter.name}': {why}")
        inner, optional = without_none(annotation)
        required = parameter.default is parameter.empty
        empty = required or (optional and parameter.default is None)
        try:
            kind = argument_type(inner)
            default = None if empty else default_value(kind, parameter.default)
        except TypeError as error:
            raise TypeError(f"{self.type}: parameter '{parameter.name}': {error}") from None
        known = self.parameters.get(parameter.name)
        if known is None:
            text = self.help.get(parameter.name, "")
            self.parameters[parameter.name] = Parameter(parameter.name, kind, required, optional, default, text)
        elif known.type != kind:
            raise TypeError(f"{self.type}: parameter '{parameter.name}' has two types")


def _hints(type: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{type}: an annotation names '{error.name}', which the module does not know") from None


def _specification(
    type: str, made: Callable[..., Any], rate: DeclaredRate | None, detached: tuple[str, ...], version: int
) -> NodeSpec:
    summary, description, help = _documentation(made)
    signature = _Signature(type, help)
    stateful = inspect.isclass(made)
    returns = _read_class(signature, made) if stateful else signature.read("forward", made, method=False)
    wire, ports = _value(type, returns)
    given = {what for phase in signature.phases for what in phase.injected.values()}
    forward = next(phase for phase in signature.phases if phase.name == "forward")
    random = "Stream" in forward.injected.values()
    trainable = stateful and hasattr(made, "parameters")
    if trainable:
        _make_optional(signature)
    if rate is None:
        rate = "step" if random or trainable else "frame" if "Moment" in forward.injected.values() else None
    return NodeSpec(
        type=type,
        target=f"{made.__module__}:{made.__qualname__}",
        summary=summary,
        description=description,
        parameters=tuple(signature.parameters.values()),
        phases=tuple(signature.phases),
        returns=wire,
        ports=ports,
        rate=rate,
        stateful=stateful,
        trainable=trainable,
        optimiser="Parameters" in given,
        random=random,
        detached=detached,
        version=version,
    )


def _read_class(signature: _Signature, made: Any) -> Any:
    returns = None
    for name, method in PHASES.items():
        if name == "init" and made.__init__ is object.__init__:
            signature.phases.append(Phase("init", (), {}))
        elif (function := getattr(made, method, None)) is not None:
            annotation = signature.read(name, function, method=True)
            returns = annotation if name == "forward" else returns
        elif name == "forward":
            raise TypeError(f"{signature.type}: a node class needs a method 'forward'")
    return returns


def _make_optional(signature: _Signature) -> None:
    """What only starts or moves an image need not be given."""
    needed = {name for phase in signature.phases if phase.name not in MOVES for name in phase.parameters}
    for name, parameter in signature.parameters.items():
        if name not in needed and parameter.required:
            changed = dataclasses.replace(parameter, required=False, optional=True, conditional=True)
            signature.parameters[name] = changed


def _value(type: str, annotation: Any) -> tuple[str | None, dict[str, str]]:
    """Wire type and ports of a return annotation."""
    if annotation is None or annotation is NoneType:
        return None, {}
    if (wire := wire_of(annotation)) is not None:
        fields = annotation if inspect.isclass(annotation) else None
        return wire.name, _ports(fields)
    if _is_number(annotation):
        return NUMBER, {}
    if inspect.isclass(annotation) and (ports := _ports(annotation)):
        return annotation.__name__, ports
    raise TypeError(f"{type}: {annotation!r} is not a type that a node can return")


def _ports(cls: type | None) -> dict[str, str]:
    if cls is None:
        return {}
    ports = {}
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        if (wire := wire_of(annotation)) is not None:
            ports[name] = wire.name
        elif _is_number(annotation):
            ports[name] = NUMBER
    return ports


def _is_number(annotation: Any) -> bool:
    try:
        return isinstance(argument_type(annotation), NumberType)
    except TypeError:
        return False


_ARGS = re.compile(r"^Args:\s*$", re.MULTILINE)
_SECTION = re.compile(r"^(Returns|Raises|Attributes|Yields|Example|Examples|Note):\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+)(?: \([^)]*\))?:\s*(.*)$")


def _documentation(made: object) -> tuple[str, str, dict[str, str]]:
    """Summary, description and help by argument of a Google-style docstring."""
    text = inspect.getdoc(made) or ""
    before, _, after = text.partition("Args:\n") if _ARGS.search(text) else (text, "", "")
    before = _SECTION.split(before)[0]
    summary, _, description = before.strip().partition("\n\n")
    help: dict[str, str] = {}
    name = None
    for line in _SECTION.split(after)[0].splitlines():
        if (entry := _ENTRY.match(line)) is not None:
            name = entry[1]
            help[name] = entry[2].strip()
        elif name is not None and line.strip():
            help[name] += " " + line.strip()
    return " ".join(summary.split()), description.strip(), help


__all__ = [
    "MOVES",
    "NUMBER",
    "DeclaredRate",
    "Migration",
    "NodeSpec",
    "Parameter",
    "Phase",
    "PhaseName",
    "Rate",
    "migration_of",
    "node",
    "spec_of",
]
