"""The autograd contract, proven before anything runs: what each optimiser moves, and that every loss reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.errors import Problem
from pytti_graph.core.formulas import Reference
from pytti_graph.graph.binding import Link
from pytti_graph.graph.checked import CheckedGraph, CheckedNode, Use


@dataclass(frozen=True, slots=True)
class Training:
    """What one optimiser does.

    Attributes:
        optimiser: Its node's id.
        losses: References to its losses, in order.
        images: Ids of the trainable nodes that its losses reach, in the order in which they reach them.
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
    losses: list[Reference] = []
    reached: dict[str, None] = {}
    for use in node.references():
        if use.wire != "Loss":
            continue
        losses.append(use.reference)
        images = [] if use.reference.previous else _reach(graph, use.reference.node)
        if not images:
            problems.append(_no_path(graph, node, use))
        reached |= dict.fromkeys(images)
    return Training(node.id, tuple(losses), tuple(reached))


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


def _no_path(graph: CheckedGraph, node: CheckedNode, use: Use) -> Problem:
    reference = use.reference
    images = [id for id, other in graph.nodes.items() if other.spec.trainable]
    if reference.previous:
        hint = f"previous({reference.node}) is finished and cannot be changed any more; give '{reference.node}' itself"
    elif images:
        hint = f"connect '{reference.node}' to {' or '.join(images)}"
    else:
        hint = "the graph has no image that can be optimised; add one, such as 'image.pyramid'"
    message = f"no way leads from the loss '{reference.node}' to an image that '{node.id}' could change"
    return Problem(message, use.place, node.id, use.argument, hint)


def _shared(node: CheckedNode, image: str, other: str) -> Problem:
    message = f"'{image}' is already moved by the optimiser '{other}'"
    return Problem(message, node.position, node.id, hint="give all losses of one image to one optimiser")


def movers(found: tuple[Training, ...]) -> Mapping[str, str]:
    """For each image the optimiser that moves it."""
    return {image: training.optimiser for training in found for image in training.images}
