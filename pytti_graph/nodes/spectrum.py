"""How much of a picture is large shapes and how much is fine detail."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from pytti_graph import Bounds, Image, Loss, Mask, Number, node
from pytti_graph.nodes.light import grey
from pytti_graph.nodes.weighing import Stop, fit_mask, weighed

_PER_OCTAVE = 2
_FINEST = 0.5
"""The highest frequency that counts, in cycles per pixel: beyond it there are diagonals only."""
_UNSEEN = 1e-7
"""Power too small to be seen: a tenth of what rounding to 8 bits adds."""
_FEW = 16
"""A ring of so few frequencies counts half: its mean is left to chance."""
_TINY = 1e-12


@node("loss.spectrum")
def spectrum(
    image: Image,
    falloff: Annotated[Number, Bounds(ge=0, le=4)] = 1.0,
    weight: Number = 0.02,
    stop: Stop | None = None,
    mask: Mask | None = None,
) -> Loss:
    """Balance large shapes and fine detail as nature does.

    In pictures of nature the amplitude of detail falls as 1/f with its frequency f, whatever they show (Field,
    Relations between the statistics of natural images and the response properties of cortical cells, 1987). The power
    of brightness is averaged in rings of half an octave; the loss is the variance of its logarithm about a straight
    line of that slope over the logarithm of frequency (the coarsest rings, of few frequencies, count less). Contrast as
    a whole is free, and so are colours.

    Args:
        image: The picture.
        falloff: Detail falls as 1/f to this power: 1 is natural, 0.5 harsh, 1.5 soft, and 0 noise.
        weight: How much it counts; negative pushes away from nature.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts. A hard edge of the mask adds some detail of its own.
    """
    frequency = frequencies(*image.shape[-2:], like=image)
    flattened = (power_spectrum(grey(image), mask) + _UNSEEN) * frequency ** (2 * falloff)
    means, counts = ring_means(flattened, frequency)
    levels = torch.where(counts > 0, means, 1).log()
    certain = counts / (counts + _FEW)
    share = certain / certain.sum().clamp(min=_TINY)
    return weighed((share * (levels - (share * levels).sum()).square()).sum(), weight, stop, mask)


def power_spectrum(image: Tensor, mask: Mask | None = None) -> Tensor:
    """The power of each frequency of a picture; white noise of variance v has v everywhere, on average.

    The picture is faded out to its mean at the borders (Hann's window), or else the step from one border to the
    opposite one would look like detail.

    Args:
        image: [1, 1, H, W]
        mask: What is looked at [1, 1, h, w].

    Returns:
        [H, W], in the order of `torch.fft.fft2`.
    """
    height, width = image.shape[-2:]
    window = _fade(height, image).unsqueeze(1) * _fade(width, image)
    if mask is not None:
        window = window * fit_mask(mask, height, width)[0, 0]
    mean = (window * image[0, 0]).sum() / window.sum().clamp(min=_TINY)
    waves = torch.fft.fft2(window * (image[0, 0] - mean))
    power: Tensor = (waves.real.square() + waves.imag.square()) / window.square().sum().clamp(min=_TINY)
    return power


def _fade(length: int, like: Tensor) -> Tensor:
    """Hann's window [length], above 0 everywhere."""
    places = torch.arange(length, device=like.device, dtype=like.dtype).add(0.5)
    return places.mul(math.pi / length).sin().square()


def frequencies(height: int, width: int, *, like: Tensor) -> Tensor:
    """The frequencies of `torch.fft.fft2` [height, width], in cycles per pixel."""
    down = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype).unsqueeze(1)
    along = torch.fft.fftfreq(width, device=like.device, dtype=like.dtype)
    radius: Tensor = torch.hypot(down, along)
    return radius


def ring_means(values: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of values [H, W] in each ring of half an octave of frequency [H, W], from the lowest to `_FINEST`.

    Returns:
        The means [R], and how many values are in each ring [R]: none in some rings of small or narrow pictures, and
        then the mean is 0.
    """
    longest = max(frequency.shape)
    rings = round(_PER_OCTAVE * math.log2(max(longest * _FINEST, 1))) + 1
    ring = (frequency * longest).clamp(min=0.5).log2().mul(_PER_OCTAVE).round().long()
    within = (frequency > 0) & (frequency <= _FINEST + 1e-6) & (ring < rings)
    ring = torch.where(within, ring, rings).flatten()  # one more ring for what does not count
    counts = values.new_zeros(rings + 1).index_add(0, ring, torch.ones_like(values).flatten())
    sums = values.new_zeros(rings + 1).index_add(0, ring, values.flatten())
    return (sums / counts.clamp(min=1))[:rings], counts[:rings]
