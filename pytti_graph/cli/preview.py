"""The picture as it is now, in the run folder."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytti_graph.core.errors import PyttiGraphError
from pytti_graph.graph.outputs import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from pytti_graph.engine.events import Event

SECONDS = 3.0
"""At most one refresh in this time."""
SHARE = 0.02
"""At most this part of the time."""


class Preview:
    """Refreshes `preview.png` in the run folder now and then; a preview that cannot be written harms nothing."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._next = 0.0

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        from pytti_graph.engine.events import FrameDone, Prepared, Stepped

        match event:
            case Prepared():
                self._path = event.folder / PREVIEW if event.folder is not None else None
                self._next = time.monotonic() + SECONDS
            case Stepped():
                self._offer(event.read_preview)
            case FrameDone(frame):
                self._offer(partial(getattr, frame, "tensor"))
            case _:
                pass

    def _offer(self, read: Callable[[], Tensor | None]) -> None:
        """Write the picture that `read` gives, if it is time."""
        begin = time.monotonic()
        if self._path is None or begin < self._next:
            return
        with contextlib.suppress(PyttiGraphError, OSError):
            self._write(self._path, read())
        end = time.monotonic()
        self._next = end + max(SECONDS, (end - begin) / SHARE)

    def _write(self, path: Path, image: Tensor | None) -> None:
        from pytti_graph.engine.files import write_whole
        from pytti_graph.engine.pictures import save_png

        if image is not None and image.ndim == 4:
            write_whole(path, lambda temporary: save_png(image, temporary))
