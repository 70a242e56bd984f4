"""Files that travel: what a graph reads to where it is rendered, and the run folder back. No path leads elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytti_graph import RenderError, Task

CHUNK = 4 << 20
"""Bytes that travel at once."""
_LAST = ("losses.jsonl", "checkpoint.safetensors", "run.json")
_RECORD = "run.json"
_LONGEST = 4096


def chunks(path: Path) -> Iterator[bytes]:
    """A file, piece by piece; at least one piece."""
    with path.open("rb") as file:
        yield file.read(CHUNK)
        while piece := file.read(CHUNK):
            yield piece


def outgoing(task: Task) -> list[Path]:
    """The files that a task needs: what its graph reads, node files, and what has been rendered of it already."""
    found = [path for place in (*task.inputs, *task.node_files) for path in _files(Path(place))]
    folder = Path(task.folder)
    return [*dict.fromkeys(found), *(folder / name for name, _ in listing(folder))]


def _files(place: Path) -> Iterator[Path]:
    """A file, or the files of a folder, links followed as when rendering here."""
    if place.is_dir():
        yield from (path for path in sorted(place.rglob("*")) if path.is_file())
    elif place.is_file():
        yield place


def placed(root: Path, path: str | Path) -> Path:
    """Where a path of another machine is kept below a folder, so that relative paths between files stay the same."""
    name = PureWindowsPath(path) if "\\" in str(path) else PurePosixPath(path)
    parts = [part.replace(":", "") for part in name.parts if part not in (name.anchor, "/", "..")]
    return root.joinpath(*parts)


def relocated(task: Task, root: Path) -> Task:
    """A task whose paths all lie below a folder."""

    def moved(paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(str(placed(root, path)) for path in paths)

    return replace(
        task,
        folder=str(placed(root, task.folder)),
        graph_folder=str(placed(root, task.graph_folder)),
        inputs=moved(task.inputs),
        node_files=moved(task.node_files),
        allow_paths=moved(task.allow_paths),
    )


def listing(folder: Path) -> list[tuple[str, int]]:
    """The finished files of a run folder, with their sizes; no links, and nothing hidden."""
    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in name.parts):
            found.append((name.as_posix(), path.stat().st_size))
    return found


def safe(folder: Path, name: str) -> Path:
    """Where a file goes that another machine calls `name`.

    Raises:
        RenderError: It would not lie in the folder.
    """
    parts = name.split("/")
    bad = any(part in ("", ".", "..") or part.startswith(".") for part in parts)
    if bad or "\\" in name or "\0" in name or len(name) > _LONGEST or PureWindowsPath(name).drive:
        raise RenderError(f"a worker sent a file called {name!r}, which is refused: it may lead out of the run folder")
    return folder.joinpath(*parts)


def staging(task: Task) -> Path:
    """An empty hidden folder beside the run folder, for what comes back."""
    target = Path(task.folder)
    made = target.with_name(f".{target.name}.partial")
    if made.is_symlink():
        made.unlink()
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    return made


def accept(task: Task, made: Path) -> None:
    """Put what has come back whole in its place: at once, or into the run folder that is there, the record last.

    Raises:
        RenderError: It is not a run folder.
    """
    _restore_places(task, made / _RECORD)
    target = Path(task.folder)
    if not target.exists():
        made.rename(target)
        return
    for name, _ in sorted(listing(made), key=lambda item: (_LAST.index(item[0]) + 1 if item[0] in _LAST else 0, item)):
        path = safe(target, name)
        if any(parent.is_symlink() for parent in (target, *path.parents) if parent.is_relative_to(target)):
            raise RenderError(f"{path} leads through a link, and nothing is written through it")
        path.parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(path)
    shutil.rmtree(made)


def _restore_places(task: Task, record: Path) -> None:
    """Let the record name the folders of this machine again."""
    try:
        data = json.loads(record.read_text("utf-8"))
        data["graph_folder"] = task.graph_folder
        data["settings"]["allow_paths"] = list(task.allow_paths)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RenderError(f"a worker sent something that is no run folder: {type(error).__name__}: {error}") from None
    record.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
