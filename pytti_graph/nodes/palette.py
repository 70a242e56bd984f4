"""Pictures in few colours, and what keeps their palettes in shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Bounds, Device, Image, Loss, Mask, Number, Stream, UsageError, Warp, Wire, node
from pytti_graph.nodes.images import Side, clamp_passing_inwards
from pytti_graph.nodes.layers import Layers
from pytti_graph.nodes.motion import resample
from pytti_graph.nodes.palette_fitting import brightness, fit_palettes, in_order, nearest_colours, read_palettes
from pytti_graph.nodes.squares import from_squares, square_counts, squares_of, warp_of_squares
from pytti_graph.nodes.weighing import Stop, fit_mask, weighed

_MARGIN = 0.1
"""What known levels are kept from 0 and 1 by, as a part of the way between two colours."""
_INERTIA = 4
"""Colours of palettes move by one part in this many of what an optimiser does."""
_CERTAINTY = 6.0
"""How far the palette that suits a pixel of a starting picture best is ahead of the second best."""
_DISTINCTION = 100.0
"""How fast a palette falls behind with the squared distance of its nearest colour."""
_FARTHEST = 5.0
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Palette:
    """The palettes of a picture, and where it uses them.

    Attributes:
        colours: [size, palettes, 3], sRGB 0..1, each palette from its darkest colour to its brightest.
        ramp: The brightness [size] that its colours should have, 0..1.
        logits: How much each place leans to each palette [1, palettes, rows, columns]; softmax gives shares.
        locked: Whether the colours never change.
    """

    __wire__ = Wire("Palette")

    colours: Tensor
    ramp: Tensor
    logits: Tensor
    locked: bool = False


class PalettePicture(Tensor):
    """An Image that also tells its palette; whatever is computed from it is a plain tensor.

    Attributes:
        palette: The palettes that it is painted with.
        compared: Two pictures [1, 3, H, W], 0..1, for losses that compare pixels: itself, with the gradient of its
            colours alone, and what it would be if it could mix them, for all the rest. What is shown is rounded: its
            levels would leave where they are best, since there is always something left to wish for.
    """

    __wire__ = Wire("Image")
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    palette: Palette
    compared: tuple[Tensor, Tensor]


@node("image.palette")
class LimitedPalette:
    """A picture in few colours, as posters and old games have.

    There are several palettes, each a row of colours from dark to bright. Each pixel has a level, which says how bright
    it is, and leans more to one palette or another. Shown is the one colour that comes nearest; gradients are those of
    the mean of what is shown and of a smooth mixture, as in PyTTI. Unlike there, levels and leanings are painted at all
    sizes at once, as in `image.pyramid`, which gives clean areas of colour. The port `palette` is for the losses
    `loss.palette_brightness` and `loss.palette_use`, and for `picture.swatches`, which draws the colours.

    Args:
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        palettes: How many palettes there are.
        palette_size: How many colours each has.
        gamma: How dark the middle of a palette is to begin with: its brightness rises as 0..1 to this power.
        random_palettes: Begin with random colours instead of greys.
        palette_from: A picture to take the palettes from.
        colours: Colours to begin with, as names or "#rrggbb" from the darkest to the brightest, with | between
            palettes: "black teal white | black #c04000 white". There are then as many palettes and colours as written.
        lock_palettes: Keep the palettes as they began, or as a starting picture gave them.
        falloff: How much less finer layers weigh, as in `image.pyramid`: 0 gives the most detail and grain, 0.3 large
            areas.
        colour_size: Size of the finest layer that changes palettes, as a part of the full size.
        contrast: How fast the picture gains contrast; 1 is strong.
        pixel_size: Side of the squares that the picture is made of, in pixels.
        start: A picture to start from (fitted to the size), instead of grey. The palettes are taken from it too, unless
            `palette_from` or `colours` gives them.
        warp: How the picture moves from frame to frame. Levels and leanings move, not colours: between two palettes a
            thin line of their middle colours can come and go.
    """

    learning_rate = 0.05

    def __init__(
        self,
        device: Device,
        stream: Stream,
        width: Side = 512,
        height: Side = 512,
        palettes: Annotated[int, Bounds(ge=1, le=100)] = 8,
        palette_size: Annotated[int, Bounds(ge=1, le=64)] = 5,
        gamma: Annotated[float, Bounds(gt=0, le=10)] = 1.0,
        random_palettes: bool = False,
        palette_from: Image | None = None,
        colours: str | None = None,
        lock_palettes: bool = False,
        falloff: Annotated[float, Bounds(ge=0, le=1)] = 0.15,
        colour_size: Annotated[float, Bounds(ge=0, le=1)] = 0.25,
        contrast: Annotated[float, Bounds(gt=0, le=4)] = 0.8,
        pixel_size: Side = 1,
    ) -> None:
        given = given_palettes(palette_from, colours, palettes, palette_size, stream)
        if given is not None:
            made = given
        elif random_palettes:
            made = stream.uniform(palette_size, palettes, 3)
        else:
            made = ramp(palette_size, gamma).view(-1, 1, 1).expand(-1, palettes, 3)
        size, count, _ = made.shape
        if size * count == 1:
            argument = "palette_size" if colours is None else "colours"
            raise UsageError("a picture of one colour shows nothing", argument=argument, hint="give at least two")
        self.width, self.height, self.contrast = width, height, contrast
        self.pixel_size = min(pixel_size, max(width, height))
        self.given, self.locked = given is not None, lock_palettes
        self.ramp = ramp(size, gamma).to(device.torch)
        self.palette = (_INERTIA * made).to(device.torch).requires_grad_(not lock_palettes)
        grid = square_counts(height, width, self.pixel_size)
        self.painted = Layers(device, stream, 1 + count, *grid, falloff=falloff, finest=colour_size)

    @torch.no_grad()
    def start(self, start: Image, stream: Stream) -> None:
        """Take a picture [1, 3, h, w], averaged over the squares."""
        picture = squares_of(start, self.height, self.width, self.pixel_size)
        if not self.given:
            size, count, _ = self.palette.shape
            self.palette.copy_(_INERTIA * fit_palettes(picture, count, size, stream))
        numbers, distances = nearest_colours(picture, self._colours())
        best = distances.argmin(1, keepdim=True)
        behind = (distances.gather(1, best) - distances) * _DISTINCTION
        logits = behind.clamp(min=-_FARTHEST).scatter(1, best, _CERTAINTY)
        levels = numbers.gather(1, best) / max(len(self.palette) - 1, 1)
        self._show(levels, logits)

    @torch.no_grad()
    def warp(self, warp: Warp) -> None:
        """Move the levels and the palettes' places."""
        motion = warp_of_squares(warp, self.height, self.width, self.pixel_size)
        heights, logits = self._painted()
        self._show(resample(torch.sigmoid(heights), motion), resample(logits, motion))

    def _show(self, levels: Tensor, logits: Tensor) -> None:
        """Put what the layers do not say already into the part that is not trained."""
        heights, leaning = self._painted()
        margin = _MARGIN / max(len(self.palette) - 1, 1)
        self.painted.moved[:, :1] += (levels.clamp(margin, 1 - margin).logit() - heights) / self.contrast
        self.painted.moved[:, 1:] += logits - leaning

    def _painted(self) -> tuple[Tensor, Tensor]:
        """Levels before the sigmoid [1, 1, rows, columns], and logits [1, palettes, rows, columns]."""
        total, fine = self.painted()
        heights, logits = total[:, :1], total[:, 1:]
        return self.contrast * (heights if fine is None else heights + fine), logits

    def forward(self) -> PalettePicture:
        """The picture [1, 3, height, width]."""
        heights, logits = self._painted()
        palette = Palette(self._colours(), self.ramp, logits, self.locked)
        nearest, mixture = (
            from_squares(squares, self.height, self.width, self.pixel_size)
            for squares in paint(palette.colours, torch.sigmoid(heights), logits)
        )
        picture = felt(nearest, mixture).as_subclass(PalettePicture)
        picture.palette, picture.compared = palette, (nearest, mixture)
        return picture

    def _colours(self) -> Tensor:
        return in_order(clamp_passing_inwards(self.palette / _INERTIA))

    def parameters(self) -> dict[str, Tensor]:
        """The layers [1, 1 + palettes or 1, rows, columns], coarse to fine, and palettes [size, palettes, 3]."""
        return self.painted.layers if self.locked else {**self.painted.layers, "palette": self.palette}

    def state_dict(self) -> dict[str, Tensor]:
        """What the layers do not say [1, 1 + palettes, rows, columns], and locked palettes."""
        moved = {"moved": self.painted.moved}
        return {**moved, "palette": self.palette} if self.locked else moved

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.painted.moved.copy_(state["moved"])
        if self.locked:
            self.palette.copy_(state["palette"])


