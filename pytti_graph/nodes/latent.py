"""Pictures that an autoencoder decodes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Device, Files, Image, InputPath, Report, Stream, Warp, node
from pytti_graph.core.downloads import Download, downloads
from pytti_graph.nodes.images import Side, clamp_passing_inwards
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.sampling import fit


def _downloads(model: str, folder: str | None) -> list[Download]:
    from pytti_graph.nodes.latent_weights import downloads_for

    return [*downloads_for(model, folder)]


@downloads(_downloads)
@node("image.latent")
class Latent:
    """A picture that an autoencoder decodes: VQGAN, or the small autoencoders of diffusion models.

    What is optimised is the code of the picture, which is much smaller than the picture, and the decoder makes what it
    has learned to make of any code: textures and objects rather than noise. A VQGAN (`VQModel`; Esser, Rombach & Ommer
    2021) shows the nearest code of its code book; gradients pass straight through to the code that is optimised. An
    `AutoencoderTiny` decodes any code.

    It needs the package diffusers: pip install 'pytti-graph[latent]'. The weights are not part of the installation:
    `pytti-graph fetch GRAPH` gets them once.

    Args:
        model: The autoencoder's name on huggingface.co, as owner/name or owner/name/subfolder: madebyollin/taesd (10
            MB), or a VQGAN such as amused/amused-256/vqvae. PyTTI's VQGANs (imagenet, sflckr ...) are checkpoints of
            taming-transformers, which this does not read. "random" takes an untrained one, to try a graph out.
        folder: A folder with config.json and the weights, as diffusers saves them, relative to the graph's, in place of
            `model`.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        start: A picture to start from (fitted to the size), instead of a random code. It looks as the autoencoder
            renders it.
        warp: How the picture moves from frame to frame. It is decoded, moved and encoded again, once a frame, so it
            comes out as well as the autoencoder copies pictures, and small detail changes a little each time.
    """

    learning_rate = 0.1

    def __init__(
        self,
        device: Device,
        stream: Stream,
        files: Files,
        report: Report,
        model: str = "madebyollin/taesd",
        folder: InputPath | None = None,
        width: Side = 512,
        height: Side = 512,
    ) -> None:
        from pytti_graph.nodes.latent_weights import RANDOM, load

        if model == RANDOM and folder is None:
            report.warn("its weights are random: pictures will mean nothing", argument="model")
        self.width, self.height = width, height
        network, self.weights = load(model, folder, files, stream)
        self.name = model if folder is None else folder.name
        self.network = network.to(device.torch)
        self.codes: Tensor | None = (
            self.network.quantize.embedding.weight if hasattr(self.network, "quantize") else None
        )
        self.channels = channels(self.network)
        self.scale = pixels_per_code(self.network, self.channels)
        self.black = black(self.network)
        rows, columns = -(-height // self.scale), -(-width // self.scale)
        self.code = self._random_code(stream, rows, columns).to(device.torch).requires_grad_()

    def _random_code(self, stream: Stream, rows: int, columns: int) -> Tensor:
        """Codes of the book at random, or normal numbers where there is none: [1, C, rows, columns]."""
        if self.codes is None:
            return stream.normal(1, self.channels, rows, columns)
        drawn = (stream.uniform(rows * columns) * len(self.codes)).long().to(self.codes.device)
        return self.codes[drawn].T.reshape(1, -1, rows, columns)

    @torch.no_grad()
    def start(self, start: Image) -> None:
        """Encode a picture [1, 3, h, w]."""
        self._encode(fit(start, self.height, self.width))

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Decode, move and encode."""
        self._encode(resample(self.forward(), warp).clamp(0, 1))

    def _encode(self, picture: Tensor) -> None:
        rows, columns = self.code.shape[-2:]
        padding = (0, columns * self.scale - self.width, 0, rows * self.scale - self.height)
        whole = F.pad(picture, padding, mode="replicate")
        self.code.copy_(self.network.encode(self.black + (1 - self.black) * whole).latents)

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        code = self.code if self.codes is None else within_book(self.code, self.codes)
        picture = (self.network.decode(code).sample - self.black) / (1 - self.black)
        return clamp_passing_inwards(picture[..., : self.height, : self.width])

    def parameters(self) -> dict[str, Tensor]:
        """The code [1, C, rows, columns], before the nearest of the code book is taken."""
        return {"code": self.code}


def within_book(code: Tensor, codes: Tensor) -> Tensor:
    """A code [1, C, h, w] kept within the extremes of a code book [N, C], passing gradients that lead inwards.

    Farther out the nearest code changes no more, and a code that went there would be slow to come back.
    """
    low, high = (codes.amin(0).view(1, -1, 1, 1), codes.amax(0).view(1, -1, 1, 1))
    span = (high - low).clamp(min=torch.finfo(codes.dtype).tiny)
    return low + span * clamp_passing_inwards((code - low) / span)


def channels(network: Any) -> int:
    """Channels of a network's code."""
    embedded: int | None = network.config.get("vq_embed_dim")
    return embedded if embedded is not None else int(network.config.latent_channels)


def black(network: Any) -> float:
    """The number that is black to a network, for which 1 is white: -1, but 0 to the VQGANs of aMUSEd.

    Only their configurations have `lookup_from_codebook`; their pipelines in diffusers take pictures as they are.
    """
    return 0.0 if network.config.get("lookup_from_codebook") else -1.0


@torch.no_grad()
def pixels_per_code(network: Any, channels: int) -> int:
    """Side of the square of pixels that one number of the code stands for."""
    tried = torch.zeros(1, channels, 2, 2, device=next(network.parameters()).device)
    return int(network.decode(tried).sample.shape[-1]) // 2
