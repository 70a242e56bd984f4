"""What a picture is judged by: smaller is better."""

from __future__ import annotations

import torch
from torch import Tensor

from pytti_graph import Image, Loss, Number, Prompts, Seen, UsageError, node
from pytti_graph.nodes.sampling import fit


@node("loss.prompts")
def prompts(seen: Seen, prompts: Prompts, weight: Number = 1.0) -> Loss:
    """Pull what is seen towards the prompts.

    Prompts with a negative weight push it away.

    Args:
        seen: What a perceptor sees.
        prompts: What it should see, embedded by the same perceptor.
        weight: How much this counts beside other losses.
    """
    if seen.embeddings.shape[-1] != prompts.embeddings.shape[-1]:
        raise UsageError(
            f"the pictures are embedded in {seen.embeddings.shape[-1]} dimensions, "
            f"the prompts in {prompts.embeddings.shape[-1]}",
            argument="prompts",
            hint="give the prompts and the crops the same perceptor",
        )
    distance = spherical_distance(seen.embeddings, prompts.embeddings)
    signed = prompts.weights.sign() * distance
    stopped = torch.where(signed > prompts.stops, signed, prompts.stops.detach())
    return weight * (prompts.weights.abs() * stopped).mean(0).sum()


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared angle between unit vectors x [N, D] and y [P, D]: [N, P], 0 to 4.93 (Crowson, 2021).

    Its gradient is finite everywhere: zero between equal vectors, and between opposite ones.
    """
    quarter_squares = (x.unsqueeze(1) - y).square().sum(-1) / 4
    return 2 * quarter_squares.clamp(1e-12, 1 - 1e-6).sqrt().asin().square()


@node("loss.smoothness")
def smoothness(image: Image, weight: Number = 0.02) -> Loss:
    """Penalise differences between neighbouring pixels.

    This is L2 total variation (Mahendran & Vedaldi 2015).

    Args:
        image: The picture.
        weight: How much it counts; larger is smoother, a negative weight asks for grain. 0.3 suits image.pyramid.
    """
    along = (image[..., 1:] - image[..., :-1]).square().sum()
    down = (image[..., 1:, :] - image[..., :-1, :]).square().sum()
    return weight * (along + down) / image.numel()


@node("loss.match")
def match(image: Image, target: Image, weight: Number = 1.0) -> Loss:
    """Pull a picture towards another one, pixel by pixel.

    Compares red, green, blue, value (their largest) and chroma (their largest less their smallest). PyTTI took
    saturation in place of chroma, which is chroma divided by value: it means nothing in the dark, where its gradient
    has no bound.

    Args:
        image: The picture.
        target: What it should look like; stretched to the picture's size if it has another.
        weight: How much it counts; negative pushes away.
    """
    wanted = fit(target, *image.shape[-2:])
    if wanted.shape != image.shape:
        raise UsageError(
            f"a picture of shape {list(image.shape)} cannot match one of shape {list(target.shape)}", argument="target"
        )
    return weight * (appearance(image) - appearance(wanted)).square().mean()


def appearance(image: Tensor) -> Tensor:
    """Red, green, blue, value and chroma of a picture [1, 3, H, W]: [1, 5, H, W], all 0..1."""
    value, least = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
    return torch.cat((image, value, value - least), 1)
