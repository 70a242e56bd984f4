"""Clause: in a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import torch

from pytti_graph.api import Graph, resume
from pytti_graph.core.arguments import ReferenceType, wire_of, without_none
from pytti_graph.core.errors import Interrupted, PyttiGraphError
from pytti_graph.core.nodes import NUMBER, NodeSpec, node, spec_of
from pytti_graph.core.types import Image, Loss, Number
from pytti_graph.engine.events import Event, Frame, Stepped
from pytti_graph.graph.outputs import CHECKPOINT, GRAPH, LOCK, LOSSES, RECORD
from pytti_graph.testing.arguments import SUBJECT, Nodes, folders
from pytti_graph.testing.clauses.clause import place_of
from pytti_graph.testing.clauses.images import gives_picture
from pytti_graph.testing.observing import look
from pytti_graph.testing.subjects import STEPS, Subject

_CANVAS = "canvas"
_RECORDS = (RECORD, LOSSES, GRAPH, CHECKPOINT, LOCK)


def works_in_a_graph(subject: Subject, folder: Path) -> Iterator[str]:
    """In a graph with tiny nodes around it, it renders two frames of two steps.

    A rendering that is stopped in the middle of a frame and resumed gives the same frames, losses and files, to the
    last bit.
    """
    graph = _graph(subject)
    allowed = folders(subject.examples)
    try:
        whole = list(graph.render(folder / "whole", output=_picture(subject.spec), device="cpu", allow_paths=allowed))
    except PyttiGraphError as error:
        place = f" ({place_of(error.__cause__)})" if error.__cause__ is not None else ""
        yield f"a graph with it cannot be rendered: {error.problem.message}{place}"
        return
    rest = list(_stopped_and_resumed(graph, subject, folder / "parts"))
    if not _same_frames(whole[1], rest[-1]):
        yield (
            "a rendering that is stopped and resumed gives another picture or other losses; what it keeps from call to "
            "call belongs into state_dict() and load_state_dict(state)"
        )
    for name in sorted(_differing_files(folder / "whole", folder / "parts")):
        yield f"a rendering that is stopped and resumed leaves another '{name}'; go on from the file that is there"


def _picture(spec: NodeSpec) -> str:
    """The picture that is optimised: the node's own, if it is one."""
    return SUBJECT if spec.trainable and gives_picture(spec) else _CANVAS


def _stopped_and_resumed(graph: Graph, subject: Subject, folder: Path) -> Iterator[Frame]:
    """Render, stop after the first step of the second frame, and go on: the frames of both parts."""
    steps = 0

    def count(event: Event) -> None:
        nonlocal steps
        steps += isinstance(event, Stepped)

    try:
        yield from graph.render(
            folder,
            output=_picture(subject.spec),
            device="cpu",
            on_event=count,
            cancelled=lambda: steps == STEPS + 1,
            allow_paths=folders(subject.examples),
        )
    except Interrupted:
        yield from resume(folder, registry=graph.registry, allow_paths=folders(subject.examples)).frames()


def _same_frames(one: Frame, other: Frame) -> bool:
    return torch.equal(one.tensor, other.tensor) and dict(one.losses) == dict(other.losses)


def _differing_files(one: Path, other: Path) -> set[str]:
    """Names of the node's own files that one run folder has and the other has not, or has otherwise."""
    first, second = _contents(one), _contents(other)
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


def _contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.name not in _RECORDS}


# The graph around the node


def _graph(subject: Subject) -> Graph:
    """A picture, losses of it and of all that the node gives, an optimiser and a writer."""
    spec = subject.spec
    canvas, values = _picture(spec), _values(subject)
    judges = {f"loss_of_{value.replace('.', '_')}": (value, _judge(value, wire)) for value, wire in values.items()}
    losses: Nodes = {"loss": {"type": "tiny.loss", "image": canvas}}
    for id, (value, judge) in judges.items():
        losses[id] = {"type": spec_of(judge).type, "image": canvas, "value": value}
    around = subject.layout(wires=_wires(spec), given=_given(spec, list(losses)))
    others = [id for id, node in around.items() if id != SUBJECT and subject.registry.specs[node["type"]].trainable]
    losses |= {f"loss_of_{id}": {"type": "tiny.loss", "image": id} for id in others}
    nodes = {**around, **losses}
    if canvas == _CANVAS:
        nodes[_CANVAS] = {"type": "tiny.canvas"}
    if not spec.optimiser:
        nodes["optimise"] = {"type": "optimize.adam", "losses": list(losses)}
    nodes["frames"] = {"type": "write.frames", "image": canvas}
    registry = subject.registry.with_nodes(*(judge for _, judge in judges.values()))
    return replace(subject, registry=registry).graph(nodes)


def _wires(spec: NodeSpec) -> Mapping[str, Mapping[str, Any]]:
    """What is made of the picture that is optimised, so that the node runs at every step."""
    if _picture(spec) == SUBJECT:
        return {}
    return {
        "Loss": {"type": "tiny.loss", "image": _CANVAS},
        "Cutouts": {"type": "tiny.cutouts", "image": _CANVAS},
    }


def _given(spec: NodeSpec, losses: list[str]) -> dict[str, Any]:
    """The picture for what the node looks at in `forward`; for an optimiser, the losses."""
    forward = spec.phase("forward")
    assert forward is not None
    given: dict[str, Any] = {}
    for parameter in spec.parameters:
        if not isinstance(parameter.type, ReferenceType) or _picture(spec) == SUBJECT:
            continue
        if spec.optimiser and parameter.type.wire == "Loss":
            given[parameter.name] = losses
        elif parameter.type.wire == "Image" and parameter.name in forward.parameters:
            given[parameter.name] = _CANVAS
    return given


def _values(subject: Subject) -> dict[str, Any]:
    """References to what the node gives, with their annotations: its value, or the ports of one without a wire."""
    spec = subject.spec
    if spec.returns is None:
        return {}
    if spec.returns == NUMBER:
        return {SUBJECT: Number}
    annotation, _ = without_none(subject.hints["return"])
    if wire_of(annotation) is not None:
        return {SUBJECT: annotation}
    hints = get_type_hints(annotation, include_extras=True)
    return {f"{SUBJECT}.{port}": Number if wire == NUMBER else hints[port] for port, wire in spec.ports.items()}


def _judge(value: str, annotation: Any) -> Callable[..., Any]:
    """A node type that makes a loss of a picture and a value of some wire."""

    def judge(image: Image, value: Any) -> Loss:
        """Pull the picture and everything that can be seen of the value towards 0.3."""
        parts = [part.float() for part in look(value, image).values() if part.is_floating_point()]
        terms = [(part.nan_to_num(0, 0, 0) - 0.3).square().mean() for part in (image, *parts)]
        return torch.stack(terms).sum()

    judge.__annotations__["value"] = annotation
    return node(f"tiny.judge_of_{value.replace('.', '_').lower()}")(judge)
