"""Renders one task in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytti_graph.core.blame import described
from pytti_graph.core.errors import Interrupted, Problem, PyttiGraphError
from pytti_graph.executors.tasks import Noted, Outcome, Progressed, Task, TaskEvent
from pytti_graph.graph.outputs import GRAPH, RECORD

if TYPE_CHECKING:
    from pytti_graph.api import Graph
    from pytti_graph.core.plugins import Registry
    from pytti_graph.engine.events import Event
    from pytti_graph.engine.rendering import Rendering
    from pytti_graph.jobs import Job

Report = Callable[[TaskEvent], None]
_SECONDS = 0.25


def render_task(
    task: Task,
    *,
    report: Report = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    threads: int | None = None,
) -> Outcome:
    """Render a task, or go on with it; whatever goes wrong becomes its outcome.

    Args:
        task: What to render. A run folder that is there already says only how far it is: what may be read and written,
            and where to compute, the task says.
        report: Told warnings and progress.
        cancelled: Asked after each step; True stops cleanly.
        threads: How many processor threads to use; a rendering that goes on keeps those that it had, for the very same
            bits.
    """
    listener = _Listener(task, report)
    try:
        job = _job(task, listener, cancelled, threads)
        listener.rendering = job.rendering
        for _ in job.frames():
            pass
    except Interrupted:
        return Outcome(task.name, "interrupted")
    except PyttiGraphError as error:
        return Outcome(task.name, "failed", tuple(error.problems), traceback.format_exc())
    except (Exception, SystemExit) as error:
        hint = "this is a bug in pytti-graph or a plugin; -v prints where it happened"
        problem = Problem(described(error), hint=hint)
        return Outcome(task.name, "failed", (problem,), traceback.format_exc())
    return Outcome(task.name, "finished")


def _job(task: Task, listener: _Listener, cancelled: Callable[[], bool], threads: int | None) -> Job:
    from pytti_graph import api

    if (Path(task.folder) / RECORD).is_file():
        _use_threads(_adopt(task) or threads)
        device = None if task.device == "auto" else task.device
        return api.resume(
            task.folder,
            registry=_registry(task),
            device=device,
            on_event=listener,
            cancelled=cancelled,
            graph_folder=task.graph_folder,
            allow_paths=task.allow_paths,
            allow_network=task.allow_network,
        )
    _use_threads(threads)
    return _graph(task).prepare(
        Path(task.folder),
        device=task.device,
        precision=task.precision,  # type: ignore[arg-type]  # it is checked there
        on_event=listener,
        cancelled=cancelled,
        allow_paths=task.allow_paths,
        allow_network=task.allow_network,
    )


def _adopt(task: Task) -> int | None:
    """Let a run folder's record say what the task says, since the folder may have moved, or come from a stranger.

    Returns:
        The number of threads it was begun with.
    """
    from pytti_graph.engine.runfolder import RunFolder

    run = RunFolder.open(Path(task.folder))
    run.lock()
    try:
        settings = {"device": task.device, "precision": task.precision, "allow_paths": [*task.allow_paths]}
        run.update_record(graph_folder=task.graph_folder, settings=settings)
        threads = run.record().get("threads")
    finally:
        run.unlock()
    return threads if isinstance(threads, int) and threads > 0 else None


def _use_threads(number: int | None) -> None:
    if number is not None:
        import torch

        torch.set_num_threads(number)


def _graph(task: Task) -> Graph:
    from pytti_graph.api import Graph

    read = Graph.parse(task.graph, f"{task.name}/{GRAPH}", registry=_registry(task))
    return Graph(replace(read.document, name=task.graph_name), registry=read.registry, folder=Path(task.graph_folder))


def _registry(task: Task) -> Registry:
    from pytti_graph.core.plugins import installed

    if not task.node_files:
        return installed()
    from pytti_graph.core.node_files import with_files

    return with_files(installed(), map(Path, task.node_files))


class _Listener:
    """Turns a rendering's events into a task's."""

    def __init__(self, task: Task, report: Report) -> None:
        self.rendering: Rendering | None = None
        self._task, self._report = task.name, report
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        from pytti_graph.engine import events

        match event:
            case events.Warned(problem):
                self._report(Noted(self._task, problem))
            case events.Stepped():
                self._tell(event.total_step + 1, steps=True)
            case events.FrameDone(frame):
                self._tell(frame.index + 1, steps=False)
            case _:
                pass

    def _tell(self, done: int, *, steps: bool) -> None:
        """Tell the part that is done, a few times a second."""
        if self.rendering is None or time.monotonic() - self._told < _SECONDS:
            return
        if steps != bool(self.rendering.plan.optimisers):
            return
        clock = self.rendering.plan.graph.clock
        self._told = time.monotonic()
        self._report(Progressed(self._task, done / max(clock.total_steps if steps else clock.frames, 1)))
