"""What ImageNet's classes are called, and how close a text is to each.

The names' sentence vectors ship with the package (`classes.safetensors`); `python -m pytti_graph_imagenet.classes`
computes them anew.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

CLASSES = 1000
SHARPNESS = 20.0
FILE = Path(__file__).with_name("classes.safetensors")


@dataclass(frozen=True)
class ClassNames:
    """Every name of every class. A class has several: "beacon, lighthouse, beacon light, pharos".

    Attributes:
        names: M names.
        class_of: [M] the class that each belongs to, 0..999, ascending.
        vectors: [M, 384] their sentence vectors, of unit length.
        sha256: The sum of the file that holds them.
    """

    names: tuple[str, ...]
    class_of: Tensor
    vectors: Tensor
    sha256: str

    @classmethod
    def load(cls) -> "ClassNames":
        """Read the file that ships with the package."""
        sha256 = hashlib.sha256(FILE.read_bytes()).hexdigest()
        with safe_open(FILE, "pt") as file:
            names = tuple(json.loads(file.metadata()["names"]))
            return cls(names, file.get_tensor("class_of").long(), file.get_tensor("vectors").float(), sha256)

    def cosines(self, vector: Tensor) -> Tensor:
        """Return the cosines of a text [384] with each class's best-fitting name: [1000]."""
        return torch.full((CLASSES,), -1.0).scatter_reduce(0, self.class_of, self.vectors @ vector, "amax")

    def affinities(self, vector: Tensor) -> Tensor:
        """Return how much a text [384] speaks of each class: [1000], positive, summing to 1.

        The softmax of its `cosines`, sharpened 20 times.
        """
        return (SHARPNESS * self.cosines(vector)).softmax(0)

    def nearest(self, affinities: Tensor, count: int) -> list[tuple[str, float]]:
        """Return the first names and affinities of the classes with the largest, best first."""
        values, classes = affinities.topk(count)
        first = torch.searchsorted(self.class_of, classes)
        return [(self.names[i], float(value)) for i, value in zip(first.tolist(), values, strict=True)]


def imagenet_names() -> tuple[list[str], list[int]]:
    """Return all class names and the class of each, as timm lists them."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    names: list[str] = []
    class_of: list[int] = []
    for index in range(CLASSES):
        title = info.index_to_description(index, detailed=True).split(":")[0]
        for name in title.split(","):
            names.append(name.strip())
            class_of.append(index)
    return names, class_of


def build() -> None:
    """Compute the sentence vectors of all names and write the file."""
    from pytti_graph_imagenet.text import MINILM, TextTower

    tower = TextTower.load()
    names, class_of = imagenet_names()
    vectors = torch.stack([tower.encode(name) for name in names])
    save_file(
        {"vectors": vectors.half(), "class_of": torch.tensor(class_of, dtype=torch.int16)},
        FILE,
        {"names": json.dumps(names), "text_weights_sha256": MINILM.sha256},
    )


if __name__ == "__main__":
    build()
