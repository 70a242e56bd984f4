"""Texts are encoded once: their embeddings are kept in the user's cache folder, by what they are made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pytti_graph import Perceptor

MOST = 5000
"""Embeddings that are kept; of more, the tenth that was used the longest time ago is deleted."""

_NAME = "embedding"
_VERSION = 1


def encoded(perceptor: Perceptor, text: str, device: torch.device) -> Tensor:
    """The embedding of a text [1, D], on a device, from the cache or anew.

    Perceptors that name no weights are asked each time. A file that is damaged, or cannot be written, costs only time.
    """
    if not perceptor.weights:
        return perceptor.encode_texts([text]).to(device)
    path = cache_folder() / f"{_key(perceptor, text, device)}.safetensors"
    kept = _load(path)
    if kept is None:
        kept = perceptor.encode_texts([text]).detach().cpu().contiguous()
        with contextlib.suppress(OSError):
            _save(kept, path)
    return kept.to(device)


def cache_folder() -> Path:
    """Where embeddings are kept."""
    return Path(platformdirs.user_cache_dir("pytti-graph")) / "prompts"


def _key(perceptor: Perceptor, text: str, device: torch.device) -> str:
    """A sum of all that decides an embedding, to the last bit."""
    parts = [_VERSION, perceptor.name, sorted(perceptor.weights.items()), text, device.type, torch.__version__]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _load(path: Path) -> Tensor | None:
    """A kept embedding, or None if there is none or it is damaged."""
    try:
        kept = load_file(path)[_NAME]
        os.utime(path)
    except (OSError, SafetensorError, KeyError):
        return None
    usable = kept.ndim == 2 and len(kept) == 1 and kept.dtype == torch.float32
    return kept if usable and bool((kept.norm() - 1).abs() < 1e-3) else None


def _save(embedding: Tensor, path: Path) -> None:
    """Keep an embedding: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    try:
        save_file({_NAME: embedding}, temporary)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    _forget_oldest(path.parent)


def _forget_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        kept = list(entries)
    if len(kept) <= MOST:
        return
    for _, path in sorted((entry.stat().st_mtime, entry.path) for entry in kept)[: len(kept) - MOST * 9 // 10]:
        Path(path).unlink(missing_ok=True)
