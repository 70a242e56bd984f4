"""What the engine itself costs: overhead per node, compiling, memory. Ratios and times within one run.

python benchmarks/engine.py
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pytti_graph import Image, Loss, Number, Parameters, node
from pytti_graph.api import Graph
from pytti_graph.core.plugins import Registry
from pytti_graph.engine.device import choose
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine


@node("bench.canvas")
class Canvas:
    """A trainable picture."""

    def __init__(self, side: Number = 8) -> None:
        self.pixels = torch.full((1, 3, int(side), int(side)), 0.5, requires_grad=True)

    def parameters(self) -> dict[str, Tensor]:
        return {"pixels": self.pixels}

    def forward(self) -> Image:
        return self.pixels * 1


@node("bench.pass")
def same(image: Image) -> Image:
    """Nothing."""
    return image


@node("bench.loss")
def loss(image: Image, weight: Number = 1.0) -> Loss:
    """Mean square."""
    return weight * image.square().mean()


@node("bench.descend")
class Descend:
    """Gradient descent."""

    def __init__(self, parameters: Parameters) -> None:
        self.moved = parameters

    def forward(self, losses: list[Loss], rate: Number = 0.01) -> None:
        for tensor in self.moved.values():
            assert tensor.grad is not None
            tensor.sub_(tensor.grad, alpha=rate)


@node("bench.sink")
def sink(image: Image) -> None:
    """Nothing."""


REGISTRY = Registry().with_nodes(Canvas, same, loss, Descend, sink)


def chain(length: int) -> str:
    """A graph with a chain of no-op nodes between image and loss, with a formula, as YAML."""
    lines = ["pytti_graph: 1", "seed: 1", "clock: {frames: 300, steps: 4}", "nodes:", "  n0: {type: bench.canvas}"]
    lines += [f"  n{index}: {{type: bench.pass, image: n{index - 1}}}" for index in range(1, length + 1)]
    lines += [
        f"  meaning: {{type: bench.loss, image: n{length}, weight: '2 + sin(t)'}}",
        "  optimise: {type: bench.descend, losses: meaning}",
        "  out: {type: bench.sink, image: n0}",
    ]
    return "\n".join(lines)


def machine(text: str) -> Machine:
    """A machine at the first step of the first frame."""
    plan = Graph.parse(text, registry=REGISTRY).plan(write=False, output="n0")
    made = Machine(plan, REGISTRY, seed=1, device=choose("cpu"), files=FileAccess(Path()), warn=print)
    made.prepare()
    made.begin_frame(0)
    return made


def seconds(function: Any, repeat: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def overhead(length: int = 1000) -> None:
    """Time per no-op node and iteration, at iteration 10 and 10,000, and that of apache-hamilton."""
    made = machine(chain(length))

    def iterate() -> None:
        made._run(made._step)

    for _ in range(10):
        iterate()
    early = seconds(iterate, 50) / length
    for _ in range(10_000 - 60):
        iterate()
    late = seconds(iterate, 50) / length
    print(f"no-op node: {early * 1e6:.2f} us at iteration 10, {late * 1e6:.2f} us at 10,000 (ratio {late / early:.2f})")
    other = hamilton(min(length, 200))
    print(f"no-op node, apache-hamilton: {other * 1e6:.2f} us ({other / late:.0f} times ours)")


def hamilton(length: int) -> float:
    """Time per node of a chain of no-op functions in apache-hamilton."""
    from hamilton import ad_hoc_utils, driver

    functions = []
    for index in range(1, length + 1):
        scope: dict[str, Any] = {}
        exec(f"def n{index}(n{index - 1}: float) -> float:\n    return n{index - 1}\n", scope)  # noqa: S102
        functions.append(scope[f"n{index}"])
    module = ad_hoc_utils.create_temporary_module(*functions)
    run = driver.Builder().with_modules(module).build()
    last = [f"n{length}"]
    return seconds(lambda: run.execute(last, inputs={"n0": 1.0}), 20) / length


def compiling() -> None:
    """Reading, checking and compiling graphs of growing size."""
    Graph.parse(chain(10), registry=REGISTRY).plan()
    gc.collect()
    gc.freeze()  # torch's own million objects are not to be searched again and again
    before = None
    for length in (1_000, 2_000, 5_000, 10_000):
        text = chain(length)
        time_taken = seconds(lambda text=text: Graph.parse(text, registry=REGISTRY).plan(), 3)
        growth = "" if before is None else f", {time_taken / length / before:.2f} times the time per node of 1,000"
        before = before or time_taken / length
        print(f"check and compile {length:6,} nodes: {time_taken:.2f} s{growth}")


def memory(frames: int = 300) -> None:
    """Peak memory of the process at frame 3 and at frame 300 of a film."""
    text = chain(20).replace("n0: {type: bench.canvas}", "n0: {type: bench.canvas, side: 512}")
    peaks = {}
    for frame in Graph.parse(text, registry=REGISTRY).override({"clock.frames": frames}).render(output="n0"):
        if frame.index in (3, frames - 1):
            gc.collect()
            peaks[frame.index] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first, last = peaks.values()
    megabytes = f"{first / 1024:.0f} MiB at frame 3, {last / 1024:.0f} MiB at frame {frames}"
    print(f"peak memory: {megabytes} (ratio {last / first:.3f})")


if __name__ == "__main__":
    torch.set_num_threads(1)
    memory()
    overhead()
    compiling()
