"""Files of weights: read as data, nothing in them is run, and what is wrong with them in plain words."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

_NAMED = re.compile(r'"([^"]+)"')
_SIZES = re.compile(
    r"size mismatch for (\S+): .*shape torch\.Size\((\[.*?\])\).*current model is torch\.Size\((\[.*?\])\)"
)


class UnreadableWeights(Exception):
    """A file is there, but is no file of weights; says why."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What a file of weights (safetensors, or torch's own) holds, by name; nothing in it is run.

    Raises:
        UnreadableWeights: It is damaged, or something else than weights.
        FileNotFoundError: It is not there.
    """
    try:
        found: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # unpicklers raise nearly anything
        raise UnreadableWeights(_reason(path, error)) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict):
        raise UnreadableWeights(f"it holds no weights by name, but {_kind(found)}")
    tensors = {name: held for name, held in found.items() if isinstance(name, str) and isinstance(held, Tensor)}
    check_numbers(tensors)
    return tensors


def check_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights of which some are NaN, as of a training that failed; raises `UnreadableWeights`."""
    for name, tensor in tensors.items():
        if tensor.isnan().any():
            raise UnreadableWeights(f"it is damaged: {name} holds what is no number")


def sha256(path: Path) -> str:
    """The sha256 sum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpickled(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected pickle protocol")  # it is no concern of the user's
        return torch.load(path, map_location="cpu", weights_only=True)


def _kind(value: object) -> str:
    return "a single tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _reason(path: Path, error: Exception) -> str:
    if path.is_dir():
        return "it is a folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if path.stat().st_size == 0:
        return "it is empty"
    if isinstance(error, SafetensorError):
        return f"it is damaged, or no safetensors file ({error})"
    if "Unsupported global" in str(error) or "Unsupported class" in str(error):
        return "it holds objects beside weights, which could run code; save its weights alone"
    return "it is damaged, or no file of weights"


def why_unfit(error: Exception) -> str:
    """Why weights do not fit a network, from what loading them raised."""
    text = str(error)
    if sizes := _SIZES.search(text):
        return f"{sizes[1]} has shape {sizes[2]}, where the network has {sizes[3]}"
    for line in text.splitlines():
        if (names := _NAMED.findall(line)) and ("Missing" in line or "Unexpected" in line):
            rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"it {'lacks' if 'Missing' in line else 'also holds'} {names[0]}{rest}"
    return "its tensors have other names"
