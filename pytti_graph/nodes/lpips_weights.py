"""The networks that `loss.lpips` compares with, and where their weights are."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn

from pytti_graph import Files, MissingError, Report, UsageError
from pytti_graph.core.downloads import Download, WebFile, found_or_fetched
from pytti_graph.nodes.weight_files import UnreadableWeights, read_tensors, why_unfit

TRAINED, RANDOM = "imagenet", "random"


class Network(NamedTuple):
    """A network of torchvision's.

    Attributes:
        name: torchvision's name for it.
        weights: The name of its weights there.
        ends: After which of its layers each stage ends.
        channels: Of each stage.
    """

    name: str
    weights: str
    ends: tuple[int, ...]
    channels: tuple[int, ...]


NETWORKS = {
    "alex": Network("alexnet", "AlexNet_Weights", (2, 5, 8, 10, 12), (64, 192, 384, 256, 256)),
    "vgg": Network("vgg16", "VGG16_Weights", (4, 9, 16, 23, 30), (64, 128, 256, 512, 512)),
    "squeeze": Network(
        "squeezenet1_1", "SqueezeNet1_1_Weights", (2, 5, 8, 10, 11, 12, 13), (64, 128, 256, 384, 384, 512, 512)
    ),
}


def downloads_for(network: str, pretrained: str) -> list[Download]:
    """The file that has to be fetched: one, or none for a local file or random weights."""
    if pretrained != TRAINED:
        return []
    address: str = getattr(torchvision.models, NETWORKS[network].weights).IMAGENET1K_V1.url
    checksum = address.rpartition(".")[0].rpartition("-")[2]
    return [WebFile(address, Path(torch.hub.get_dir()) / "checkpoints", checksum)]


def load(
    network: str, pretrained: str, files: Files, report: Report, device: torch.device
) -> tuple[list[nn.Sequential], list[Tensor]]:
    """The stages of a network, one after the other, and what their features weigh [1, C, 1, 1].

    Raises:
        MissingError: Weights, or the package lpips, are not on this machine.
        UsageError: A file does not hold weights of this network.
    """
    layers = _layers(network)
    if pretrained == RANDOM:
        report.warn("its weights are random: likeness will mean little", argument="pretrained")
        layers.load_state_dict(_random_weights(layers), assign=True)
        heads = [torch.full((1, channels, 1, 1), 1 / channels) for channels in NETWORKS[network].channels]
    else:
        heads = [head.to(device) for head in _heads(network)]
        _give_weights(layers, network, _weights_file(network, pretrained, files))
    layers.eval().requires_grad_(False).to(device)
    ends = NETWORKS[network].ends
    return [layers[first:end] for first, end in zip((0, *ends), ends, strict=False)], [h.to(device) for h in heads]


def _layers(network: str) -> nn.Sequential:
    with torch.device("meta"):  # initialising real weights would draw from torch's global generator
        layers: nn.Sequential = torchvision.models.get_model(NETWORKS[network].name, weights=None).features
    return layers


def _random_weights(layers: nn.Module) -> dict[str, Tensor]:
    """Always the same (He et al. 2015)."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, tensor in layers.state_dict().items():
        spread = math.sqrt(2 / tensor[0].numel()) if tensor.ndim > 1 else 0.0
        made[name] = torch.empty(tensor.shape).normal_(0, spread, generator=generator)
    return made


def _heads(network: str) -> list[Tensor]:
    """What people's judgements taught, from the package lpips, which is not imported."""
    found = importlib.util.find_spec("lpips")
    if found is None or found.origin is None:
        message = "what people's judgements taught is in the package lpips, which is not installed"
        raise MissingError(message, hint="pip install 'pytti-graph[lpips]'")
    heads = _read(Path(found.origin).parent / "weights" / "v0.1" / f"{network}.pth")
    return [heads[f"lin{number}.model.1.weight"] for number in range(len(NETWORKS[network].ends))]


def _weights_file(network: str, pretrained: str, files: Files) -> Path:
    needed = downloads_for(network, pretrained)
    if not needed:
        path = files.input(pretrained)
        if not path.is_file():
            hint = 'give "imagenet", or a file with weights, relative to the graph\'s folder'
            raise MissingError(f"there is no file {path}", argument="pretrained", hint=hint)
        return path
    what = f"the weights of {network}"
    return found_or_fetched(needed[0], files, what, "pretrained", "give a file that you have")


def _give_weights(layers: nn.Module, network: str, path: Path) -> None:
    known = {name.removeprefix("features."): tensor for name, tensor in _read(path).items()}
    weights = {name: tensor for name, tensor in known.items() if not name.startswith("classifier.")}
    try:
        layers.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        message = f"{path} does not hold weights of torchvision's {NETWORKS[network].name}: {why_unfit(error)}"
        raise UsageError(message, argument="pretrained", hint="name the network that they were made for") from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(path)
    except (UnreadableWeights, OSError) as error:
        message = f"{path} cannot be read as weights: {error}"
        raise MissingError(message, argument="pretrained", hint="fetch or copy it again") from error
