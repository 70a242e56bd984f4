"""Clause: values are what their type says."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from pytti_graph.core.nodes import NUMBER, NodeSpec
from pytti_graph.core.types import BorderMode, Cutouts, Perceptor, Prompts, Seen, Warp
from pytti_graph.nodes.cutouts import render
from pytti_graph.nodes.motion import pixel_centres
from pytti_graph.testing.observing import TEXTS, shown
from pytti_graph.testing.subjects import Subject
from pytti_graph.testing.tiny import HEIGHT, WIDTH

_SLACK = 1e-5


def as_declared(subject: Subject, folder: Path) -> Iterator[str]:
    """The value has the type, shape and range of its annotation, and all the ports that this declares."""
    with torch.no_grad():
        found = list(_violations(subject.spec, subject.bench(folder).subject()))
    yield from found


def _violations(spec: NodeSpec, value: Any) -> Iterator[str]:
    if spec.returns is not None and spec.returns in _KINDS:
        yield from _wrong(spec.returns, value, f"it declares {spec.returns}, but its value")
        return
    for port, wire in spec.ports.items():
        if not hasattr(value, port):
            yield f"it declares a port '{port}', but its value ({type(value).__name__}) has none; set it in every case"
        else:
            yield from _wrong(wire, getattr(value, port), f"its port '{port}' is declared {wire}, but")


def _wrong(wire: str | None, value: Any, lead: str) -> Iterator[str]:
    """What is wrong with a value of a kind of wire."""
    if wire is not None and wire in _KINDS:
        yield from (f"{lead} {what}" for what in _KINDS[wire](value))


def _unlike(value: Any, shape: tuple[int | None, ...]) -> str | None:
    """What is wrong with the shape of a tensor (None stands for any length), or None."""
    if not isinstance(value, Tensor):
        return f"is {_article(type(value).__name__)}, no tensor"
    if value.dim() != len(shape) or any(n not in (None, m) for n, m in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        return f"has shape {list(value.shape)}; make it [{wanted}]"
    if not value.is_floating_point():
        return f"is a tensor of {str(value.dtype).removeprefix('torch.')}; make it one of float32"
    return None


def _tensor(value: Any, shape: tuple[int | None, ...], *, unit: bool = False, infinite: bool = False) -> Iterator[str]:
    """What is wrong with a tensor: its shape, numbers that are none, and with `unit` numbers outside of 0..1."""
    if (wrong := _unlike(value, shape)) is not None:
        yield wrong
    elif bool(value.isnan().any()) or not (infinite or bool(value.isfinite().all())):
        yield "holds numbers that are not finite; keep away from 0/0, sqrt and log of what is below 0"
    elif unit and value.numel() and (float(value.min()) < -_SLACK or float(value.max()) > 1 + _SLACK):
        yield f"goes from {float(value.min()):.4g} to {float(value.max()):.4g}; keep it in 0..1, as with .clamp(0, 1)"


def _image(value: Any) -> Iterator[str]:
    return _tensor(value, (1, 3, None, None), unit=True)


def _mask(value: Any) -> Iterator[str]:
    return _tensor(value, (1, 1, None, None), unit=True)


def _depth(value: Any) -> Iterator[str]:
    return _tensor(value, (1, 1, None, None))


def _loss(value: Any) -> Iterator[str]:
    return _tensor(value, ())


def _number(value: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"is {_article(type(value).__name__)}; give a Python number, as float(value) is"
    elif not math.isfinite(value):
        yield f"is {value}; give a finite number"


def _of_class(value: Any, wanted: type) -> Iterator[str]:
    if not isinstance(value, wanted):
        yield f"is {_article(type(value).__name__)}; return a pytti_graph.{wanted.__name__}"


def _cutouts(value: Any) -> Iterator[str]:
    if wrong := list(_of_class(value, Cutouts)):
        yield from wrong
        return
    yield from (f"image {what}" for what in _tensor(value.image, (1, 3, None, None)))
    wrong = [f"transforms {what}" for what in _tensor(value.transforms, (None, 3, 3))]
    yield from wrong
    yield from _crop_weights(value.weights, len(value.transforms))
    if value.border not in get_args(BorderMode):
        yield f"border is '{value.border}'; it is one of {', '.join(get_args(BorderMode))}"
    elif not wrong:
        shape = (len(value.transforms), 3, value.size, value.size)
        yield from (
            f"crops, once sampled and with all operations done, {what}" for what in _tensor(render(value), shape)
        )


def _seen(value: Any) -> Iterator[str]:
    if wrong := list(_of_class(value, Seen)):
        yield from wrong
        return
    yield from (f"embeddings {what}" for what in _unit_vectors(value.embeddings))
    yield from (f"transforms {what}" for what in _tensor(value.transforms, (len(value.embeddings), 3, 3)))
    yield from _crop_weights(value.weights, len(value.embeddings))


def _crop_weights(weights: Any, count: int) -> Iterator[str]:
    """What is wrong with the weights of so many crops, if they have any."""
    if weights is None:
        return
    if wrong := list(_tensor(weights, (count,))):
        yield from (f"weights {what}" for what in wrong)
    elif count and float(weights.min()) < 0:
        yield "weights are negative for some crops; a crop counts 0 or more"


def _prompts(value: Any) -> Iterator[str]:
    if wrong := list(_of_class(value, Prompts)):
        yield from wrong
        return
    yield from (f"embeddings {what}" for what in _unit_vectors(value.embeddings))
    for name in ("weights", "stops"):
        part = _tensor(getattr(value, name), (len(value.embeddings),), infinite=name == "stops")
        yield from (f"{name} {what}" for what in part)


def _unit_vectors(value: Any, count: int | None = None) -> Iterator[str]:
    if wrong := list(_tensor(value, (count, None))):
        yield from wrong
    elif not torch.allclose(value.float().norm(dim=1), torch.ones(len(value)), atol=1e-3):
        yield "are no unit vectors; end with torch.nn.functional.normalize(..., dim=-1)"


def _warp(value: Any) -> Iterator[str]:
    if wrong := list(_of_class(value, Warp)):
        yield from wrong
        return
    takes = len(inspect.signature(value.field).parameters)
    if takes != 3:
        yield f"field takes {takes} arguments; it takes points, height and width"
        return
    points = value.field(pixel_centres(HEIGHT, WIDTH, torch.empty(0)), HEIGHT, WIDTH)
    yield from (f"field gives points; what it gives {what}" for what in _tensor(points, (1, HEIGHT, WIDTH, 2)))


def _perceptor(value: Any) -> Iterator[str]:
    if wrong := list(_of_class(value, Perceptor)):
        yield from wrong
        return
    for name, wanted in (("size", int), ("name", str), ("weights", Mapping)):
        if not isinstance(getattr(value, name, None), wanted):
            yield f"has no {name}; set it to {_article(wanted.__name__.lower())}"
            return
    with torch.no_grad():
        images = value.encode_images(shown(value.size, torch.empty(0)))
        texts = value.encode_texts(list(TEXTS))
    yield from (f"embeddings of pictures (encode_images) {what}" for what in _unit_vectors(images, 2))
    yield from (f"embeddings of texts (encode_texts) {what}" for what in _unit_vectors(texts, len(TEXTS)))
    if images.shape[-1] != texts.shape[-1]:
        yield f"embeds pictures in {images.shape[-1]} dimensions and texts in {texts.shape[-1]}; they share one space"
    elif odd := _smaller(value, images.shape[-1]):
        yield f"can look at crops of {value.smallest} px, as it says, but what it sees there {odd}"
    elif not torch.allclose(value.encode_texts([TEXTS[1]])[0], texts[1], atol=1e-4):
        yield "embeds a text otherwise when others are given with it (encode_texts); encode each text on its own"


def _smaller(perceptor: Perceptor, dimensions: int) -> str | None:
    """What is wrong with what a perceptor sees in the smallest crops that it says it can look at, or None."""
    if perceptor.smallest is None:
        return None
    if not 1 <= perceptor.smallest <= perceptor.size:
        return f"is nothing: 'smallest' is from 1 to its size, {perceptor.size}"
    with torch.no_grad():
        images = perceptor.encode_images(shown(perceptor.smallest, torch.empty(0)))
    if images.shape[-1] != dimensions:
        return f"has {images.shape[-1]} dimensions in the place of {dimensions}"
    return next(_unit_vectors(images, 2), None)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


_KINDS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "Image": _image,
    "Mask": _mask,
    "Depth": _depth,
    "Loss": _loss,
    NUMBER: _number,
    "Cutouts": _cutouts,
    "Seen": _seen,
    "Prompts": _prompts,
    "Warp": _warp,
    "Perceptor": _perceptor,
}
