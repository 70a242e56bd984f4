"""Finds and loads the autoencoders of diffusers: from a folder, from a cache, or, if allowed, from the network."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph import Files, MissingError, Stream, UsageError
from pytti_graph.core.downloads import HubFile, found_or_fetched
from pytti_graph.nodes.weight_files import UnreadableWeights, read_tensors, sha256, why_unfit

RANDOM = "random"
KINDS = ("VQModel", "AutoencoderTiny")
TAMING = ("imagenet", "coco", "wikiart", "openimages", "sflckr")
"""PyTTI's names of VQGANs, which are checkpoints of taming-transformers."""

_CONFIG = "config.json"
_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:/([\w./-]+))?")
_FORMER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_FORMER_NAME = re.compile(rf"\.({'|'.join(_FORMER)})\.(weight|bias)$")
"""What the parts of attention were called before diffusers 0.14, in files that are still around."""
_DIFFUSERS_FORMAT = (
    "write a VQGAN in the format of diffusers, such as amused/amused-256/vqvae or "
    "CompVis/ldm-super-resolution-4x-openimages/vqvae, or convert the checkpoint to a VQModel of diffusers, save it "
    "with save_pretrained, and name its folder (folder: vqgan)"
)
_OTHERWISE = "give a folder with config.json and the weights (folder: vqgan)"


def downloads_for(model: str, folder: object) -> list[HubFile]:
    """The files that have to be fetched for a model of the hub; none for a folder or random weights.

    Raises:
        UsageError: `model` is not written as the name of a model, or is the name of one in another format.
    """
    if folder is not None or model == RANDOM:
        return []
    if model in TAMING:
        message = f"'{model}' is PyTTI's name of a checkpoint of taming-transformers, a format that is not read here"
        raise UsageError(message, argument="model", hint=_DIFFUSERS_FORMAT)
    if (match := _REPOSITORY.fullmatch(model)) is None:
        hint = "write owner/name, or owner/name/subfolder, as on huggingface.co; or give a folder (folder: vqgan)"
        raise UsageError(f"'{model}' is not the name of a model", argument="model", hint=hint)
    repository, inside = match[1], f"{match[2].strip('/')}/" if match[2] else ""
    return [HubFile(repository, (inside + _CONFIG,)), HubFile(repository, tuple(inside + name for name in _WEIGHTS))]


def load(model: str, folder: Path | None, files: Files, stream: Stream) -> tuple[Any, dict[str, str]]:
    """Build an autoencoder of diffusers and give it its weights.

    Args:
        model: Its name on the hub, or "random" for an untrained AutoencoderTiny.
        folder: Where its files are, if they do not come from the hub.
        files: Says whether the network may be used.
        stream: Where random weights come from.

    Returns:
        A `VQModel` or `AutoencoderTiny` on the CPU, in float32, whose weights need no gradients; and file names and
        sha256 sums of its weights.

    Raises:
        UsageError: Its configuration is of another network, its weights do not fit, or they are a checkpoint of
            taming-transformers.
        MissingError: diffusers is not installed, or the files are not there or damaged.
    """
    library = _diffusers()
    if model == RANDOM and folder is None:
        network = _empty(library, {"_class_name": "AutoencoderTiny"}, model)
        weights = {name: _random_like(tensor, stream) for name, tensor in network.state_dict().items()}
        sums = {}
    else:
        config, path = _in_folder(folder) if folder is not None else _from_hub(model, files)
        network, weights = _empty(library, _read_config(config), str(config)), _read_weights(path)
        sums = {path.name: sha256(path)}
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        message = f"the weights do not fit their config.json: {why_unfit(error)}"
        raise UsageError(message, argument=_argument(folder), hint="are both files of the same model?") from error
    return network.float().eval().requires_grad_(False), sums


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError as error:
        hint = "type: pip install 'pytti-graph[latent]'"
        raise MissingError("image.latent needs the package diffusers, which is not installed", hint=hint) from error
    return diffusers


def _empty(library: Any, config: dict[str, Any], source: str) -> Any:
    """The network of a configuration, its weights not filled, so that no random numbers are drawn."""
    kind = config.get("_class_name")
    if kind not in KINDS:
        message = f"{source} is the configuration of {kind or 'an unknown network'}, not of {' or '.join(KINDS)}"
        raise UsageError(message, argument="model", hint="madebyollin/taesd is one that can be used")
    made = getattr(library, kind)
    known = inspect.signature(made.__init__).parameters
    try:
        with torch.device("meta"):
            return made(**{name: value for name, value in config.items() if name in known})
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        message = f"{source} is not a configuration that diffusers can build: {error}"
        raise UsageError(message, argument="model") from error


def _random_like(tensor: Tensor, stream: Stream) -> Tensor:
    """Weights [out, in, ...] that keep the size of what passes through (He et al. 2015); biases are 0."""
    if tensor.ndim < 2:
        return torch.zeros(tensor.shape)
    return stream.normal(*tensor.shape, std=(2 / tensor[0].numel()) ** 0.5).cpu()


def _argument(folder: Path | None) -> str:
    return "model" if folder is None else "folder"


def _in_folder(folder: Path) -> tuple[Path, Path]:
    """Configuration and weights in a folder."""
    config, weights = folder / _CONFIG, [folder / name for name in _WEIGHTS]
    found = next((path for path in weights if path.is_file()), None)
    if not config.is_file() or found is None:
        if (checkpoint := next(iter(_checkpoints(folder)), None)) is not None:
            message = f"{checkpoint} is a checkpoint, as taming-transformers saves them, a format that is not read here"
            raise UsageError(message, argument="folder", hint=_DIFFUSERS_FORMAT)
        hint = f"it needs {_CONFIG} and {_WEIGHTS[0]}, as diffusers saves them"
        message = f"there is no autoencoder in {folder}"
        raise MissingError(message, argument="folder", hint=hint)
    return config, found


def _checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, or a checkpoint that is named in the place of one."""
    return sorted(path for path in (folder, *folder.glob("*")) if path.suffix == ".ckpt" and path.is_file())


def _from_hub(model: str, files: Files) -> tuple[Path, Path]:
    """Configuration and weights of a model of the hub, fetched first if they have to be and may be."""
    needed = downloads_for(model, None)
    config, weights = (found_or_fetched(file, files, model, "model", _OTHERWISE) for file in needed)
    return config, weights


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, TypeError("it holds no mapping"))
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return {_FORMER_NAME.sub(_present_name, name): tensor for name, tensor in read_tensors(path).items()}
    except (UnreadableWeights, OSError) as error:
        raise _damaged(path, error) from error


def _present_name(match: re.Match[str]) -> str:
    return f".{_FORMER[match[1]]}.{match[2]}"


def _damaged(path: Path, error: Exception) -> MissingError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return MissingError(f"{path} cannot be read: {reason}", hint="fetch or copy it again")
