"""The picture as it is now, in the run folder."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytti_graph.core.errors import PyttiGraphError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

SECONDS = 3.0
"""At most one refresh in this time."""
SHARE = 0.02
"""At most this part of the time."""


class Preview:
    """Refreshes `preview.png` now and then; a preview that cannot be written harms nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = time.monotonic() + SECONDS

    def offer(self, read: Callable[[], Tensor | None]) -> None:
        """Write the picture that `read` gives, if it is time."""
        begin = time.monotonic()
        if begin < self._next:
            return
        with contextlib.suppress(PyttiGraphError, OSError):
            self._write(read())
        end = time.monotonic()
        self._next = end + max(SECONDS, (end - begin) / SHARE)

    def _write(self, image: Tensor | None) -> None:
        from pytti_graph.engine.files import write_whole
        from pytti_graph.engine.pictures import save_png

        if image is not None and image.ndim == 4:
            write_whole(self.path, lambda temporary: save_png(image, temporary))
