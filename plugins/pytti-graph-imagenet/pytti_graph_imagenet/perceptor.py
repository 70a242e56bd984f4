"""Text and pictures in one space: the 1,000 ImageNet classes."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pytti_graph import Perceptor, UsageError
from pytti_graph_imagenet.classes import CLASSES, FILE, ClassNames
from pytti_graph_imagenet.text import MINILM, TOKENIZER, TextTower
from pytti_graph_imagenet.tower import LITE0, ImageTower

FAMILIAR = 0.3
NEAR, NOT_FAR = 0.7, 0.67
MIN_SIZE = 32


def direction(scores: Tensor) -> Tensor:
    """Class scores [..., 1000] to unit vectors of zero mean: what is common to all classes says nothing."""
    return F.normalize(scores - scores.mean(-1, keepdim=True), dim=-1)


class ImageNetPerceptor(Perceptor):
    """A picture is its logits; a text is its affinities to the class names; both become `direction`s.

    Args:
        tower: Pictures to logits.
        text: Sentences to vectors.
        classes: The class names with their vectors.
        device: Where texts' embeddings go: the image tower's device.
        size: Side of the crops in pixels.
    """

    name = "imagenet"
    smallest = MIN_SIZE
    weights: Mapping[str, str]

    def __init__(
        self, tower: ImageTower, text: TextTower, classes: ClassNames, device: torch.device, size: int = 160
    ) -> None:
        if size < MIN_SIZE:
            raise UsageError(f"{size} px is too small to see anything; the least is {MIN_SIZE} px", argument="size")
        self.size = size
        self._tower = tower
        self._text = text
        self._classes = classes
        self._device = device
        sums = {file.name: file.sha256 for file in (LITE0, MINILM, TOKENIZER)}
        self.image_settings = {"precision": str(tower.dtype)}
        self.weights = {**sums, f"pytti-graph-imagenet/{FILE.name}": classes.sha256}

    @classmethod
    def load(cls, device: torch.device, dtype: torch.dtype, size: int = 160) -> "ImageNetPerceptor":
        """Load all weights, checking their hashes.

        Args:
            device: Where pictures are looked at.
            dtype: The precision of the image tower; texts are always read in float32.
            size: Side of the crops in pixels.

        Raises:
            MissingError: A package with weights is not installed, or its file is not the one expected.
            UsageError: The crops are too small.
        """
        return cls(ImageTower.load(device, dtype), TextTower.load(), ClassNames.load(), device, size)

    def encode_images(self, images: Tensor) -> Tensor:
        """Return unit vectors [N, 1000] (float32) of square pictures [N, 3, S, S] in 0..1 sRGB; differentiable."""
        side = images.shape[-1]
        assert images.shape[1:] == (3, side, side), f"{tuple(images.shape)} is not [N, 3, S, S]"
        assert self.smallest <= side <= self.size, f"{side} px is not from {self.smallest} to {self.size} px"
        return direction(self._tower(images))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return what the layers find in pictures [N, 3, H, W] of 32 pixels or more: five maps, fine to coarse."""
        if min(images.shape[-2:]) < MIN_SIZE:
            height, width = images.shape[-2:]
            message = f"{width} x {height} px is too small to see anything; the least is {MIN_SIZE} px"
            raise UsageError(
                message, argument="image", hint="make the picture larger; a draft is half as wide and high"
            )
        return self._tower.features(images)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors [P, 1000] of texts, each read on its own."""
        if not texts:
            return torch.empty(0, CLASSES, device=self._device)
        return torch.stack([direction(self._affinities(text)) for text in texts]).to(self._device)

    def unfamiliar(self, text: str) -> str | None:
        """Return why a text means little to this perceptor, or None when it knows the subject.

        It knows a subject that is near a class in language, whether one class has it alone ("a castle") or many share
        it ("a dog"). A class that merely stands out among strangers will not do ("an oil painting": a cougar is also
        called a painter).
        """
        vector = self._text.encode(text)
        affinities, nearest_cosine = self._classes.affinities(vector), self._classes.cosines(vector).max()
        if nearest_cosine >= NEAR or (nearest_cosine >= NOT_FAR and affinities.max() >= FAMILIAR):
            return None
        nearest = ", ".join(f"{name} ({value:.2f})" for name, value in self._classes.nearest(affinities, 3))
        return f"none of the 1,000 ImageNet classes is close to it; the nearest are {nearest}"

    def _affinities(self, text: str) -> Tensor:
        return self._classes.affinities(self._text.encode(text))
