"""The order in which operations run: by what needs what, never by the order of the file."""

import random

import pytest
import torch

from pytti_graph.graph.order import CircleError, depth_first

NOISY = {
    "canvas": ("tiny.canvas", {"width": 17, "height": 13}),
    "n1": ("tiny.noise", {"image": "canvas", "strength": 0.3}),
    "n2": ("tiny.noise", {"image": "canvas", "strength": 0.7}),
    "l1": ("tiny.loss", {"image": "n1", "target": 0.3}),
    "l2": ("tiny.loss", {"image": "n2", "weight": 0.37}),
    "l3": ("tiny.loss", {"image": "canvas", "target": 0.81, "weight": 1.7}),
    "l4": ("tiny.compare", {"image": "canvas", "target": "previous(canvas)", "weight": 0.9}),
    "optimise": ("tiny.sgd", {"losses": ["l1", "l2", "l3", "l4"]}),
    "out": ("tiny.sink", {"image": "canvas"}),
}


def shuffled(nodes, seed):
    """The same nodes in another order."""
    return dict(random.Random(seed).sample(list(nodes.items()), len(nodes)))


def test_each_comes_after_what_it_needs():
    """As it is asked for, each once."""
    needs = {"a": "bc", "b": "d", "c": "d", "d": "", "e": "c"}
    assert depth_first("ea", needs.__getitem__) == ["d", "c", "e", "b", "a"]
    assert depth_first("", needs.__getitem__) == []


def test_a_circle_is_found_and_named():
    """Without what leads to it."""
    with pytest.raises(CircleError) as caught:
        depth_first("a", {"a": "b", "b": "c", "c": "db", "d": ""}.__getitem__)
    assert list(caught.value.items) == ["b", "c"]


def test_a_long_chain_needs_no_recursion():
    """Graphs may be deep."""
    assert depth_first([20_000], lambda item: [item - 1] if item else []) == list(range(20_001))


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_file_changes_no_bit(graph, seed):
    """Gradients are added up in the order in which the losses are listed."""
    expected, found = graph(NOISY), graph(shuffled(NOISY, seed))
    assert [call.name for call in found.plan().step] == [call.name for call in expected.plan().step]
    frames = [[frame.tensor.clone() for frame in made.render()] for made in (expected, found)]
    assert all(torch.equal(one, other) for one, other in zip(*frames, strict=True))


def test_the_order_of_the_losses_is_that_of_their_list(graph):
    """They are computed as they are listed."""
    nodes = {**NOISY, "optimise": ("tiny.sgd", {"losses": ["l3", "l1", "l4", "l2"]})}
    names = [call.name for call in graph(nodes).plan().step]
    assert [name for name in names if name in ("l1", "l2", "l3", "l4")] == ["l3", "l1", "l4", "l2"]


def test_images_are_moved_in_the_order_in_which_losses_reach_them(graph):
    """Not in that of the file."""
    nodes = {
        "a": "tiny.canvas",
        "b": "tiny.canvas",
        "la": ("tiny.loss", {"image": "a"}),
        "lb": ("tiny.loss", {"image": "b"}),
        "optimise": ("tiny.sgd", {"losses": ["lb", "la"]}),
    }
    for seed in range(3):
        made = graph(shuffled(nodes, seed)).plan(write=False, output="a")
        assert made.optimisers[0].images == ("b", "a")
