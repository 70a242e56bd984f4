"""Renders the battery with some recipes, judges the pictures after some seconds, and prints a table.

python -m benchmarks.quality [--recipes pytti,pyramid] [--seconds 6,15,30,60] [--prompts 24] [--seeds 1,2] [-o FOLDER]

Seconds are those of a quiet machine with two processor threads: how long a step of each recipe takes is measured first,
for all recipes in turns, and kept in FOLDER/pace.json; then each rendering takes as many steps as fit. So what else the
machine does changes no result, and several of these programs may share a folder once the pace is known. Pictures and
measures go into the folder, one file a rendering; what is there already is not rendered again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does

import torch
from torch import Tensor

from benchmarks.quality.battery import PROMPTS, SEEDS
from benchmarks.quality.judging import Judge
from benchmarks.quality.recipes import RECIPES, graph
from pytti_graph import Event, Graph, Stepped
from pytti_graph.engine.pictures import save_png

ROUNDS, STEPS, WARM = 3, 20, 5


class Watch:
    """Takes the picture after some numbers of steps, and the time after each step."""

    def __init__(self, marks: Sequence[int] = ()) -> None:
        self.marks = frozenset(marks)
        self.pictures: dict[int, Tensor] = {}
        self.times: list[float] = []

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Stepped):
            return
        self.times.append(time.perf_counter())
        if event.total_step + 1 in self.marks:
            self.pictures[event.total_step + 1] = event.read_preview()


def render(recipe: str, prompt: str, seed: int, steps: int, watch: Watch) -> None:
    """One rendering of some steps."""
    for _ in Graph.build(graph(recipe, prompt, seed, steps)).render(output="canvas", on_event=watch):
        pass


def pace(folder: Path, recipes: Sequence[str]) -> dict[str, float]:
    """Seconds that a step of each recipe takes with two threads: measured where not known yet."""
    path = folder / "pace.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    wanted = [recipe for recipe in recipes if recipe not in known]
    found: dict[str, list[float]] = {recipe: [] for recipe in wanted}
    if wanted:
        torch.set_num_threads(2)
    for _ in range(ROUNDS if wanted else 0):
        for recipe, seconds in found.items():
            watch = Watch()
            render(recipe, "a goldfish", 1, WARM + STEPS, watch)
            seconds += [after - before for before, after in itertools.pairwise(watch.times[WARM:])]
    known |= {recipe: statistics.median(seconds) for recipe, seconds in found.items()}
    path.write_text(json.dumps(known, indent=1))
    return known


def measured(
    judge: Judge, folder: Path, recipe: str, prompt: str, seed: int, marks: Sequence[float], step: float
) -> dict[str, Any]:
    """The measures of one rendering, by seconds, of which a step takes `step`; rendered unless they are there."""
    path = folder / f"{recipe}-{prompt.replace(' ', '_')}-{seed}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    steps = {mark: max(1, round(mark / step)) for mark in marks}
    watch = Watch(list(steps.values()))
    render(recipe, prompt, seed, max(steps.values()), watch)
    found: dict[str, Any] = {}
    for mark, count in steps.items():
        picture = watch.pictures[count]
        save_png(picture, path.with_name(f"{path.stem}-{mark:g}.png"))
        found[f"{mark:g}"] = {**judge(picture.float().cpu(), PROMPTS[prompt]), "steps": count}
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
    parser.add_argument("--threads", type=int, default=2, help="of the renderings")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/quality"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    paces = pace(options.output, options.recipes.split(","))
    print("seconds a step:", ", ".join(f"{recipe} {paces[recipe]:.3f}" for recipe in options.recipes.split(",")))
    torch.set_num_threads(options.threads)
    judge, marks = Judge(), [float(word) for word in options.seconds.split(",")]
    results: dict[str, list[dict[str, Any]]] = {recipe: [] for recipe in options.recipes.split(",")}
    stride = max(1, len(PROMPTS) // options.prompts)
    for seed in map(int, options.seeds.split(",")):
        for prompt in list(PROMPTS)[::stride][: options.prompts]:
            for recipe, found in results.items():
                found.append(measured(judge, options.output, recipe, prompt, seed, marks, paces[recipe]))
            print(f"\n{prompt}, seed {seed}\n{table(results)}", flush=True)


if __name__ == "__main__":
    main()
