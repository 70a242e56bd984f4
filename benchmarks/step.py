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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Clock, Graph, Moment, Perceptor, Prompts, node
from pytti_graph.core.plugins import installed
from pytti_graph.engine.device import choose
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine
from pytti_graph.engine.streams import NodeStream
from pytti_graph.nodes import cutouts, losses, prompt_loss
from pytti_graph.nodes.augment.classic import classic as shake
from pytti_graph.nodes.images import Pyramid
from pytti_graph.nodes.smart_cutouts import smart

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


def graph() -> Graph:
    """graphs/zoom.yaml with the tiny perceptor and a small canvas, on its first frame for ever."""
    registry = installed().with_nodes(eye)
    zoom = Graph.load(Path(__file__).parents[1] / "graphs" / "zoom.yaml", registry=registry)
    small = {"canvas.width": SIDE, "canvas.height": SIDE, "clock.warmup": 100_000}
    return zoom.override({**small, "eye.type": "bench.eye"})


def by_engine() -> Callable[[], None]:
    """One step, run by the engine."""
    made = graph()
    plan = made.plan(write=False, output="canvas")
    files = FileAccess(Path())
    machine = Machine(plan, made.registry, seed=7, device=choose("cpu"), files=files, warn=lambda problem: None)
    machine.prepare()
    machine.begin_frame(0)
    return machine.step


def by_hand() -> Callable[[], None]:
    """One step, as one plain function of the same mathematics, with the same arguments."""
    nodes = graph().document.nodes
    given = {id: {key: entry.value.plain() for key, entry in text.arguments.items()} for id, text in nodes.items()}
    device, moment = choose("cpu"), Moment(Clock(warmup=100_000))
    draw = NodeStream(7, "by hand", "forward", device.torch, moment)
    canvas = Pyramid(device, draw, **_only(given["canvas"], "width", "height", "falloff", "colour_size"))
    optimiser = torch.optim.Adam(list(canvas.parameters().values()), lr=given["optimise"]["learning_rate"])
    tiny = TinyEye()
    prompts = Prompts(
        tiny.encode_texts(["a volcano", "a geyser"]), torch.tensor([1.0, 0.3]), torch.full((2,), -math.inf)
    )
    crops, shaken = _only(given["crops"], "count"), _without(given["shaken"], "cutouts")
    smooth = given["smooth"]["weight"]

    def step() -> None:
        draw.restart()
        image = canvas.forward()
        cut = shake(smart(image, draw, SIZE, **crops), draw, **shaken)
        loss = prompt_loss.prompts(cutouts.encode([tiny], cut), prompts) + losses.smoothness(image, smooth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        moment.step += 1

    return step


def _only(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in names}


def _without(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in names}


def compare(pairs: int) -> None:
    """Median ratio of interleaved pairs."""
    engine, plain = by_engine(), by_hand()
    for _ in range(20):
        engine()
        plain()
    ratios, times = [], []
    for _ in range(pairs):
        begin = time.perf_counter()
        engine()
        middle = time.perf_counter()
        plain()
        end = time.perf_counter()
        ratios.append((middle - begin) / (end - middle))
        times.append(end - middle)
    print(
        f"plain step {statistics.median(times) * 1000:.2f} ms; engine / plain: median {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
