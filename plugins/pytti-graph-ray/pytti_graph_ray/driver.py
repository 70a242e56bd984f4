"""The process that speaks with the cluster: a thread for each variation that runs, which brings its results back."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytti_graph
from pytti_graph import Outcome, Problem, PyttiGraphError, RenderError, Started, Task, TaskEvent
from pytti_graph_ray.executor import CONNECTED, RESUME, STOP, WHERE
from pytti_graph_ray.options import Options
from pytti_graph_ray.transfer import CHUNK, accept, chunks, outgoing, safe, staging
from pytti_graph_ray.worker import Worker

_POLL = 0.3
_CALLS = 4
_PATIENCE = 10.0
_LOST_AFTER = "30"
"""Seconds without an answer until a cluster counts as lost."""


def drive(connection: Connection, options: Options, tasks: Sequence[Task], log: str) -> None:
    """Run tasks on a cluster; sends what happens, None at the end, or a `Problem` if nothing can be run any more."""
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anyone
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", _LOST_AFTER)
    if options.address == "local" and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))  # nobody else gets in
    line = _Line(connection)
    try:
        with _connected(options) as cluster:
            line.send(CONNECTED)
            _Drive(cluster, tasks, line).run()
    except PyttiGraphError as error:
        line.send(error.problem)
    except Exception as error:
        line.send(Problem(f"the cluster cannot be used: {_first_line(error)}"))
    else:
        line.send(None)


class _Line:
    """To and from the process that waits for results; without it, there is no reason to go on."""

    def __init__(self, connection: Connection) -> None:
        self.stopping = threading.Event()
        self._connection, self._lock = connection, threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, message: TaskEvent | Problem | str | None) -> None:
        """Tell something."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(message)

    def _listen(self) -> None:
        while True:
            try:
                heard = self._connection.recv()
            except (EOFError, OSError):
                self._leave()
            if heard == STOP:
                self.stopping.set()

    def _leave(self) -> None:
        """Leave the cluster, which ends what runs there."""
        import ray

        with contextlib.suppress(Exception):
            ray.shutdown()
        os._exit(0)


class _Cluster:
    """A cluster that this process is connected to.

    Attributes:
        options: What the user has chosen.
        gpus: Graphics cards of each variation.
    """

    def __init__(self, options: Options) -> None:
        import ray

        self.options = options
        nodes = [node["Resources"] for node in _nodes()]
        has_gpus = any(node.get("GPU") for node in nodes)
        self.gpus = options.num_gpus if options.num_gpus is not None else float(has_gpus)
        self._node = ray.get_runtime_context().get_node_id()
        self._room = sum(self._fits(node) for node in nodes)

    def _fits(self, node: dict[str, float]) -> int:
        """How many variations run on a machine at once."""
        needs = [(node.get(name, 0.0), need) for name, need in (("CPU", self.options.num_cpus), ("GPU", self.gpus))]
        return min((int(there / need + 1e-9) for there, need in needs if need), default=1)

    def jobs(self, tasks: int) -> int:
        """How many variations to run at once; raises `RenderError` if there is room for none."""
        if not self._room and not self.options.wait:
            share = f"num_cpus={self.options.num_cpus:g} and num_gpus={self.gpus:g}"
            hint = "ask for less with --executor-option; where the cluster grows by itself, say wait=yes"
            raise RenderError(f"no machine of the cluster has {share}", hint=hint)
        return max(1, min(self.options.jobs or self._room or tasks, tasks))

    def worker(self) -> Any:
        """A new process on some machine."""
        import ray

        threads = max(1, int(self.options.num_cpus))
        share = {"num_cpus": self.options.num_cpus, "num_gpus": self.gpus, "max_concurrency": _CALLS}
        return ray.remote(Worker).options(**share).remote(threads)

    def is_lost(self) -> bool:
        """True if the machine that connects this process with the cluster is gone."""
        try:
            return not any(node["NodeID"] == self._node for node in _nodes())
        except Exception:
            return True


