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
from pytti_graph.core.hooks import Register, RegisterNamed, hookimpl
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
    ParameterSet,
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
    from pytti_graph.api import Graph, Job, resume
    from pytti_graph.core.plugins import Registry, installed
    from pytti_graph.engine.events import Checkpointed, Ended, Event, Frame, FrameDone, Prepared, Stepped, Warned
    from pytti_graph.nodes.motion import resample

__version__ = "0.1.0"

_API = ("Graph", "Job", "resume")
_EVENTS = ("Checkpointed", "Ended", "Event", "Frame", "FrameDone", "Prepared", "Stepped", "Warned")
_PLUGINS = ("Registry", "installed")
_LATE = (
    dict.fromkeys(_API, "pytti_graph.api")
    | dict.fromkeys(_EVENTS, "pytti_graph.engine.events")
    | dict.fromkeys(_PLUGINS, "pytti_graph.core.plugins")
    | {"resample": "pytti_graph.nodes.motion"}
)


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'pytti_graph' has no attribute '{name}'")


__all__ = [
    "BorderMode",
    "Bounds",
    "Checkpointed",
    "Clock",
    "Cutouts",
    "Depth",
    "Device",
    "Ended",
    "Event",
    "Files",
    "FormulaValues",
    "Frame",
    "FrameDone",
    "Graph",
    "GraphError",
    "Image",
    "InputPath",
    "Integer",
    "Interrupted",
    "Job",
    "Loss",
    "Mask",
    "MissingError",
    "Moment",
    "NodeSpec",
    "Number",
    "OutputPath",
    "ParameterSet",
    "Parameters",
    "Perceptor",
    "Position",
    "Prepared",
    "Problem",
    "Prompts",
    "PyttiGraphError",
    "Register",
    "RegisterNamed",
    "Registry",
    "RenderError",
    "Report",
    "Seen",
    "Stepped",
    "Stream",
    "TextParser",
    "UsageError",
    "Warned",
    "Warp",
    "Wire",
    "hookimpl",
    "installed",
    "node",
    "resample",
    "resume",
]
