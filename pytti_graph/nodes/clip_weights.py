"""Finds the weights of CLIP networks: in a local file, in a cache, or, if allowed, on the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from pytti_graph import Files, MissingError, UsageError
from pytti_graph.core.downloads import Download, HubFile, WebFile, found_or_fetched
from pytti_graph.core.errors import did_you_mean
from pytti_graph.nodes.clip_texts import tokenizer_files

RANDOM = "random"

_USUAL = {"mean": OPENAI_DATASET_MEAN, "std": OPENAI_DATASET_STD}
_HUB_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
_OTHERWISE = "give a local file (pretrained: clip.safetensors), or another perceptor, such as perceptor.imagenet"


def architecture(model: str) -> dict[str, Any]:
    """The configuration of an open_clip architecture.

    Raises:
        UsageError: There is none of that name.
    """
    known = open_clip.list_models()
    if model not in known:
        hint = did_you_mean(model, known) or "ViT-B-32, ViT-B-16 and ViT-L-14 are the usual ones"
        raise UsageError(f"open_clip knows no model '{model}'", argument="model", hint=hint)
    config: dict[str, Any] = open_clip.get_model_config(model)
    return config


def preprocessing(model: str, pretrained: str) -> dict[str, Any]:
    """What open_clip knows of some weights by name (mean, std, quick_gelu), or nothing."""
    found: dict[str, Any] = get_pretrained_cfg(model, pretrained)
    return found


def normalisation(model: str, pretrained: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of each colour, sRGB 0..1, that a network was trained with.

    As open_clip knows them of the weights; of a file, which does not tell, as all weights of the model agree that
    open_clip knows; or else those of OpenAI's CLIP.
    """
    names = [pretrained] if preprocessing(model, pretrained) else list_pretrained_tags_by_model(model)
    known = [preprocessing(model, name) for name in names]
    pairs = {tuple(tuple(one.get(part, usual)) for part, usual in _USUAL.items()) for one in known}
    mean, std = pairs.pop() if len(pairs) == 1 else _USUAL.values()
    return mean, std


def downloads_for(model: str, pretrained: str) -> list[Download]:
    """What has to be fetched: weights, if they are given by name, and a tokenizer, if it is not CLIP's own.

    Raises:
        UsageError: open_clip knows no such model or weights.
    """
    needed = (_weights_of(model, pretrained), tokenizer_files(architecture(model)))
    return [download for download in needed if download is not None]


def weights_file(model: str, pretrained: str, files: Files) -> Path:
    """The file with the weights, fetched first if it has to be and may be.

    Raises:
        UsageError: open_clip knows no such model or weights.
        MissingError: The weights are not here.
    """
    needed = _weights_of(model, pretrained)
    if needed is None:
        return _local(pretrained, files)
    return found_or_fetched(needed, files, f"the weights '{pretrained}' of {model}", "pretrained", _OTHERWISE)


def _weights_of(model: str, pretrained: str) -> Download | None:
    """Where weights come from that are given by name; None for a local file or random weights."""
    architecture(model)
    if config := preprocessing(model, pretrained):
        return _download(config)
    if pretrained != RANDOM and not _is_path(pretrained):
        raise _unknown(model, pretrained)
    return None


def _is_path(pretrained: str) -> bool:
    return pretrained.lower().endswith(_ENDINGS) or "/" in pretrained or "\\" in pretrained


def _local(pretrained: str, files: Files) -> Path:
    path = files.input(pretrained)
    if path.suffix.lower() not in _ENDINGS:
        message = f"'{pretrained}' is not a file with weights; they end in {', '.join(_ENDINGS)}"
        raise UsageError(message, argument="pretrained")
    if not path.is_file():
        hint = "paths are relative to the graph's folder; or give the name of weights, such as laion2b_s34b_b79k"
        raise MissingError(f"there is no file {path}", argument="pretrained", hint=hint)
    return path


def _unknown(model: str, pretrained: str) -> UsageError:
    tags = list_pretrained_tags_by_model(model)
    hint = did_you_mean(pretrained, [*tags, RANDOM]) or (
        f"it knows {', '.join(tags)}" if tags else "give a file with weights (.safetensors or .pt)"
    )
    return UsageError(f"open_clip knows no weights '{pretrained}' of {model}", argument="pretrained", hint=hint)


def _download(config: dict[str, Any]) -> Download:
    if hub := config.get("hf_hub"):
        repository, _, name = hub.rpartition("/")
        safe = f"{name.rpartition('.')[0]}.safetensors"
        return HubFile(repository, tuple(dict.fromkeys((safe, name))) if name else _HUB_NAMES)
    address: str = config["url"]
    return WebFile(address, Path.home() / ".cache" / "clip", _sum_in(address))


def _sum_in(address: str) -> str:
    """The beginning of the sha256 sum that some addresses hold."""
    folder, _, name = address.rpartition("/")
    if "openaipublic" in address:
        return folder.rpartition("/")[2]
    return name.rpartition(".")[0].rpartition("-")[2] if "mlfoundations" in address else ""
