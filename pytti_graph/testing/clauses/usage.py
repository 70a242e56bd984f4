"""Clause: arguments are used."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from pytti_graph.core.arguments import ReferenceType
from pytti_graph.core.nodes import PHASES, NodeSpec, Parameter
from pytti_graph.testing.subjects import Subject

_STORES = ("STORE_FAST", "STORE_DEREF")
_LOOKS_AROUND = {"locals", "vars", "dir", "eval", "exec", "currentframe", "_getframe"}
"""Names by which a function comes at arguments without naming them."""
_TRANSPARENT = ("torch", "contextlib", "functools")
"""Where decorators come from that hand all arguments on and do not look at them."""


def used(subject: Subject, folder: Path) -> Iterator[str]:
    """Every argument is used: its name is read somewhere in the code that is given it."""
    for parameter in subject.spec.parameters:
        if not _triggers(subject.spec, parameter) and _is_unread(subject, parameter.name):
            yield f"its argument '{parameter.name}' changes nothing, as nothing reads it; use it or leave it out"


def _triggers(spec: NodeSpec, parameter: Parameter) -> bool:
    """It may be there only so that the node runs: the losses of an optimiser, the picture of a writer."""
    return spec.returns is None and isinstance(parameter.type, ReferenceType)


def _is_unread(subject: Subject, name: str) -> bool:
    """All functions that take an argument can be looked into, and none reads it."""
    taking = [phase for phase in subject.spec.phases if name in phase.parameters]
    made: Any = subject.made
    functions = [getattr(made, PHASES[phase.name]) if subject.spec.stateful else made for phase in taking]
    return not any(_may_read(function, name) for function in functions)


def _may_read(function: Callable[..., Any], name: str) -> bool:
    """False only if it is certain that a function does not read an argument."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        if not _is_transparent(function):
            return True
        function = inner
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or name not in inspect.signature(function).parameters:
        return True
    if not _LOOKS_AROUND.isdisjoint(code.co_names):
        return True
    return any(_names(instruction, name) for instruction in dis.get_instructions(code))


def _is_transparent(wrapper: Any) -> bool:
    module = getattr(wrapper, "__globals__", {}).get("__name__", type(wrapper).__module__)
    return str(module).partition(".")[0] in _TRANSPARENT


def _names(instruction: dis.Instruction, name: str) -> bool:
    """An instruction does something with a variable other than to put another value in its place."""
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    return name in names and instruction.opname not in _STORES
