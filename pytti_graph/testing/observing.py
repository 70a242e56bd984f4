"""What can be seen of a value: its tensors, and those that its functions give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pytti_graph.core.types import Cutouts, Perceptor, Warp
from pytti_graph.nodes.cutouts import render
from pytti_graph.nodes.motion import pixel_centres
from pytti_graph.testing.tiny import HEIGHT, WIDTH, tiny_image

_DEEPEST = 4
TEXTS = ("a castle", "fog")


def tensors(value: Any, name: str = "value", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors that a value holds, by names such as "value.embeddings"."""
    if isinstance(value, Tensor):
        yield name, value
        return
    if depth == _DEEPEST or isinstance(value, Perceptor) or callable(value):
        return
    for key, part in _parts(value):
        yield from tensors(part, f"{name}.{key}", depth + 1)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(index), part) for index, part in enumerate(value))
    elif is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif hasattr(value, "__dict__"):
        yield from vars(value).items()


def look(value: Any, like: Tensor, *, texts: bool = True) -> dict[str, Tensor]:
    """Everything that can be seen of a value, as tensors by name.

    Crops are sampled, motions asked where points come from, perceptors shown a crop and texts, numbers turned into
    tensors.

    Args:
        value: What a node gives.
        like: Tells the device and precision of what is shown to functions.
        texts: Give perceptors texts, too.
    """
    seen = dict(tensors(value))
    if isinstance(value, bool | int | float):
        seen["value"] = torch.tensor(float(value), device=like.device)
    for name, part in (("value", value), *((f"value.{key}", part) for key, part in _parts(value))):
        seen |= {f"{name}.{key}": tensor for key, tensor in _asked(part, like, texts).items()}
    return seen


def _asked(value: Any, like: Tensor, texts: bool) -> dict[str, Tensor]:
    match value:
        case Cutouts():
            return {"crops": render(value)}
        case Warp():
            return {"points": value.field(pixel_centres(HEIGHT, WIDTH, like), HEIGHT, WIDTH)}
        case Perceptor():
            seen = {"images": value.encode_images(shown(value.size, like))}
            return seen | ({"texts": value.encode_texts(list(TEXTS))} if texts else {})
        case _:
            return {}


def shown(size: int, like: Tensor) -> Tensor:
    """Two crops [2, 3, size, size] to show to a perceptor."""
    pictures = [tiny_image(size, size, seed=seed, device=like.device) for seed in range(2)]
    return torch.cat(pictures).to(like.dtype)


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A value with its floating-point tensors changed; what holds them is copied."""
    match value:
        case Tensor():
            return change(value) if value.is_floating_point() else value
        case list() | tuple():
            return type(value)(mapped(part, change) for part in value)
        case dict():
            return {key: mapped(part, change) for key, part in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = {field.name: mapped(getattr(value, field.name), change) for field in fields(value) if field.init}
            return replace(value, **parts)
        case _:
            return value
