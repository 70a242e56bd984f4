"""The folder of a sweep: the graph, the plan and its outcomes, the table, the contact sheet, and the run folders."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pytti_graph.core.errors import UsageError
from pytti_graph.graph.outputs import GRAPH, LOCK, RECORD

SWEEPS = "sweeps"
"""Where sweep folders go that the user gives no place."""
PLAN, TABLE, SHEET = "sweep.json", "sweep.csv", "sheet.png"
FORMAT = 1


def is_sweep(path: Path) -> bool:
    """True for the folder of a sweep."""
    return (path / PLAN).is_file()


class SweepFolder:
    """The folder of a sweep; it comes into being whole, with its graph and plan in it.

    Attributes:
        path: Where it is, absolute.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def create(cls, name: str, chosen: Path | None, graph: str, plan: Mapping[str, Any]) -> SweepFolder:
        """Make a new folder: `chosen`, which must not exist or be empty, or `sweeps/<name>-<n>`.

        Raises:
            UsageError: The folder is not empty, or cannot be written.
        """
        from pytti_graph.engine.runfolder import new_folder

        files = {PLAN: _json({"pytti_graph_sweep": FORMAT, **plan}), GRAPH: graph}
        return cls(new_folder(name, chosen, Path(SWEEPS), files))

    @classmethod
    def open(cls, path: Path) -> SweepFolder:
        """An existing sweep folder; raises `UsageError` if it is none."""
        if not is_sweep(path) or not (path / GRAPH).is_file():
            message = f"{path} is not the folder of a sweep: it has no {PLAN} and {GRAPH}"
            raise UsageError(message, hint="give the folder that 'sweep' printed")
        return cls(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; raises `UsageError` if one is in."""
        lock = FileLock(self.path / LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"{self.path} is being rendered by another process already") from None
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from None
        try:
            yield
        finally:
            lock.release()

    def clean(self) -> None:
        """Remove what a killed process left unfinished; only under the lock."""
        for left in self.path.glob(".*"):
            if ".partial" in left.name:
                left.unlink() if left.is_symlink() or left.is_file() else shutil.rmtree(left, ignore_errors=True)
            elif left.is_dir() and not left.is_symlink() and {path.name for path in left.iterdir()} <= {GRAPH, RECORD}:
                for file in left.iterdir():
                    file.unlink()
                left.rmdir()

    @property
    def shown(self) -> Path:
        """The folder as a person would type it here."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    @property
    def graph(self) -> str:
        """The graph that is varied; raises `UsageError` if it cannot be read."""
        try:
            return (self.path / GRAPH).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.path / GRAPH} cannot be read: {error}") from None

    def plan(self) -> dict[str, Any]:
        """What `sweep.json` holds; raises `UsageError` if it is damaged."""
        try:
            data = json.loads((self.path / PLAN).read_text("utf-8"))
        except (OSError, ValueError):
            raise UsageError(f"{self.path / PLAN} cannot be read") from None
        if not isinstance(data, dict) or data.get("pytti_graph_sweep") != FORMAT:
            raise UsageError(f"{self.path / PLAN} was written by another version of pytti-graph, or is damaged")
        return data

    def update_plan(self, **changes: Any) -> None:
        """Change entries of `sweep.json`."""
        self.write(PLAN, _json({**self.plan(), **changes}))

    def write(self, name: str, text: str) -> None:
        """Write a file so that it is there whole or not at all."""
        from pytti_graph.engine.files import write_whole

        write_whole(self.path / name, lambda path: path.write_text(text, "utf-8"))

    def run_folder(self, name: str) -> Path:
        """Where a variation is rendered.

        Raises:
            UsageError: A link leads out of this folder.
        """
        path = self.path / name
        if path.is_symlink():
            raise UsageError(f"{path} is a link, and nothing is written through it", hint="remove it, and resume")
        return path


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
