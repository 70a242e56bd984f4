"""`pytti-graph run` and `pytti-graph resume`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytti_graph.cli import options
from pytti_graph.cli.listening import Listeners, chosen
from pytti_graph.cli.options import GraphFile, Json, Network, Nodes, Precision, Quiet, Settings, Verbose
from pytti_graph.cli.output import say_cause
from pytti_graph.core.errors import Interrupted, PyttiGraphError, UsageError

if TYPE_CHECKING:
    from pytti_graph.api import Graph, Job
    from pytti_graph.cli.interrupt import Stop
    from pytti_graph.cli.progress import Listener
    from pytti_graph.core.errors import Problem

Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="cpu, cuda, cuda:1, mps; else the best, or the first run's.",
    ),
]


def run(
    file: GraphFile,
    settings: Settings = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of all random numbers; else the graph's, or a new one.")
    ] = None,
    device: Device = None,
    precision: Annotated[
        Precision, typer.Option(metavar="NAME", help="Of perceptors: auto, float32 or bfloat16.")
    ] = Precision.auto,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The run folder to make; else runs/NAME-1, -2, ..."),
    ] = None,
    frames: options.Frames = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Half as wide and high, fewer steps: to see whether an idea works.")
    ] = False,
    allow_path: options.AllowPath = None,
    allow_network: Network = False,
    nodes: Nodes = None,
    listen: options.Listen = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render a graph; its pictures and its film go into a new folder.

    Ctrl-C stops after the present step and keeps everything; 'pytti-graph resume' goes on from there.
    """
    from pytti_graph.cli.interrupt import Stop

    with Stop() as stop:
        listener = _listener(stop, json=json, quiet=quiet, verbose=verbose)
        listeners = Listeners(listener, chosen(listen or ()))
        graph = changed(file, settings, nodes, draft=draft, frames=frames)
        warnings = graph.check(allow_paths=allow_path or ())
        if not quiet:
            _say_warnings(warnings)
        with listener.following():
            begin = time.monotonic()
            job = graph.prepare(
                output,
                seed=seed,
                device=device or "auto",
                precision=precision.value,
                on_event=listeners,
                cancelled=stop,
                allow_paths=allow_path or (),
                allow_network=allow_network,
            )
            render(job, listener, begin, json=json, verbose=verbose)


def resume(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run folder, or the folder of a sweep.", show_default=False)
    ],
    frames: options.Frames = None,
    device: Device = None,
    executor: options.Executor = None,
    executor_option: options.ExecutorOption = None,
    jobs: options.Jobs = None,
    allow_path: options.AllowPath = None,
    allow_network: Network = False,
    nodes: Nodes = None,
    listen: options.Listen = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Go on with a rendering or a sweep that was stopped, or make a film longer.

    On a processor, frames are bit for bit what they would have been without the stop. What concerns executors, node
    files, and folders that may be used besides its own, has to be said again.
    """
    from pytti_graph.sweeps.folder import is_sweep

    of_sweep = {
        "--executor": executor,
        "--executor-option": executor_option,
        "--jobs": jobs,
    }
    if is_sweep(folder):
        from pytti_graph.cli import sweep

        _refuse({"--frames": frames, "--listen": listen}, f"{folder}, which is the folder of a sweep")
        where = sweep.where(executor, jobs, executor_option)
        how = {"device": device, "allow_network": allow_network}
        opened = sweep.opened(folder, allow_path, nodes)
        sweep.render(opened, {**where, **how}, json=json, quiet=quiet, verbose=verbose)
    else:
        _refuse(of_sweep, f"{folder}, which is not the folder of a sweep")
        _go_on(
            folder,
            frames,
            device,
            nodes,
            listen,
            allow_path=allow_path,
            allow_network=allow_network,
            json=json,
            quiet=quiet,
            verbose=verbose,
        )


def _refuse(given: Mapping[str, object], what: str) -> None:
    """Refuse options that make no sense here."""
    for option, value in given.items():
        if value:
            raise UsageError(f"'{option}' cannot be used for {what}")


def _go_on(
    folder: Path,
    frames: int | None,
    device: str | None,
    nodes: list[Path] | None,
    listen: list[str] | None,
    *,
    allow_path: list[Path] | None,
    allow_network: bool,
    json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Go on with one rendering."""
    from pytti_graph import api
    from pytti_graph.cli.interrupt import Stop

    with Stop() as stop:
        listener = _listener(stop, json=json, quiet=quiet, verbose=verbose)
        with listener.following():
            begin = time.monotonic()
            _restore_threads(folder)
            job = api.resume(
                folder,
                frames=frames,
                registry=options.registry(nodes),
                device=device,
                on_event=Listeners(listener, chosen(listen or ())),
                cancelled=stop,
                allow_paths=allow_path or (),
                allow_network=allow_network,
            )
            render(job, listener, begin, json=json, verbose=verbose)


