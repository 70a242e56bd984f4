"""What is made once: the same for the same tensor, anew for a changed one, nothing kept for nothing."""

import gc
import weakref

import pytest
import torch

from pytti_graph import Graph
from pytti_graph.nodes import compositions, losses, lpips_loss
from pytti_graph.nodes.remembering import remembered


@pytest.fixture
def counted():
    """A remembered function, and what it was called with."""
    calls = []

    @remembered
    def double(source, times=1):
        calls.append(times)
        return source * 2 * times

    return double, calls


def test_the_same_tensor_is_looked_at_once(counted):
    double, calls = counted
    source = torch.ones(3)
    assert double(source) is double(source)
    assert double(source, 2) is double(source, 2)
    assert torch.equal(double(source, times=2), torch.full((3,), 4.0))
    assert calls == [1, 2, 2]
    double(torch.ones(3))
    assert len(calls) == 4


def test_a_tensor_that_has_changed_is_looked_at_again(counted):
    double, calls = counted
    source = torch.ones(3)
    double(source)
    source.add_(1)
    assert torch.equal(double(source), torch.full((3,), 4.0))
    assert len(calls) == 2


def test_where_gradients_go_back_nothing_is_remembered(counted):
    double, calls = counted
    source = torch.ones(3, requires_grad=True)
    for _ in range(2):
        double(source).sum().backward()
    assert len(calls) == 2
    assert torch.equal(source.grad, torch.full((3,), 4.0))


def test_inference_mode_leaves_nothing_behind(counted):
    double, _ = counted
    source = torch.ones(3)
    with torch.inference_mode():
        double(source)
        double(torch.ones(3))
    assert not double(source).is_inference()


def test_nothing_is_kept_alive():
    fitted = remembered(lambda source, size: source if size == 3 else source[:size].clone())
    source = torch.ones(3)
    gone, made = weakref.ref(source), weakref.ref(fitted(source, 2))
    assert fitted(source, 3) is source
    del source
    gc.collect()
    assert gone() is None
    assert made() is None


# In the step loop


def film(nodes):
    common = {
        "photo": {"type": "source.image", "path": "photo.png"},
        "canvas": {"type": "image.rgb", "width": 40, "height": 36},
        "optimise": {"type": "optimize.adam", "losses": ["loss"]},
    }
    return Graph.build({"seed": 1, "clock": {"frames": 2, "steps": 3}, "nodes": {**common, **nodes}})


CASES = {
    "match": (losses, "fit", {"loss": {"type": "loss.match", "image": "canvas", "target": "photo"}}),
    "edges": (losses, "fit", {"loss": {"type": "loss.edges", "image": "canvas", "target": "photo"}}),
    "lpips": (
        lpips_loss,
        "same_shape",
        {
            "loss": {
                "type": "loss.lpips",
                "image": "canvas",
                "target": "photo",
                "network": "squeeze",
                "pretrained": "random",
            }
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_target_is_fitted_once_for_the_whole_film(name, monkeypatch, tmp_path, picture_of):
    module, function, nodes = CASES[name]
    picture_of(30, 20).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    calls, fit = [], getattr(module, function)
    monkeypatch.setattr(module, function, lambda *given: calls.append(given) or fit(*given))
    assert len(list(film(nodes).render(output="canvas"))) == 2
    assert len(calls) == 1


def test_what_is_painted_into_is_fitted_once(monkeypatch, tmp_path, picture_of):
    """Picture and mask, at both of their sizes, whatever the number of steps and frames."""
    picture_of(30, 20).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    calls = []

    def fit(source, *size):
        calls.append(source.shape)
        return torch.nn.functional.interpolate(source, size)

    monkeypatch.setattr(compositions, "fitted", remembered(fit))
    nodes = {
        "hole": {"type": "mask.ellipse", "width": 8, "height": 8},
        "whole": {"type": "picture.inpaint", "image": "canvas", "picture": "photo", "mask": "hole"},
        "loss": {"type": "loss.smoothness", "image": "whole"},
    }
    list(film(nodes).render(output="whole"))
    assert sorted(calls) == [torch.Size([1, 1, 8, 8]), torch.Size([1, 3, 20, 30])]


@pytest.fixture
def picture_of():
    from PIL import Image

    return lambda width, height: Image.new("RGB", (width, height), "teal")
