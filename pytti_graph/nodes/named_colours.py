"""Colours that are written by name."""

from __future__ import annotations

from PIL import ImageColor

from pytti_graph import UsageError


def named_colour(name: str, argument: str) -> tuple[float, float, float]:
    """A colour by its name or code, sRGB 0..1.

    Raises:
        UsageError: It is none, or one can see through it, which no colour of a picture can be.
    """
    try:
        red, green, blue, *alpha = ImageColor.getrgb(name)
    except ValueError:
        hint = 'write a name, such as teal, or "#rrggbb"'
        raise UsageError(f"'{name}' is not a colour", argument=argument, hint=hint) from None
    if alpha not in ([], [255]):
        opaque = f'write "#{red:02x}{green:02x}{blue:02x}"'
        raise UsageError(f"'{name}' is transparent, and here colours are opaque", argument=argument, hint=opaque)
    return red / 255, green / 255, blue / 255
