"""Draws a graph: as a tree of text, for Mermaid and Graphviz, and through Graphviz as a picture."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytti_graph.core.errors import MissingError
from pytti_graph.core.nodes import Rate
from pytti_graph.graph.binding import Link
from pytti_graph.graph.checked import CheckedNode
from pytti_graph.graph.document import Document, Value
from pytti_graph.graph.plan import Plan

_LONGEST = 44


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn.

    Attributes:
        id: Its id.
        type: Its type.
        rate: How often its value changes.
        settings: Its arguments that are no references, as written.
        inputs: Its arguments that refer to nodes.
        outputs: Its ports that are referred to.
    """

    id: str
    type: str
    rate: Rate
    settings: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def family(self) -> str:
        """The first word of the type."""
        return self.type.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A reference, or what an optimiser moves (then `argument` is empty)."""

    source: str
    port: str | None
    target: str
    argument: str
    rate: Rate
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph as boxes and arrows; `moves` go from optimisers to the images that they move."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    moves: tuple[Arrow, ...]


def draw(document: Document, plan: Plan) -> Drawing:
    """A drawing of a graph and of how often its values change."""
    arrows = tuple(arrow for node in plan.graph.nodes.values() for arrow in _arrows(node, plan))
    outputs: dict[str, dict[str, None]] = {}
    for arrow in arrows:
        if arrow.port is not None:
            outputs.setdefault(arrow.source, {})[arrow.port] = None
    boxes = tuple(_box(node, plan, document, tuple(outputs.get(id, ()))) for id, node in plan.graph.nodes.items())
    moves = tuple(
        Arrow(optimiser.node, None, image, "", "step") for optimiser in plan.optimisers for image in optimiser.images
    )
    return Drawing(plan.graph.title or plan.graph.name, boxes, arrows, moves)


def _arrows(node: CheckedNode, plan: Plan) -> Iterator[Arrow]:
    seen = set()
    for use in node.references():
        reference = use.reference
        rate: Rate = "frame" if reference.previous else plan.timings[reference.node].changes
        arrow = Arrow(reference.node, reference.port, node.id, use.argument, rate, reference.previous)
        if arrow not in seen:
            seen.add(arrow)
            yield arrow


def _box(node: CheckedNode, plan: Plan, document: Document, outputs: tuple[str, ...]) -> Box:
    inputs = tuple(dict.fromkeys(use.argument for use in node.references()))
    written = document.nodes[node.id].arguments
    links = {name for name in inputs if _only_links(node, name)}
    settings = tuple((name, _short(entry.value)) for name, entry in written.items() if name not in links)
    return Box(node.id, node.spec.type, plan.timings[node.id].changes, settings, inputs, outputs)


def _only_links(node: CheckedNode, argument: str) -> bool:
    """True if an argument is a reference, False if it is a formula or a text in which there is one."""
    return isinstance(node.arguments[argument], Link)


def _short(value: Value) -> str:
    match value.data:
        case bool():
            text = str(value.data).lower()
        case None:
            text = "nothing"
        case float():
            text = f"{value.data:g}"
        case tuple() | dict():
            text = str(value.plain())
        case _:
            text = " ".join(str(value.data).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3].rstrip()}..."


# Text


def as_text(drawing: Drawing) -> str:
    """A tree for each sink; a node that several others use is drawn once, and named after that."""
    boxes = {box.id: box for box in drawing.boxes}
    inputs: dict[str, list[Arrow]] = {box.id: [] for box in drawing.boxes}
    for arrow in drawing.arrows:
        inputs[arrow.target].append(arrow)
    used = {arrow.source for arrow in drawing.arrows if arrow.source != arrow.target}
    roots = [id for id in boxes if id not in used] or list(boxes)[:1]
    lines, drawn = [drawing.title], set[str]()
    for root in roots:
        lines += ["", *_tree(root, boxes, inputs, drawn)]
    for id in boxes:
        if id not in drawn:
            lines += ["", *_tree(id, boxes, inputs, drawn)]
    lines += _moved(drawing)
    return "\n".join(lines) + "\n"


def _tree(root: str, boxes: Mapping[str, Box], inputs: Mapping[str, list[Arrow]], drawn: set[str]) -> Iterator[str]:
    """The lines of one tree, without recursion: graphs may be deep."""
    waiting: list[tuple[str, Arrow | None, str, str]] = [(root, None, "", "")]
    while waiting:
        id, arrow, before, branch = waiting.pop()
        last = arrow is None or not (arrow.previous or id in drawn)
        yield before + branch + _line(boxes[id], arrow, again=not last)
        children = inputs[id] if last else []
        if last:
            drawn.add(id)
        below = before + _BELOW[branch]
        for index, child in reversed([*enumerate(children)]):
            waiting.append((child.source, child, below, _LAST if index == len(children) - 1 else _NEXT))


_NEXT, _LAST = "├─ ", "└─ "
_BELOW = {"": "", _NEXT: "│  ", _LAST: "   "}


def _line(box: Box, arrow: Arrow | None, *, again: bool) -> str:
    name = box.id if arrow is None else f"{arrow.argument}: {_reference(arrow)}"
    if again:
        return name if arrow is not None and arrow.previous else f"{name} (above)"
    settings = ", ".join(f"{name} {value}" for name, value in box.settings)
    return f"{name}  {box.type}" + (f"  {settings}" if settings else "")


def _reference(arrow: Arrow) -> str:
    """A reference as it is written."""
    name = arrow.source if arrow.port is None else f"{arrow.source}.{arrow.port}"
    return f"previous({name})" if arrow.previous else name


def _moved(drawing: Drawing) -> list[str]:
    by_optimiser: dict[str, list[str]] = {}
    for arrow in drawing.moves:
        by_optimiser.setdefault(arrow.source, []).append(arrow.target)
    lines = [f"{optimiser} moves {', '.join(images)} at every step" for optimiser, images in by_optimiser.items()]
    return ["", *lines] if lines else []


# Mermaid

_MERMAID_ARROWS: Mapping[Rate, str] = {"once": "-.->", "frame": "-->", "step": "==>"}


def as_mermaid(drawing: Drawing) -> str:
    """A Mermaid flowchart: dotted arrows change never, thin ones each frame, thick ones each step."""
    lines = [f"%% {' '.join(drawing.title.split())}", "flowchart LR"]
    numbers = {box.id: f"n{index}" for index, box in enumerate(drawing.boxes)}
    for box in drawing.boxes:
        text = "<br/>".join([f"<b>{html.escape(box.id)}</b>", f"<small>{html.escape(box.type)}</small>"])
        lines.append(f'  {numbers[box.id]}["{text}"]:::{_class(box.family)}')
    for arrow in drawing.arrows:
        label = _words(arrow)
        lines.append(f'  {numbers[arrow.source]} {_MERMAID_ARROWS[arrow.rate]}|"{label}"| {numbers[arrow.target]}')
    for move in drawing.moves:
        lines.append(f'  {numbers[move.source]} ==>|"moves"| {numbers[move.target]}')
    for family in dict.fromkeys(box.family for box in drawing.boxes):
        fill, line = family_colours(family)
        lines.append(f"  classDef {_class(family)} fill:{fill},stroke:{line},color:#0f172a")
    return "\n".join(lines) + "\n"


def _class(family: str) -> str:
    return f"family_{family}"


def _words(arrow: Arrow) -> str:
    if arrow.port is None and not arrow.previous:
        return arrow.argument
    return f"{arrow.argument}: {_reference(arrow)}"


# Graphviz

_INK, _QUIET, _PAPER = "#0f172a", "#64748b", "#ffffff"
_EMPTY = f'<td bgcolor="{_PAPER}"></td>'
_FAMILIES: Mapping[str, tuple[str, str]] = {
    "perceptor": ("#ede9fe", "#7c3aed"),
    "prompt": ("#fce7f3", "#db2777"),
    "image": ("#dbeafe", "#2563eb"),
    "cutout": ("#ccfbf1", "#0d9488"),
    "augment": ("#d1fae5", "#059669"),
    "encode": ("#cffafe", "#0891b2"),
    "loss": ("#ffedd5", "#ea580c"),
    "optimize": ("#fee2e2", "#dc2626"),
    "motion": ("#ecfccb", "#65a30d"),
    "source": ("#e2e8f0", "#475569"),
    "write": ("#fef9c3", "#ca8a04"),
}
_OTHERS = (("#f3e8ff", "#9333ea"), ("#e0e7ff", "#4f46e5"), ("#ffe4e6", "#e11d48"), ("#f5f5f4", "#57534e"))
_LINES: Mapping[Rate, str] = {
    "once": 'style=dotted penwidth=1.4 color="#94a3b8"',
    "frame": 'style=dashed penwidth=1.3 color="#475569"',
    "step": 'style=solid penwidth=1.8 color="#334155"',
}
_RATE_WORDS: Mapping[Rate, str] = {"once": "never changes", "frame": "changes each frame", "step": "changes each step"}


def family_colours(family: str) -> tuple[str, str]:
    """Fill and line of a family's boxes."""
    return _FAMILIES.get(family) or _OTHERS[sum(family.encode()) % len(_OTHERS)]


