"""What travels on wires, and the annotations of nodes' parameters. Torch-free at import.

An annotation in a node's signature says how its value in a graph file is read:

* a wire type (`Image`, `Loss`, `Perceptor`, ... or a list of one) takes a reference to a node;
* `Number` or `Integer`, with bounds, takes a number or a formula;
* `FormulaText` takes text with formulas inside;
* `str`, `bool`, `Literal[...]`, `InputPath`, `PicturePath`, `OutputPath` are read literally;
* `Stream`, `Device`, `Clock`, `Files`, `Report` and `Parameters` are handed over by the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pytti_graph.core.errors import UsageError
from pytti_graph.core.marks import Bounds, Injected, PathMark, Wire

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any


class ParameterSet(dict[str, Tensor]):
    """The tensors that an optimiser moves, by name.

    Attributes:
        learning_rates: For each, what suits the image it belongs to, if the image says so.
    """

    def __init__(self, tensors: Mapping[str, Tensor], learning_rates: Mapping[str, float]) -> None:
        super().__init__(tensors)
        self.learning_rates = learning_rates


if TYPE_CHECKING:
    Image = Tensor
    Mask = Tensor
    Depth = Tensor
    Loss = Tensor
    Number = float
    Integer = int
    InputPath = Path
    PicturePath = Path
    OutputPath = Path
    FormulaValues = Sequence[float]
    Parameters = ParameterSet
else:
    Image = Annotated[Any, Wire("Image")]
    """[1, 3, H, W], sRGB, 0..1."""
    Mask = Annotated[Any, Wire("Mask")]
    """[1, 1, H, W], 0..1."""
    Depth = Annotated[Any, Wire("Depth")]
    """[1, 1, H, W], larger is farther."""
    Loss = Annotated[Any, Wire("Loss")]
    """[], smaller is better."""
    Number = Annotated[float, Bounds()]
    """A number, or a formula."""
    Integer = Annotated[int, Bounds()]
    """A whole number, or a formula that gives one."""
    InputPath = Annotated[Path, PathMark("input")]
    """A file to read, resolved against the graph's folder."""
    PicturePath = Annotated[Path, PathMark("input", web=True)]
    """A picture to read: a file as above, or an http or https address, which is fetched once."""
    OutputPath = Annotated[Path, PathMark("output")]
    """A file or folder to write, resolved inside the run folder."""
    FormulaValues = Annotated[Any, Injected("FormulaValues")]
    """The values of the formulas of the text argument of the same name."""
    Parameters = Annotated[Any, Injected("Parameters")]
    """A `ParameterSet`: every trainable parameter that an optimiser's losses reach, or of those that `images` names."""


