"""Tells of pictures that are stretched because an image that starts from them has another shape."""

from __future__ import annotations

from torch import Size

from pytti_graph.core.errors import Problem
from pytti_graph.graph.binding import Link
from pytti_graph.graph.checked import CheckedGraph

_NOTICED = 0.02
"""By which part one side may be too long for the other before anybody sees it."""


def stretched(graph: CheckedGraph, node: str, start: Size, image: Size) -> Problem | None:
    """A warning if a picture of the shape [1, C, h, w], that one of [1, C, H, W] starts from, has other proportions.

    Args:
        graph: The graph.
        node: Id of the image.
        start: Shape of the picture.
        image: Shape of the image.
    """
    (height, width), (rows, columns) = start[-2:], image[-2:]
    too_wide, too_high = abs(width * rows / height - columns), abs(height * columns / width - rows)
    if min(too_wide, too_high) <= 1 or min(too_wide / columns, too_high / rows) <= _NOTICED:
        return None  # which rounding may explain, or which nobody sees
    checked = graph.nodes[node]
    message = f"start: a picture of {width} x {height} pixels is stretched to {columns} x {rows}"
    place = checked.places.get("start") or checked.position
    return Problem(message, place, node, "start", _hint(graph, node), severity="warning")


def _hint(graph: CheckedGraph, node: str) -> str:
    crop = "to crop it instead, write this width and height in its source"
    link = graph.nodes[node].arguments["start"]
    source = link.references[0].node if isinstance(link, Link) else ""
    if not source or not {"width", "height"} <= graph.nodes[source].spec.ports.keys():
        return crop
    return f"{crop}; to keep its shape, write here width: {source}.width, height: {source}.height"
