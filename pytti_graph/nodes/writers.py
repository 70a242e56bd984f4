"""Pictures and films on disk."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

from pytti_graph import Bounds, Clock, Files, Image, Moment, Number, OutputPath, UsageError, node
from pytti_graph.core.paths import frame_name
from pytti_graph.nodes.films import CODECS, Codec, Quality, check_size, encode, frame_rate


@node("write.frames")
class Frames:
    """Write every finished frame as a PNG, without loss.

    Each PNG carries the whole graph, so that `pytti-graph run 00012.png` renders it again.

    Args:
        image: The picture to write.
        folder: Where to, inside the run folder. Writers of the same picture may share a folder.
    """

    def __init__(self, folder: OutputPath = "frames") -> None:  # type: ignore[assignment]
        self._folder = folder

    def forward(self, image: Image, moment: Moment, files: Files) -> None:
        """Write one frame."""
        files.save_frame(self._folder, moment.frame, image)


@node("write.video")
class Video:
    """Write a film.

    The frames are kept as numbered PNGs without loss, and the film is made from them at the end, also when the
    rendering is stopped early; when it is continued, the whole film is made again. Its colours are those of HD
    television (BT.709), as browsers and players expect, and its frame rate is constant. If the picture's width or
    height is odd, the film repeats one column or row at the edge.

    Args:
        image: The picture to write.
        path: The film, inside the run folder; its ending says which container: .mp4, .mov, .mkv, .webm.
        folder: Where the frames are kept, inside the run folder. Writers of the same picture may share a folder.
        fps: Frames per second; the clock's if not given. Another number makes the film slower or faster.
        codec: h264 plays everywhere; h265 (in .mkv), vp9 and av1 are smaller; prores (in .mov) is for further editing.
        quality: How much is kept: small, good or best.
    """

    def __init__(
        self,
        clock: Clock,
        files: Files,
        path: OutputPath = "film.mp4",  # type: ignore[assignment]
        folder: OutputPath = "frames",  # type: ignore[assignment]
        fps: Annotated[Number, Bounds(gt=0, le=1000, unit="per second")] | None = None,
        codec: Codec = "h264",
        quality: Quality = "good",
    ) -> None:
        _check_ending(path, codec)
        self._files, self._path, self._folder = files, path, folder
        self._frames, self._codec, self._quality = clock.frames, codec, quality
        self._checked = False
        self._rate = frame_rate(clock.fps if fps is None else fps)

    def forward(self, image: Image, moment: Moment) -> None:
        """Keep one frame."""
        if not self._checked:
            check_size(image.shape[3], image.shape[2], self._codec)
            self._checked = True
        self._files.save_frame(self._folder, moment.frame, image)

    def close(self) -> None:
        """Make the film of the frames on disk, from the first to the last before a gap."""
        paths = (self._folder / frame_name(frame) for frame in range(self._frames))
        frames = list(itertools.takewhile(Path.is_file, paths))
        if frames:
            self._files.write(self._path, lambda path: encode(frames, path, self._rate, self._codec, self._quality))


def _check_ending(path: Path, codec: Codec) -> None:
    endings = CODECS[codec].endings
    if path.suffix.lower() not in endings:
        message = f"'{path.name}' cannot hold {codec}; it goes into {', '.join(endings)}"
        raise UsageError(message, argument="path", hint=f"write path: {path.stem or 'film'}{endings[0]}")
