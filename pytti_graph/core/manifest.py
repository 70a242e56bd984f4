"""What plugins offer, remembered between runs, so that they need not be imported to list or to check anything.

A manifest is a JSON file for each entry point. It holds while no source file of the plugin's packages has changed, nor
the manifest itself, and is made anew by `inspection` otherwise: built-ins in this process, plugins in one of their own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from pytti_graph.core import inspection
from pytti_graph.core.offers import Contents

_CORE = Path(__file__).parent
_TIMEOUT = 120.0
"""Seconds that importing one thing may take."""
_PATIENCE = 2.0
"""Seconds after which it is told what is waited for."""
_GRAIN = 50_000_000
"""Nanoseconds that the clock of a file system may be late."""
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.load(open(sys.argv[1], encoding='utf-8'))['path']; "
    "from pytti_graph.core.inspection import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Source:
    """An entry point of an installed distribution.

    Attributes:
        distribution: Name of the distribution.
        version: Its version.
        plugin: Its entry point.
        trusted: It is a part of pytti-graph, and may be imported right here.
    """

    distribution: str
    version: str
    plugin: inspection.Plugin
    trusted: bool = False

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


Told = Callable[[Source], None]
"""Hears which plugin is waited for."""
_told: ContextVar[Told | None] = ContextVar("told", default=None)


@contextlib.contextmanager
def telling(told: Told) -> Iterator[None]:
    """Inside, `told` hears of each plugin that takes its time to be looked into."""
    token = _told.set(told)
    try:
        yield
    finally:
        _told.reset(token)


@dataclass(slots=True)
class _Manifest:
    source: Source
    contents: Contents | None = None

    @property
    def roots(self) -> list[str]:
        """The top-level modules that the contents are made of."""
        targets: Iterable[str] = ()
        if self.contents is not None:
            targets = (*self.contents.targets, *(offer.target for offer in self.contents.offers))
        modules = (self.source.plugin.module, *targets)
        return sorted({module.partition(":")[0].partition(".")[0] for module in modules})

    @property
    def path(self) -> Path:
        """Its file; plugins of other environments have others."""
        source = self.source
        places = _places(source.plugin.module.partition(".")[0])
        identity = "\n".join([sys.prefix, source.version, source.plugin.name, source.plugin.value, *places])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        name = re.sub(r"[^A-Za-z0-9-]", "_", source.distribution)
        return Path(platformdirs.user_cache_dir("pytti-graph")) / "manifests" / f"{name}-{digest}.json"

    def read(self) -> None:
        """Take what is remembered, if it still holds."""
        try:
            data = json.loads(self.path.read_text("utf-8"))
            self.contents = Contents.from_json(data["contents"])  # its key depends on what it is made of
            holds = data["key"] == self.key(data["contents"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            holds = False
        if not holds:
            self.contents = None

    def write(self, since: int) -> None:
        """Remember, if the cache can be written; a cache that cannot be written only costs time.

        What failed is not remembered, since the cause may go in many ways; nor is what may have been read while it was
        changed: files that are younger than `since`, in nanoseconds.
        """
        assert self.contents is not None
        if self.contents.failures or any(file.time >= since for root in self.roots for file in _files(root)):
            return
        contents = self.contents.to_json()
        text = json.dumps({"key": self.key(contents), "contents": contents}, indent=1)
        with contextlib.suppress(OSError):
            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_text(text, "utf-8")
            temporary.replace(path)

    def key(self, contents: dict[str, Any]) -> str:
        """A digest of the sources, and of the contents as JSON data, which nobody else may have changed."""
        digest = hashlib.sha256(_core_state().encode())
        digest.update(json.dumps(contents).encode())
        for root in self.roots:
            for file in _files(root):
                digest.update(str(file).encode())
        return digest.hexdigest()


class Manifests:
    """The manifests of some plugins.

    Attributes:
        sources: The plugins.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)
        self._manifests = [_Manifest(source) for source in self.sources]
        for manifest in self._manifests:
            manifest.read()

    def contents(self, *, nodes: bool) -> list[Contents]:
        """What each plugin offers: remembered, or looked up and remembered.

        Args:
            nodes: Their nodes are wanted too: looking these up may import torch.
        """
        since = time.time_ns() - _GRAIN
        stale = [m for m in self._manifests if m.contents is None or (nodes and m.contents.nodes is None)]
        for manifest in (m for m in stale if m.source.trusted):
            manifest.contents = inspection.contents(manifest.source.plugin, manifest.contents, nodes=nodes)
        others = [manifest for manifest in stale if not manifest.source.trusted]
        _look_up([manifest for manifest in others if manifest.contents is None], nodes=False)
        if nodes:
            _look_up(
                [manifest for manifest in others if manifest.contents and manifest.contents.nodes is None], nodes=True
            )
        for manifest in stale:
            manifest.write(since)
        return [manifest.contents or Contents() for manifest in self._manifests]


