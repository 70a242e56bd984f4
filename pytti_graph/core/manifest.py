"""What a plugin offers, remembered between runs, so that its heavy modules need not be imported to check a graph."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from pytti_graph.core.nodes import NodeSpec, spec_of

_CORE = Path(__file__).parent


def specifications(name: str, targets: Sequence[str], load: Callable[[str], Callable[..., Any]]) -> dict[str, NodeSpec]:
    """The specifications of `targets`, from the cache or, when their sources have changed, by importing them.

    Args:
        name: Names the cache file.
        targets: Each as "package.module:name".
        load: Imports one.
    """
    key = _key(targets)
    path = Path(platformdirs.user_cache_dir("pytti-graph")) / "manifests" / f"{name}.json"
    if (known := _read(path, key)) is not None:
        return known
    found = {(spec := spec_of(load(target))).type: spec for target in targets}
    _write(path, key, found)
    return found


def _key(targets: Sequence[str]) -> str:
    """A digest of the sources that the specifications are made of, and of the code that makes them."""
    digest = hashlib.sha256()
    modules = dict.fromkeys(target.partition(":")[0] for target in targets)
    sources = [_source(module) for module in modules]
    for path in (*sources, _CORE / "nodes.py", _CORE / "arguments.py", _CORE / "types.py"):
        digest.update(path.read_bytes() if path else b"")
    digest.update(json.dumps(list(targets)).encode())
    return digest.hexdigest()


def _source(module: str) -> Path | None:
    found = importlib.util.find_spec(module)
    if found is None:
        raise ModuleNotFoundError(f"no module named '{module}'")
    return Path(found.origin) if found.origin and found.has_location else None


def _read(path: Path, key: str) -> dict[str, NodeSpec] | None:
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["key"] != key:
            return None
        return {entry["type"]: NodeSpec.from_json(entry) for entry in data["nodes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, key: str, found: dict[str, NodeSpec]) -> None:
    """Remember, if the cache can be written; a cache that cannot be written only costs time."""
    text = json.dumps({"key": key, "nodes": [spec.to_json() for spec in found.values()]}, indent=1)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
