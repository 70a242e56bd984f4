"""The files of one rendering: which may be read and written, and how they appear only when whole."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor

from pytti_graph.core.addresses import address_fault, is_address
from pytti_graph.core.errors import RenderError, UsageError
from pytti_graph.core.paths import frame_name, resolve
from pytti_graph.core.web_pictures import WebPicture, not_fetched
from pytti_graph.engine.pictures import save_png

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FileAccess:
    """What a graph may read, write and download (see `pytti_graph.Files`).

    Args:
        graph_folder: Inputs are found here.
        run_folder: Outputs go here; None if nothing is written.
        allowed: Folders that inputs and outputs may lie in besides (`--allow-path`).
        network: Downloads are allowed.
        graph: The graph as YAML, carried by every frame.
    """

    def __init__(
        self,
        graph_folder: Path,
        run_folder: Path | None = None,
        *,
        allowed: Iterable[Path] = (),
        network: bool = False,
        graph: str | None = None,
    ) -> None:
        self._inputs, self._outputs = graph_folder.resolve(), run_folder.resolve() if run_folder else None
        self._allowed = tuple(folder.resolve() for folder in allowed)
        self._network, self._graph = network, graph
        self._last_saved: dict[Path, int] = {}

    @property
    def network(self) -> bool:
        """True if downloads are allowed."""
        return self._network

    def input(self, path: str | Path) -> Path:
        """The absolute path of a file to read; it need not exist.

        Raises:
            UsageError: It lies outside the graph's folder and all allowed folders, symbolic links followed; or it is
                neither a file nor a folder, such as a pipe, which might give nothing for ever.
        """
        found = resolve(path, self._inputs, self._allowed, "the graph's folder")
        if found.exists() and not (found.is_file() or found.is_dir()):
            raise UsageError(f"'{path}' is a pipe or a device, not a file", hint="write what it gives into a file")
        return found

    def picture(self, path: str) -> Path:
        """The absolute path of a picture to read: of a file as `input` gives it, or of what an address fetches.

        Raises:
            UsageError: It lies outside the graph's folder and all allowed folders, or has not been fetched and cannot
                or may not be.
        """
        if not is_address(path):
            return self.input(path)
        if (fault := address_fault(path)) is not None:
            raise UsageError(fault.message, hint=fault.hint)
        download = WebPicture(path)
        if (cached := download.cached()) is not None:
            return cached
        if not self._network:
            fault = not_fetched(path)
            raise UsageError(fault.message, hint=fault.hint)
        try:
            return download.fetch()
        except OSError as error:
            hint = "does your browser show it? save it beside the graph, and write its file name"
            raise UsageError(f"{path} cannot be fetched: {error}", hint=hint) from error

    def output(self, path: str | Path) -> Path:
        """The absolute path of a file or folder to write.

        Raises:
            UsageError: It lies outside the run folder and all allowed folders, symbolic links followed.
        """
        if self._outputs is None:
            raise UsageError("nothing is written without a run folder")
        return resolve(path, self._outputs, self._allowed, "the run folder")

    def save_frame(self, folder: Path, frame: int, image: Tensor) -> Path:
        """Write a picture [1, 3, H, W] as `folder/00000.png`, with its graph; once for each frame and folder.

        Several writers of one picture may share a folder; that two pictures do not is checked before rendering.

        Raises:
            RenderError: It cannot be written, or holds values that are not numbers.
        """
        folder = self.output(folder)
        path = folder / frame_name(frame)
        if self._last_saved.get(folder) != frame:
            write_whole(path, lambda temporary: save_png(image, temporary, self._graph))
            self._last_saved[folder] = frame
        return path

    def write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Let `write` make a file under a temporary name, then move it to `path`; raises `RenderError` if it cannot."""
        write_whole(self.output(path), write)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Make a file so that it is there whole or not at all, whenever the process dies.

    Args:
        path: Where it belongs; its folder is made if need be.
        write: Makes the file at the temporary path that it is given, which has the same folder and suffix.

    Raises:
        RenderError: It cannot be written; a file that was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise failure(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def failure(path: Path, error: OSError) -> RenderError:
    """The error to raise for a file that could not be written."""
    if error.errno in _FULL:
        hint = "everything finished before it is whole and kept; make room, then continue with 'pytti-graph resume'"
        return RenderError(f"the disk is full: {path} could not be written", hint=hint)
    return RenderError(f"{path} cannot be written: {error.strerror or error}")
