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
from pytti_graph.core.injected import Clock, Device, Files, Moment, Report, Stream
from pytti_graph.core.marks import Bounds, TextParser, Wire
from pytti_graph.core.nodes import NodeSpec, node
from pytti_graph.core.types import (
    BorderMode,
    CropMask,
    CropTarget,
    Cutouts,
    Depth,
    FormulaValues,
    Image,
    InputPath,
    Integer,
    Loss,
    Mask,
    Number,
    OutputPath,
    Parameters,
    ParameterSet,
    Perceptor,
    PicturePath,
    Prompts,
    Seen,
    Warp,
)

if TYPE_CHECKING:
    from pytti_graph.api import Graph, Job, resume
    from pytti_graph.core.formulas import TextSyntaxError, parse_formula
    from pytti_graph.core.plugins import Registry, installed
    from pytti_graph.core.scenes import TextFormula
    from pytti_graph.engine.events import Checkpointed, Ended, Event, Frame, FrameDone, Prepared, Stepped, Warned
    from pytti_graph.executors import (
        Executor,
        Noted,
        Outcome,
        Progressed,
        Started,
        Task,
        TaskEvent,
        render_task,
    )
    from pytti_graph.nodes.motion import resample
    from pytti_graph.sweeps import Result, Sweep, Variation

__version__ = "0.1.0"

_API = ("Graph", "Job", "resume")
_EVENTS = ("Checkpointed", "Ended", "Event", "Frame", "FrameDone", "Prepared", "Stepped", "Warned")
_PLUGINS = ("Registry", "installed")
_EXECUTORS = ("Executor", "Noted", "Outcome", "Progressed", "Started", "Task", "TaskEvent", "render_task")
_TEXTS = ("TextSyntaxError", "parse_formula")
_SWEEPS = ("Result", "Sweep", "Variation")
_LATE = (
    dict.fromkeys(_API, "pytti_graph.api")
    | dict.fromkeys(_EVENTS, "pytti_graph.engine.events")
    | dict.fromkeys(_PLUGINS, "pytti_graph.core.plugins")
    | dict.fromkeys(_EXECUTORS, "pytti_graph.executors")
    | dict.fromkeys(_SWEEPS, "pytti_graph.sweeps")
    | dict.fromkeys(_TEXTS, "pytti_graph.core.formulas")
    | {"TextFormula": "pytti_graph.core.scenes", "resample": "pytti_graph.nodes.motion"}
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
    "CropMask",
    "CropTarget",
    "Cutouts",
    "Depth",
    "Device",
    "Ended",
    "Event",
    "Executor",
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
    "Noted",
    "Number",
    "Outcome",
    "OutputPath",
    "ParameterSet",
    "Parameters",
    "Perceptor",
    "PicturePath",
    "Position",
    "Prepared",
    "Problem",
    "Progressed",
    "Prompts",
    "PyttiGraphError",
    "Register",
    "RegisterNamed",
    "Registry",
    "RenderError",
    "Report",
    "Result",
    "Seen",
    "Started",
    "Stepped",
    "Stream",
    "Sweep",
    "Task",
    "TaskEvent",
    "TextFormula",
    "TextParser",
    "TextSyntaxError",
    "UsageError",
    "Variation",
    "Warned",
    "Warp",
    "Wire",
    "hookimpl",
    "installed",
    "node",
    "parse_formula",
    "render_task",
    "resample",
    "resume",
]
