"""Clause: pictures of any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.arguments import BooleanType, ChoiceType, NumberType, PathType, ReferenceType
from pytti_graph.core.errors import PyttiGraphError
from pytti_graph.core.nodes import NUMBER, NodeSpec, Parameter
from pytti_graph.testing.arguments import SUBJECT, Nodes
from pytti_graph.testing.bench import Bench
from pytti_graph.testing.clauses.clause import first_line, place_of
from pytti_graph.testing.subjects import Subject
from pytti_graph.testing.tiny import HEIGHT, WIDTH

_PICTURES = ("Image", "Mask", "Depth")
_SIZED = ("tiny.image", "tiny.mask", "tiny.depth", "tiny.canvas")
"""Nodes that are told how large a picture to give."""
_SIZELESS = ("Cutouts", "Seen", "Loss", "Prompts", "Perceptor", "Warp", NUMBER)
"""Kinds of wire whose values go with pictures of any size."""


def takes_pictures(spec: NodeSpec) -> bool:
    """It makes something of pictures, and neither a file nor a number of pixels may say how large they are."""
    forward = spec.phase("forward")
    named = forward.parameters if forward else ()
    pictures = [name for name in _pictures(spec) if name in named]
    return bool(pictures) and spec.returns is not None and not spec.trainable and not _says_size(spec)


def any_size(subject: Subject, folder: Path) -> Iterator[str]:
    """Pictures may be of any size: what works with small ones works with larger ones.

    A picture that is as large as those that it is made of stays so, if no argument may tell its size.
    """
    nodes = subject.layout()
    if not all(_grows(subject.registry.specs[node["type"]]) for id, node in nodes.items() if id != SUBJECT):
        return
    small, large = _prepared(subject, folder, nodes), _prepared(subject, folder, _larger(nodes))
    if small is None or large is None:
        return
    try:
        value = small.subject()
    except Exception:
        return  # the other clauses say so
    try:
        larger_value = large.subject()
    except PyttiGraphError:
        return  # it says itself what it cannot do
    except Exception as error:
        yield (
            f"it works with small pictures, but raises {first_line(error)} with larger ones ({place_of(error)}); take "
            "sizes from the picture, as with image.shape[-2:], and keep nothing of one size from call to call"
        )
        return
    given, larger_given = _given(small), _given(large)
    if _may_keep_size(subject.spec) and given == {_size(value)} and larger_given != {_size(larger_value)}:
        yield (
            f"of a picture of {_shown(value)} pixels it makes one of the same size, but of one of twice that one of "
            f"{_shown(larger_value)}; take the size from the picture, as with image.shape[-2:]"
        )


def _pictures(spec: NodeSpec) -> list[str]:
    """The arguments that are pictures, masks or depth maps."""
    kinds = {parameter.name: parameter.type for parameter in spec.parameters}
    return [name for name, kind in kinds.items() if isinstance(kind, ReferenceType) and kind.wire in _PICTURES]


def _says_size(spec: NodeSpec) -> bool:
    """An argument is a file or a number of pixels."""
    return any(_is_size(parameter) for parameter in spec.parameters)


def _is_size(parameter: Parameter) -> bool:
    kind = parameter.type
    return isinstance(kind, PathType) or (isinstance(kind, NumberType) and kind.integer and kind.bounds.unit == "px")


def _may_keep_size(spec: NodeSpec) -> bool:
    """It gives a picture, and no argument can tell a size, not even as a plain number or a text."""
    kinds = [parameter.type for parameter in spec.parameters]
    plain = [kind for kind in kinds if not isinstance(kind, ReferenceType | BooleanType | ChoiceType)]
    return spec.returns == "Image" and all(isinstance(kind, NumberType) and not kind.integer for kind in plain)


def _grows(spec: NodeSpec) -> bool:
    """What a node around the tried one gives fits larger pictures, when all `_SIZED` nodes give these."""
    if spec.type in _SIZED or spec.returns in _SIZELESS:
        return True
    refers = any(isinstance(parameter.type, ReferenceType) for parameter in spec.parameters)
    return refers and not spec.trainable and not _says_size(spec)


def _larger(nodes: Nodes) -> Nodes:
    """The same nodes with pictures of twice the width and height."""
    return {id: {**node, **_doubled(node)} if node["type"] in _SIZED else node for id, node in nodes.items()}


def _doubled(node: dict[str, Any]) -> dict[str, int]:
    return {"width": 2 * node.get("width", WIDTH), "height": 2 * node.get("height", HEIGHT)}


def _prepared(subject: Subject, folder: Path, nodes: Nodes) -> Bench | None:
    """A bench on which everything around the node is made, or None if that cannot be."""
    try:
        bench = subject.bench(folder, nodes=nodes)
        for id in nodes.keys() - {SUBJECT}:
            bench.value(id)
    except Exception:
        return None
    return bench


def _given(bench: Bench) -> set[torch.Size | None]:
    """The sizes of the pictures that the node is given."""
    spec = bench.graph.nodes[SUBJECT].spec
    return {_size(bench.at(place)) for name in _pictures(spec) for place in bench.places(name)}


def _size(value: Any) -> torch.Size | None:
    return value.shape[-2:] if isinstance(value, Tensor) else None


def _shown(value: Tensor) -> str:
    height, width = value.shape[-2:]
    return f"{width} x {height}"
