"""The node type `perceptor.imagenet`."""

from typing import Annotated

from pytti_graph import Bounds, Device, Perceptor, node


@node("perceptor.imagenet")
def imagenet(device: Device, size: Annotated[int, Bounds(ge=32, le=16384, unit="px")] = 160) -> Perceptor:
    """Look with an eye that knows 1,000 kinds of things.

    Everything it needs is installed with it, so it works without a network. It understands animals, plants, food,
    vehicles, tools, garments, buildings and landscapes ("a castle on a hill", "a bowl of strawberries", "a goldfish"),
    and nothing else: names of artists, moods and styles mean nothing to it, and it warns of prompts too far from what
    it knows.

    Args:
        size: Side of the square crops it looks at, in pixels. Smaller is faster, larger sees finer detail.
    """
    from pytti_graph_imagenet.perceptor import ImageNetPerceptor

    return ImageNetPerceptor.load(device.torch, device.dtype, size)
