"""The folder of one rendering: the resolved graph, the record of the run, the losses, the checkpoint."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pytti_graph.core.errors import UsageError
from pytti_graph.engine.files import failure, write_whole
from pytti_graph.graph.outputs import CHECKPOINT, GRAPH, LOCK, LOSSES, RECORD

RUNS = "runs"
"""Where run folders go that the user gives no place."""


class RunFolder:
    """A run folder; it comes into being whole, with its graph and record in it."""

    def __init__(self, path: Path) -> None:
        self.path = path = path.absolute()  # whatever becomes of the present folder
        self._lock = FileLock(path / LOCK, thread_local=False)

    @classmethod
    def create(cls, name: str, chosen: Path | None, graph: str, record: Mapping[str, Any]) -> RunFolder:
        """Make a new folder: `chosen`, which must not exist or be empty, or `runs/<name>-<n>`.

        Raises:
            UsageError: The folder is not empty, or cannot be written.
        """
        return cls(new_folder(name, chosen, Path(RUNS), {GRAPH: graph, RECORD: _json(record)}))

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder; raises `UsageError` if it is none."""
        if not (path / GRAPH).is_file() or not (path / RECORD).is_file():
            raise UsageError(
                f"{path} is not a run folder: it has no {GRAPH} and {RECORD}", hint="give the folder that 'run' printed"
            )
        return cls(path)

    def clean(self) -> None:
        """Remove what a killed process left unfinished; only under the lock."""
        for left in self.path.rglob(".*.partial*"):
            if left.is_file():
                left.unlink(missing_ok=True)

    def lock(self) -> None:
        """Keep other renderings out until `unlock`; raises `UsageError` if one is in."""
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"{self.path} is being rendered by another process already") from None
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from None

    def unlock(self) -> None:
        """Let other processes in."""
        self._lock.release()

    def discard(self) -> None:
        """Remove a folder in which nothing has been rendered."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):  # other runs are in it
            if self.path.parent.name == RUNS:
                self.path.parent.rmdir()

    @property
    def graph(self) -> str:
        """The resolved graph; raises `UsageError` if it cannot be read."""
        try:
            return (self.path / GRAPH).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.path / GRAPH} cannot be read: {error}") from None

    @property
    def shown(self) -> Path:
        """The folder as a person would type it here."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint is, once there is one."""
        return self.path / CHECKPOINT

    def replace_graph(self, graph: str) -> None:
        """Write the graph anew."""
        write_whole(self.path / GRAPH, lambda path: path.write_text(graph, "utf-8"))

    def record(self) -> dict[str, Any]:
        """What `run.json` holds; raises `UsageError` if it is damaged."""
        try:
            data = json.loads((self.path / RECORD).read_text("utf-8"))
            assert isinstance(data, dict)
            return data
        except (OSError, ValueError, AssertionError):
            raise UsageError(f"{self.path / RECORD} cannot be read") from None

    def update_record(self, **changes: Any) -> None:
        """Change entries of `run.json`."""
        data = {**self.record(), **changes}
        write_whole(self.path / RECORD, lambda path: path.write_text(_json(data), "utf-8"))

    def add_timings(self, status: str, seconds: float, step_seconds: float | None) -> None:
        """Note in `run.json` how a rendering ended, and how long it took with those before it."""
        total = round(self.record().get("seconds", 0.0) + seconds, 2)
        self.update_record(status=status, seconds=total, step_seconds=step_seconds)

    def append_losses(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add one line per step to `losses.jsonl`."""
        path = self.path / LOSSES
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row) + "\n" for row in rows))
        except OSError as error:
            raise failure(path, error) from error

    def cut_losses(self, total_step: int) -> None:
        """Drop the lines of steps from `total_step` on, and a last line that was not finished."""
        path = self.path / LOSSES
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
        try:
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["total_step"] < total_step]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged: {error}") from None
        write_whole(path, lambda temporary: temporary.write_text("".join(kept), "utf-8"))


def new_folder(name: str, chosen: Path | None, parent: Path, files: Mapping[str, str]) -> Path:
    """Make a folder that comes into being whole, with some files in it.

    Args:
        name: What it is called if none is chosen.
        chosen: The folder to make, which must not exist or be empty, or None for `parent/<name>-<n>`.
        parent: Where it goes if none is chosen.
        files: Texts by file name. In a folder that is there already they appear one by one, the first one last.

    Raises:
        UsageError: The folder is not empty, or cannot be written.
    """
    try:
        parent = chosen.parent if chosen is not None else parent
        parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        made.chmod(0o755)
        try:
            for file, text in files.items():
                (made / file).write_text(text, "utf-8")
            return _numbered(made, parent / name) if chosen is None else _moved(made, chosen, list(files))
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        place = error.filename or chosen or parent
        raise UsageError(
            f"the output folder cannot be made: {place}: {error.strerror or error}",
            hint="choose another with '-o DIR'",
        ) from None


def _moved(made: Path, wanted: Path, files: Sequence[str]) -> Path:
    """Give a finished folder the name that the user has chosen, in one step; what is there is never touched."""
    if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
        hint = f"choose another folder, or continue it with 'pytti-graph resume {wanted}'"
        raise UsageError(f"{wanted} already exists and is not empty; existing runs are never overwritten", hint=hint)
    if not wanted.exists():
        return made.rename(wanted)
    for name in reversed(files):  # the folder stays the user's own, which may be a link or a mount
        shutil.move(made / name, wanted / name)
    made.rmdir()
    return wanted


def _numbered(made: Path, wanted: Path) -> Path:
    """Give a finished folder the next free number."""
    number = 1 + max((_number(path, wanted.name) for path in wanted.parent.glob(f"{wanted.name}-*")), default=0)
    while True:
        path = wanted.with_name(f"{wanted.name}-{number}")
        try:
            return made.rename(path)
        except OSError:
            if not path.exists():
                raise
            number += 1


def _number(path: Path, name: str) -> int:
    end = path.name.removeprefix(f"{name}-")
    return int(end) if end.isascii() and end.isdigit() else 0


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
