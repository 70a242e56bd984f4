"""The videos that prompts name: what they show now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from pytti_graph import Device, Files, Moment
from pytti_graph.core.scenes import Prompt
from pytti_graph.nodes.prompt_files import named
from pytti_graph.nodes.video_files import VideoFile, VideoPicture
from pytti_graph.nodes.videos import picture

_LONGEST = 1024
"""Pixels along the longer side: no perceptor sees more of a whole picture."""


@dataclass(frozen=True, eq=False)
class Shot:
    """What a video shows now: the same object as long as it shows the same picture.

    Attributes:
        shown: The picture as the file has it.
        picture: As a tensor [1, 3, H, W].
    """

    shown: VideoPicture
    picture: Tensor


class PromptVideos:
    """The videos of prompts and of masks, at the time of the film.

    The first picture of each is decoded at once, so that a file that is no video is told before rendering. After its
    end, a video goes on showing its last picture.

    Args:
        prompts: All prompts there are.
        files: Finds the files.
        device: Where pictures go.

    Raises:
        UsageError: A file is no video, or has no pictures.
    """

    def __init__(self, prompts: Iterable[Prompt], files: Files, device: Device) -> None:
        self._device = device
        self._open: dict[str, VideoFile] = {}
        self._shots: dict[str, Shot] = {}
        for file in named(prompts, "video"):
            if file.path not in self._open:
                with file.blamed():
                    self._open[file.path] = VideoFile(files.input(file.path))

    def at(self, prompts: Iterable[Prompt], moment: Moment) -> Mapping[str, Shot]:
        """What the videos of some of the prompts show, by their paths."""
        found = {}
        for file in named(prompts, "video"):
            if file.path not in found:
                with file.blamed():
                    found[file.path] = self._shot(file.path, self._open[file.path].at(moment.t))
        return found

    def _shot(self, path: str, shown: VideoPicture) -> Shot:
        last = self._shots.get(path)
        if last is None or last.shown is not shown:
            pixels = picture(shown, None, None, "stretch", _LONGEST, "black").to(self._device.torch)
            last = self._shots[path] = Shot(shown, pixels)
        return last

    def close(self) -> None:
        """Let go of the files."""
        for file in self._open.values():
            file.close()
