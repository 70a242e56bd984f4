"""A step of graphs/zoom.yaml as a multiple of what its perceptor alone takes for the same crops. Ratio within one run.

python benchmarks/perceptor.py [PAIRS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pytti_graph import Graph, Perceptor
from pytti_graph.engine.device import choose
from pytti_graph.engine.files import FileAccess
from pytti_graph.engine.machine import Machine


def seconds(function: Callable[[], object]) -> float:
    """Time of one call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main(pairs: int = 15) -> None:
    """Interleaved pairs: a step of the graph, and the perceptor alone, forward and backward."""
    graph = Graph.load(Path(__file__).parents[1] / "graphs" / "zoom.yaml")
    plan = graph.plan(write=False, output="canvas")
    files = FileAccess(Path())
    machine = Machine(plan, graph.registry, seed=1, device=choose(), files=files, warn=lambda problem: None)
    machine.prepare()
    machine.begin_frame(0)
    lists = (value for value in machine.values if isinstance(value, list))
    eye = next(value for values in lists for value in values if isinstance(value, Perceptor))
    count = graph.document.nodes["crops"].arguments["count"].value.plain()
    generator = torch.Generator().manual_seed(0)
    crops = torch.rand(count, 3, eye.size, eye.size, generator=generator).requires_grad_()

    def alone() -> None:
        crops.grad = None
        eye.encode_images(crops).sum().backward()

    machine.step()
    alone()
    times = [(seconds(machine.step), seconds(alone)) for _ in range(pairs)]
    step, perceptor = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(whole / part for whole, part in times)
    print(f"a step {step:.3f} s, its perceptor alone {perceptor:.3f} s; median ratio {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
