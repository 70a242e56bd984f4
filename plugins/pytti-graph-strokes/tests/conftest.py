"""What the engine hands to nodes, pictures, and strokes."""

import pytest
import torch

from pytti_graph import testing
from pytti_graph_strokes.strokes import Strokes


@pytest.fixture
def make_stream():
    """Makes streams of random numbers by their seeds."""
    return testing.stream


@pytest.fixture
def stream():
    return testing.stream()


@pytest.fixture
def device():
    return testing.device()


@pytest.fixture
def psnr():
    """Peak signal to noise ratio of two pictures in decibels."""
    return lambda a, b: float(-10 * (a - b).detach().square().mean().clamp(min=1e-12).log10())


@pytest.fixture
def random_strokes():
    """Makes strokes anywhere, of any shape that an optimiser may leave: [N] with the given seed."""

    def make(count, width=40, height=28, seed=0, dtype=torch.float32):
        stream = testing.stream(seed)
        points = stream.uniform(count, 3, 2) * torch.tensor([width, height])
        radii = stream.uniform(count, 3, low=0.8, high=6)
        return Strokes(
            torch.cat((points, radii.unsqueeze(2)), 2).to(dtype),
            stream.uniform(count, 3).to(dtype),
            stream.uniform(count, low=0.3, high=0.95).to(dtype),
            torch.tensor([0.95, 0.9, 0.8], dtype=dtype),
            width,
            height,
        )

    return make
