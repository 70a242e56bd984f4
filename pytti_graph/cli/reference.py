"""The documentation of one node type, as `pytti-graph nodes NAME` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.padding import Padding
from rich.text import Text

from pytti_graph.cli import output
from pytti_graph.core.arguments import NumberType, ReferenceType, TextType, to_json
from pytti_graph.core.marks import Bounds
from pytti_graph.core.nodes import NodeSpec, Parameter
from pytti_graph.core.plugins import Registry

_NAMES = {"Image": "canvas", "Perceptor": "eye", "Cutouts": "crops", "Prompts": "story", "Warp": "drift"}
"""What nodes of these types are called in the example graphs."""


def explain(spec: NodeSpec, registry: Registry) -> None:
    """Print everything that is known of a node type."""
    plugin = registry.plugin_of(spec)
    origin = f"  {plugin}" if plugin else ""
    output.say(Text.assemble((spec.type, "bold cyan"), (origin, "dim")), "")
    _say_prose(spec.summary)
    for paragraph in filter(None, spec.description.split("\n\n")):
        output.say("")
        _say_prose(paragraph)
    if spec.parameters:
        output.say("", Text("Arguments", "bold"))
        output.say_table(output.grid(_arguments(spec), ("cyan", "", "")), indent=2)
    output.say("", Text("Value", "bold"))
    output.say_table(output.grid(_value(spec), ("cyan", "")), indent=2)
    output.say("", Text("Example", "bold"), f"  {example(spec)}")


def _say_prose(text: str) -> None:
    """A paragraph; indented lines (lists, examples) stay as they are."""
    lines = text.splitlines()
    whole = text if any(line.startswith((" ", "-", "*", "|")) for line in lines) else " ".join(lines)
    target = output.console()
    target.print(Padding(Text(whole), (0, 0, 0, 2), expand=False), soft_wrap=not target.is_terminal)


def _arguments(spec: NodeSpec) -> Iterator[tuple[str, str, Text]]:
    for parameter in spec.parameters:
        text = Text(_facts(parameter), "dim" if parameter.help else "")
        if parameter.help:
            text.append(f"\n{parameter.help}", "not dim")
        yield parameter.name, kind_words(parameter), text


def kind_words(parameter: Parameter) -> str:
    """What kind of value an argument takes."""
    if isinstance(parameter.type, TextType) and parameter.type.parser:
        return "text with formulas"
    return "choice" if len(str(parameter.type)) > 24 else str(parameter.type)


def _facts(parameter: Parameter) -> str:
    """Default, bounds and unit."""
    facts = ["needed" if parameter.required else _default(parameter)]
    if len(str(parameter.type)) > 24:
        facts.append(f"one of {str(parameter.type).replace(' | ', ', ')}")
    if isinstance(parameter.type, NumberType):
        facts += limits(parameter.type.bounds)
    return ", ".join(facts)


def _default(parameter: Parameter) -> str:
    if parameter.default is None:
        return "may be left out"
    if isinstance(parameter.default, bool):
        return f"default {str(parameter.default).lower()}"
    unit = parameter.type.bounds.unit if isinstance(parameter.type, NumberType) else ""
    value = f"{parameter.default:g}" if isinstance(parameter.default, float) else f"{parameter.default}"
    return f"default {value or 'empty'}" + (f" {unit}" if unit else "")


def limits(bounds: Bounds) -> list[str]:
    """Bounds in words: "at least 1", "below 10"."""
    words = (("at least", bounds.ge), ("above", bounds.gt), ("at most", bounds.le), ("below", bounds.lt))
    return [f"{word} {limit:g}" for word, limit in words if limit is not None]


def _value(spec: NodeSpec) -> Iterator[tuple[str, str]]:
    yield "makes", spec.returns or ("nothing; it moves images" if spec.optimiser else "nothing; it writes")
    if spec.ports:
        yield "ports", ", ".join(f"{name} ({wire})" for name, wire in spec.ports.items())
    yield "changes", rate_words(spec)


def rate_words(spec: NodeSpec) -> str:
    """How often the node's value changes."""
    if spec.optimiser:
        return "runs at each step"
    if spec.returns is None:
        return "runs at the end of each frame"
    if spec.trainable:
        return "at each step while an optimiser moves it"
    match spec.rate:
        case "step":
            return "at each step" + (": it draws random numbers" if spec.random else "")
        case "frame":
            return "with each frame"
        case "timeline":
            return "with each frame of a film, with each step of a single picture"
        case _:
            return "only when what it uses changes"


def example(spec: NodeSpec) -> str:
    """The node as it is written at least."""
    needed = [f"{parameter.name}: {_placeholder(parameter)}" for parameter in spec.parameters if parameter.required]
    return f"{spec.type.rpartition('.')[2]}: {{{', '.join([f'type: {spec.type}', *needed])}}}"


def _placeholder(parameter: Parameter) -> str:
    match parameter.type:
        case ReferenceType(wire, many):
            word = _NAMES.get(wire, wire.lower())
            return f"[{word}, ...]" if many else word
        case NumberType(integer):
            return "1" if integer else "1.0"
        case _:
            return '"..."'


def as_json(spec: NodeSpec, registry: Registry) -> dict[str, Any]:
    """A node type as JSON data."""
    plugin = registry.plugin_of(spec)
    return {
        "type": spec.type,
        "summary": spec.summary,
        "description": spec.description,
        "distribution": plugin.distribution if plugin else None,
        "version": spec.version,
        "arguments": [_argument_json(parameter) for parameter in spec.parameters],
        "returns": spec.returns,
        "ports": dict(spec.ports),
        "rate": spec.rate,
        "trainable": spec.trainable,
        "optimiser": spec.optimiser,
        "random": spec.random,
    }


def _argument_json(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": to_json(parameter.type),
        "required": parameter.required,
        "optional": parameter.optional,
        "default": parameter.default,
        "help": parameter.help,
    }
