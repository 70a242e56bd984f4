"""Events as JSON lines, for programs that follow a rendering."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytti_graph.engine.events import Event

SECONDS = 0.25
"""At most one step is told in this time: reading its losses makes a GPU wait."""


class JsonLines:
    """Prints each event as a line of JSON on stdout, steps at most four times a second; all else goes to stderr."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        from pytti_graph.cli.output import results
        from pytti_graph.engine.events import Stepped

        if isinstance(event, Stepped):
            if time.monotonic() - self._told < SECONDS:
                return
            self._told = time.monotonic()
        results().write(json.dumps({"event": type(event).__name__, **_fields(event)}) + "\n")
        results().flush()


def _fields(event: Event) -> dict[str, Any]:
    from pytti_graph.cli.output import problem_json
    from pytti_graph.engine import events

    match event:
        case events.Warned(problem):
            return {"problem": problem_json(problem)}
        case events.Prepared():
            folder = str(event.folder) if event.folder is not None else None
            return {
                "title": event.title,
                "folder": folder,
                "frames": event.frames,
                "steps": event.steps,
                "step_seconds": event.step_seconds,
                "device": event.device,
            }
        case events.Stepped(frame, step, total_step):
            return {"frame": frame, "step": step, "total_step": total_step, "losses": dict(event.read_losses())}
        case events.FrameDone(frame):
            steps = {"steps": frame.steps, "ended_early": frame.ended_early}
            return {"frame": frame.index, **steps, "losses": dict(frame.losses)}
        case events.Checkpointed(frame, step):
            return {"frame": frame, "step": step}
        case events.Ended(status, seconds):
            return {"status": status, "seconds": round(seconds, 3)}
        case _:
            return {}
