"""`pytti-graph check` and `plan`: what a graph is, without rendering it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from pytti_graph.cli import words
from pytti_graph.cli.options import AllowPath, GraphFile, Json, Nodes, Settings, Verbose
from pytti_graph.core.errors import PyttiGraphError

if TYPE_CHECKING:
    from pytti_graph.core.errors import Problem
    from pytti_graph.graph.plan import Call, NodeTiming, Plan

_CHANGES = {"once": "never changes", "frame": "changes each frame", "step": "changes each step"}
_PARTS = {
    "init": "made ready",
    "start": "begins with its start picture, when that is new",
    "warp": "moved on from the frame before",
}


def check(
    file: GraphFile,
    settings: Settings = None,
    nodes: Nodes = None,
    allow_path: AllowPath = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check a graph without rendering it, and print all its problems."""
    from pytti_graph.cli import output
    from pytti_graph.cli.run import changed

    try:
        warnings = changed(file, settings, nodes).check(allow_paths=allow_path or ())
    except PyttiGraphError as error:
        if json:
            output.say_json(_verdict(error.problems, ok=False))
            raise typer.Exit(error.exit_code) from error
        raise
    if json:
        output.say_json(_verdict(warnings, ok=True))
        return
    output.say_problems(warnings)
    output.say(f"ok, with {words.count(len(warnings), 'warning')}" if warnings else "ok")


def _verdict(problems: Iterable[Problem], *, ok: bool) -> dict[str, Any]:
    from pytti_graph.cli.output import problem_json

    return {"ok": ok, "problems": [problem_json(problem) for problem in problems]}


def plan(
    file: GraphFile, settings: Settings = None, nodes: Nodes = None, json: Json = False, verbose: Verbose = False
) -> None:
    """Say how often each node runs, in which order, and why."""
    from pytti_graph.cli import output
    from pytti_graph.cli.run import changed

    graph = changed(file, settings, nodes)
    compiled = graph.plan()
    warnings = graph.warnings()
    if json:
        output.say_json(_plan_json(compiled))
        return
    output.say_problems(warnings)
    _say_plan(compiled)


def _plan_json(plan: Plan) -> dict[str, Any]:
    clock = plan.graph.clock
    return {
        "title": plan.graph.title,
        "frames": clock.frames,
        "steps": clock.total_steps if plan.optimisers else 0,
        "nodes": {id: _timing_json(plan, id, timing) for id, timing in plan.timings.items()},
        "sections": {section: [id for id, _ in rows] for section, rows in _sections(plan).items()},
        "dead": list(plan.dead),
    }


def _timing_json(plan: Plan, id: str, timing: NodeTiming) -> dict[str, Any]:
    return {
        "type": plan.graph.nodes[id].spec.type,
        "changes": timing.changes,
        "reason": timing.reason,
        "runs": list(timing.runs),
        "needed_by": timing.for_whom,
    }


def _sections(plan: Plan) -> dict[str, list[tuple[str, str | None]]]:
    """For each section the nodes that run in it, in order, and for parts of nodes what they do."""
    optimisers = tuple(optimiser.call for optimiser in plan.optimisers)
    return {
        "once": _rows(plan.once),
        "frame": _rows(plan.frame),
        "step": _rows((*plan.step, *optimisers)),
        "end": _rows(plan.end),
    }


def _rows(calls: Iterable[Call]) -> list[tuple[str, str | None]]:
    rows: dict[str, str | None] = {}
    for call in calls:
        if call.kind in ("forward", "optimise"):
            rows[call.node] = None
        elif call.kind in _PARTS:
            rows[call.node] = _joined(rows[call.node], call.kind) if call.node in rows else _PARTS[call.kind]
    return list(rows.items())


def _joined(before: str | None, kind: str) -> str | None:
    return before and f"{before}, else {_PARTS[kind]}"


def _say_plan(plan: Plan) -> None:
    from rich.text import Text

    from pytti_graph.cli import output
    from pytti_graph.graph.plan import RUNS

    output.say(Text(plan.graph.title or plan.graph.name, "bold"), _extent(plan))
    rows = {section: [_cells(plan, id, part) for id, part in rows] for section, rows in _sections(plan).items()}
    widths = _widths([cells for section in rows.values() for cells in section])
    for section, title in RUNS.items():
        if rows[section]:
            output.say("", Text(f"{title[0].upper()}{title[1:]}", "bold"))
            _say_rows(rows[section], widths)
    if plan.dead:
        output.say("", Text("Never", "bold"), f"  {', '.join(plan.dead)}")


def _extent(plan: Plan) -> str:
    clock = plan.graph.clock
    nodes, frames = words.count(len(plan.graph.nodes), "node"), words.count(clock.frames, "frame")
    return f"{nodes}, {frames}" + (f", {words.count(clock.total_steps, 'step')}" if plan.optimisers else "")


def _cells(plan: Plan, id: str, part: str | None) -> tuple[str, str, str]:
    if part is not None:
        return id, "", part
    timing = plan.timings[id]
    user = "" if timing.for_whom.startswith("the ") else f"for {timing.for_whom}"
    if plan.graph.nodes[id].spec.returns is None:
        return id, user, ""
    return id, user, f"{_CHANGES[timing.changes]}: {timing.reason}"


def _widths(rows: Iterable[tuple[str, ...]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _say_rows(rows: Iterable[tuple[str, ...]], widths: list[int]) -> None:
    from pytti_graph.cli import output

    table = output.grid(rows, ("cyan", "", "dim"))
    for column, width in zip(table.columns[:-1], widths, strict=False):
        column.min_width = width
    output.say_table(table, indent=2)
