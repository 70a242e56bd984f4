"""Tiny nodes, so that the engine can be tested in milliseconds."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does
if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: one thread each, before torch counts the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from pytti_graph import (
    Bounds,
    Image,
    Integer,
    Loss,
    Moment,
    Number,
    Parameters,
    Perceptor,
    Stream,
    Warp,
    node,
)
from pytti_graph.api import Graph
from pytti_graph.core import manifest, plugins
from pytti_graph.core.plugins import Registry


class Pair:
    """Two numbers and a picture."""

    first: float
    second: int
    picture: Image


class Eye(Perceptor):
    """Sees the mean colour."""

    size, name, weights = 4, "eye", {}

    def encode_images(self, images: Tensor) -> Tensor:
        """Mean colours as unit vectors."""
        return torch.nn.functional.normalize(images.mean((2, 3)) - 0.5, dim=-1)

    def encode_texts(self, texts: Any) -> Tensor:
        """The length of each text."""
        return torch.nn.functional.normalize(torch.tensor([[len(text), 1.0, 1.0] for text in texts]), dim=-1)


@node("tiny.eye")
def eye() -> Perceptor:
    """A perceptor."""
    return Eye()


@node("tiny.number")
def number(value: Number = 1.0) -> float:
    """A number."""
    return value


@node("tiny.count")
def count(value: Annotated[int, Bounds(ge=1, le=9)] = 1) -> int:
    """A small whole number."""
    return value


@node("tiny.pair")
def pair(image: Image) -> Pair:
    """Ports."""
    made = Pair()
    made.first, made.second, made.picture = 1.5, 3, image
    return made


@node("tiny.canvas")
class Canvas:
    """A trainable picture of one colour per pixel."""

    learning_rate = 0.1

    def __init__(self, stream: Stream, width: Annotated[int, Bounds(ge=1, draft=0.5)] = 3, height: Integer = 2) -> None:
        self.pixels = stream.uniform(1, 3, height, width).requires_grad_()

    def parameters(self) -> dict[str, Tensor]:
        """Its pixels."""
        return {"pixels": self.pixels}

    def start(self, start: Image) -> None:
        """Take a picture."""
        self.pixels.copy_(start)

    def warp(self, warp: Warp) -> None:
        """Shift everything by one pixel, whatever the warp."""
        self.pixels.copy_(self.pixels.roll(1, -1))

    def forward(self) -> Image:
        """The picture."""
        return self.pixels * 1.0


@node("tiny.warp")
def warp(by: Number = 1.0) -> Warp:
    """A motion."""
    return Warp(field=lambda height, width: torch.zeros(1, height, width, 2))


@node("tiny.plain")
def plain(value: Number = 0.5, width: Integer = 3, height: Integer = 2) -> Image:
    """A picture of one value."""
    return torch.full((1, 3, height, width), float(value))


@node("tiny.noise")
def noise(stream: Stream, image: Image, strength: Number = 0.1) -> Image:
    """A picture with noise, new at every step."""
    return image + strength * stream.normal(*image.shape)


@node("tiny.pass")
def same(image: Image) -> Image:
    """The same picture."""
    return image


@node("tiny.cut", detached=("image",))
def cut(image: Image) -> Image:
    """The same picture, without gradients."""
    return image.detach()


@node("tiny.loss")
def loss(image: Image, target: Number = 0.25, weight: Number = 1.0) -> Loss:
    """Distance from a value."""
    return weight * (image - target).square().mean()


@node("tiny.compare")
def compare(image: Image, target: Image, weight: Number = 1.0) -> Loss:
    """Distance from a picture."""
    return weight * (image - target).square().mean()


@node("tiny.measure")
def measure(image: Image) -> float:
    """Mean value."""
    return float(image.mean())


@node("tiny.sgd")
class Descent:
    """Gradient descent with momentum."""

    def __init__(self, parameters: Parameters) -> None:
        self.moved: Mapping[str, Tensor] = parameters
        self.speed = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}

    def begin_frame(self) -> None:
        """Forget the momentum."""
        for speed in self.speed.values():
            speed.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """The momentum."""
        return dict(self.speed)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put the momentum back."""
        for name, speed in self.speed.items():
            speed.copy_(state[name])

    def forward(self, losses: list[Loss], learning_rate: Number = 0.1) -> None:
        """One step."""
        for name, tensor in self.moved.items():
            assert tensor.grad is not None
            self.speed[name].mul_(0.9).add_(tensor.grad)
            tensor.sub_(self.speed[name], alpha=learning_rate)


@node("tiny.sink")
class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, Tensor]] = []
        self.closed = 0

    def forward(self, image: Image, moment: Moment) -> None:
        """Keep a picture."""
        self.seen.append((moment.frame, moment.step, image.clone()))

    def close(self) -> None:
        """Count."""
        self.closed += 1


TINY = (eye, number, count, pair, Canvas, warp, plain, noise, same, cut, loss, compare, measure, Descent, Sink)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no process works on alone at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def tiny() -> Registry:
    """Tiny nodes only."""
    return Registry().with_nodes(*TINY)


@pytest.fixture
def graph(tiny):
    """Makes a graph of tiny nodes: `graph({"canvas": "tiny.canvas", "l": ("tiny.loss", {"image": "canvas"})})`."""

    def make(nodes, clock=None, **top):
        written = {}
        for id, what in nodes.items():
            type, arguments = (what, {}) if isinstance(what, str) else what
            written[id] = {"type": type, **arguments}
        clock = clock or {"frames": 3, "steps": 2}
        return Graph.build({"seed": 5, "clock": clock, "nodes": written, **top}, registry=tiny)

    return make


@pytest.fixture
def picture_graph(graph):
    """An image, a loss, an optimiser and a writer, and whatever is added."""

    def make(more=None, clock=None, **top):
        nodes = {
            "canvas": "tiny.canvas",
            "off": ("tiny.loss", {"image": "canvas"}),
            "optimise": ("tiny.sgd", {"losses": ["off"]}),
            "out": ("tiny.sink", {"image": "canvas"}),
        }
        return graph({**nodes, **(more or {})}, clock, **top)

    return make


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def install(self, name, source, *, version="1.0", entry_points=None, **files):
        """Install a distribution whose module `name` is `source`; more modules by name."""
        module = name.replace("-", "_")
        for stem, text in {module: source, **files}.items():
            path = self.folder / f"{stem}.py"
            path.write_text(text, "utf-8")
            os.utime(path, (1e9, 1e9))  # it has been there for long, and may be remembered
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = "\n".join(f"{key} = {value}" for key, value in (entry_points or {module: module}).items())
        (info / "entry_points.txt").write_text(f"[pytti_graph]\n{lines}\n")
        self.names.append(name)

    def path(self, module):
        """The file of a module."""
        return self.folder / f"{module}.py"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A place to install distributions into; of those that really are installed only the built-ins count."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(manifest.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    before, made = set(sys.modules), Site(folder)
    yield made
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
    plugins.forget()


@pytest.fixture
def installed(site, monkeypatch):
    """The registry, looked up anew."""

    def look(only=None):
        importlib.invalidate_caches()
        monkeypatch.setenv(plugins.ONLY, ",".join(site.names if only is None else only))
        plugins.forget()
        return plugins.installed()

    return look
