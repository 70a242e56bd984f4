"""Likeness as people judge it, with random weights: the mathematics, masks, files, and what is missing."""

from types import SimpleNamespace

import pytest
import torch
import torchvision

from pytti_graph import MissingError, UsageError
from pytti_graph.core.downloads import downloads_of
from pytti_graph.nodes import lpips_weights
from pytti_graph.nodes.lpips_loss import Lpips
from pytti_graph.testing.tiny import tiny_image


@pytest.fixture
def files(tmp_path):
    return SimpleNamespace(network=False, input=lambda path: tmp_path / path)


@pytest.fixture
def report():
    said = []
    return SimpleNamespace(warn=lambda message, **where: said.append(message), said=said)


@pytest.fixture
def squeeze(device, files, report):
    return Lpips(device, files, report, "squeeze", "random")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Stands for the package lpips, with heads of ones."""
    folder = tmp_path / "lpips"
    (folder / "weights" / "v0.1").mkdir(parents=True)
    for name, network in lpips_weights.NETWORKS.items():
        heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(network.channels)}
        torch.save(heads, folder / "weights" / "v0.1" / f"{name}.pth")
    found = SimpleNamespace(origin=str(folder / "__init__.py"))
    monkeypatch.setattr(lpips_weights.importlib.util, "find_spec", lambda name: found)


@pytest.mark.parametrize("network", lpips_weights.NETWORKS)
def test_stages_have_the_channels_that_heads_expect(network):
    with torch.device("meta"):
        found, layers = torch.empty(1, 3, 64, 64), lpips_weights._layers(network)
    ends, channels = lpips_weights.NETWORKS[network].ends, lpips_weights.NETWORKS[network].channels
    for first, end, wanted in zip((0, *ends), ends, channels, strict=False):
        found = layers[first:end](found)
        assert found.shape[1] == wanted


def test_a_picture_is_like_itself(squeeze, report):
    picture = tiny_image(40, 48)
    assert squeeze.forward(picture, picture) == 0
    far, near = (squeeze.forward(picture, other) for other in (1 - picture, 0.98 * picture))
    assert 0 < near < far
    torch.testing.assert_close(squeeze.forward(picture, 1 - picture, weight=-2), -2 * far)
    assert "random" in report.said[0]


def test_by_hand(squeeze):
    """Unit vectors' squared distances, averaged over places, summed over stages (the heads are means)."""
    one, other = tiny_image(33, 40), tiny_image(33, 40, seed=2)
    x, y = (
        (picture * 2 - 1 - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        / torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
        for picture in (one, other)
    )
    total = 0.0
    for stage in squeeze._stages:
        x, y = stage(x), stage(y)
        u, v = (z / (z.square().sum(1, keepdim=True).sqrt() + 1e-10) for z in (x, y))
        total += float((u - v).square().mean())
    assert float(squeeze.forward(one, other)) == pytest.approx(total, rel=1e-4)


def test_gradient(squeeze):
    """Along a line, in double precision: the network has too many kinks for long steps."""
    squeeze._stages = [stage.double() for stage in squeeze._stages]
    squeeze._heads = [head.double() for head in squeeze._heads]
    image, target, step = (tiny_image(32, 32, seed=seed).double() for seed in range(3))
    image.requires_grad_()
    squeeze.forward(image, target).backward()
    with torch.no_grad():
        change = squeeze.forward(image + 1e-6 * step, target) - squeeze.forward(image - 1e-6 * step, target)
    assert float((image.grad * step).sum()) == pytest.approx(float(change) / 2e-6, rel=1e-3)


def test_even_pictures_have_finite_gradients(squeeze):
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    squeeze.forward(image, torch.zeros(1, 3, 32, 32)).backward()
    assert image.grad.isfinite().all()


def test_a_mask_hides_what_differs(squeeze):
    one = tiny_image(64, 128)
    other = torch.cat((one[..., :64], 1 - one[..., 64:]), -1)
    left = (torch.arange(128) < 32).float().expand(1, 1, 64, 128)
    assert squeeze.forward(one, other, mask=left) < 0.1 * squeeze.forward(one, other, mask=left.flip(-1))


@pytest.mark.parametrize("size", [(1, 1), (20, 40), (31, 3)])
def test_small_pictures_are_enlarged(squeeze, size):
    assert squeeze.forward(tiny_image(*size), 1 - tiny_image(*size)) > 0


def test_weights_from_a_file(device, files, report, package, tmp_path):
    """As torchvision publishes them."""
    network = torchvision.models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    made = Lpips(device, files, report, "squeeze", "own.pth")
    torch.testing.assert_close(made._stages[0][0].weight, network.features[0].weight.detach())
    assert float(made.forward(tiny_image(32, 32), 1 - tiny_image(32, 32))) > 0
    with pytest.raises(UsageError, match="does not hold weights of torchvision's alexnet"):
        Lpips(device, files, report, "alex", "own.pth")
    (tmp_path / "own.pth").write_bytes(b"x")
    with pytest.raises(MissingError, match="cannot be read as weights"):
        Lpips(device, files, report, "squeeze", "own.pth")
    with pytest.raises(MissingError, match="there is no file"):
        Lpips(device, files, report, "squeeze", "none.pth")


def test_without_the_package(device, files, report, monkeypatch):
    monkeypatch.setattr(lpips_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="package lpips") as caught:
        Lpips(device, files, report)
    assert caught.value.problem.hint == "pip install 'pytti-graph[lpips]'"


def test_without_the_weights(device, files, report, package, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingError, match="alexnet") as caught:
        Lpips(device, files, report)
    assert "pytti-graph fetch" in caught.value.problem.hint


def test_what_fetch_gets():
    [needed] = downloads_of(Lpips, {"network": "alex", "pretrained": "imagenet"})
    assert needed.source.startswith("https://download.pytorch.org/models/alexnet")
    assert len(needed.sha256) == 8
    assert downloads_of(Lpips, {"network": "alex", "pretrained": "random"}) == []


def test_random_weights_are_always_the_same_and_nobody_else_s(device, files, report, squeeze):
    state = torch.get_rng_state()
    again = Lpips(device, files, report, "squeeze", "random")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again._stages[0][0].weight, squeeze._stages[0][0].weight)


def test_agrees_with_the_package(squeeze):
    """Where it is installed."""
    lpips = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net="squeeze", pnet_rand=True, pretrained=True, verbose=False).eval()
    ours = torch.nn.Sequential(*(layer for stage in squeeze._stages for layer in stage))
    parts = [part for n in range(1, 8) for part in getattr(theirs.net, f"slice{n}")]
    for one, other in zip(parts, ours, strict=True):
        one.load_state_dict(other.state_dict())
    squeeze._heads = [getattr(theirs, f"lin{n}").model[1].weight.detach() for n in range(7)]
    x, y = tiny_image(64, 48), tiny_image(64, 48, seed=1)
    torch.testing.assert_close(squeeze.forward(x, y), theirs(2 * x - 1, 2 * y - 1).squeeze().detach())
