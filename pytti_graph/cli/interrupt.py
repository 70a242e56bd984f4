"""Ctrl-C: once for a clean stop, twice to stop at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

_MESSAGE = "stopping after this step; press Ctrl-C again to stop at once\n"
_CLEAR_LINE = "\r\x1b[2K"


class Stop:
    """Asks for a clean stop when the user or the system does; called, it says whether that has happened.

    Attributes:
        clean: A clean stop is possible: before rendering has begun there is nothing to keep, and one Ctrl-C suffices.
    """

    def __init__(self) -> None:
        self.clean = False
        self._asked = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """True once a clean stop has been asked for."""
        return self._asked

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self.clean:
            raise KeyboardInterrupt
        self._asked = True
        # Straight to the terminal: the interrupted code may be in the middle of writing to a buffered stream.
        start = _CLEAR_LINE if os.isatty(2) else ""
        os.write(2, (start + _MESSAGE).encode())
