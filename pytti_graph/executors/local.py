"""The executor `local`: processes on this machine, one for each task that runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any

from pytti_graph.core.errors import Problem, UsageError, did_you_mean
from pytti_graph.executors.rendering import render_task
from pytti_graph.executors.tasks import Outcome, Started, Task, TaskEvent

_POLL = 0.2
_PATIENCE = 5.0
_STOP = "stop"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_SAFE = "PYTHONSAFEPATH"
OPTIONS = ("threads",)


@dataclass(frozen=True, slots=True)
class Share:
    """What each of several processes gets of this machine.

    Attributes:
        jobs: How many run at once.
        threads: Processor threads of each.
        gpus: Names of the CUDA devices that are dealt out, or none where tasks choose by themselves.
    """

    jobs: int
    threads: int
    gpus: tuple[str, ...] = ()

    def gpu(self, slot: int) -> str | None:
        """The CUDA device of a process."""
        return self.gpus[slot % len(self.gpus)] if self.gpus else None


class Local:
    """Runs variations on this machine, each in a process of its own.

    Without `jobs`, one runs at a time, or one on each CUDA device. Processor threads are shared equally; the option
    `threads` sets how many each process takes.
    """

    def __init__(self, jobs: int | None = None, options: Mapping[str, str] | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise UsageError(f"{jobs} variations at once are too few", hint="give 'jobs' a number of at least 1")
        self._jobs, self._threads = jobs, _threads(options or {})

    def run(
        self, tasks: Sequence[Task], cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[TaskEvent, None, None]:
        """Run tasks; see `Executor.run`."""
        if not tasks:
            return
        _check_device(tasks[0].device)
        pool = _Pool(self.share(tasks[0].device, len(tasks)))
        try:
            yield from pool.run(deque(tasks), cancelled)
        finally:
            pool.kill()

    def share(self, device: str, tasks: int) -> Share:
        """How this machine is shared out among processes that compute on a device."""
        import torch

        gpus = _visible_gpus() if device in ("auto", "cuda") and torch.cuda.is_available() else ()
        jobs = min(self._jobs or len(gpus) or 1, tasks)
        return Share(jobs, self._threads or max(1, torch.get_num_threads() // jobs), gpus)


def _check_device(name: str) -> None:
    """Tell once, not for each task, that there is no such device; looking at a CUDA device would take memory of it."""
    import torch

    from pytti_graph.engine.device import choose

    if not torch.cuda.is_available():
        choose(name)


def _threads(options: Mapping[str, str]) -> int | None:
    for name in options:
        if name not in OPTIONS:
            hint = did_you_mean(name, OPTIONS) or f"there is {', '.join(OPTIONS)}"
            raise UsageError(f"the executor 'local' has no option '{name}'", hint=hint)
    text = options.get("threads")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"'{text}' is not a number of threads", hint="write threads=2")
    return int(text)


def _visible_gpus() -> tuple[str, ...]:
    import torch

    chosen = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return tuple(chosen or map(str, range(torch.cuda.device_count())))


class _Pool:
    """Processes are kept for the next task, since starting one takes seconds; one that failed is not used again."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._workers: dict[int, _Worker] = {}

    def run(self, waiting: deque[Task], cancelled: Callable[[], bool]) -> Iterator[TaskEvent]:
        stopping = False
        while True:
            if not stopping and cancelled():
                stopping = True
                for worker in self._busy():
                    worker.stop()
            while waiting and not stopping and (slot := self._free_slot()) is not None:
                task = waiting.popleft()
                yield Started(task.name)
                self._give(slot, task)
            if not self._busy():
                return
            yield from self._heard(stopping)

    def kill(self) -> None:
        """End every process now."""
        for worker in self._workers.values():
            worker.kill()
        self._workers.clear()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers.values() if worker.task is not None]

    def _free_slot(self) -> int | None:
        busy = {slot for slot, worker in self._workers.items() if worker.task is not None}
        return next((slot for slot in range(self._share.jobs) if slot not in busy), None)

    def _give(self, slot: int, task: Task) -> None:
        if slot not in self._workers:
            self._workers[slot] = _Worker(self._share.threads, self._share.gpu(slot))
        self._workers[slot].give(task)

    def _heard(self, stopping: bool) -> Iterator[TaskEvent]:
        """What the processes tell, waiting for it a moment."""
        slots = {worker.connection: slot for slot, worker in self._workers.items() if worker.task is not None}
        for ready in wait(list(slots), timeout=_POLL):
            assert isinstance(ready, Connection)
            slot = slots[ready]
            worker = self._workers[slot]
            event = worker.hear(stopping)
            if isinstance(event, Outcome):
                worker.task = None
                if event.status == "failed":
                    self._workers.pop(slot).kill()
            yield event


