"""Renders the battery with some recipes, judges the pictures after some seconds on the wall, and prints a table.

python -m benchmarks.quality [--recipes pytti,pyramid] [--seconds 6,15,30,60] [--prompts 24] [--seeds 1,2] [-o FOLDER]

Pictures and measures go into the folder, one file a rendering; what is there already is not rendered again, so it can
be stopped and called again. Recipes take turns, so that all meet the same noise of the machine; let nothing else run
beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.battery import PROMPTS, SEEDS
from benchmarks.quality.judging import Judge
from benchmarks.quality.recipes import RECIPES, graph
from pytti_graph import Event, Graph, Interrupted, Prepared, Stepped
from pytti_graph.engine.pictures import save_png


class Watch:
    """Takes the picture each time that one of some seconds has passed since the steps began."""

    def __init__(self, marks: Sequence[float]) -> None:
        self.marks, self.pictures, self.steps = list(marks), {}, {}
        self._begin, self._lost = 0.0, 0.0

    def __call__(self, event: Event) -> None:
        now = time.perf_counter()
        if isinstance(event, Prepared):
            self._begin = now
        elif isinstance(event, Stepped) and self.marks and now - self._begin - self._lost >= self.marks[0]:
            mark = self.marks.pop(0)
            self.pictures[mark], self.steps[mark] = event.read_preview(), event.total_step
            self._lost += time.perf_counter() - now

    def over(self) -> bool:
        return not self.marks


def render(recipe: str, prompt: str, seed: int, marks: Sequence[float]) -> tuple[dict[float, Tensor], dict[float, int]]:
    """The pictures of one rendering after some seconds, and how many steps they took."""
    watch = Watch(marks)
    made = Graph.build(graph(recipe, prompt, seed))
    with contextlib.suppress(Interrupted):
        list(made.render(output="canvas", on_event=watch, cancelled=watch.over))
    return watch.pictures, watch.steps


def measured(judge: Judge, folder: Path, recipe: str, prompt: str, seed: int, marks: Sequence[float]) -> dict[str, Any]:
    """The measures of one rendering, by seconds; rendered unless they are there already."""
    path = folder / f"{recipe}-{prompt.replace(' ', '_')}-{seed}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    pictures, steps = render(recipe, prompt, seed, marks)
    found: dict[str, Any] = {}
    for mark, picture in pictures.items():
        save_png(picture, path.with_name(f"{path.stem}-{mark:g}.png"))
        found[f"{mark:g}"] = {**judge(picture.float().cpu(), PROMPTS[prompt]), "steps": steps[mark]}
    path.write_text(json.dumps(found, indent=1))
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The means of each recipe after each number of seconds."""
    heads = ("recipe", "s", "n", "rank 1", "top 5", "prob", "clipped", "slope", "chroma", "steps")
    lines = [("{:10} {:>4} {:>3} {:>7} {:>6} {:>6} {:>8} {:>6} {:>7} {:>6}").format(*heads)]
    for recipe, found in results.items():
        for mark in found[0] if found else ():
            rows = [one[mark] for one in found if mark in one]
            mean = {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
            first = statistics.mean(row["rank"] == 1 for row in rows)
            five = statistics.mean(row["rank"] <= 5 for row in rows)
            lines.append(
                f"{recipe:10} {mark:>4} {len(rows):>3} {first:>7.0%} {five:>6.0%} {mean['probability']:>6.3f} "
                f"{mean['clipped']:>8.2%} {mean['slope']:>6.2f} {mean['chroma']:>7.3f} {mean['steps']:>6.0f}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--recipes", default="pytti,pyramid", help=", ".join(RECIPES))
    parser.add_argument("--seconds", default="6,15,30,60")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="how many of the battery")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/quality"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    judge, marks = Judge(), [float(word) for word in options.seconds.split(",")]
    results: dict[str, list[dict[str, Any]]] = {recipe: [] for recipe in options.recipes.split(",")}
    stride = max(1, len(PROMPTS) // options.prompts)
    for seed in map(int, options.seeds.split(",")):
        for prompt in list(PROMPTS)[::stride][: options.prompts]:
            for recipe, found in results.items():
                found.append(measured(judge, options.output, recipe, prompt, seed, marks))
            print(f"\n{prompt}, seed {seed}\n{table(results)}", flush=True)


if __name__ == "__main__":
    main()
