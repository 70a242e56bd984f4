"""Doubles of what the engine hands to nodes, and natural-like pictures."""

from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch


class FakeStream:
    """Random numbers from a generator of its own."""

    def __init__(self, seed=0):
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, *shape, low=0.0, high=1.0):
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def normal(self, *shape, mean=0.0, std=1.0):
        return torch.randn(shape, generator=self.generator) * std + mean


@pytest.fixture
def stream():
    return FakeStream()


@pytest.fixture
def device():
    return SimpleNamespace(torch=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(scope="session")
def natural():
    """Makes pictures with the spectrum of natural ones: amplitude falls as 1/f (Field 1987), mostly grey."""

    def make(height=512, width=512, seed=0):
        noise = FakeStream(seed).normal(1, 3, height, width)
        noise = 0.8 * noise.mean(1, keepdim=True) * 3**0.5 + 0.6 * noise
        y, x = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
        falling = 1 / (y[:, None].square() + x.square()).sqrt().clamp(min=1 / max(height, width))
        picture = torch.fft.irfft2(torch.fft.rfft2(noise) * falling, s=(height, width))
        return ((picture - picture.mean()) / picture.std() * 0.2 + 0.5).clamp(0, 1)

    return make


@pytest.fixture(scope="session")
def psnr():
    """Peak signal to noise ratio of two pictures in decibels."""
    return lambda a, b: float(-10 * (a - b).detach().square().mean().clamp(min=1e-12).log10())


@pytest.fixture
def video(tmp_path):
    """Makes a video of pictures [H, W, 3 or 4] of 8 bits, or of colours; lossless by default."""

    def make(name, pictures, size=(8, 6), codec="ffv1", pixels="bgr0", fps=12, **settings):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            stream.pix_fmt = pixels
            for key, value in settings.items():
                setattr(stream.codec_context, key, value)
            for index, picture in enumerate(pictures):
                picture = np.asarray(picture, np.uint8)
                if picture.ndim == 1:
                    picture = np.broadcast_to(picture, (size[1], size[0], len(picture)))
                if index == 0:
                    stream.height, stream.width = picture.shape[:2]
                kind = "rgba" if picture.shape[2] == 4 else "rgb24"
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), kind)
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return tmp_path / name

    return make
