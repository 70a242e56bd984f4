"""What an executor is given, what it tells, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from pytti_graph.core.errors import Problem

Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Task:
    """One variation to render: plain data that can travel to another process or another machine.

    Attributes:
        name: What it is called in messages and events; no other task of the sweep has this name.
        folder: The run folder, absolute: to be made, or to go on with if there is one.
        graph: The graph as YAML, with its seed.
        graph_name: What the graph is called.
        graph_folder: Where the graph's relative paths begin, absolute.
        inputs: The files and folders that the graph reads, absolute, as the graph names them.
        node_files: Python files with nodes, absolute, that the user has named.
        device: "auto", or a name that torch knows.
        precision: Of perceptors: "auto", "float32" or "bfloat16".
        allow_paths: Folders, absolute, that may be read and written besides.
        allow_network: Downloads are allowed.
    """

    name: str
    folder: str
    graph: str
    graph_name: str
    graph_folder: str
    inputs: tuple[str, ...] = ()
    node_files: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    allow_paths: tuple[str, ...] = ()
    allow_network: bool = False

    def to_json(self) -> dict[str, Any]:
        """This task as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """The inverse of `to_json`."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """Root of what executors tell.

    Attributes:
        task: Name of the task concerned.
    """

    task: str


@dataclass(frozen=True, slots=True)
class Started(TaskEvent):
    """A task has begun."""


@dataclass(frozen=True, slots=True)
class Progressed(TaskEvent):
    """A task goes on.

    Attributes:
        part: How much of it is done, 0..1.
    """

    part: float


@dataclass(frozen=True, slots=True)
class Noted(TaskEvent):
    """A warning that a task gave."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Outcome(TaskEvent):
    """A task has ended; its run folder is where the task says.

    Attributes:
        status: "finished", "failed", or "interrupted": stopped on request, and it can go on.
        problems: Why it failed.
        trace: Where it failed, for those who want to know.
    """

    status: Status
    problems: tuple[Problem, ...] = ()
    trace: str = ""


class Executor(Protocol):
    """Runs tasks somewhere.

    A plugin offers the class through `pytti_graph_executors`. It is called with `jobs`, how many tasks to run at once
    (None: as many as make sense), and `options`, texts by name as the user gave them with `--executor-option`; it
    raises `UsageError` for what it does not understand.
    """

    def __init__(self, jobs: int | None, options: Mapping[str, str]) -> None: ...

    def run(
        self, tasks: Sequence[Task], cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[TaskEvent, None, None]:
        """Run tasks; yields what happens, as it happens, and one `Outcome` for each task that was begun.

        `render_task` does the work of one task; it belongs into a process of its own, since what kills one task must
        not harm another. A task that fails is an outcome, never an exception. Closing the generator ends everything at
        once.

        Args:
            tasks: To be begun in this order.
            cancelled: Asked again and again, at least once a second; True means: begin no more, and let those that run
                stop cleanly.

        Raises:
            PyttiGraphError: Nothing can be run here any more. Tasks without an outcome can be run again.
        """
        ...
