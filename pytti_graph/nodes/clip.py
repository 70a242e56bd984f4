"""CLIP networks (Radford et al. 2021) in open_clip's many architectures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.factory import load_checkpoint
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pytti_graph import Device, Files, MissingError, Perceptor, Report, UsageError
from pytti_graph.nodes.clip_texts import TextReader, text_reader
from pytti_graph.nodes.clip_weights import RANDOM, architecture, normalisation, preprocessing, weights_file
from pytti_graph.nodes.weight_files import UnreadableWeights, check_numbers, read_tensors, sha256, why_unfit


class ClipPerceptor(Perceptor):
    """A CLIP network whose weights never change.

    Args:
        model: As open_clip builds it, on the CPU.
        name: For messages and `run.json`.
        reader: Texts to tokens.
        device: Where it computes; its image side in the device's precision, its text side in float32.
        mean: Of each colour, taken off before looking.
        std: Of each colour, divided by before looking.
        weights: File names and sha256 sums of its weights.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        reader: TextReader,
        device: Device,
        mean: Sequence[float],
        std: Sequence[float],
        weights: Mapping[str, str],
    ) -> None:
        self.name, self.weights = name, weights
        self.size = _side(model, name)
        self._model = model.eval().requires_grad_(False).to(device.torch)
        self._model.visual.to(device.dtype)
        self.image_settings = {"precision": str(device.dtype), "mean": str([*mean]), "std": str([*std])}
        self._reader, self._dtype, self._device = reader, device.dtype, device.torch
        self._mean = torch.tensor(mean, device=device.torch).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device.torch).view(1, 3, 1, 1)

    def encode_images(self, images: Tensor) -> Tensor:
        """Embed crops [N, 3, size, size], sRGB 0..1, as unit vectors [N, D] (float32), with gradients."""
        assert images.shape[1:] == (3, self.size, self.size), f"{tuple(images.shape)} is not [N, 3, size, size]"
        seen = self._model.encode_image(((images - self._mean) / self._std).to(self._dtype))
        return F.normalize(seen.float(), dim=-1)

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """What the four stages of a ResNet find in pictures [N, 3, H, W]: fine to coarse. Other networks have none."""
        network = self._model.visual
        if not isinstance(network, ModifiedResNet):
            return super().features(images)
        found = [network.stem(((images - self._mean) / self._std).to(self._dtype))]
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            found.append(stage(found[-1]))
        return [maps.float() for maps in found[1:]]

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as unit vectors [P, D], each encoded on its own, without gradients."""
        read = [self._model.encode_text(self._reader.tokenizer([text]).to(self._device)).float() for text in texts]
        return F.normalize(torch.cat(read), dim=-1)

    def unfamiliar(self, text: str) -> str | None:
        """A warning for texts whose end is cut off."""
        tokens, room = self._reader.measure(text)
        return None if tokens <= room else f"only its first {room} tokens of {tokens} are read; make it shorter"


def load(
    model: str,
    pretrained: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    device: Device,
    files: Files,
    report: Report,
) -> ClipPerceptor:
    """Build a network and give it its weights.

    Args:
        model: Architecture by its open_clip name.
        pretrained: Weights by their open_clip name, a file, or "random".
        mean: Of red, green and blue, sRGB 0..1, if not what is known of the weights.
        std: As `mean`: their deviation.
        device: Where it computes.
        files: Finds files, and says whether the network may be used.
        report: Hears of random weights.

    Raises:
        UsageError: open_clip knows no such model or weights, they do not fit each other, or `mean` or `std` is not
            three numbers.
        MissingError: The weights, or what reads texts, are not on this machine.
    """
    known_mean, known_std = normalisation(model, pretrained)
    mean, std = _three("mean", known_mean if mean is None else mean), _three("std", known_std if std is None else std)
    config, known = architecture(model), preprocessing(model, pretrained)
    config["quick_gelu"] = known.get("quick_gelu", config.get("quick_gelu", False))
    path = None if pretrained == RANDOM else weights_file(model, pretrained, files)
    reader = text_reader(model, config, files)
    network = build(config, _generator(model) if path is None else None, reader.folder)
    if path is None:
        report.warn("its weights are random: pictures will mean nothing", argument="pretrained")
        return ClipPerceptor(network, f"{model} ({pretrained})", reader, device, mean, std, {})
    _give_weights(network, model, path)
    weights = {path.name: sha256(path), **reader.sums}
    return ClipPerceptor(network, f"{model} ({pretrained})", reader, device, mean, std, weights)


def _three(argument: str, numbers: Sequence[float]) -> Sequence[float]:
    """Numbers for red, green and blue."""
    if len(numbers) != 3:
        message = f"there are {len(numbers)} numbers; it takes three, for red, green and blue"
        raise UsageError(message, argument=argument, hint=f"such as {argument}: [0.5, 0.5, 0.5]")
    return numbers


def build(config: dict[str, Any], generator: torch.Generator | None, text_folder: Path | None = None) -> Any:
    """A network of an open_clip configuration; its parameters are drawn from `generator`, or not filled at all.

    A text side that is a network of the package transformers is built as the config.json in `text_folder` says.
    """
    config = {**config}
    custom = config.pop("custom_text", False)
    if config["text_cfg"].get("hf_model_name"):
        custom = True
        of_transformers = {"hf_model_name": str(text_folder), "hf_model_pretrained": False}
        config["text_cfg"] = {**config["text_cfg"], **of_transformers}
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if "multimodal_cfg" in config:
        kind = open_clip.CoCa
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"] = {**config["vision_cfg"], "timm_model_pretrained": False}
    with _OwnRandomness(generator):
        return kind(**config)


class _OwnRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """In this thread, random numbers come from `generator` or are left out; torch's global generator is not touched."""

    def __init__(self, generator: torch.Generator | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generator = generator

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        fill = {"randn": "normal_", "rand": "uniform_"}.get(func.overloadpacket.__name__)
        made = args[0] if fill is None else torch.empty(*args, **kwargs)
        if self._generator is None:
            return made
        if fill is not None:
            return getattr(made, fill)(generator=self._generator)
        return func(*args, **{**kwargs, "generator": self._generator})


def _generator(model: str) -> torch.Generator:
    """The same random weights each time for the same model."""
    digest = hashlib.blake2b(model.encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def _give_weights(network: Any, model: str, path: Path) -> None:
    try:
        load_checkpoint(network, str(path), strict=True, weights_only=True)
        check_numbers(network.state_dict())
    except Exception as error:  # unpicklers, safetensors and open_clip raise nearly anything
        raise _no_weights(model, path, error) from error


def _no_weights(model: str, path: Path, error: Exception) -> UsageError | MissingError:
    try:
        read_tensors(path)
    except (UnreadableWeights, OSError) as unreadable:
        message = f"{path} cannot be read as weights: {unreadable}"
        return MissingError(message, argument="pretrained", hint="fetch or copy it again")
    message = f"{path} does not hold weights of {model}: {why_unfit(error)}"
    return UsageError(message, argument="pretrained", hint="give the model that the weights were made for")


def _side(model: Any, name: str) -> int:
    """The side of the crops a network looks at."""
    size = model.visual.image_size
    height, width = size if isinstance(size, Sequence) else (size, size)
    if height != width:
        raise UsageError(f"{name} looks at {width} x {height} pixels, not at squares", argument="model")
    return int(height)
