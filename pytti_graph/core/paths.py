"""Where a graph's paths may lead."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from pytti_graph.core.errors import UsageError


def frame_name(frame: int) -> str:
    """The file name of a frame."""
    return f"{frame:05d}.png"


def resolve(path: str | Path, base: Path, allowed: Sequence[Path], place: str) -> Path:
    """The absolute path that `path` means, symbolic links followed; it need not exist.

    Args:
        path: As the graph says it.
        base: Where relative paths begin.
        allowed: Folders that it may lie in besides `base`.
        place: What `base` is called in messages.

    Raises:
        UsageError: It lies outside, or cannot be a path.
    """
    name = str(path)
    if not name.strip() or "\0" in name:
        raise UsageError("a path must not be empty or hold NUL characters")
    if os.name != "nt" and PureWindowsPath(name).drive:
        raise UsageError(f"'{name}' is a path for Windows", hint=f"write it relative to {place}, with '/'")
    base = base.resolve()
    try:
        found = (base / name).resolve()
        folder = found if found.is_dir() else found.parent
    except (OSError, RuntimeError) as error:
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        reason = (isinstance(error, OSError) and error.strerror) or "its symbolic links lead in a circle"
        raise UsageError(f"'{shown}' cannot be followed: {reason}") from None
    if not any(found.is_relative_to(root) for root in (base, *(folder.resolve() for folder in allowed))):
        hint = f"to allow it, add --allow-path {shlex.quote(str(folder))}"
        raise UsageError(f"'{name}' lies outside {place} ({base})", hint=hint)
    return found
