"""Clause: signature and docstring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytti_graph.testing.subjects import Subject


def documented(subject: Subject, folder: Path) -> Iterator[str]:
    """The docstring begins with a sentence and explains every argument.

    The type is called `family.name`.
    """
    spec = subject.spec
    if spec.type.count(".") != 1:
        yield f"its type has {spec.type.count('.') + 1} parts; call it family.name, such as 'loss.bright'"
    if not spec.summary:
        yield "it has no docstring; begin it with a sentence that tells an artist what it does"
    elif not spec.summary.endswith("."):
        yield f"its docstring begins with '{spec.summary}', which is no sentence; end it with a full stop"
    for parameter in spec.parameters:
        if not parameter.help:
            where = f"'{parameter.name}: ...' under 'Args:' in its docstring"
            yield f"its argument '{parameter.name}' is not explained; add {where}"
