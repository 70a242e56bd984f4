"""A step of graphs/zoom.yaml against the same mathematics in one plain PyTorch function, with a tiny perceptor.

    python benchmarks/step.py [PAIRS]
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Clock, Graph, Moment, Perceptor, node
from pytti_graph.core.plugins import installed
from pytti_graph.engine.device import choose
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine
from pytti_graph.engine.streams import NodeStream
from pytti_graph.nodes import augment
from pytti_graph.nodes.images import enlarging_matrix, layer_sizes
from pytti_graph.nodes.losses import spherical_distance
from pytti_graph.nodes.sampling import sample

SIZE, DIMENSIONS, SIDE = 32, 16, 64


class TinyEye(Perceptor):
    """One convolution and one product: nearly all of the step is the graph's own work."""

    size, name, weights = SIZE, "tiny", {}

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.kernel = torch.randn(8, 3, 8, 8, generator=generator) / 14
        self.product = torch.randn(8 * 16, DIMENSIONS, generator=generator) / 11

    def encode_images(self, images: Tensor) -> Tensor:
        return F.normalize(F.conv2d(images * 2 - 1, self.kernel, stride=8).relu().flatten(1) @ self.product, dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([F.normalize(torch.full((DIMENSIONS,), 1.0).cumsum(0) * len(text), dim=0) for text in texts])


@node("bench.eye")
def eye() -> Perceptor:
    """A tiny perceptor."""
    return TinyEye()


SETTINGS = {
    "canvas.width": SIDE,
    "canvas.height": SIDE,
    "clock.warmup": 100_000,
}


def engine() -> Callable[[], None]:
    """One step, run by the engine."""
    registry = installed().with_nodes(eye)
    graph = Graph.load(Path(__file__).parents[1] / "graphs" / "zoom.yaml", registry=registry)
    arguments = {name: entry.value.plain() for name, entry in graph.document.nodes["eye"].arguments.items()}
    assert not arguments or set(arguments) <= {"size"}, "the tiny perceptor takes no arguments"
    graph = graph.override({**SETTINGS, "eye.type": "bench.eye"})
    plan = graph.plan(write=False, output="canvas")
    machine = Machine(plan, registry, seed=7, device=choose("cpu"), files=FileAccess(Path()), warn=lambda problem: None)
    machine.prepare()
    machine.begin_frame(0)
    return machine.step


def plain() -> Callable[[], None]:
    """One step, written by hand with the arguments of graphs/zoom.yaml."""
    graph = Graph.load(Path(__file__).parents[1] / "graphs" / "zoom.yaml")
    nodes = {id: {k: e.value.plain() for k, e in text.arguments.items()} for id, text in graph.document.nodes.items()}
    return _plain(nodes)


def _plain(nodes: dict[str, dict[str, object]]) -> Callable[[], None]:
    raise SystemExit("filled in with the final recipe")


def compare(pairs: int) -> None:
    """Median ratio of interleaved pairs."""
    by_engine, by_hand = engine(), plain()
    for _ in range(20):
        by_engine()
        by_hand()
    ratios, times = [], []
    for _ in range(pairs):
        begin = time.perf_counter()
        by_engine()
        middle = time.perf_counter()
        by_hand()
        end = time.perf_counter()
        ratios.append((middle - begin) / (end - middle))
        times.append(end - middle)
    print(f"plain step {statistics.median(times) * 1000:.2f} ms; engine / plain: median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
