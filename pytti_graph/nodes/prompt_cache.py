"""Prompts are encoded once: their embeddings are kept in the user's cache folder, by what they are made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pytti_graph import Perceptor

_NAME = "embedding"
_VERSION = 1


@dataclass(frozen=True)
class Shelf:
    """A folder of embeddings, one prompt a file.

    Attributes:
        name: Of the folder, within the user's cache folder.
        most: Files that are kept; of more, the tenth that was used the longest time ago is deleted.
    """

    name: str
    most: int

    @property
    def folder(self) -> Path:
        """Where it is."""
        return Path(platformdirs.user_cache_dir("pytti-graph")) / self.name


TEXTS = Shelf("prompts", 5000)
PICTURES = Shelf("picture-prompts", 500)
"""Fewer, because a picture has an embedding for each of its places."""


def text_embedding(perceptor: Perceptor, text: str, device: torch.device) -> Tensor:
    """The embedding of a text [1, D], on a device, from the cache or anew.

    Perceptors that name no weights are asked each time. A file that is damaged, or cannot be written, costs only time.
    """
    if not perceptor.weights:
        return perceptor.encode_texts([text]).to(device)
    key = _key(perceptor, device, text)
    return _kept(TEXTS, key, 1, lambda: perceptor.encode_texts([text])).to(device)


@torch.no_grad()
def crop_embeddings(perceptor: Perceptor, crops: Tensor) -> Tensor:
    """The embeddings [N, D] of a picture's crops [N, 3, size, size], from the cache or anew; without gradients.

    They are found by the crops themselves, so that neither the picture's file nor how it came about matters. Perceptors
    that name no weights, or do not tell how they look at pictures, are asked each time.
    """
    if not perceptor.weights or perceptor.image_settings is None:
        return perceptor.encode_images(crops)
    shown = hashlib.sha256(crops.detach().cpu().contiguous().numpy().data).hexdigest()
    key = _key(perceptor, crops.device, [shown, *crops.shape], sorted(perceptor.image_settings.items()))
    return _kept(PICTURES, key, len(crops), lambda: perceptor.encode_images(crops)).to(crops.device)


def _key(perceptor: Perceptor, device: torch.device, *more: object) -> str:
    """A sum of all that decides an embedding, to the last bit."""
    machine = [device.type, torch.__version__, torch.get_num_threads()]
    parts = [_VERSION, perceptor.name, sorted(perceptor.weights.items()), machine, *more]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _kept(shelf: Shelf, key: str, count: int, make: Callable[[], Tensor]) -> Tensor:
    """Embeddings [count, D] from a shelf, or made and put there."""
    path = shelf.folder / f"{key}.safetensors"
    kept = _load(path, count)
    if kept is None:
        kept = make().detach().cpu().contiguous()
        with contextlib.suppress(OSError):
            _save(kept, path)
            _forget_oldest(shelf)
    return kept


def _load(path: Path, count: int) -> Tensor | None:
    """Kept embeddings, or None if there are none or they are damaged."""
    try:
        kept = load_file(path)[_NAME]
        os.utime(path)
    except (OSError, SafetensorError, KeyError):
        return None
    usable = kept.ndim == 2 and len(kept) == count and kept.dtype == torch.float32
    return kept if usable and bool(((kept.norm(dim=1) - 1).abs() < 1e-3).all()) else None


def _save(embeddings: Tensor, path: Path) -> None:
    """Keep embeddings: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    try:
        save_file({_NAME: embeddings}, temporary)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _forget_oldest(shelf: Shelf) -> None:
    with os.scandir(shelf.folder) as entries:
        kept = list(entries)
    if len(kept) <= shelf.most:
        return
    for _, path in sorted((entry.stat().st_mtime, entry.path) for entry in kept)[: len(kept) - shelf.most * 9 // 10]:
        Path(path).unlink(missing_ok=True)
