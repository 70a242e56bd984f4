"""Cutting 40 crops of a 512 px picture to 224 px, forward and backward, against a loop over crops.

Run `python benchmarks/cutouts.py [ROUNDS]`. The loop slices, averages (`adaptive_avg_pool2d`) and augments with
kornia's random classes, as PyTTI did. The ways take turns; what counts are the ratios of their medians.
"""

import statistics
import sys
import time

import kornia.augmentation as augmentation
import torch
import torch.nn.functional as F

from pytti_graph.core.injected import Clock, Moment
from pytti_graph.engine.streams import NodeStream
from pytti_graph.nodes import cutouts
from pytti_graph.nodes.augment.classic import classic as shake

COUNT, SIDE, SIZE = 40, 512, 224

stream = NodeStream(0, "benchmark", "forward", torch.device("cpu"), Moment(Clock()))
picture = stream.uniform(1, 3, SIDE, SIDE).requires_grad_()
gradient = stream.normal(COUNT, 3, SIZE, SIZE)
kornia_augment = torch.nn.Sequential(
    augmentation.RandomHorizontalFlip(p=0.3),
    augmentation.RandomAffine(degrees=30, translate=(0.1, 0.1), p=0.8, padding_mode="border"),
    augmentation.RandomPerspective(0.2, p=0.4),
    augmentation.ColorJitter(hue=0.01, saturation=0.01, p=0.7),
    augmentation.RandomErasing(scale=(0.1, 0.4), ratio=(0.3, 1 / 0.3), p=0.7),
)


def loop():
    """Slice and average each crop."""
    sides = (SIDE * stream.normal(COUNT, mean=0.8, std=0.3).clamp(SIZE / SIDE, 1) ** 2).int()
    offsets = ((stream.uniform(2, COUNT) * 1.5 - 0.25).clamp(0, 1) * (SIDE - sides)).int()
    crops = [
        F.adaptive_avg_pool2d(picture[:, :, top : top + side, left : left + side], SIZE)
        for side, left, top in zip(sides.tolist(), *offsets.tolist(), strict=True)
    ]
    return torch.cat(crops)


def loop_augmented():
    """The loop, and kornia's random augmentations."""
    crops = kornia_augment(loop())
    return crops + stream.uniform(COUNT, 1, 1, 1, high=0.1) * torch.randn_like(crops)


def ours():
    """`cutout.classic` alone."""
    return cutouts.render(cutouts.classic(picture, stream, SIZE))


def ours_augmented():
    """`cutout.classic` and `augment.classic`."""
    return cutouts.render(shake(cutouts.classic(picture, stream, SIZE), stream))


def seconds(way):
    """Time of one call of `way`, forward and backward."""
    picture.grad = None
    began = time.perf_counter()
    way().backward(gradient)
    return time.perf_counter() - began


def main(rounds):
    """Print the medians and their ratios."""
    ways = (loop_augmented, loop, ours_augmented, ours)
    for way in ways:
        seconds(way)
    times = [[seconds(way) for way in ways] for _ in range(rounds)]
    median = {way: statistics.median(column) for way, column in zip(ways, zip(*times, strict=True), strict=True)}
    for way in ways:
        print(f"{way.__name__:>16} {1000 * median[way]:8.0f} ms")
    for slow, fast in ((loop_augmented, ours_augmented), (loop, ours), (loop, ours_augmented)):
        print(f"{slow.__name__} / {fast.__name__} = {median[slow] / median[fast]:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
