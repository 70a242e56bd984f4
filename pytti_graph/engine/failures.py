"""Turns what goes wrong inside a node into an error that names node, frame and step, and says what to do."""

from __future__ import annotations

import errno

from torch import Tensor

from pytti_graph.core.blame import culprit
from pytti_graph.core.errors import (
    GraphError,
    MissingError,
    Position,
    Problem,
    PyttiGraphError,
    RenderError,
    UsageError,
)
from pytti_graph.core.formulas import FormulaValueError
from pytti_graph.core.injected import Moment
from pytti_graph.core.plugins import Plugin
from pytti_graph.graph.binding import Computed, Parsed
from pytti_graph.graph.checks import CheckedNode
from pytti_graph.graph.plan import Call, Plan

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_cpu")


def explain(
    error: Exception | SystemExit, plan: Plan, call: Call, moment: Moment, begun: bool, plugin: Plugin | None
) -> PyttiGraphError:
    """The error to raise instead of `error`, which came out of `call` of a node that `plugin` offers."""
    node = plan.graph.nodes[call.node]
    frame = moment.frame if begun else None
    step = moment.step if begun and plan.optimisers else None
    place = node.position
    argument = None
    if isinstance(call.detail, Computed):
        argument, place = call.name.partition(".")[2], call.detail.position or place
    if isinstance(error, FormulaValueError):
        return RenderError(
            f"{argument}: {error}", frame=frame, step=None, position=place, node=node.id, argument=argument
        )
    if isinstance(error, PyttiGraphError):
        return _with_place(error, node, frame, step)
    if is_out_of_memory(error):
        hint = f"lower {what_to_lower(plan, node.id)}"
        return RenderError("out of memory", frame=frame, step=step, position=place, node=node.id, hint=hint)
    if isinstance(error, OSError):
        return _file_error(error, node, frame)
    prefix = f"{argument}: " if argument else ""
    lines = str(error).strip().splitlines()  # torch appends a trace of its own
    kind = () if lines and isinstance(error, ValueError) else (type(error).__name__,)
    text = ": ".join((*kind, *lines[:1]))
    whose = None if argument else culprit(error, plugin, node.spec.target.partition(":")[0])
    message = f"{prefix}{text}"
    return RenderError(message, frame=frame, step=step, position=place, node=node.id, argument=argument, hint=whose)


def _with_place(error: PyttiGraphError, node: CheckedNode, frame: int | None, step: int | None) -> PyttiGraphError:
    problem = error.problem
    if problem.node is not None or isinstance(error, GraphError):
        return error
    place = problem.position or _offset_place(error, node) or node.places.get(problem.argument or "") or node.position
    message, argument, hint = problem.message, problem.argument, problem.hint
    if isinstance(error, MissingError):
        return MissingError(message, position=place, node=node.id, argument=argument, hint=hint)
    if isinstance(error, UsageError) and frame is None:
        return GraphError([Problem(message, place, node.id, argument, hint)])
    return RenderError(message, frame=frame, step=step, position=place, node=node.id, argument=argument, hint=hint)


def _offset_place(error: PyttiGraphError, node: CheckedNode) -> Position | None:
    """The place inside a text with formulas, if the error says so."""
    if not isinstance(error, UsageError) or error.offset is None:
        return None
    bound = node.arguments.get(error.problem.argument or "")
    return bound.at(error.offset) if isinstance(bound, Parsed) else None


def is_out_of_memory(error: BaseException) -> bool:
    """True for what torch and Python raise when memory runs out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY_WORDS)


def what_to_lower(plan: Plan, first: str) -> str:
    """The arguments of this graph that cost most memory, those of the node that failed first."""
    nodes = sorted(plan.graph.nodes.values(), key=lambda node: node.id != first)
    sizes = [
        f"{node.id}.{name}" for node in nodes for name in ("width", "height", "count", "size") if name in node.places
    ]
    return ", ".join(sizes[:4]) or "the size of the picture or the number of crops"


def _file_error(error: OSError, node: CheckedNode, frame: int | None) -> RenderError:
    if error.filename is None and error.errno != errno.ENOSPC:
        return RenderError(f"{type(error).__name__}: {error}", frame=frame, position=node.position, node=node.id)
    name = f" '{error.filename}'" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "everything finished so far is kept; make room, then continue with 'pytti-graph resume'"
        return RenderError(f"the disk is full{name}", frame=frame, position=node.position, node=node.id, hint=hint)
    message = f"cannot read or write{name}: {error.strerror or error}"
    return RenderError(message, frame=frame, position=node.position, node=node.id)


def not_finite(plan: Plan, loss: str, frame: int, step: int) -> RenderError:
    """A loss that has become NaN or infinite."""
    node = plan.graph.nodes[loss.partition(".")[0]]
    hint = "lower the learning rate or the loss's weight; the frames before this one are kept"
    return RenderError(
        "the loss is not a number any more", frame=frame, step=step, position=node.position, node=node.id, hint=hint
    )


def broken_picture(plan: Plan, image: str, frame: int, step: int) -> RenderError:
    """An image whose parameters hold values that are not finite."""
    node = plan.graph.nodes[image]
    hint = "lower the learning rate; the frames before this one are kept"
    message = "the picture is not made of numbers any more"
    return RenderError(message, frame=frame, step=step, position=node.position, node=image, hint=hint)


def wrong_picture(plan: Plan, node: str, value: object, frame: int) -> RenderError:
    """A value that should be a picture and is none."""
    what = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    position = plan.graph.nodes[node].position
    return RenderError(f"a picture is a tensor [1, 3, H, W], not {what}", frame=frame, position=position, node=node)