def changed(
    file: Path,
    settings: list[str] | None,
    nodes: list[Path] | None = None,
    *,
    draft: bool = False,
    frames: int | None = None,
) -> Graph:
    """A graph with what the command line changes of it."""
    from pytti_graph.api import Graph

    graph = Graph.load(file, registry=options.registry(nodes))
    if settings:
        graph = graph.override(settings)
    if draft:
        graph = graph.draft()
    return graph if frames is None else graph.override({"clock.frames": frames})


def render(job: Job, listener: Listener, begin: float, *, json: bool, verbose: bool) -> None:
    """Render a job to its end; whatever happens, say what there is now."""
    listener.job = job
    try:
        for _ in job.frames():
            pass
    except KeyboardInterrupt:
        stopped = Interrupted("stopped at once")
        _say_end(job, listener, begin, stopped, json=json)
        raise typer.Exit(stopped.exit_code) from None
    except PyttiGraphError as error:
        if verbose:
            listener.close()
            say_cause(error)
        _say_end(job, listener, begin, error, json=json)
        raise typer.Exit(error.exit_code) from error
    except Exception:
        listener.close()
        _say_kept(job, listener)
        raise
    listener.finished(time.monotonic() - begin)
    if json:
        _say_json(job, listener, begin, None)


def _listener(stop: Stop, *, json: bool, quiet: bool, verbose: bool) -> Listener:
    from pytti_graph.cli import progress

    if json or quiet:
        return progress.Listener(stop, warn=not quiet)
    kind = progress.LiveLine if _is_terminal() else progress.PlainLines
    return kind(stop, warn=True, verbose=verbose)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _say_warnings(warnings: list[Problem]) -> None:
    from pytti_graph.cli.output import say_problems

    say_problems(warnings)


def _say_end(job: Job, listener: Listener, begin: float, error: PyttiGraphError, *, json: bool) -> None:
    from pytti_graph.cli import output

    listener.close()
    if isinstance(error, Interrupted):
        output.say(error.problem.message, err=True)
    else:
        output.say_problems(error.problems)
    _say_kept(job, listener)
    if json:
        _say_json(job, listener, begin, error)


def _say_kept(job: Job, listener: Listener) -> None:
    from pytti_graph.cli import output, summary

    lines = summary.kept(job, begun=listener.begun)
    output.say(*(f"  {heading:<8}  {text}" for heading, text in lines.items()), err=True)


def _say_json(job: Job, listener: Listener, begin: float, error: PyttiGraphError | None) -> None:
    from pytti_graph.cli import output, summary

    status: summary.Status = "finished"
    if error is not None:
        status = "interrupted" if isinstance(error, Interrupted) else "failed"
    problems = [output.problem_json(problem) for problem in error.problems] if error else []
    seconds = time.monotonic() - begin
    seconds = time.monotonic() - begin
    output.say_json(summary.as_json(job, status, seconds, listener.losses, problems, listener.early))


def _restore_threads(folder: Path) -> None:
    """As many threads as before: sums are then added up in the same order, and frames come out bit for bit the same."""
    import torch

    from pytti_graph.engine.runfolder import RunFolder

    threads = RunFolder.open(folder).record().get("threads")
    if isinstance(threads, int) and threads > 0:
        torch.set_num_threads(threads)
