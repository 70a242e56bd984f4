"""The executor, as the program that shows the sweep sees it: another process that speaks with the cluster.

Ray ends the process of its driver when it loses the cluster; so the driver is not the process that keeps the results.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Any

from pytti_graph import Noted, Outcome, Problem, RenderError, Task, TaskEvent
from pytti_graph_ray.options import Options

NAME = "pytti-graph-ray"
STOP, CONNECTED = "stop", "connected"
_SAFE = "PYTHONSAFEPATH"
WHERE = "does 'ray status' know it? if it asks for a token, set RAY_AUTH_MODE=token"
RESUME = "what is finished is kept; when the cluster is back, 'pytti-graph resume' renders the rest"
_TOLD = re.compile(r"\] (?:\w+\.\w+:\d+: )?(\S.*?)(?:\. |\.?$)")
_POLL = 0.2
_PATIENCE = 10.0
_TOLD_AFTER, _GIVEN_UP_AFTER = 5.0, 60.0
"""Seconds without an answer from a cluster that is not started here; Ray itself would try for a quarter of an hour."""


class Ray:
    """Runs variations on a Ray cluster, each with a graphics card or a share of the processors of its own.

    Without an address, a cluster is started on this machine. Options are `address`, `num_cpus`, `num_gpus`, `shared`,
    `temp_dir` and `wait`.
    """

    def __init__(self, jobs: int | None = None, options: Mapping[str, str] | None = None) -> None:
        self._options = Options.read(jobs, options or {}, os.environ)

    def run(
        self, tasks: Sequence[Task], cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[TaskEvent, None, None]:
        """Run tasks; see `pytti_graph.Executor.run`."""
        if not tasks:
            return
        driver = _Driver(self._options, tasks)
        try:
            yield from driver.events(cancelled)
        finally:
            driver.end()


class _Driver:
    """The process that speaks with the cluster, seen from outside."""

    def __init__(self, options: Options, tasks: Sequence[Task]) -> None:
        handle, log = tempfile.mkstemp(prefix="pytti-graph-ray-", suffix=".log")
        os.close(handle)
        self._log, self._left = Path(log), {task.name for task in tasks}
        self._address, self._connected = options.address, False
        self._begin, self._told = time.monotonic(), False
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        from pytti_graph_ray.driver import drive

        self._process = context.Process(target=drive, args=(theirs, options, tuple(tasks), log), daemon=True)
        with _safe_path(), _unheard_interrupts():
            self._process.start()
        theirs.close()

    def events(self, cancelled: Callable[[], bool]) -> Iterator[TaskEvent]:
        """What happens; raises `RenderError` if the cluster is lost, or cannot be reached."""
        stopping = False
        while True:
            yield from self._missed()
            if not stopping and cancelled():
                if not self._connected:
                    return  # nothing has begun, and whoever waits for an answer hears nothing else
                stopping = True
                with contextlib.suppress(OSError):
                    self._connection.send(STOP)
            try:
                if not self._connection.poll(_POLL):
                    continue
                heard: Any = self._connection.recv()
            except (EOFError, OSError):
                raise self._lost() from None
            if heard is None:
                return
            if heard == CONNECTED:
                self._connected = True
                continue
            if isinstance(heard, Problem):
                raise RenderError(f"{NAME}: {heard.message}", hint=heard.hint)
            if isinstance(heard, Outcome):
                self._left.discard(heard.task)
            yield heard

    @property
    def _is_called(self) -> bool:
        """A cluster that is somewhere else has not answered yet."""
        return not self._connected and self._address != "local"

    def _missed(self) -> Iterator[TaskEvent]:
        """Says once that no cluster answers, and in the end raises `RenderError`."""
        waited = time.monotonic() - self._begin if self._is_called else 0.0
        if waited > _GIVEN_UP_AFTER:
            raise self._unanswered()
        if waited > _TOLD_AFTER and not self._told:
            self._told = True
            message = f"{NAME}: no Ray cluster answers at '{self._address}' yet"
            hint = f"it has {_GIVEN_UP_AFTER:g} seconds in all; Ctrl-C stops waiting"
            yield Noted(min(self._left), Problem(message, hint=hint, severity="warning"))

    def _unanswered(self) -> RenderError:
        return RenderError(f"{NAME}: no Ray cluster answers at '{self._address}'", hint=WHERE)

    def _lost(self) -> RenderError:
        self._process.join(_PATIENCE)
        if not self._connected:
            return self._unanswered()
        return lost(len(self._left), self._last_words())

    def _last_words(self) -> str:
        """What Ray said last: the first sentence of it."""
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        told = [match[1] for line in lines if (match := _TOLD.search(line))]
        return told[-1] if told else ""

    def end(self) -> None:
        """Leave the cluster; what is running there is ended."""
        self._connection.close()
        if not self._is_called:
            self._process.join(_PATIENCE)
        self._process.kill()
        self._process.join()
        self._log.unlink(missing_ok=True)


def lost(left: int, words: str) -> RenderError:
    """The error to raise when the cluster has gone away."""
    message = f"{NAME}: the Ray cluster went away with {left} variations not finished"
    return RenderError(f"{message}: {words}" if words else message, hint=RESUME)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Processes started now do not take modules from the present folder, which may hold anything."""
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        del os.environ[_SAFE]
        if before is not None:
            os.environ[_SAFE] = before


@contextlib.contextmanager
def _unheard_interrupts() -> Iterator[None]:
    """The process started now does not hear Ctrl-C, which a terminal sends to all: it is asked to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would undo this
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