class Perceptor(ABC):
    """A network that sees: it holds pictures and texts in one space.

    Attributes:
        size: Side of the square crops it looks at, in pixels.
        smallest: Side of the smallest crops that it can look at instead, in less time and seeing less; or None if all
            must be of `size`.
        name: What it is called in messages and in `run.json`.
        weights: File names and sha256 sums of its weights, and of every other file that decides what it makes of a
            text: embeddings of texts are kept by `name` and these from one rendering to the next. If there are none,
            each rendering has its texts read anew.
        image_settings: What else decides what it makes of a picture, by name: the precision that it computes in, what
            it takes off colours. Embeddings of pictures that are prompts are kept by these too. If it does not tell
            (None), each rendering looks at them anew.
    """

    size: int
    smallest: int | None = None
    name: str
    weights: Mapping[str, str]
    image_settings: Mapping[str, str] | None = None

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """Embed crops [N, 3, size, size], sRGB 0..1, as unit vectors [N, D] (float32), with gradients.

        If it has a `smallest`, the crops may be of any side from that to `size`.
        """

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as unit vectors [P, D], each encoded on its own, without gradients."""

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """What its layers find in pictures [N, 3, H, W], sRGB 0..1, of any size that is not less than 32.

        Returns:
            Maps [N, C, h, w] (float32), fine to coarse, with gradients; h and w shrink with H and W.

        Raises:
            UsageError: It has none (as here), or the pictures are too small.
        """
        raise UsageError(
            f"{self.name} does not tell how things are painted, only what they are",
            argument="perceptor",
            hint="perceptor.imagenet does, and perceptor.open_clip with model RN50",
        )

    def unfamiliar(self, text: str) -> str | None:
        """Why `text` means little to this perceptor, or None if it means something."""
        return None


BorderMode = Literal["clamp", "mirror", "smear", "wrap", "black"]


@dataclass(frozen=True, slots=True)
class Cutouts:
    """Square crops of a picture, described but not yet sampled.

    Geometric augmentations multiply `transforms`; pixel augmentations append to `operations`. The picture is sampled
    once, by `encode.cutouts`.

    Attributes:
        image: The picture [1, 3, H, W].
        transforms: [N, 3, 3], homogeneous maps from crop to picture coordinates, both -1..1 from edge to edge
            (x right, y down), as `torch.nn.functional.grid_sample` with `align_corners=False` counts them.
        size: Side of the sampled crops, in pixels.
        border: What lies outside the picture ("clamp" keeps crops inside; what turns out, smears).
        operations: Applied in order to the sampled crops [N, 3, size, size].
        others: Where several perceptors look, the crops of the second and the following ones. What changes crops need
            not know of it: the engine has each perceptor's changed on their own.
        weights: How much each crop counts [N], at least 0, or None if all count alike. Only ratios matter.
    """

    image: Tensor
    transforms: Tensor
    size: int
    border: BorderMode
    operations: tuple[Callable[[Tensor], Tensor], ...] = ()
    others: tuple[Cutouts, ...] = ()
    weights: Tensor | None = None

    @property
    def each(self) -> tuple[Cutouts, ...]:
        """The crops of each perceptor, on their own."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @classmethod
    def of_each(cls, each: Sequence[Cutouts]) -> Cutouts:
        """The crops of several perceptors as one value: the inverse of `each`."""
        return replace(each[0], others=tuple(each[1:])) if len(each) > 1 else each[0]

    def transformed(self, matrices: Tensor) -> Cutouts:
        """These crops with `matrices` [N, 3, 3] applied in crop coordinates before the present transforms."""
        return replace(self, transforms=self.transforms @ matrices)

    def then(self, operation: Callable[[Tensor], Tensor]) -> Cutouts:
        """These crops with one more pixel operation."""
        return replace(self, operations=(*self.operations, operation))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a perceptor sees in the crops.

    Attributes:
        embeddings: Unit vectors [N, D].
        transforms: [N, 3, 3], from crop to picture coordinates, as in `Cutouts`.
        border: What crops that stick out saw, as in `Cutouts`.
        others: Where several perceptors look, what the second and the following ones see.
        weights: How much each crop counts [N], or None if all count alike, as in `Cutouts`.
    """

    embeddings: Tensor
    transforms: Tensor
    border: BorderMode = "clamp"
    others: tuple[Seen, ...] = ()
    weights: Tensor | None = None

    @property
    def each(self) -> tuple[Seen, ...]:
        """What each perceptor sees, on its own."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @classmethod
    def of_each(cls, each: Sequence[Seen]) -> Seen:
        """What several perceptors see as one value: the inverse of `each`."""
        return replace(each[0], others=tuple(each[1:])) if len(each) > 1 else each[0]


class CropMask(Protocol):
    """Says how much a prompt is about each crop, by where the crop is or by what is seen in it."""

    def __call__(self, seen: Seen) -> Tensor:
        """For each crop 0 (not at all) to 1 (wholly): [N], without gradients."""
        ...


class CropTarget(Protocol):
    """Says what a prompt wants each crop to mean, by where the crop is."""

    def __call__(self, seen: Seen) -> Tensor:
        """For each crop a unit vector: [N, D], without gradients."""
        ...


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the picture should (or should not) mean.

    Attributes:
        embeddings: Unit vectors [P, D].
        weights: [P]; a negative weight pushes away.
        stops: [P]; no gradient once sign(weight) x distance is at or below it.
        masks: For each prompt which crops it is about, or None for all crops; empty if no prompt has a mask.
        targets: For each prompt what it wants each crop to mean, or None where that is its embedding for all crops;
            empty if no prompt has a target.
        others: Where several perceptors look, the same prompts as the second and the following ones read them.
    """

    embeddings: Tensor
    weights: Tensor
    stops: Tensor
    masks: tuple[CropMask | None, ...] = ()
    targets: tuple[CropTarget | None, ...] = ()
    others: tuple[Prompts, ...] = ()

    @property
    def each(self) -> tuple[Prompts, ...]:
        """The prompts as each perceptor reads them, on their own."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @classmethod
    def of_each(cls, each: Sequence[Prompts]) -> Prompts:
        """The prompts of several perceptors as one value: the inverse of `each`."""
        return replace(each[0], others=tuple(each[1:])) if len(each) > 1 else each[0]


@dataclass(frozen=True, slots=True)
class Warp:
    """A motion of the picture, as a field that says where each output pixel comes from.

    Attributes:
        field: From points [1, h, w, 2], in picture coordinates (x right, y down, -1..1 from edge to edge), and the
            picture's height and width in pixels, to the points [1, h, w, 2] that they come from. Being a function of
            points, it composes with others.
        infill: What moves in from outside.
        sampling: How values between pixels are found.
    """

    field: Callable[[Tensor, int, int], Tensor]
    infill: Literal["mirror", "smear", "wrap", "black"] = "mirror"
    sampling: Literal["nearest", "bilinear", "bicubic"] = "bicubic"


if not TYPE_CHECKING:
    Perceptor.__wire__ = Wire("Perceptor", differentiable=False)
    Cutouts.__wire__ = Wire("Cutouts")
    Seen.__wire__ = Wire("Seen")
    Prompts.__wire__ = Wire("Prompts", differentiable=False)
    Warp.__wire__ = Wire("Warp", differentiable=False)
