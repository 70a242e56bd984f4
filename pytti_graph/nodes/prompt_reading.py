"""Prompts as a perceptor reads them: texts, pictures and videos become embeddings, and masks what weighs crops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from pytti_graph import CropMask, Perceptor, Prompts
from pytti_graph.core.scene_masks import PromptMask
from pytti_graph.core.scenes import Prompt
from pytti_graph.nodes.embeddings import mean_direction
from pytti_graph.nodes.prompt_cache import text_embedding
from pytti_graph.nodes.prompt_masks import HALFWAY, Area, Half, Large, Meaning
from pytti_graph.nodes.prompt_pictures import PictureTarget
from pytti_graph.nodes.prompt_videos import Shot

_Made = TypeVar("_Made", PictureTarget, Area)


@dataclass(frozen=True)
class Reading:
    """What one perceptor makes of prompts.

    Attributes:
        perceptor: The network that reads.
        texts: Embeddings [1, D] of the texts of prompts and of masks.
        pictures: Prompts that are pictures, by their paths.
        areas: Masks that are pictures.
        moving: What was made last of the videos: by path for prompts, by mask for masks.
    """

    perceptor: Perceptor
    texts: Mapping[str, Tensor]
    pictures: Mapping[str, PictureTarget]
    areas: Mapping[PromptMask, Area]
    moving: dict[str | PromptMask, tuple[Shot, PictureTarget | Area]] = field(default_factory=dict)

    @classmethod
    def by(
        cls, perceptor: Perceptor, prompts: Sequence[Prompt], pictures: Mapping[str, Tensor], device: torch.device
    ) -> Reading:
        """Read prompts, each text once and on its own, each picture once.

        Args:
            perceptor: The network that reads.
            prompts: All prompts there are.
            pictures: What `open_pictures` gives for them.
            device: Where embeddings go.
        """
        texts = dict.fromkeys(text for text, _, _ in texts_of(prompts))
        shown = dict.fromkeys(prompt.text for prompt in prompts if prompt.picture and not prompt.video)
        masks = (prompt.mask for prompt in prompts)
        painted = dict.fromkeys(mask for mask in masks if mask is not None and mask.kind == "picture")
        return cls(
            perceptor,
            {text: text_embedding(perceptor, text, device) for text in texts},
            {path: PictureTarget.of(perceptor, pictures[path], keep=True) for path in shown},
            {mask: Area.of(pictures[mask.text], mask.inverted) for mask in painted},
        )

    def prompts(
        self,
        prompts: Sequence[Prompt],
        weights: Tensor,
        stops: Tensor,
        cutoffs: Sequence[float | None],
        shots: Mapping[str, Shot],
    ) -> Prompts:
        """Some of the prompts, with the present values of their formulas, and what their videos show, by path."""
        targets = tuple(self._target(prompt, shots) for prompt in prompts)
        masks = tuple(self._mask(prompt.mask, cutoff, shots) for prompt, cutoff in zip(prompts, cutoffs, strict=True))
        return Prompts(
            torch.cat([self._embedding(*pair) for pair in zip(prompts, targets, strict=True)]),
            weights,
            stops,
            masks if any(masks) else (),
            targets if any(targets) else (),
        )

    def _target(self, prompt: Prompt, shots: Mapping[str, Shot]) -> PictureTarget | None:
        if not prompt.video:
            return self.pictures[prompt.text] if prompt.picture else None
        return self._now(prompt.text, shots[prompt.text], lambda picture: PictureTarget.of(self.perceptor, picture))

    def _embedding(self, prompt: Prompt, target: PictureTarget | None) -> Tensor:
        return self.texts[prompt.text] if target is None else mean_direction(target.embeddings)

    @torch.no_grad()
    def _now(self, key: str | PromptMask, shot: Shot, make: Callable[[Tensor], _Made]) -> _Made:
        """What is made of a video, once for each of its pictures."""
        last = self.moving.get(key)
        if last is None or last[0] is not shot:
            last = self.moving[key] = shot, make(shot.picture)
        made: _Made = last[1]  # type: ignore[assignment]
        return made

    def _mask(self, mask: PromptMask | None, cutoff: float | None, shots: Mapping[str, Shot]) -> CropMask | None:
        if mask is None:
            return None
        if mask.kind == "video":
            return self._now(mask, shots[mask.text], lambda picture: Area.of(picture, mask.inverted))
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