def _look_up(manifests: Sequence[_Manifest], *, nodes: bool) -> None:
    """Look into plugins in another process; whoever ends that process is to blame, and the rest get a new one."""
    left = list(manifests)
    while left:
        answers, trying, end = _ask(left, nodes=nodes)
        for manifest, answer in zip(left, answers, strict=False):
            manifest.contents = answer
        left = left[len(answers) :]
        if left:
            left[0].contents = _without(left[0], trying, end)
            left = left[0 if nodes and trying else 1 :]


def _without(manifest: _Manifest, trying: str, end: str) -> Contents:
    """What is left of a plugin when importing something of it has ended Python."""
    module = (trying or manifest.source.plugin.module).partition(":")[0]
    failure = f"importing {trying or module} {end} ({inspection.source(module)})"
    known = manifest.contents
    if known is None or not trying:
        return Contents(failures=(failure,), nodes=())
    targets = tuple(target for target in known.targets if target != trying)
    return replace(known, targets=targets, failures=(*known.failures, failure))


def _ask(manifests: Sequence[_Manifest], *, nodes: bool) -> tuple[list[Contents], str, str]:
    """The answers of one process; if it did not come to the end, what it imported last, and how it ended."""
    plugins = [
        {
            "name": manifest.source.plugin.name,
            "value": manifest.source.plugin.value,
            "known": manifest.contents.to_json() if manifest.contents is not None else None,
        }
        for manifest in manifests
    ]
    with tempfile.TemporaryDirectory(prefix="pytti-graph-") as folder:
        task, answer = Path(folder) / "task.json", Path(folder) / "answer.jsonl"
        task.write_text(json.dumps({"path": sys.path, "plugins": plugins, "nodes": nodes}), "utf-8")
        # Safe path (-P): the present folder may hold anything. No pipes: a process left behind would hold them open.
        command = [sys.executable, "-P", "-c", _BOOTSTRAP, str(task), str(answer)]
        silent = subprocess.DEVNULL
        try:
            process = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent)
        except OSError:  # Python without an executable of its own, inside another program
            return [inspection.contents(m.source.plugin, m.contents, nodes=nodes) for m in manifests], "", ""
        try:
            end = _end(process, [manifest.source for manifest in manifests], answer)
        finally:
            process.kill()
            process.wait()
        return *_answers(answer), end


def _end(process: subprocess.Popen[bytes], sources: Sequence[Source], answer: Path) -> str:
    """Wait for a process that looks into plugins; says how it ended, or that it does not come any further."""
    heard, since, told = -1, time.monotonic(), False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(_PATIENCE / 4)
            return f"ended Python: {f'exit code {code}' if code >= 0 else signal.Signals(-code).name}"
        size = answer.stat().st_size if answer.exists() else 0
        if size != heard:
            heard, since, told = size, time.monotonic(), False
        waited = time.monotonic() - since
        if waited > _TIMEOUT:
            return f"gave no answer in {_TIMEOUT:.0f} seconds"
        if waited > _PATIENCE and not told and (tell := _told.get()) is not None:
            told = True
            tell(sources[min(len(_answers(answer)[0]), len(sources) - 1)])


def _answers(path: Path) -> tuple[list[Contents], str]:
    """The answers in a file, and what was being imported when it ended."""
    found: list[Contents] = []
    trying = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # it may have ended in the middle of a line
        for line in path.read_text("utf-8").splitlines():
            data = json.loads(line)
            trying = data.get("trying", "")
            if "contents" in data:
                found.append(Contents.from_json(data["contents"]))
    return found, trying


def _places(root: str) -> list[str]:
    """The files or folders of a top-level module, without importing it."""
    try:
        found = importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        return []
    if found is None:
        return []
    return [*(found.submodule_search_locations or ()), *([found.origin] if found.has_location and found.origin else ())]


class _File(NamedTuple):
    """A source file as it is now."""

    path: str
    size: int
    time: int


def _files(root: str) -> Iterator[_File]:
    """Each source file of a top-level module."""
    for place in _places(root):
        path = Path(place)
        yield from map(_state, sorted(path.rglob("*.py")) if path.is_dir() else [path])


def _state(path: Path) -> _File:
    try:
        state = path.stat()
    except OSError:
        return _File(str(path), -1, 0)
    return _File(str(path), state.st_size, state.st_mtime_ns)


@functools.cache
def _core_state() -> str:
    """The code that manifests are made by."""
    return "\n".join([sys.version, *(str(_state(file)) for file in sorted(_CORE.glob("*.py")))])
