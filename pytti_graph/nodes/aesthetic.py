"""How much people like a picture, as a small network on a perceptor's embeddings guesses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, InputPath, Loss, Mask, Number, Seen, UsageError, node
from pytti_graph.nodes.prompt_masks import area_of, crop_weights
from pytti_graph.nodes.weighing import Stop, weighed
from pytti_graph.nodes.weight_files import UnreadableWeights, read_tensors

Layer = tuple[Tensor, Tensor | None]


@node("loss.aesthetic", detached=("mask",))
class Aesthetic:
    """Pull what is seen towards pictures that people like.

    A head, which is a line or a few linear layers, rates embeddings as people rated pictures. It belongs to the
    perceptor that it was trained with: LAION's two aesthetic predictors to perceptor.open_clip with ViT-L-14 and
    OpenAI's weights, where they rate from 1 to 10 (Schuhmann, 2022). The loss is the squared distance of ratings from
    `level`, on average over the crops.

    Args:
        path: The head's weights, .safetensors, .pt, .pth or .bin, relative to the graph's folder.
        activation: What lies between its layers; LAION's have none.
        seen: What the perceptor sees. Of several perceptors, the one that the head belongs to rates; for the mean of
            several heads, give each a loss of its own.
        which: Which of several perceptors the head belongs to, counted from 1. Unsaid, the only one whose embeddings
            have as many dimensions as the head takes.
        level: The rating to reach, as the head counts.
        weight: How much it counts; negative pushes away from that rating.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Which crops count: each as much as the mask's mean over it.
    """

    def __init__(self, path: InputPath, device: Device, activation: Literal["none", "relu"] = "none") -> None:
        self._layers = [
            (matrix.to(device.torch), None if offset is None else offset.to(device.torch))
            for matrix, offset in read_head(path)
        ]
        self._bend = F.relu if activation == "relu" else None
        self._inputs = self._layers[0][0].shape[1]

    def forward(
        self,
        seen: Seen,
        level: Number = 10.0,
        weight: Number = 0.02,
        stop: Stop | None = None,
        mask: Mask | None = None,
        which: Annotated[int, Bounds(ge=1)] | None = None,
    ) -> Loss:
        """How far the crops' ratings are from the level."""
        view = self._own(seen.each, which)
        away = (self.ratings(view.embeddings) - level).square()
        place = None if mask is None else area_of(mask)
        return weighed((crop_weights((place,), view)[:, 0] * away).sum(), weight, stop)

    def _own(self, each: Sequence[Seen], which: int | None) -> Seen:
        """What the perceptor sees that the head belongs to."""
        if which is not None:
            if which > len(each):
                message = f"there is no perceptor {which}: {len(each)} look at the crops"
                raise UsageError(message, argument="which", hint=f"write a number from 1 to {len(each)}")
            return each[which - 1]
        fitting = [view for view in each if view.embeddings.shape[-1] == self._inputs]
        if len(each) > 1 and len(fitting) != 1:
            told = ", ".join(str(view.embeddings.shape[-1]) for view in each)
            message = f"the head takes {self._inputs} numbers, and the perceptors' embeddings have {told}"
            hint = f"say which one it was trained with: write which: N, from 1 to {len(each)}"
            raise UsageError(message, argument="seen", hint=hint)
        return fitting[0] if fitting else each[0]

    def ratings(self, embeddings: Tensor) -> Tensor:
        """The ratings [N] of embeddings [N, D]."""
        if embeddings.shape[-1] != self._inputs:
            message = f"the head rates embeddings of {self._inputs} dimensions, but these have {embeddings.shape[-1]}"
            raise UsageError(message, argument="path", hint="give it the perceptor that it was trained with")
        for number, (matrix, offset) in enumerate(self._layers):
            bent = self._bend(embeddings) if number and self._bend else embeddings
            embeddings = F.linear(bent, matrix, offset)
        return embeddings[:, 0]


def read_head(path: Path) -> list[Layer]:
    """The matrices [out, in] and offsets [out] of a head's linear layers, in order.

    Raises:
        UsageError: The file is not there, or holds something else.
    """
    tensors = _tensors(path)
    names = sorted((name for name in tensors if name.rpartition(".")[2] == "weight"), key=_in_order)
    stray = sorted(set(tensors) - {n.removesuffix("weight") + end for n in names for end in ("weight", "bias")})
    if not names or stray:
        raise _wrong(path, f"it holds {stray[0]}" if stray else "it has no layers")
    layers = [(tensors[name].float(), _offset(tensors, name)) for name in names]
    for name, (matrix, offset) in zip(names, layers, strict=True):
        if matrix.ndim != 2 or (offset is not None and offset.shape != matrix.shape[:1]):
            raise _wrong(path, f"{name} has shape {list(matrix.shape)}, which is no linear layer's")
    widths = [(matrix.shape[1], matrix.shape[0]) for matrix, _ in layers]
    for (_, gives), (takes, _), name in zip(widths, widths[1:], names[1:], strict=False):
        if gives != takes:
            raise _wrong(path, f"{name} takes {takes} numbers, but the layer before it gives {gives}")
    if widths[-1][1] != 1:
        raise _wrong(path, f"it gives {widths[-1][1]} numbers, where a rating is one")
    return layers


def _tensors(path: Path) -> dict[str, Tensor]:
    """What a file of weights holds, by name; nothing in it is executed."""
    try:
        return read_tensors(path)
    except FileNotFoundError:
        hint = "paths are relative to the graph's folder"
        raise UsageError(f"there is no file {path}", argument="path", hint=hint) from None
    except (UnreadableWeights, OSError) as error:
        raise UsageError(f"{path} cannot be read as weights: {error}", argument="path") from error


def _in_order(name: str) -> list[tuple[int, str]]:
    """So that layers.10 comes after layers.2."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _offset(tensors: dict[str, Tensor], name: str) -> Tensor | None:
    found = tensors.get(name.removesuffix("weight") + "bias")
    return None if found is None else found.float()


def _wrong(path: Path, reason: str) -> UsageError:
    message = f"{path} is not a head of linear layers that gives one rating: {reason}"
    return UsageError(message, argument="path", hint="LAION's aesthetic predictors are such heads")