def as_dot(drawing: Drawing) -> str:
    """A Graphviz file: dotted arrows never change, dashed ones each frame, solid ones each step."""
    lines = [
        "digraph graph_ {",
        f'  graph [rankdir=LR bgcolor="{_PAPER}" pad=0.35 nodesep=0.32 ranksep=0.75 fontname="Helvetica,sans-serif"'
        f' fontsize=20 fontcolor="{_INK}" labelloc=t labeljust=l label=<{_title(drawing.title)}>]',
        f'  node [shape=plain fontname="Helvetica,sans-serif" fontsize=12 fontcolor="{_INK}"]',
        f'  edge [arrowsize=0.7 fontname="Helvetica,sans-serif" fontsize=9 fontcolor="{_QUIET}"]',
        *(f"  {_quoted(box.id)} [label=<{_table(box)}>]" for box in drawing.boxes),
        *(f"  {_edge(arrow)}" for arrow in drawing.arrows),
        *(f"  {_move(arrow)}" for arrow in drawing.moves),
        *_legend({arrow.rate for arrow in drawing.arrows}, bool(drawing.moves)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def as_picture(drawing: Drawing, format: str) -> bytes:
    """The drawing as an SVG or PNG file; raises `MissingError` if there is no pygraphviz."""
    try:
        from pygraphviz import AGraph
    except ImportError:
        hint = "pip install 'pytti-graph[pictures]', or take --format dot, mermaid or text"
        raise MissingError("drawing pictures needs pygraphviz, which is not installed", hint=hint) from None
    graph = AGraph(string=as_dot(drawing))
    if format == "png":
        graph.graph_attr["dpi"] = "144"
    try:
        picture: bytes = graph.draw(format=format, prog="dot")
    except (OSError, ValueError) as error:
        raise MissingError(f"Graphviz cannot draw: {error}", hint="take --format dot, mermaid or text") from None
    return picture


def _title(title: str) -> str:
    return f"<b>{_escaped(title)}</b><br/>"


def _table(box: Box) -> str:
    fill, line = family_colours(box.family)
    head = (
        f'<tr><td colspan="2" align="left" cellpadding="6"><b><font point-size="14">'
        f'{_escaped(box.id)}</font></b>  <font point-size="10" color="{line}">{_escaped(box.type)}</font></td></tr>'
    )
    rows = "".join(_rows(box))
    return (
        f'<table border="1.2" cellborder="0" cellspacing="0" cellpadding="3" style="rounded" color="{line}"'
        f' bgcolor="{fill}">{head}{rows}</table>'
    )


def _rows(box: Box) -> Iterator[str]:
    values = dict(box.settings)
    lefts = [(name, values.get(name, "")) for name in box.inputs]
    lefts += [(name, value) for name, value in box.settings if name not in box.inputs]
    rights = list(box.outputs)
    for index in range(max(len(lefts), len(rights))):
        left = _left(box, *lefts[index]) if index < len(lefts) else _EMPTY
        right = _right(rights[index]) if index < len(rights) else _EMPTY
        yield f"<tr>{left}{right}</tr>"


def _left(box: Box, name: str, value: str) -> str:
    port = f' port="in_{name}"' if name in box.inputs else ""
    text = f'<font color="{_INK if port else _QUIET}">{_escaped(name)}</font>'
    if value:
        text += f'  <font color="{_INK}">{_escaped(value)}</font>'
    return f'<td align="left" bgcolor="{_PAPER}"{port}><font point-size="10">{text}</font></td>'


def _right(port: str) -> str:
    text = f'<font point-size="10" color="{_INK}">{_escaped(port)}</font>'
    return f'<td align="right" bgcolor="{_PAPER}" port="out_{port}">{text}</td>'


def _edge(arrow: Arrow) -> str:
    start = f"{_quoted(arrow.source)}:{_quoted(f'out_{arrow.port}')}:e" if arrow.port else f"{_quoted(arrow.source)}:e"
    end = f"{_quoted(arrow.target)}:{_quoted(f'in_{arrow.argument}')}:w"
    more = ' constraint=false label="previous frame" color="#a16207" fontcolor="#a16207"' if arrow.previous else ""
    return f"{start} -> {end} [{_LINES[arrow.rate]}{more}]"


def _move(arrow: Arrow) -> str:
    return (
        f"{_quoted(arrow.source)}:s -> {_quoted(arrow.target)}:s"
        ' [constraint=false style=solid penwidth=1.8 color="#dc2626" fontcolor="#dc2626" label="moves"]'
    )


def _legend(rates: Iterable[str], moves: bool) -> Iterator[str]:
    shown: list[Rate] = [rate for rate in ("once", "frame", "step") if rate in rates]
    if len(shown) < 2:
        return
    cells = "".join(f'<tr><td align="left" port="{rate}">{_RATE_WORDS[rate]}</td></tr>' for rate in shown)
    yield f'  " legend" [label=<<table border="0" cellborder="0" cellpadding="2">{cells}</table>> fontsize=9]'
    yield (
        '  " lines" [label=<<table border="0" cellborder="0" cellpadding="2">'
        + "".join(f'<tr><td port="{rate}">   </td></tr>' for rate in shown)
        + "</table>> fontsize=9]"
    )
    for rate in shown:
        yield f'  " lines":{rate}:e -> " legend":{rate}:w [{_LINES[rate]}]'


def _quoted(name: str) -> str:
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