def given_palettes(
    picture: Tensor | None, colours: str | None, palettes: int, size: int, stream: Stream
) -> Tensor | None:
    """Palettes [size, palettes, 3] of a picture or of written colours, or None if neither is given."""
    if picture is not None and colours is not None:
        hint = "leave one of them out"
        raise UsageError("the palettes come from a picture and from colours", argument="colours", hint=hint)
    if picture is not None:
        return fit_palettes(picture, palettes, size, stream)
    return None if colours is None else read_palettes(colours)


def ramp(size: int, gamma: float) -> Tensor:
    """Brightness [size] from black to white, as 0..1 to the power of gamma; of a single colour, its middle."""
    evenly = torch.linspace(0, 1, size) if size > 1 else torch.tensor([0.5])
    return evenly**gamma


def paint(colours: Tensor, levels: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """A picture of palettes' colours, and one of their mixtures.

    Args:
        colours: [size, palettes, 3], each palette from dark to bright.
        levels: [1, 1, H, W], 0 for the first colour of a palette, 1 for the last.
        logits: [1, palettes, H, W].

    Returns:
        Two pictures [1, 3, H, W]: each pixel's nearest colour of the palette that it leans to most, whose gradient
        reaches colours alone; and all palettes mixed, each at the level itself.
    """
    size, count, _ = colours.shape
    position = levels.flatten() * (size - 1)
    leaning = logits.view(count, -1)
    nearest = F.embedding(position.round().long() * count + leaning.argmax(0), colours.view(-1, 3)).T
    mixed = (colours.transpose(1, 2).reshape(-1, count) @ leaning.softmax(0)).view(size, 3, -1)
    below = position.detach().floor().clamp(max=max(size - 2, 0))
    lower, upper = (_at(mixed, number) for number in (below, (below + 1).clamp(max=size - 1)))
    mixture = torch.lerp(lower, upper, position - below)
    shape = (1, 3, *levels.shape[-2:])
    return nearest.view(shape), mixture.view(shape)


def felt(nearest: Tensor, mixture: Tensor) -> Tensor:
    """The first of two pictures, with the gradient of the mean of both."""
    shown: Tensor = _ShownForFelt.apply(nearest.detach(), (mixture + nearest) / 2)
    return shown


def _at(mixed: Tensor, numbers: Tensor) -> Tensor:
    """Colours [3, N] of rows of colours [size, 3, N], by their numbers [N]."""
    return mixed.gather(0, numbers.long().expand(1, 3, -1)).squeeze(0)


class _ShownForFelt(torch.autograd.Function):
    """One value, with the gradient of another one."""

    @staticmethod
    def forward(ctx: Any, shown: Tensor, felt: Tensor) -> Tensor:
        return shown.view_as(shown)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


@node("loss.palette_brightness")
def palette_brightness(
    palette: Palette, weight: Number = 0.01, stop: Stop | None = None, mask: Mask | None = None
) -> Loss:
    """Keep the colours of palettes apart, from black to white.

    This is the mean squared difference between their brightness and an even rise to the power of the image's `gamma`
    (PyTTI's HDR loss).

    Args:
        palette: The port `palette` of an `image.palette`: `canvas.palette`.
        weight: How much it counts; negative pushes away from that rise.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Which palettes count: each as much as that part of its places which lies in the mask.

    Raises:
        UsageError: The palettes are locked, and have no gradient.
    """
    if palette.locked:
        message = "the palettes are locked, so this loss can change nothing"
        raise UsageError(message, argument="palette", hint="leave it out, or take lock_palettes out of the image")
    away = (brightness(palette.colours) - palette.ramp.unsqueeze(1)).square().mean(0)
    if mask is None:
        return weighed(away.mean(), weight, stop)
    shares = palette.logits.detach().softmax(1)
    area = fit_mask(mask, *shares.shape[-2:])
    counts = (area * shares).sum((0, 2, 3)) / shares.sum((0, 2, 3)).clamp(min=_TINY)
    return weighed((counts * away).sum() / counts.sum().clamp(min=_TINY), weight, stop)


@node("loss.palette_use")
def palette_use(palette: Palette, weight: Number = 0.05, stop: Stop | None = None, mask: Mask | None = None) -> Loss:
    """Keep all palettes in use, each at places of its own.

    This is how much less a place tells of the palette used there than it could: the logarithm of the number of palettes
    less the mutual information of places and palettes (Krause, Perona & Gomes 2010), in nats. It is 0 where each
    palette has an equal part of the picture to itself, or where there is but one. Size makes no difference. It takes
    the part of PyTTI's palette normalisation.

    Args:
        palette: The port `palette` of an `image.palette`: `canvas.palette`.
        weight: How much it counts; negative makes palettes alike in use.
        stop: Lets go once the loss, before its weight, is this small (with a negative weight: this large).
        mask: Where it counts: all palettes are to be in use there.
    """
    logarithms = palette.logits.flatten(2)[0].log_softmax(0)
    shares = logarithms.exp()
    entropies = -(shares * logarithms).sum(0)
    if mask is None:
        undecided, overall = entropies.mean(), shares.mean(1)
    else:
        area = fit_mask(mask, *palette.logits.shape[-2:]).flatten()
        parts = area / area.sum().clamp(min=_TINY)
        undecided, overall = (parts * entropies).sum(), (parts * shares).sum(1)
    variety = -(overall * overall.clamp(min=_TINY).log()).sum()
    most = math.log(len(overall)) * overall.sum().detach()  # nothing where the mask is empty
    return weighed(most - variety + undecided, weight, stop)
