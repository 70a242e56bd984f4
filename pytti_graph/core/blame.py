"""Whose code it was that failed, for messages that users can pass on to its authors."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytti_graph.core.plugins import Plugin


def described(error: BaseException) -> str:
    """An error in one line: its kind and what it says."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def culprit(error: BaseException, plugin: Plugin | None, module: str) -> str | None:
    """Who should hear of an error: distribution, version, file and line; None if it is pytti-graph itself.

    Args:
        error: What was raised.
        plugin: Where the code comes from, as far as that is known.
        module: The module that was called.
    """
    if plugin is None or not plugin.is_foreign:
        return None
    place = own_place(error, module) or getattr(sys.modules.get(module), "__file__", None)
    if not plugin.version:  # a file with nodes, which is its own name
        return f"raised in {place or plugin.distribution}"
    return f"raised in {plugin} ({place})" if place else f"raised in {plugin}"


def own_place(error: BaseException, module: str) -> str | None:
    """File and line of the last call that was the plugin's own; what it calls is seldom to blame.

    Args:
        error: What was raised.
        module: A module of the plugin; all of its top-level package counts as its own.
    """
    try:
        found = importlib.util.find_spec(module.partition(".")[0])  # which imports nothing, not having a dot
    except (ImportError, ValueError, AttributeError):
        return None
    if found is None:
        return None
    places = [Path(place) for place in (found.origin, *(found.submodule_search_locations or ())) if place]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).absolute().is_relative_to(at) for at in places)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else None
