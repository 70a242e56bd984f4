"""What plugins offer, remembered between runs, so that they need not be imported to list or to check anything.

A manifest is a JSON file for each entry point. It holds while no source file of the plugin's packages has changed, and
is made anew by `inspection` otherwise: built-ins in this process, plugins in one of their own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pytti_graph.core import inspection
from pytti_graph.core.offers import Contents

_CORE = Path(__file__).parent
_TIMEOUT = 300.0
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
        places = "\n".join([sys.prefix, source.plugin.value, *_places(source.plugin.module.partition(".")[0])])
        digest = hashlib.sha256(places.encode()).hexdigest()[:12]
        folder = Path(platformdirs.user_cache_dir("pytti-graph")) / "manifests"
        return folder / f"{source.distribution}-{source.version}-{source.plugin.name}-{digest}.json"

    def read(self) -> None:
        """Take what is remembered, if it still holds."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            data = json.loads(self.path.read_text("utf-8"))
            self.contents = Contents.from_json(data["contents"])
            if data["key"] != self.key():
                self.contents = None

    def write(self) -> None:
        """Remember, if the cache can be written; a cache that cannot be written only costs time."""
        assert self.contents is not None
        text = json.dumps({"key": self.key(), "contents": self.contents.to_json()}, indent=1)
        with contextlib.suppress(OSError):
            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_text(text, "utf-8")
            temporary.replace(path)

    def key(self) -> str:
        """A digest of the sources; what failed may also work when something else has been installed."""
        digest = hashlib.sha256(_core_state().encode())
        for root in self.roots:
            for line in _files(root):
                digest.update(line.encode())
        if self.contents is not None and self.contents.failures:
            digest.update(_environment().encode())
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
        stale = [m for m in self._manifests if m.contents is None or (nodes and m.contents.nodes is None)]
        for manifest in (m for m in stale if m.source.trusted):
            manifest.contents = inspection.contents(manifest.source.plugin, manifest.contents, nodes=nodes)
        _look_up([m for m in stale if not m.source.trusted], nodes=nodes)
        for manifest in stale:
            manifest.write()
        return [manifest.contents or Contents() for manifest in self._manifests]


def _look_up(manifests: Sequence[_Manifest], *, nodes: bool) -> None:
    """Look into plugins in another process; whoever ends that process is to blame, and the rest get a new one."""
    left = list(manifests)
    while left:
        answers, end = _ask(left, nodes=nodes)
        for manifest, answer in zip(left, answers, strict=False):
            manifest.contents = answer
        left = left[len(answers) :]
        if left and end is not None:
            place = inspection.source(left[0].source.plugin.module)
            left[0].contents = Contents(failures=(f"importing it ended Python: {end} ({place})",), nodes=())
            left = left[1:]


def _ask(manifests: Sequence[_Manifest], *, nodes: bool) -> tuple[list[Contents], str | None]:
    """The answers of one process, and how it ended if it did not come to the end."""
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
        command = [sys.executable, "-c", _BOOTSTRAP, str(task), str(answer)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT)
            end = f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            end = f"no answer in {_TIMEOUT:.0f} seconds"
        except OSError:  # Python without an executable of its own, inside another program
            return [inspection.contents(m.source.plugin, m.contents, nodes=nodes) for m in manifests], None
        return list(_answers(answer)), end


def _answers(path: Path) -> Iterator[Contents]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield Contents.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):  # it was ended in the middle of a line
            return


def _places(root: str) -> list[str]:
    """The files or folders of a top-level module, without importing it."""
    try:
        found = importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        return []
    if found is None:
        return []
    return [*(found.submodule_search_locations or ()), *([found.origin] if found.has_location and found.origin else ())]


def _files(root: str) -> Iterator[str]:
    """Path, size and time of each source file of a top-level module."""
    for place in _places(root):
        path = Path(place)
        sources = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in sources:
            with contextlib.suppress(OSError):
                state = file.stat()
                yield f"{file} {state.st_size} {state.st_mtime_ns}\n"


@functools.cache
def _core_state() -> str:
    """The code that manifests are made by."""
    return "".join([sys.version, *_files_of(_CORE)])


def _files_of(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.py")):
        state = file.stat()
        yield f"{file} {state.st_size} {state.st_mtime_ns}\n"


def _environment() -> str:
    """The distributions that are installed, by the names of their metadata folders."""
    names: list[str] = []
    for folder in sys.path:
        with contextlib.suppress(OSError):
            names += [path.name for path in Path(folder).iterdir() if path.suffix in (".dist-info", ".egg-info")]
    return "\n".join(sorted(names))
