"""Prompts made of pictures that other nodes give, or that lie in a folder."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from pytti_graph import Device, Files, Image, InputPath, Perceptor, Prompts, UsageError, node
from pytti_graph.core.addresses import PICTURES
from pytti_graph.nodes import sources
from pytti_graph.nodes.embeddings import mean_direction
from pytti_graph.nodes.prompt_cache import crop_embeddings
from pytti_graph.nodes.prompt_pictures import PictureTarget, lattice
from pytti_graph.nodes.sampling import sample

_LONGEST = 1024
"""Pixels along the longer side of a folder's pictures: no perceptor sees more of a whole picture."""


@node("prompt.picture", detached=("image",))
class Picture:
    """Mean what a picture shows, place by place.

    The same as `[photo.png]` in prompt.scenes, for pictures that come from a node: with `previous(canvas)`, each frame
    is to mean what the frame before it meant.

    Args:
        perceptor: The network that looks at the picture: the one that looks at the canvas. Or several of them.
        image: The picture.
    """

    def __init__(self) -> None:
        self._shown = False

    @torch.no_grad()
    def forward(self, perceptor: list[Perceptor], image: Image) -> Prompts:
        """The prompt; what is shown first is kept on the disk, as any other may never be shown again."""
        targets = [PictureTarget.of(eye, image, keep=not self._shown) for eye in perceptor]
        self._shown = True
        return Prompts.of_each([_prompt(mean_direction(target.embeddings), target) for target in targets])


@node("prompt.pictures")
def pictures(perceptor: list[Perceptor], folder: InputPath, device: Device, files: Files) -> Prompts:
    """Mean what the pictures in a folder have in common.

    Each picture is looked at as a whole, and the mean of what is seen is meant, at every place: a style, a subject, a
    mood. A dozen pictures that differ in everything else say it best.

    Args:
        perceptor: The network that looks at them: the one that looks at the canvas. Or several of them.
        folder: Where the pictures are, in PNG, JPEG, WebP or another format that source.image reads.
    """
    opened = [_opened(path, files, device) for path in _pictures_in(folder)]
    with torch.no_grad():
        means = [mean_direction(torch.cat([_whole(eye, shown) for shown in opened])) for eye in perceptor]
    return Prompts.of_each([_prompt(mean) for mean in means])


def _pictures_in(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    except OSError as error:
        message = f"{folder} cannot be read: {error.strerror}"
        raise UsageError(message, argument="folder", hint="name a folder of pictures") from None
    if not found:
        hint = f"pictures end in {', '.join(PICTURES)}"
        raise UsageError(f"there are no pictures in {folder}", argument="folder", hint=hint)
    return found


def _opened(path: Path, files: Files, device: Device) -> Tensor:
    """A picture of the folder; where it is a link, it must not lead out of what may be read."""
    try:
        return sources.image(files.input(path), device, max_side=_LONGEST)
    except UsageError as error:
        raise UsageError(error.problem.message, argument="folder", hint=error.problem.hint) from error


def _whole(perceptor: Perceptor, shown: Tensor) -> Tensor:
    """A picture [1, 3, H, W] as a whole, seen in the fewest squares that cover it: [1, D]."""
    places = lattice(*shown.shape[-2:])
    largest = places[places[:, 0, 0] == places[0, 0, 0]].to(shown.device)
    return mean_direction(crop_embeddings(perceptor, sample(shown, largest, perceptor.size, "clamp")))


def _prompt(embedding: Tensor, target: PictureTarget | None = None) -> Prompts:
    weight, stop = torch.ones_like(embedding[:, 0]), torch.full_like(embedding[:, 0], -math.inf)
    return Prompts(embedding, weight, stop, targets=() if target is None else (target,))
