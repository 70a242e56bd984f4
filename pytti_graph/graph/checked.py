"""A graph whose arguments have been read as their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.errors import Position
from pytti_graph.core.formulas import Reference
from pytti_graph.core.injected import Clock
from pytti_graph.core.nodes import NUMBER, NodeSpec
from pytti_graph.graph.binding import Bound, Computed, Constant, FileName, Link, Parsed

QUOTE_HINT = "if this belongs to the text, write the text in double quotes"


@dataclass(frozen=True, slots=True)
class Use:
    """A reference that an argument makes: to what, of which wire type it must be, and where it stands.

    Attributes:
        meant: What to write instead, if it is wrong.
        hint: What else to write, if nothing like it is known.
    """

    argument: str
    reference: Reference
    wire: str
    place: Position | None
    meant: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedNode:
    """A node whose arguments fit its schema.

    Attributes:
        id: Its name in the graph.
        spec: Its type.
        arguments: Every argument of the schema, given or default.
        position: Of its id.
        places: Where the given arguments stand.
    """

    id: str
    spec: NodeSpec
    arguments: Mapping[str, Bound]
    position: Position | None = None
    places: Mapping[str, Position | None] = field(default_factory=dict)

    def lacks(self, argument: str) -> bool:
        """True if an argument is left empty."""
        bound = self.arguments[argument]
        return isinstance(bound, Constant) and bound.value is None

    def references(self) -> Iterator[Use]:
        """Every reference it makes."""
        for name, bound in self.arguments.items():
            match bound:
                case Link(references, _, places):
                    parameter = self.spec.parameter(name)
                    assert parameter is not None
                    assert isinstance(parameter.type, ReferenceType)
                    for reference, place in zip(references, places, strict=True):
                        yield Use(name, reference, parameter.type.wire, place)
                case Computed():
                    yield from _uses(name, bound)
                case Parsed(formulas=formulas):
                    for computed in formulas:
                        yield from _uses(name, computed, QUOTE_HINT)
                case _:
                    pass

    def files(self) -> Iterator[tuple[str, FileName, Position | None]]:
        """Every file it reads or writes: the argument that names it, the name, and where it stands."""
        for name, bound in self.arguments.items():
            match bound:
                case FileName():
                    yield name, bound, self.places.get(name) or self.position
                case Parsed(files=files):
                    for file, place in files:
                        yield name, file, place or self.position
                case _:
                    pass


def _uses(name: str, computed: Computed, hint: str | None = None) -> Iterator[Use]:
    for reference in computed.formula.references:
        meant = computed.hints.get(reference.port or reference.node)
        yield Use(name, reference, NUMBER, computed.at(reference.offset), meant, hint)


@dataclass(frozen=True)
class CheckedGraph:
    """A graph whose every node, argument and reference is right.

    Attributes:
        name: For the run folder.
        seed: As given in the file, or None.
    """

    name: str
    title: str
    seed: int | None
    clock: Clock
    variables: Mapping[str, float | str]
    nodes: Mapping[str, CheckedNode]
