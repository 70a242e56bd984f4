"""A node with several ports stands for the one that is wanted."""

from dataclasses import dataclass

import pytest
import torch

from pytti_graph import Graph, GraphError, Image, Loss, Number, node


@dataclass(frozen=True)
class Painted:
    """A picture, and how much paint it took."""

    image: Image
    paint: Number


@dataclass(frozen=True)
class Both:
    """Two pictures."""

    left: Image
    right: Image


@node("image.painted")
class Canvas:
    """A picture with a port."""

    def __init__(self) -> None:
        self.values = torch.full((1, 3, 4, 4), 0.25, requires_grad=True)

    def forward(self) -> Painted:
        """The picture."""
        return Painted(self.values, 3.0)

    def parameters(self) -> dict:
        """What moves."""
        return {"values": self.values}


@node("image.both")
def both() -> Both:
    """Two pictures."""
    return Both(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))


@node("loss.light")
def light(image: Image, weight: Number = 1.0) -> Loss:
    """Darker is better."""
    return weight * image.mean()


def graph(tiny, **nodes):
    return Graph.build(
        {"seed": 1, "clock": {"steps": 5}, "nodes": nodes}, registry=tiny.with_nodes(Canvas, both, light)
    )


CANVAS = {"canvas": {"type": "image.painted"}}
OPTIMISER = {"go": {"type": "tiny.sgd", "losses": ["dark"]}}


def test_the_node_stands_for_its_picture(tiny):
    """For losses, for `previous`, and for the picture that is handed out."""
    made = graph(tiny, **CANVAS, dark={"type": "loss.light", "image": "canvas", "weight": "canvas.paint"}, **OPTIMISER)
    for output in (None, "canvas", "canvas.image"):
        [frame] = made.render(output=output)
        assert frame.tensor.mean() < 0.25
    again = graph(tiny, **CANVAS, dark={"type": "loss.light", "image": "previous(canvas)"})
    assert again.check(write=False)


def test_two_ports_of_a_kind_must_be_told_apart(tiny):
    """The error names them."""
    with pytest.raises(GraphError, match=r"'pair' \(image\.both\) gives Both; write one of: pair\.left, pair\.right"):
        graph(tiny, pair={"type": "image.both"}, dark={"type": "loss.light", "image": "pair"}).check()