class _Worker:
    """One process, seen from outside.

    Attributes:
        task: What it does now.
        connection: Where to hear of it.
    """

    def __init__(self, threads: int, gpu: str | None) -> None:
        self.task: Task | None = None
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, threads, gpu), daemon=True)
        with _safe_path(), _unheard_interrupts():
            self._process.start()
        theirs.close()

    def give(self, task: Task) -> None:
        """Let it run a task."""
        self.task = task
        with contextlib.suppress(OSError):  # it has died meanwhile, which `hear` tells
            self.connection.send(task)

    def stop(self) -> None:
        """Ask for a clean stop."""
        with contextlib.suppress(OSError):
            self.connection.send(_STOP)

    def hear(self, stopping: bool) -> TaskEvent:
        """The next event; if the process has died, that is its task's outcome."""
        assert self.task is not None
        try:
            event = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(_PATIENCE)
            if stopping:
                return Outcome(self.task.name, "interrupted")
            return Outcome(self.task.name, "failed", (died(self._process.exitcode),))
        assert isinstance(event, TaskEvent)
        return event

    def kill(self) -> None:
        """End it now; what it writes is whole or not there."""
        self.connection.close()
        self._process.kill()
        self._process.join(_PATIENCE)


def died(code: int | None) -> Problem:
    """Why a process is gone that should be there."""
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "perhaps memory ran out: lower '--jobs' or the size of the picture" if name == "SIGKILL" else None
        return Problem(f"the process that rendered it was killed ({name})", hint=hint)
    return Problem(f"the process that rendered it ended by itself (exit code {code})")


@contextlib.contextmanager
def _unheard_interrupts() -> Iterator[None]:
    """Processes started now do not hear Ctrl-C, which a terminal sends to all: their parent asks them to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would undo this
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


# In the process


def _work(connection: Connection, threads: int, gpu: str | None) -> None:
    """Run one task after another, until there is nobody to tell."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, for sweeps of other programs
    if gpu is not None:
        os.environ[_VISIBLE] = gpu
    os.dup2(2, 1)  # the standard output belongs to the program that shows the results
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it cannot be kept from new processes
    inbox = _Inbox(connection)
    while True:
        task = inbox.task()
        try:
            outcome = render_task(task, report=connection.send, cancelled=inbox.stopped, threads=threads)
        except KeyboardInterrupt:  # nobody's Ctrl-C is heard here
            problem = Problem("a node raised KeyboardInterrupt", hint="-v prints where it happened")
            outcome = Outcome(task.name, "failed", (problem,), traceback.format_exc())
        connection.send(outcome)


class _Inbox:
    """Hears the parent, also while a task runs; without a parent this process ends, wherever it is."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def task(self) -> Task:
        """The next task."""
        return self._tasks.get()

    def stopped(self) -> bool:
        """True once a clean stop has been asked for."""
        return self._stop.is_set()

    def _listen(self) -> None:
        while True:
            try:
                heard: Any = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # files are replaced as a whole, so this is safe at any moment
            if heard == _STOP:
                self._stop.set()
            else:
                self._tasks.put(heard)
