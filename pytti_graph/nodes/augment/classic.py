"""PyTTI's way to shake crops: everything at once."""

from __future__ import annotations

import math

from pytti_graph import Cutouts, Stream, node
from pytti_graph.nodes.augment.choosing import Probability
from pytti_graph.nodes.augment.colours import Hue, Saturation, colour_matrices
from pytti_graph.nodes.augment.erasing import erasures
from pytti_graph.nodes.augment.geometry import Angle, Distortion, Shift, affines, flips, tilts
from pytti_graph.nodes.augment.noise import Strength, grain_strip
from pytti_graph.nodes.augment.pixels import Change


@node("augment.classic")
def classic(
    cutouts: Cutouts,
    stream: Stream,
    flip: Probability = 0.3,
    affine: Probability = 0.8,
    rotate: Angle = 30.0,
    shift: Shift = 0.1,
    perspective: Probability = 0.4,
    distortion: Distortion = 0.2,
    colour: Probability = 0.7,
    hue: Hue = 0.01,
    saturation: Saturation = 0.01,
    erase: Probability = 0.7,
    noise: Strength = 0.1,
) -> Cutouts:
    """Shake crops at random, as PyTTI did.

    They are flipped, turned, tilted, tinted, partly erased and roughened.

    Flips, turns and tilts move where the crop looks, so what turns in at a corner is the picture around the crop.

    Args:
        cutouts: The crops to change.
        flip: Chance that a crop is mirrored left to right.
        affine: Chance that a crop is turned and shifted.
        rotate: It turns by up to this angle, either way.
        shift: It shifts by up to this part of its side, along and down.
        perspective: Chance that a crop is tilted.
        distortion: How far corners may move inwards, as a part of half the side. With more than 0.45 crops might look
            beyond the horizon.
        colour: Chance that a crop's colours change.
        hue: They turn by up to this part of the colour circle.
        saturation: They become stronger or weaker by up to this part.
        erase: Chance that a rectangle of 0.1 to 0.4 of a crop's area is blacked out.
        noise: Strength of the noise: each crop gets normal noise of a deviation drawn between 0 and this.
    """
    count, size = len(cutouts.transforms), cutouts.size
    geometry = (
        flips(stream, count, flip)
        @ affines(stream, count, affine, math.radians(rotate), shift)
        @ tilts(stream, count, perspective, distortion)
    )
    tints = colour_matrices(stream, count, colour, hue, saturation)
    keep = erasures(stream, count, size, erase)
    strength = stream.uniform(count, 1, 1, 1, high=noise)
    grain = strength, *grain_strip(stream, count, size)
    return cutouts.transformed(geometry).then(Change(tints, keep, grain))
