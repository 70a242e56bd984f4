"""The files that prompts name, and who is to blame when one cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from torch import Tensor

from pytti_graph import Device, Files, UsageError
from pytti_graph.core.scenes import Prompt
from pytti_graph.nodes import sources


class NamedFile(NamedTuple):
    """A file that a prompt or a mask names.

    Attributes:
        path: As written.
        argument: The argument that it stands in.
        offset: Where it, or its mask, begins in that.
    """

    path: str
    argument: str
    offset: int

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """What goes wrong inside with the file is told with its place in the prompts."""
        try:
            yield
        except UsageError as error:
            message, hint = error.problem.message, error.problem.hint
            raise UsageError(message, argument=self.argument, offset=self.offset, hint=hint) from error


def named(prompts: Iterable[Prompt], kind: Literal["picture", "video"]) -> Iterator[NamedFile]:
    """All pictures, or all videos, that prompts and their masks name."""
    for prompt in prompts:
        if prompt.picture and prompt.video == (kind == "video"):
            yield NamedFile(prompt.text, prompt.argument, prompt.offset)
        if prompt.mask is not None and prompt.mask.kind == kind:
            yield NamedFile(prompt.mask.text, prompt.argument, prompt.mask.offset)


def open_pictures(prompts: Iterable[Prompt], files: Files, device: Device) -> dict[str, Tensor]:
    """The pictures [1, 3, H, W] of prompts and of masks, by their paths; raises `UsageError` for what is none."""
    opened: dict[str, Tensor] = {}
    for file in named(prompts, "picture"):
        if file.path not in opened:
            with file.blamed():
                opened[file.path] = sources.image(files.picture(file.path), device)
    return opened
