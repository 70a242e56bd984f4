"""Pictures that a small network paints."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, Image, ParameterSet, Stream, Warp, node
from pytti_graph.nodes.images import Side, natural_colours
from pytti_graph.nodes.motion import pixel_centres, resample
from pytti_graph.nodes.optimize import Adam
from pytti_graph.nodes.sampling import fit

_SHARPNESS = 30.0
"""ω₀ of the inner layers: what their weights are divided by to begin with, and their sums multiplied by."""
_FAINT = 0.2
"""Of the last layer's weights to begin with: the picture begins as a pale pattern."""
_STRENGTH = 2.0
"""Of the last layer's sums, so that the picture is there after about 100 steps of the learning rate."""
_BATCH = 1 << 14
"""Pixels that one step of fitting looks at."""
_FITTING_RATE = 0.002


@node("image.network")
class Network:
    """A picture painted by a small network of sines: soft, flowing brushwork.

    The network (SIREN; Sitzmann et al. 2020) tells the colour of any place from its coordinates alone. It knows nothing
    of pixels, so a larger picture looks the same, drawn more finely. Each step changes the whole picture a little;
    learning rates far above 0.001 break it up.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        detail: How fine its patterns are to begin with, in radians for half the longer side: 20 gives large soft
            shapes, 80 fine ones.
        units: Sines in each layer. More can show more; time and memory grow with them and with the pixels.
        layers: Layers of sines.
        saturation: How fast colours become strong, beside light and dark; 1 is vivid.
        contrast: How fast the picture gains contrast; 1 is strong.
        start_steps: Steps in which it learns a picture to start from.
        start: A picture to start from (fitted to the size), instead of a pattern. It is learned, not copied: shapes and
            colours come out right, fine texture is lost. More units and steps keep more.
        warp: How the picture moves from frame to frame. The places that the network is asked about move, which blurs
            nothing; but what has been zoomed into has only as much detail as it had, until the optimiser paints more,
            and what has left the picture cannot come back.
    """

    learning_rate = 0.001

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Side = 512,
        height: Side = 512,
        detail: Annotated[float, Bounds(gt=0, le=1000)] = 40.0,
        units: Annotated[int, Bounds(ge=4, le=1024)] = 64,
        layers: Annotated[int, Bounds(ge=1, le=8)] = 3,
        saturation: Annotated[float, Bounds(gt=0, le=4)] = 1.0,
        contrast: Annotated[float, Bounds(gt=0, le=4)] = 1.0,
        start_steps: Annotated[int, Bounds(ge=0, le=5000)] = 300,
    ) -> None:
        self.width, self.height, self.start_steps = width, height, start_steps
        self.colours = (_STRENGTH * natural_colours(contrast, saturation)).to(device.torch)
        self.frequencies = [detail, *[_SHARPNESS] * (layers - 1)]
        self.layers: list[tuple[Tensor, Tensor]] = []
        inner = math.sqrt(6 / units)
        limits = [1 / 2, *[inner / _SHARPNESS] * (layers - 1), _FAINT * inner]
        for limit, (given, made) in zip(limits, pairwise([2, *[units] * layers, 3]), strict=True):
            drawn = stream.uniform(made, given, low=-limit, high=limit), stream.uniform(made, low=-limit, high=limit)
            weights, biases = (part.to(device.torch).requires_grad_() for part in drawn)
            self.layers.append((weights, biases))
        extent = torch.tensor((width, height), device=device.torch).view(1, 2, 1, 1)
        self.edges = extent / max(width, height)
        self.places = self._places()

    def _places(self) -> Tensor:
        """Where the network is asked before anything has moved, and how bright that is shown: [1, 3, height, width]."""
        places = pixel_centres(self.height, self.width, self.colours).permute(0, 3, 1, 2) * self.edges
        return torch.cat((places, torch.ones_like(places[:, :1])), 1)

    def start(self, start: Image, stream: Stream) -> None:
        """Learn a picture [1, 3, h, w]: Adam on some of its pixels in each step, slower and slower."""
        self.places.copy_(self._places())
        wanted = fit(start, self.height, self.width).flatten(2)[0].T
        places = self.places[0, :2].flatten(1).T
        weights = ParameterSet(self.parameters(), {})
        optimiser = Adam(weights, beta2=0.99)
        for step in range(self.start_steps):
            rate = _FITTING_RATE * (1 + math.cos(math.pi * step / self.start_steps)) / 2
            chosen = (stream.uniform(min(_BATCH, len(places))) * len(places)).long()
            with torch.enable_grad():
                torch.autograd.backward(F.mse_loss(self._colours_at(places[chosen]), wanted[chosen]))
            optimiser.forward([], rate)
            for weight in weights.values():
                weight.grad = None

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the places that the network is asked about."""
        light = resample(self.places[:, 2:], warp).clamp(0, 1)
        self.places.copy_(torch.cat((self._moved(warp), light), 1))

    def _moved(self, warp: Warp) -> Tensor:
        """The places [1, 2, height, width] after a motion.

        Where opposite edges meet, coordinates jump from one to the other. They are therefore moved as points of a
        circle, so that nothing of what lies between shows there.
        """
        places = self.places[:, :2]
        if warp.infill != "wrap":
            return resample(places, dataclasses.replace(warp, infill="smear") if warp.infill == "black" else warp)
        angles = places * (math.pi / self.edges)
        cosines, sines = resample(torch.cat((angles.cos(), angles.sin()), 1), warp).chunk(2, 1)
        return torch.atan2(sines, cosines) * (self.edges / math.pi)

    def _colours_at(self, places: Tensor) -> Tensor:
        """Colours [N, 3] of places [N, 2]."""
        values = places
        for (weights, biases), frequency in zip(self.layers, self.frequencies, strict=False):
            values = torch.sin(frequency * F.linear(values, weights, biases))
        weights, biases = self.layers[-1]
        return torch.sigmoid(F.linear(values, weights, biases) @ self.colours.T)

    def forward(self) -> Image:
        """The picture [1, 3, height, width]."""
        colours = self._colours_at(self.places[0, :2].flatten(1).T)
        return colours.T.reshape(1, 3, self.height, self.width) * self.places[:, 2:]

    def parameters(self) -> dict[str, Tensor]:
        """Weights [made, given] and biases [made] of each layer."""
        return {
            f"{name}_{number}": part
            for number, layer in enumerate(self.layers)
            for name, part in zip(("weights", "biases"), layer, strict=True)
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Where the network is asked, and how bright that is shown: [1, 3, height, width]."""
        return {"places": self.places}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.places.copy_(state["places"])
