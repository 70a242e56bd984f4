"""Guided optimisation of pictures and films, as graphs of nodes.

Everything a plugin author or an embedding program needs is importable from here; torch is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytti_graph.core.errors import (
    GraphError,
    Interrupted,
    MissingError,
    Position,
    Problem,
    PyttiGraphError,
    RenderError,
    UsageError,
)
from pytti_graph.core.hooks import Register, hookimpl
from pytti_graph.core.nodes import NodeSpec, node
from pytti_graph.core.types import (
    BorderMode,
    Bounds,
    Clock,
    Cutouts,
    Depth,
    Device,
    Files,
    FormulaValues,
    Image,
    InputPath,
    Integer,
    Loss,
    Mask,
    Moment,
    Number,
    OutputPath,
    Parameters,
    Perceptor,
    Prompts,
    Report,
    Seen,
    Stream,
    TextParser,
    Warp,
    Wire,
)

if TYPE_CHECKING:
    from pytti_graph.api import Graph
    from pytti_graph.engine.events import Event, Frame

__version__ = "0.1.0"

_LATE = {
    "Graph": "pytti_graph.api",
    "Event": "pytti_graph.engine.events",
    "Frame": "pytti_graph.engine.events",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'pytti_graph' has no attribute '{name}'")


__all__ = [
    "BorderMode",
    "Bounds",
    "Clock",
    "Cutouts",
    "Depth",
    "Device",
    "Event",
    "Files",
    "FormulaValues",
    "Frame",
    "Graph",
    "GraphError",
    "Image",
    "InputPath",
    "Integer",
    "Interrupted",
    "Loss",
    "Mask",
    "MissingError",
    "Moment",
    "NodeSpec",
    "Number",
    "OutputPath",
    "Parameters",
    "Perceptor",
    "Position",
    "Problem",
    "Prompts",
    "PyttiGraphError",
    "Register",
    "RenderError",
    "Report",
    "Seen",
    "Stream",
    "TextParser",
    "UsageError",
    "Warp",
    "Wire",
    "hookimpl",
    "node",
]
