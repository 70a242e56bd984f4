"""The autograd contract, proven before anything runs: what each optimiser moves, and that every loss reaches it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.errors import Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.graph.binding import Link
from pytti_graph.graph.checked import CheckedGraph, CheckedNode, Use

NAMES = "images"
"""The argument with which an optimiser can be told what to move."""


@dataclass(frozen=True, slots=True)
class Training:
    """What one optimiser does.

    Attributes:
        optimiser: Its node's id.
        losses: References to its losses, in order.
        images: Ids of the trainable nodes that it moves, in the order in which its losses reach them.
    """

    optimiser: str
    losses: tuple[Reference, ...]
    images: tuple[str, ...]


def trainings(graph: CheckedGraph, problems: list[Problem]) -> tuple[Training, ...]:
    """What each optimiser of the graph does; where gradients have no way to a parameter is added to `problems`."""
    found: list[Training] = []
    owner: dict[str, str] = {}
    for node in graph.nodes.values():
        if not node.spec.optimiser:
            continue
        training = _training(graph, node, problems)
        for image in training.images:
            if (other := owner.setdefault(image, node.id)) != node.id:
                problems.append(_shared(node, image, other))
        found.append(training)
    return tuple(found)


def _training(graph: CheckedGraph, node: CheckedNode, problems: list[Problem]) -> Training:
    losses = [use for use in node.references() if use.wire == "Loss"]
    ways = [[] if use.reference.previous else _reach(graph, use.reference.node) for use in losses]
    reached = dict.fromkeys(image for way in ways for image in way)
    named = {use.reference.node: use for use in node.references() if (use.argument, use.wire) == (NAMES, "Image")}
    wrong = [problem for use in named.values() if (problem := _immovable(graph, node, use, reached)) is not None]
    moved = [image for image in reached if not named or image in named]
    for use, way in zip(losses, ways, strict=True):
        if not way or (not wrong and set(moved).isdisjoint(way)):
            problems.append(_no_path(graph, node, use, way))
    problems += wrong
    return Training(node.id, tuple(use.reference for use in losses), tuple(moved))


def _immovable(graph: CheckedGraph, node: CheckedNode, use: Use, reached: Iterable[str]) -> Problem | None:
    """Why an optimiser cannot move what it names, or None if it can."""
    name, spec = use.reference.node, graph.nodes[use.reference.node].spec
    choice: Iterable[str] = reached
    if use.reference.previous:
        message, choice = f"{use.reference} is finished and cannot be changed any more", [name]
    elif not spec.trainable:
        message, choice = f"'{name}' ({spec.type}) has nothing that could be changed", _reach(graph, name) or reached
    elif name not in reached:
        message = f"no way leads from the losses of '{node.id}' to '{name}'"
    else:
        return None
    hint = " or ".join(f"'{image}'" for image in choice)
    return Problem(f"{use.argument}: {message}", use.place, node.id, use.argument, f"write {hint}" if hint else None)


def _reach(graph: CheckedGraph, start: str) -> list[str]:
    """Trainable nodes upstream of `start` along differentiable inputs."""
    seen, waiting, found = {start}, [start], []
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.spec.trainable:
            found.append(node.id)
        for reference in _differentiable(node):
            if reference.node not in seen:
                seen.add(reference.node)
                waiting.append(reference.node)
    return found


def _differentiable(node: CheckedNode) -> list[Reference]:
    forward = node.spec.phase("forward")
    assert forward is not None
    references: list[Reference] = []
    for name in forward.parameters:
        bound, parameter = node.arguments.get(name), node.spec.parameter(name)
        if not isinstance(bound, Link) or parameter is None or name in node.spec.detached:
            continue
        if isinstance(parameter.type, ReferenceType) and parameter.type.differentiable:
            references += [reference for reference in bound.references if not reference.previous]
    return references


def _no_path(graph: CheckedGraph, node: CheckedNode, use: Use, way: Sequence[str]) -> Problem:
    reference = use.reference
    images = [id for id, other in graph.nodes.items() if other.spec.trainable]
    if reference.previous:
        hint = f"previous({reference.node}) is finished and cannot be changed any more; give '{reference.node}' itself"
    elif way:
        hint = f"add {' or '.join(way)} to '{NAMES}', or leave out this loss"
    elif images:
        hint = f"connect '{reference.node}' to {' or '.join(images)}"
    else:
        hint = "the graph has no image that can be optimised; add one, such as 'image.pyramid'"
    message = f"no way leads from the loss '{reference.node}' to an image that '{node.id}' could change"
    return Problem(message, use.place, node.id, use.argument, hint)


def _shared(node: CheckedNode, image: str, other: str) -> Problem:
    message = f"'{image}' is already moved by the optimiser '{other}'"
    hint = "give all losses of one image to one optimiser"
    if node.spec.parameter(NAMES) is not None:
        hint += f", or tell each with '{NAMES}' which ones to move"
    return Problem(message, node.places.get(NAMES) or node.position, node.id, hint=hint)


def movers(found: tuple[Training, ...]) -> Mapping[str, str]:
    """For each image the optimiser that moves it."""
    return {image: training.optimiser for training in found for image in training.images}