def _nodes() -> list[dict[str, Any]]:
    """The machines of the cluster that are there."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()
    return [node for node in nodes if node["Alive"]]


@contextlib.contextmanager
def _connected(options: Options) -> Iterator[_Cluster]:
    """Connect with a cluster, or start one."""
    import ray

    settings: dict[str, Any] = {"address": options.address, "log_to_driver": False, "logging_level": logging.ERROR}
    if options.address == "local":
        settings["include_dashboard"] = False
        if options.temp_dir is not None:
            settings["_temp_dir"] = options.temp_dir
    try:
        ray.init(**settings)
    except Exception as error:
        raise RenderError(f"no Ray cluster at '{options.address}': {_first_line(error)}", hint=WHERE) from error
    try:
        yield _Cluster(options)
    finally:
        ray.shutdown()


class _Stopped(Exception):
    """Nothing more is to be begun."""


class _Drive:
    """One go: tasks are dealt out to threads, each with a worker of its own."""

    def __init__(self, cluster: _Cluster, tasks: Sequence[Task], line: _Line) -> None:
        self._cluster, self._line = cluster, line
        self._waiting = deque(tasks)
        self._failure: PyttiGraphError | None = None
        self._sent = _Sent()
        self._count = len(tasks)

    def run(self) -> None:
        """Run all tasks; raises if the cluster is lost."""
        threads = [threading.Thread(target=self._slot) for _ in range(self._cluster.jobs(self._count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _slot(self) -> None:
        """Run one task after another, as long as there are any."""
        worker: Any = None
        with contextlib.suppress(_Stopped):
            while self._waiting and self._failure is None and not self._line.stopping.is_set():
                try:
                    worker = worker or self._greeted(self._cluster.worker())
                    task = self._waiting.popleft()
                except IndexError:
                    break
                except PyttiGraphError as error:
                    self._failure = error
                    break
                outcome = self._outcome(worker, task)
                if outcome is None:
                    break
                self._line.send(outcome)
                if outcome.status == "failed":
                    self._end(worker)
                    worker = None
        self._end(worker)

    def _end(self, worker: Any) -> None:
        import ray

        if worker is not None and self._failure is None:
            with contextlib.suppress(Exception):
                ray.kill(worker)

    def _greeted(self, worker: Any) -> Any:
        """A worker that is there, and fits."""
        try:
            version = self._got(worker.version.remote())
        except _Stopped:
            raise
        except Exception as error:
            hint = "pytti-graph, pytti-graph-ray and the plugins of your nodes have to be installed on every machine"
            raise self._lost_or(RenderError(f"a worker cannot be started: {_last_line(error)}", hint=hint)) from error
        if version != pytti_graph.__version__:
            message = f"a machine of the cluster has pytti-graph {version}, and this one {pytti_graph.__version__}"
            raise RenderError(message, hint="install the same version everywhere")
        return worker

    def _lost_or(self, error: PyttiGraphError) -> PyttiGraphError:
        return RenderError("the Ray cluster went away", hint=RESUME) if self._cluster.is_lost() else error

    def _outcome(self, worker: Any, task: Task) -> Outcome | None:
        """Run a task; None if the cluster is lost, and nobody knows what became of it."""
        import ray

        self._line.send(Started(task.name))
        try:
            return self._rendered(worker, task)
        except ray.exceptions.RayError as error:
            if self._cluster.is_lost():
                self._failure = self._lost_or(RenderError(""))
                return None
            return Outcome(task.name, "failed", (_why(error),), traceback.format_exc())
        except PyttiGraphError as error:
            return Outcome(task.name, "failed", tuple(error.problems))
        except OSError as error:
            return Outcome(task.name, "failed", (Problem(f"{error.filename}: {error.strerror or error}"),))
        except Exception as error:
            problem = Problem(_first_line(error), hint="this is a bug in pytti-graph-ray; -v prints where it happened")
            return Outcome(task.name, "failed", (problem,), traceback.format_exc())

    def _rendered(self, worker: Any, task: Task) -> Outcome:
        import ray

        if self._shared(worker, task):
            return self._followed(worker, worker.render.remote(task, here=True))
        try:
            for path in outgoing(task):
                ray.get(worker.receive.remote(str(path), self._sent.pieces(path)))
            outcome = self._followed(worker, worker.render.remote(task, here=False))
            _fetch(worker, task)
        finally:
            with contextlib.suppress(Exception):
                ray.get(worker.forget.remote(), timeout=_PATIENCE)
        return outcome

    def _followed(self, worker: Any, running: Any) -> Outcome:
        """What becomes of a rendering; passes on what happens, and that somebody wants to stop."""
        import ray

        asked = False
        while not ray.wait([running], timeout=_POLL)[0]:
            if self._line.stopping.is_set() and not asked:
                asked = True
                worker.stop.remote()
            self._tell(worker)
        outcome: Outcome = ray.get(running)
        self._tell(worker)
        return outcome

    def _tell(self, worker: Any) -> None:
        import ray

        for event in ray.get(worker.events.remote()):
            self._line.send(event)

    def _shared(self, worker: Any, task: Task) -> bool:
        """True if the worker can render into the sweep folder itself."""
        import ray

        if self._cluster.options.shared != "auto":
            return self._cluster.options.shared == "yes"
        token = Path(task.folder).with_name(f".{secrets.token_hex(8)}.partial")
        token.touch()
        try:
            return bool(ray.get(worker.sees.remote(str(token), [task.graph_folder, *task.inputs, *task.node_files])))
        finally:
            token.unlink()

    def _got(self, reference: Any) -> Any:
        """A result, unless somebody wants to stop before it is there."""
        import ray

        while not ray.wait([reference], timeout=_POLL)[0]:
            if self._line.stopping.is_set() or self._failure is not None or not self._waiting:
                raise _Stopped
        return ray.get(reference)


class _Sent:
    """Files in Ray's object store, each put there once for all variations."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[tuple[Path, int, int], list[Any]] = {}

    def pieces(self, path: Path) -> list[Any]:
        """References to the pieces of a file."""
        import ray

        about = path.stat()
        key = (path, about.st_size, about.st_mtime_ns)
        with self._lock:
            if key not in self._pieces:
                self._pieces[key] = [ray.put(piece) for piece in chunks(path)]
            return self._pieces[key]


def _fetch(worker: Any, task: Task) -> None:
    """Bring a run folder back; what was there stays as it is until all of it has come."""
    import ray

    files = ray.get(worker.listing.remote())
    if not files:
        return
    made = staging(task)
    try:
        for name, size in files:
            path = safe(made, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for offset in range(0, size, CHUNK):
                    file.write(ray.get(worker.read.remote(name, offset, min(CHUNK, size - offset))))
                if file.tell() != size:
                    raise RenderError(f"a worker sent {file.tell()} bytes of '{name}' instead of {size}")
        accept(task, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _why(error: Exception) -> Problem:
    """Why a worker has not brought its task to an end."""
    import ray

    if isinstance(error, ray.exceptions.RayTaskError):
        return Problem(f"its worker failed: {_last_line(error)}")
    hint = "perhaps memory ran out, or its machine was taken away; 'resume' tries it again"
    return Problem(f"the worker that rendered it died: {_last_line(error)}", hint=hint)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _last_line(error: BaseException) -> str:
    """What an error of Ray's says in the end, where the reason stands."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
