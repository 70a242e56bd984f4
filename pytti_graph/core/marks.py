"""What annotations of a node's parameters say about a value in a graph file. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Wire:
    """Marks an annotation as a wire type: its value is a reference to another node.

    Attributes:
        name: As shown to users.
        differentiable: Gradients flow through it.
    """

    name: str
    differentiable: bool = True


_LARGE = 1e6
"""What is as good as without end, where a number has to have one."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a number: `ge` at least, `gt` above, `le` at most, `lt` below; `unit` is shown to users.

    A number with `draft` is multiplied by it when a draft is rendered. One with `infinite` may be infinite, where that
    has a meaning, such as nothing being beyond it; others are finite.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    unit: str = ""
    draft: float | None = None
    infinite: bool = False

    def violated(self, value: float) -> str | None:
        """What is wrong with `value` ("must be at least 1"), or None."""
        if self.ge is not None and not value >= self.ge:
            return f"must be at least {self.ge:.10g}"
        if self.gt is not None and not value > self.gt:
            return f"must be above {self.gt:.10g}"
        if self.le is not None and not value <= self.le:
            return f"must be at most {self.le:.10g}"
        if self.lt is not None and not value < self.lt:
            return f"must be below {self.lt:.10g}"
        if math.isinf(value) and not self.infinite:
            return f"must be finite, such as {math.copysign(_LARGE, value):.10g}"
        return None


@dataclass(frozen=True, slots=True)
class TextParser:
    """Marks a text with formulas inside; `target` is the torch-free parser as "module:function".

    The parser takes the text and returns an object with a `formulas` attribute, a sequence of `TextFormula`; it raises
    `TextSyntaxError` for what it cannot read. A `files` attribute, if there is one, is a sequence of `TextFile`: files
    to read, which are checked with the graph, and which the node finds with `Files.input` or `Files.picture`. A class
    node's `__init__` receives the parsed object, its `forward`, in a parameter of the same name annotated
    `FormulaValues`, the values of the formulas in the same order.

    Attributes:
        target: The parser.
        keys: What writes lists and mappings in the parser's language, as "module:function", or None if only text will
            do; see `pytti_graph.graph.scene_keys`.
    """

    target: str
    keys: str | None = None


@dataclass(frozen=True, slots=True)
class PathMark:
    """Marks a path; `direction` says whether it is read (graph folder) or written (run folder).

    With `web`, it may also be the http or https address of a picture.
    """

    direction: Literal["input", "output"]
    web: bool = False


@dataclass(frozen=True, slots=True)
class Injected:
    """Marks a parameter that the engine provides and a graph file cannot set."""

    name: str
