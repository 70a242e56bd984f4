"""Painting strokes on 256 x 256 pixels, forward and backward, against a plain loop over strokes.

Run `python benchmarks/strokes.py [ROUNDS]`. The loop uses the same mathematics, but on all pixels of the picture, and
paints one stroke after the other. Each way runs in a process of its own, whose peak memory beyond that of imports and
strokes is what it needs, and on one thread, so that other processes disturb it less. What counts are the ratios.
"""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pytti_graph.testing import stream
from pytti_graph_strokes.curves import coverage
from pytti_graph_strokes.layout import scatter, stroke_widths
from pytti_graph_strokes.raster import EDGE, paint
from pytti_graph_strokes.strokes import Strokes

SIDE, LENGTH = 256, 4.0
COUNTS = 200, 500, 1000


def made(count: int) -> Strokes:
    """Strokes as `image.strokes` lays them at the beginning."""
    numbers = stream()
    disks = scatter(stroke_widths(count, SIDE, SIDE, LENGTH, torch.zeros(1)), LENGTH, SIDE, SIDE, numbers)
    colours, opacities = numbers.uniform(count, 3), numbers.uniform(count, low=0.3, high=0.95)
    leaves = [leaf.requires_grad_() for leaf in (disks, colours, opacities)]
    return Strokes(leaves[0], leaves[1], leaves[2], torch.ones(3), SIDE, SIDE)


def loop(strokes: Strokes) -> Tensor:
    """Paint one stroke after the other, everywhere."""
    line = torch.arange(SIDE) + 0.5
    points = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(-1, 2)
    picture = strokes.paper.view(3, 1).expand(3, SIDE**2)
    for disks, colour, opacity in zip(strokes.disks, strokes.colours, strokes.opacities, strict=True):
        alpha = opacity * coverage(disks.unsqueeze(0), points, EDGE)
        picture = picture + alpha * (colour.view(3, 1) - picture)
    return picture.view(1, 3, SIDE, SIDE)


WAYS: dict[str, Callable[[Strokes], Tensor]] = {"loop": loop, "paint": paint}


def peak() -> float:
    """Peak memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way: str, count: int, rounds: int) -> tuple[float, float]:
    """Median seconds of forward and backward, and the MiB needed."""
    torch.set_num_threads(1)
    strokes, gradient = made(count), torch.ones(1, 3, SIDE, SIDE)
    WAYS[way](made(8)).backward(gradient)
    before, times = peak(), []
    for _ in range(rounds):
        began = time.perf_counter()
        WAYS[way](strokes).backward(gradient)
        times.append(time.perf_counter() - began)
    return statistics.median(times), peak() - before


def main(rounds: int) -> None:
    """Print a table."""
    print(f"{'strokes':>8} {'loop':>20} {'paint':>20} {'ratio':>6}")
    for count in COUNTS:
        found = []
        for way in WAYS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(measure, (way, count, rounds)))
        (slow, more), (fast, less) = found
        print(f"{count:8} {slow:8.2f} s {more:6.0f} MiB {fast:8.3f} s {less:6.0f} MiB {slow / fast:6.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
