"""What runs on the machines of the cluster: one process, which renders one variation after another."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytti_graph
from pytti_graph import Outcome, Task, TaskEvent, render_task
from pytti_graph_ray.transfer import listing, placed, relocated


class Worker:
    """Renders tasks; its methods are called from another machine, some of them while it renders."""

    def __init__(self, threads: int) -> None:
        # No torch is imported here yet: with large pages, it spends less time taking memory.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        self._threads = threads
        self._stop = threading.Event()
        self._events: deque[TaskEvent] = deque()
        self._root: Path | None = None
        self._folder = Path()

    def version(self) -> str:
        """Of pytti-graph, as installed here."""
        return pytti_graph.__version__

    def sees(self, token: str, paths: Sequence[str]) -> bool:
        """True if this machine has the file that was just made, and these."""
        return all(Path(path).exists() for path in (token, *paths))

    def receive(self, path: str, pieces: Sequence[Any]) -> None:
        """Keep a file of another machine.

        Args:
            path: As it is called there.
            pieces: References to its pieces in Ray's object store.
        """
        import ray

        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="pytti-graph-"))
        target = placed(self._root, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for piece in pieces:
                file.write(ray.get(piece))

    def render(self, task: Task, *, here: bool) -> Outcome:
        """Render a task.

        Args:
            task: What to render.
            here: In its own folder, which all machines share; otherwise among the files that were received.
        """
        if not here:
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="pytti-graph-"))
            task = relocated(task, self._root)
            Path(task.graph_folder).mkdir(parents=True, exist_ok=True)
        self._folder = Path(task.folder)
        return render_task(task, report=self._events.append, cancelled=self._stop.is_set, threads=self._threads)

    def stop(self) -> None:
        """Stop rendering cleanly."""
        self._stop.set()

    def events(self) -> list[TaskEvent]:
        """What has happened since the last call."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def listing(self) -> list[tuple[str, int]]:
        """The files of the run folder, with their sizes."""
        return listing(self._folder)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A piece of a file of the run folder."""
        with (self._folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def forget(self) -> None:
        """Remove what was received and rendered."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
