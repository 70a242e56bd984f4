"""`pytti-graph sweep`, and `pytti-graph resume` for the folder that it made."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytti_graph.cli import options
from pytti_graph.cli.options import GraphFile, Json, Network, Nodes, Precision, Quiet, Settings, Verbose
from pytti_graph.cli.run import Device, changed
from pytti_graph.core.errors import Interrupted, Problem, PyttiGraphError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytti_graph.cli.sweep_progress import Follower
    from pytti_graph.sweeps import Result, Sweep

Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="PATH=[...]",
        help="What varies, and its values: 'seed=[1, 2, 3]'; may be repeated, for all combinations.",
        show_default=False,
    ),
]
_FAILED = 1


def sweep(
    file: GraphFile,
    vary: Vary = None,
    settings: Settings = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of all variations; else the graph's, or a new one.")
    ] = None,
    executor: options.Executor = None,
    executor_option: options.ExecutorOption = None,
    jobs: options.Jobs = None,
    device: Device = None,
    precision: Annotated[
        Precision, typer.Option(metavar="NAME", help="Of perceptors: auto, float32 or bfloat16.")
    ] = Precision.auto,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to make; else sweeps/NAME-1, -2, ..."),
    ] = None,
    frames: options.Frames = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Half as wide and high, fewer steps: to see whether an idea works.")
    ] = False,
    allow_path: options.AllowPath = None,
    allow_network: Network = False,
    nodes: Nodes = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render many variations of a graph, and put their pictures side by side.

    Each goes into a run folder of its own, within one new folder, with a contact sheet and a table. All are checked
    before the first is rendered, and one that fails stops no other. Ctrl-C keeps everything; 'pytti-graph resume' goes
    on from there.
    """
    from pytti_graph.sweeps import Sweep

    chosen = [*(settings or ()), *([] if seed is None else [f"seed={seed}"])]
    planned = Sweep.plan(
        changed(file, chosen, nodes),
        vary or [],
        draft=draft,
        frames=frames,
        allow_paths=allow_path or (),
        node_files=nodes or (),
    )
    how = {"device": device, "precision": precision.value, "allow_network": allow_network}
    arguments = {"folder": output, **where(executor, jobs, executor_option), **how}
    render(planned, arguments, json=json, quiet=quiet, verbose=verbose)


def opened(folder: Path, allow_path: Sequence[Path] | None, nodes: list[Path] | None) -> Sweep:
    """A sweep that was begun, with the rights that it is given now."""
    from pytti_graph.sweeps import Sweep

    return Sweep.open(folder, registry=options.registry(nodes), allow_paths=allow_path or (), node_files=nodes or ())


def where(executor: str | None, jobs: int | None, written: Sequence[str] | None) -> dict[str, Any]:
    """What the command line says of the executor, as `Sweep.run` takes it."""
    return {"executor": executor or "local", "jobs": jobs, "options": _option_values(written)}


def _option_values(written: Sequence[str] | None) -> dict[str, str]:
    """What `--executor-option` says, by name."""
    values = {}
    for text in written or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"cannot read the option {text!r}", hint="write --executor-option name=value")
        values[name.strip()] = value.strip()
    return values


def render(sweep: Sweep, arguments: Mapping[str, Any], *, json: bool, quiet: bool, verbose: bool) -> None:
    """Render a sweep, follow it, and say at the end what there is.

    Args:
        sweep: What to render.
        arguments: For `Sweep.run`.
        json: Print one JSON object.
        quiet: Print errors only.
        verbose: Say more.
    """
    from pytti_graph.cli import output
    from pytti_graph.cli.interrupt import Stop
    from pytti_graph.cli.sweep_progress import follower

    if not quiet:
        output.say_problems(sweep.warnings)
    follow = follower(sweep, quiet=quiet or json, warn=not quiet, verbose=verbose)
    begin = time.monotonic()
    error: PyttiGraphError | None = None
    with Stop() as stop, follow.following():
        stop.clean = True
        try:
            sweep.run(**arguments, on_event=follow, cancelled=stop)
        except KeyboardInterrupt:
            error = Interrupted("stopped at once")
        except PyttiGraphError as caught:
            if sweep.folder is None:
                raise
            error = caught
            if verbose:
                output.say_cause(caught)
    seconds = time.monotonic() - begin
    code = _say_end(sweep, error, follow, seconds, quiet=quiet or json)
    if json:
        output.say_json(_as_json(sweep, error, seconds))
    if code:
        raise typer.Exit(code)


def _say_end(sweep: Sweep, error: PyttiGraphError | None, follow: Follower, seconds: float, *, quiet: bool) -> int:
    """Say what became of everything; returns the exit code."""
    from pytti_graph.cli import output

    results = sweep.results()
    if not quiet:
        _say_table(results)
    if isinstance(error, Interrupted):
        output.say(error.problem.message, err=True)
    elif error is not None:
        output.say_problems(error.problems)
    _say_failures([result for result in results if result.status == "failed"], len(results), follow.traces)
    whole = all(result.status == "finished" for result in results)
    if not whole:
        output.say(f"  continue  pytti-graph resume {shlex.quote(str(sweep.folder))}", err=True)
    if not quiet:
        _say_where(sweep, seconds)
    return error.exit_code if error is not None else 0 if whole else _FAILED


def _say_table(results: Sequence[Result]) -> None:
    from pytti_graph.cli import output
    from pytti_graph.cli.sweep_progress import table

    output.say_table(table(results))


def _say_failures(failed: Sequence[Result], total: int, traces: Mapping[str, str]) -> None:
    from pytti_graph.cli import output

    if not failed:
        return
    message = f"{len(failed)} of {total} variations failed"
    output.say_problems([Problem(message, hint="what is finished is kept; 'resume' tries them again")])
    for result in failed:
        output.say(f"{result.variation.number}  {result.variation.label}", err=True)
        output.say_problems(result.problems or [Problem("nobody knows why: the rendering was killed")])
        if trace := traces.get(result.variation.name):
            output.say(trace.rstrip(), err=True)


def _say_where(sweep: Sweep, seconds: float) -> None:
    from pytti_graph.cli import output, words
    from pytti_graph.sweeps.folder import SHEET, TABLE

    assert sweep.folder is not None
    parts = [f"took {words.took(seconds)}", str(sweep.folder / SHEET), str(sweep.folder / TABLE)]
    output.say("", "; ".join(parts))


def _as_json(sweep: Sweep, error: PyttiGraphError | None, seconds: float) -> dict[str, Any]:
    """A sweep's end, for programs."""
    from pytti_graph.cli import output
    from pytti_graph.sweeps.folder import SHEET, TABLE
    from pytti_graph.sweeps.results import as_json

    assert sweep.folder is not None
    results = sweep.results()
    status = "finished" if all(result.status == "finished" for result in results) else "failed"
    return {
        "status": "interrupted" if isinstance(error, Interrupted) else status,
        "folder": str(sweep.folder),
        "sheet": str(sweep.folder / SHEET),
        "table": str(sweep.folder / TABLE),
        "seconds": round(seconds, 3),
        "variations": [as_json(result, sweep.folder.absolute()) for result in results],
        "problems": [output.problem_json(problem) for problem in error.problems] if error else [],
    }
