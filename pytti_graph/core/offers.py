"""What a plugin offers, as plain data that can be kept in a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytti_graph.core.nodes import NodeSpec

Kind = Literal["command", "listener", "executor"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that users call by a name.

    Attributes:
        kind: Which hook offered it.
        name: What users call it.
        target: Its implementation, as "package.module:name".
        summary: One sentence: the first of its documentation.
        panel: Heading under which the help lists a command.
    """

    kind: Kind
    name: str
    target: str
    summary: str = ""
    panel: str = ""

    @property
    def module(self) -> str:
        """The module that its implementation is in."""
        return self.target.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Contents:
    """All that one plugin offers, and what is wrong with it.

    Attributes:
        hooks: Names of the hooks it implements.
        offers: Commands, listeners and executors.
        targets: Its node types, as "package.module:name".
        nodes: Their specifications, or None while nobody has asked for them.
        failures: What cannot be used, and why.
        warnings: What can be used, but should be mended.
    """

    hooks: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    targets: tuple[str, ...] = ()
    nodes: tuple[NodeSpec, ...] | None = None
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """These contents as JSON data."""
        nodes = None if self.nodes is None else [spec.to_json() for spec in self.nodes]
        offers = [dataclasses.asdict(offer) for offer in self.offers]
        return {
            "hooks": self.hooks,
            "offers": offers,
            "targets": self.targets,
            "nodes": nodes,
            "failures": self.failures,
            "warnings": self.warnings,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contents:
        """The inverse of `to_json`."""
        nodes = data["nodes"]
        return cls(
            hooks=tuple(data["hooks"]),
            offers=tuple(Offer(**offer) for offer in data["offers"]),
            targets=tuple(data["targets"]),
            nodes=None if nodes is None else tuple(NodeSpec.from_json(spec) for spec in nodes),
            failures=tuple(data["failures"]),
            warnings=tuple(data["warnings"]),
        )
