"""What became of the variations: read from their run folders, which are the truth, and written as a table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pytti_graph.core.errors import Position, Problem
from pytti_graph.executors.tasks import Outcome
from pytti_graph.graph.binding import FileName
from pytti_graph.graph.outputs import LOSSES, RECORD
from pytti_graph.graph.plan import Plan
from pytti_graph.sweeps.plan import Variation, written

Status = Literal["finished", "failed", "interrupted", "waiting"]
_FRAME = re.compile(r"(\d{5,})\.png")
_TAIL = 1 << 16
_NOT_LOSSES = ("frame", "step", "total_step")


@dataclass(frozen=True)
class Result:
    """What became of one variation.

    Attributes:
        variation: Which one.
        folder: Its run folder, which may not be there yet.
        status: "waiting" if nobody has begun it; "interrupted" if it can go on where it stopped.
        seconds: How long it was rendered.
        losses: The losses of its last step, by node.
        picture: Its last frame, or None if there is none yet.
        problems: Why it failed.
        trace: Where it failed, for those who want to know.
    """

    variation: Variation
    folder: Path
    status: Status
    seconds: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)
    picture: Path | None = None
    problems: tuple[Problem, ...] = ()
    trace: str = ""


def ended(variation: Variation, folder: Path, outcome: Outcome) -> Result:
    """What became of a variation whose task has just ended."""
    found = read_result(variation, folder, {})
    status: Status = outcome.status
    if status == "interrupted" and found.status == "waiting":
        status = "waiting"  # stopped before there was anything to keep
    return replace(found, status=status, problems=outcome.problems, trace=outcome.trace)


def read_result(variation: Variation, folder: Path, noted: Mapping[str, Any]) -> Result:
    """What became of a variation.

    Args:
        variation: Which one.
        folder: Its run folder.
        noted: What was noted when it ended: "status" and "problems".
    """
    record = _record(folder)
    return Result(
        variation,
        folder,
        _status(record, noted),
        _number(record.get("seconds")),
        _losses(folder / LOSSES),
        last_picture(variation.graph.plan(), folder),
        tuple(_problems(noted)) if record.get("status") != "finished" else (),
    )


def _status(record: Mapping[str, Any], noted: Mapping[str, Any]) -> Status:
    if record.get("status") == "finished":
        return "finished"
    if "failed" in (record.get("status"), noted.get("status")):
        return "failed"
    return "interrupted" if record else "waiting"


def _record(folder: Path) -> Mapping[str, Any]:
    """What a run folder says of itself; nothing if it cannot be read."""
    try:
        data = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _losses(path: Path) -> dict[str, float]:
    """The losses of the last step that was written."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
        row = json.loads(lines[-1])
        return {name: float(value) for name, value in row.items() if name not in _NOT_LOSSES}
    except (OSError, ValueError, IndexError, TypeError, AttributeError):
        return {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def last_picture(plan: Plan, folder: Path) -> Path | None:
    """The last frame that a graph's first writer of pictures has written."""
    for id in plan.sinks:
        for bound in plan.graph.nodes[id].arguments.values():
            if isinstance(bound, FileName) and bound.direction == "output" and (folder / bound.text).is_dir():
                frames = [(int(match[1]), path) for path in (folder / bound.text).iterdir() if (match := _frame(path))]
                if frames:
                    return max(frames)[1]
    return None


def _frame(path: Path) -> re.Match[str] | None:
    return _FRAME.fullmatch(path.name)


def _problems(noted: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems as they were noted; what is not one is left out."""
    for data in noted.get("problems", ()):
        if isinstance(data, dict) and isinstance(data.get("message"), str):
            node, argument, hint = (_text(data.get(key)) for key in ("node", "argument", "hint"))
            yield Problem(data["message"], _position(data.get("position")), node, argument, hint)


def _text(data: object) -> str | None:
    return data if isinstance(data, str) else None


def _position(data: object) -> Position | None:
    match data:
        case {"file": str(file), "line": int(line), "column": int(column)}:
            return Position(file, line, column)
        case _:
            return None


def as_json(result: Result, base: Path) -> dict[str, Any]:
    """A result for programs; paths are relative to a folder."""
    return {
        "number": result.variation.number,
        "name": result.variation.name,
        "values": dict(result.variation.values),
        "status": result.status,
        "seconds": result.seconds,
        "losses": dict(result.losses),
        "picture": os.path.relpath(result.picture, base) if result.picture else None,
        "problems": [asdict(problem) for problem in result.problems],
    }


def loss_names(results: Sequence[Result]) -> list[str]:
    """The names of all losses, in the order in which they are met."""
    return list(dict.fromkeys(name for result in results for name in result.losses))


def as_csv(results: Sequence[Result]) -> str:
    """The table: one line a variation, with one column for each thing that varies and for each loss."""
    losses = loss_names(results)
    paths = list(results[0].variation.values) if results else []
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    headings = [f"loss {name}" for name in losses]
    table.writerow(["variation", *paths, "status", "seconds", *headings, "folder", "problem"])
    for result in results:
        values = [written(value) for value in result.variation.values.values()]
        numbers = [result.losses.get(name, "") for name in losses]
        problem = result.problems[0].message if result.problems else ""
        folder = result.folder.name if result.folder.is_dir() else ""
        table.writerow([result.variation.number, *values, result.status, result.seconds, *numbers, folder, problem])
    return text.getvalue()
