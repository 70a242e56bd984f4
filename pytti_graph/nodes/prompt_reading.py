"""Prompts as a perceptor reads them: texts and pictures become embeddings, and masks what weighs crops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pytti_graph import CropMask, Device, Files, Perceptor, Prompts, UsageError
from pytti_graph.core.scene_masks import PromptMask
from pytti_graph.core.scenes import Prompt
from pytti_graph.nodes import sources
from pytti_graph.nodes.embeddings import mean_direction
from pytti_graph.nodes.prompt_cache import encoded
from pytti_graph.nodes.prompt_masks import HALFWAY, Area, Half, Large, Meaning
from pytti_graph.nodes.prompt_pictures import PictureTarget


@dataclass(frozen=True)
class Reading:
    """What one perceptor makes of prompts.

    Attributes:
        texts: Embeddings [1, D] of the texts of prompts and of masks.
        pictures: Prompts that are pictures, by their paths.
        areas: Masks that are pictures.
    """

    texts: Mapping[str, Tensor]
    pictures: Mapping[str, PictureTarget]
    areas: Mapping[PromptMask, Area]

    @classmethod
    def by(
        cls, perceptor: Perceptor, prompts: Sequence[Prompt], pictures: Mapping[str, Tensor], device: torch.device
    ) -> Reading:
        """Read prompts, each text once and on its own.

        Args:
            perceptor: The network that reads.
            prompts: All prompts there are.
            pictures: What `open_pictures` gives for them.
            device: Where embeddings go.
        """
        texts = dict.fromkeys(text for text, _, _ in texts_of(prompts))
        shown = dict.fromkeys(prompt.text for prompt in prompts if prompt.picture)
        masks = (prompt.mask for prompt in prompts)
        painted = dict.fromkeys(mask for mask in masks if mask is not None and mask.kind == "picture")
        return cls(
            {text: encoded(perceptor, text, device) for text in texts},
            {path: PictureTarget.of(perceptor, pictures[path]) for path in shown},
            {mask: Area.of(pictures[mask.text], mask.inverted) for mask in painted},
        )

    def prompts(
        self, prompts: Sequence[Prompt], weights: Tensor, stops: Tensor, cutoffs: Sequence[float | None]
    ) -> Prompts:
        """Some of the prompts, with the present values of their formulas."""
        targets = tuple(self.pictures[prompt.text] if prompt.picture else None for prompt in prompts)
        masks = tuple(self._mask(prompt.mask, cutoff) for prompt, cutoff in zip(prompts, cutoffs, strict=True))
        return Prompts(
            torch.cat(list(map(self._embedding, prompts))),
            weights,
            stops,
            masks if any(masks) else (),
            targets if any(targets) else (),
        )

    def _embedding(self, prompt: Prompt) -> Tensor:
        return mean_direction(self.pictures[prompt.text].embeddings) if prompt.picture else self.texts[prompt.text]

    def _mask(self, mask: PromptMask | None, cutoff: float | None) -> CropMask | None:
        if mask is None:
            return None
        if mask.kind == "picture":
            return self.areas[mask]
        if mask.kind == "text":
            assert cutoff is not None, "a mask that is a text has a cutoff"
            return Meaning(self.texts[mask.text], cutoff)
        limit = HALFWAY if cutoff is None else cutoff
        if mask.kind in ("near", "far"):
            return Large(mask.kind == "near", limit)
        return Half(0 if mask.kind in ("left", "right") else 1, mask.kind in ("right", "down"), limit)


def texts_of(prompts: Iterable[Prompt]) -> Iterator[tuple[str, str, int]]:
    """Every text, that of prompts and that of masks, with its argument and where it begins in it."""
    for prompt in prompts:
        if not prompt.picture:
            yield prompt.text, prompt.argument, prompt.offset
        if prompt.mask is not None and prompt.mask.kind == "text":
            yield prompt.mask.text, prompt.argument, prompt.mask.offset


def open_pictures(prompts: Iterable[Prompt], files: Files, device: Device) -> dict[str, Tensor]:
    """The pictures [1, 3, H, W] of prompts and of masks, by their paths; raises `UsageError` for what is none."""
    opened: dict[str, Tensor] = {}
    for path, argument in _paths(prompts):
        try:
            opened[path] = opened[path] if path in opened else sources.image(files.input(path), device)
        except UsageError as error:
            raise UsageError(error.problem.message, argument=argument, hint=error.problem.hint) from error
    return opened


def _paths(prompts: Iterable[Prompt]) -> Iterator[tuple[str, str]]:
    for prompt in prompts:
        if prompt.picture:
            yield prompt.text, prompt.argument
        if prompt.mask is not None and prompt.mask.kind == "picture":
            yield prompt.mask.text, prompt.argument
