"""The balance of large shapes and fine detail."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytti_graph.nodes.spectrum import frequencies, power_spectrum, ring_means, spectrum


def noise(height, width, falloff, seed=0):
    """A picture whose detail falls as 1/f to a power."""
    white = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    frequency = frequencies(height, width, like=white).clamp(min=0.5 / max(height, width))
    made = torch.fft.ifft2(torch.fft.fft2(white) * frequency**-falloff).real
    return (0.5 + 0.15 * made / made.std()).expand(1, 3, -1, -1)


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (61, 97)])
@pytest.mark.parametrize("falloff", [0.5, 1.0, 1.5])
def test_finds_the_falloff_that_a_picture_has(size, falloff):
    """It is smallest there, and small."""
    pictures = [noise(*size, falloff, seed) for seed in range(4)]
    tried = {
        other: sum(float(spectrum(picture, other, weight=1)) for picture in pictures) / 4
        for other in (0.0, 0.5, 1.0, 1.5, 2.0)
    }
    assert min(tried, key=tried.get) == falloff
    assert tried[falloff] < 0.25
    assert min(tried[other] for other in tried if abs(other - falloff) >= 1) > 1


def test_contrast_is_free_and_so_is_the_direction():
    picture = noise(64, 80, 1.0)
    loss = spectrum(picture)
    torch.testing.assert_close(spectrum(0.2 + 0.5 * picture), loss, rtol=0.05, atol=1e-5)
    torch.testing.assert_close(spectrum(picture.mT), loss)
    torch.testing.assert_close(spectrum(picture.flip(-1)), loss)


def test_the_power_of_white_noise_is_its_variance():
    white = 0.3 * torch.randn(1, 1, 128, 96, generator=torch.Generator().manual_seed(1))
    assert float(power_spectrum(white).mean()) == pytest.approx(0.09, rel=0.05)


def test_a_mask_chooses_what_is_looked_at():
    """Left natural, right noise."""
    picture = torch.cat((noise(96, 96, 1.0), noise(96, 96, 0.0, seed=1)), -1)
    left = (torch.arange(192) < 96).double().expand(1, 1, 96, 192)
    assert spectrum(picture, mask=left) < 0.3 * spectrum(picture, mask=1 - left)


def test_gradient():
    picture = noise(9, 12, 0.5).clone().requires_grad_()
    assert torch.autograd.gradcheck(spectrum, picture)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size(height, width):
    picture = (
        noise(height, width, 0.0).clone().requires_grad_()
        if height * width > 1
        else torch.rand(1, 3, 1, 1, generator=torch.Generator()).requires_grad_()
    )
    loss = spectrum(picture)
    loss.backward()
    assert loss.isfinite()
    assert loss >= 0
    assert picture.grad.isfinite().all()


def test_an_even_picture_has_no_gradient_and_no_nan():
    picture = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    spectrum(picture, mask=torch.zeros(1, 1, 4, 4)).backward()
    spectrum(picture).backward()
    assert picture.grad.isfinite().all()


def test_rings():
    frequency = frequencies(64, 64, like=torch.empty(0))
    means, counts = ring_means(frequency, frequency)
    within = ((frequency > 0) & (frequency <= 0.5)).sum()
    assert counts.sum() == within
    assert (means.diff() > 0).all()
    assert means[-1] <= 0.5
