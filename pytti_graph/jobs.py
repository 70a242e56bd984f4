"""One rendering in its run folder: what is recorded of it, and its life from lock to status."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytti_graph.core.arguments import PathType
from pytti_graph.core.errors import Interrupted, PyttiGraphError, UsageError
from pytti_graph.core.nodes import NodeSpec
from pytti_graph.core.plugins import BUILT_IN, Plugin
from pytti_graph.graph.document import Document, NodeText
from pytti_graph.graph.migrations import present_versions
from pytti_graph.graph.plan import Plan
from pytti_graph.graph.values import Entry, Value

if TYPE_CHECKING:
    from pytti_graph.api import Graph
    from pytti_graph.engine.events import Frame, Listener, Status
    from pytti_graph.engine.rendering import Rendering
    from pytti_graph.engine.runfolder import RunFolder


class Job:
    """One rendering that is ready to go, in its run folder.

    Attributes:
        rendering: The engine's side of it.
        folder: The run folder, or None.
        seed: Of all random numbers.
    """

    def __init__(
        self,
        rendering: Rendering,
        *,
        fresh: bool,
        on_event: Listener | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.rendering = rendering
        self.seed = rendering.seed
        self._fresh, self._used = fresh, False
        if on_event is not None:
            rendering.listen = on_event
        if cancelled is not None:
            rendering.cancelled = cancelled

    @property
    def folder(self) -> Path | None:
        """The run folder, as seen from the present one, or None."""
        return self.rendering.folder.shown if self.rendering.folder else None

    def frames(self) -> Iterator[Frame]:
        """Render, once; yields each frame when it is finished and written."""
        if self._used:
            raise UsageError("this rendering has been used already", hint="prepare or resume another one")
        from pytti_graph.engine.events import Ended

        self._used = True
        run = self.rendering.folder
        if run is not None:
            run.lock()
        begin = time.monotonic()
        status: Status = "failed"
        try:
            yield from self.rendering.frames()
            status = "finished"
        except (Interrupted, GeneratorExit, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            seconds = time.monotonic() - begin
            if run is not None:
                self._leave(run, status, seconds)
            self.rendering.listen(Ended(status, seconds))

    def _leave(self, run: RunFolder, status: str, seconds: float) -> None:
        """Note how a rendering ended; a new folder in which nothing was rendered goes."""
        if self._fresh and not self.rendering.begun:
            run.discard()
        else:
            with contextlib.suppress(PyttiGraphError):  # a full disk: the error that led here tells more
                run.add_timings(status, seconds, self.rendering.step_seconds)
        run.unlock()


def checked_seed(seed: object) -> int:
    """`seed`, if it can be one; raises `UsageError` otherwise."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise UsageError(f"a seed is a whole number from 0 to 2**63 - 1, not {seed!r}")
    return seed


def record(graph: Graph, plan: Plan, seed: int, device: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `run.json`."""
    import torch

    origins = {id: graph.registry.plugin_of(node.spec) for id, node in plan.graph.nodes.items()}
    versions = {origin.distribution: origin.version for origin in origins.values() if origin and origin.version}
    for name in (BUILT_IN, "torch", "numpy", "pillow", "av", "open_clip_torch"):
        versions.setdefault(name, metadata.version(name))
    return {
        "title": plan.graph.title,
        "graph_folder": str(graph.folder.resolve()),
        "seed": seed,
        "device": device,
        "threads": torch.get_num_threads(),
        "settings": dict(settings),
        "versions": {"python": platform.python_version(), **versions},
        "nodes": {id: _origin(node.spec, origins[id]) for id, node in plan.graph.nodes.items()},
        "weights": {},
        "status": "started",
        "seconds": 0.0,
    }


def _origin(spec: NodeSpec, plugin: Plugin | None) -> dict[str, Any]:
    """Where a node comes from: its distribution or, with its sum, its file."""
    origin: dict[str, Any] = {"type": spec.type, "version": spec.version}
    if plugin is None:
        return origin
    if plugin.version:
        return {**origin, "distribution": plugin.distribution, "distribution_version": plugin.version}
    return {**origin, "file": plugin.distribution, "sha256": sha256(Path(plugin.distribution).read_bytes()).hexdigest()}


def portable(graph: Graph, seed: int) -> Document:
    """The document to keep: with its seed, and with absolute paths made relative to the graph's folder.

    So nothing of this machine is told by the pictures that carry it.
    """
    document = graph.present
    nodes = {id: replace(node, arguments=_relative(graph, node)) for id, node in document.nodes.items()}
    return replace(document, seed=seed, nodes=nodes, versions=present_versions(nodes.values(), graph.registry))


def _relative(graph: Graph, node: NodeText) -> dict[str, Entry]:
    spec, base = graph.checked.nodes[node.id].spec, graph.folder.resolve()

    def changed(entry: Entry) -> Entry:
        data, parameter = entry.value.data, spec.parameter(entry.key)
        kind = parameter.type if parameter is not None else None
        if not isinstance(data, str) or not Path(data).is_absolute() or kind == PathType("output"):
            return entry  # what is written is not found from the graph's folder
        if isinstance(kind, PathType) or Path(data).exists():
            return replace(entry, value=Value(os.path.relpath(data, base), None))
        return entry

    return {key: changed(entry) for key, entry in node.arguments.items()}
