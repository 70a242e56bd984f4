"""What a rendering is going to do, and what it has done."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytti_graph.cli import words
from pytti_graph.graph.binding import Constant, FileName

if TYPE_CHECKING:
    from pytti_graph.api import Job
    from pytti_graph.engine.events import Prepared
    from pytti_graph.graph.checks import CheckedGraph
    from pytti_graph.graph.plan import Plan

Status = Literal["finished", "interrupted", "failed"]
_FRAME = re.compile(r"\d{5,}\.png")


def intention(job: Job, prepared: Prepared) -> dict[str, str]:
    """What is going to be done, by heading."""
    lines = {"makes": _frames(job.rendering.plan.graph, prepared.frames)}
    memory = f"{words.size(prepared.memory)} of memory"
    if prepared.step_seconds is None:
        lines["takes"] = memory
    else:
        time = words.about(prepared.steps * prepared.step_seconds)
        lines["takes"] = f"{words.count(prepared.steps, 'step')}, {time}, {memory}"
    lines["device"] = prepared.device
    lines["seed"] = str(job.seed)
    if job.folder is not None:
        lines["writes"] = str(job.folder)
    return lines


def _frames(graph: CheckedGraph, left: int) -> str:
    total, fps = graph.clock.frames, graph.clock.fps
    word = "more frame" if left < total else "frame" if total > 1 else "picture"
    text = words.count(left, word)
    if size := picture_size(graph):
        text += f" of {size} pixels"
    if total > 1:
        text += f"; {total / fps:.3g} seconds at {fps:g} a second" + (" in all" if left < total else "")
    return text


def picture_size(graph: CheckedGraph) -> str | None:
    """Width and height of the images that are made: "256 x 256"."""
    images = (node for node in graph.nodes.values() if "Image" in (node.spec.returns, *node.spec.ports.values()))
    sizes = {size for node in images if (size := _size(node.arguments))}
    return words.listed(sorted(sizes)) if sizes else None


def _size(arguments: Mapping[str, Any]) -> str | None:
    sides = [arguments.get("width"), arguments.get("height")]
    values = [side.value for side in sides if isinstance(side, Constant) and side.value is not None]
    return f"{values[0]} x {values[1]}" if len(values) == 2 else None


@dataclass(frozen=True)
class Outputs:
    """What lies in the run folder.

    Attributes:
        pictures: Folders of numbered frames, with how many there are.
        files: Everything else that writers have written.
    """

    pictures: Mapping[str, int]
    files: Sequence[str]


def outputs(plan: Plan, folder: Path) -> Outputs:
    """What the writers of a graph have written by now."""
    pictures: dict[str, int] = {}
    files: list[str] = []
    for path in dict.fromkeys(folder / text for text in _paths(plan)):
        if path.is_dir():
            pictures[str(path)] = sum(1 for file in path.iterdir() if _FRAME.fullmatch(file.name))
        elif path.is_file():
            files.append(str(path))
    return Outputs(pictures, files)


def _paths(plan: Plan) -> Iterator[str]:
    for id in plan.sinks:
        for bound in plan.graph.nodes[id].arguments.values():
            if isinstance(bound, FileName) and bound.direction == "output":
                yield bound.text


def where(found: Outputs) -> dict[str, str]:
    """Where everything is, by heading."""
    lines = {"frames": ", ".join(f"{folder} ({words.count(n, 'PNG')})" for folder, n in found.pictures.items())}
    lines["film" if len(found.files) == 1 else "films"] = ", ".join(found.files)
    return {heading: text for heading, text in lines.items() if text}


def early(frames: int, steps: Mapping[int, int]) -> dict[str, str]:
    """Which frames took fewer steps than the clock has, by heading.

    Args:
        frames: How many frames are finished.
        steps: How many steps each of those took that ended early.
    """
    if not steps:
        return {}
    fewest, most = min(steps.values()), max(steps.values())
    after = words.count(most, "step") if fewest == most else f"{fewest:,} to {most:,} steps"
    which = "" if frames == 1 else "all frames " if len(steps) == frames else f"{len(steps):,} of {frames:,} frames "
    return {"steps": f"{which}ended early, after {after}"}


def kept(job: Job, *, begun: bool) -> dict[str, str]:
    """What is left of a rendering that was not finished, and how to go on."""
    folder = job.folder
    if folder is None or not folder.exists():
        return {"kept": "nothing: no frame was finished"} if begun else {}
    pictures = outputs(job.rendering.plan, folder).pictures
    frames = ", ".join(f"{words.count(number, 'frame')} in {path}" for path, number in pictures.items() if number)
    return {
        "kept": frames or f"the picture so far, in {folder}",
        "continue": f"pytti-graph resume {shlex.quote(str(folder))}",
    }


def as_json(
    job: Job,
    status: Status,
    seconds: float,
    losses: Mapping[str, float],
    problems: Sequence[Mapping[str, Any]],
    early: Mapping[int, int],
) -> dict[str, Any]:
    """A rendering's end, for programs."""
    folder = job.folder if job.folder is not None and job.folder.exists() else None
    found = outputs(job.rendering.plan, folder) if folder else Outputs({}, [])
    return {
        "status": status,
        "folder": str(folder) if folder else None,
        "seed": job.seed,
        "frames": max(found.pictures.values(), default=0),
        "pictures": list(found.pictures),
        "films": list(found.files),
        "seconds": round(seconds, 3),
        "losses": dict(losses),
        "ended_early": [{"frame": frame, "steps": steps} for frame, steps in early.items()],
        "problems": list(problems),
    }
