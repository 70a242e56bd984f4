"""Reads videos: which picture is shown when, decoded one after another, whatever their length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import torch
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from torch import Tensor

from pytti_graph import UsageError

Count = Literal["seconds", "pictures"]

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,mpegvideo,ogg,flv,asf"
"""FFmpeg's readers that may be used: none that opens other files or addresses, as those of playlists do."""
_MAX_PIXELS = 8192 * 4352
_SLACK = 0.001
"""Seconds by which a picture may be late. Matroska counts in milliseconds; what counts in longer units may be late by
half of one."""
_THREADS = 4
_USUAL_RATE = 25
_AREA = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
_HD = 720
"""Pictures of at least so many rows have the colours of ITU-R BT.709 if they do not say, smaller ones those of 601."""


@dataclass(frozen=True, eq=False)
class VideoPicture:
    """A picture of a video.

    Attributes:
        index: How many come before it.
        seconds: When it is shown, from the first picture on.
        frame: The picture as it was decoded.
        ratio: Width of its pixels divided by their height.
    """

    index: int
    seconds: float
    frame: av.VideoFrame
    ratio: float

    def place(self, count: Count) -> float:
        """Where in the video it is."""
        return self.seconds if count == "seconds" else self.index

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as it is to be seen: upright, with square pixels."""
        width, height = max(round(self.frame.width * self.ratio), 1), self.frame.height
        return (height, width) if self._quarters % 2 else (width, height)

    @property
    def _quarters(self) -> int:
        """Quarter turns against the clock that bring it upright."""
        quarters: int = round(self.frame.rotation / 90) % 4
        return quarters

    def tensor(self, background: tuple[float, float, float], across: float = 1.0, down: float = 1.0) -> Tensor:
        """Its colours [1, 3, H, W], sRGB 0..1.

        Args:
            background: What shows through transparent places.
            across: Make it smaller by this factor, at most 1.
            down: The same for its height. What is transparent keeps its size.
        """
        opaque = not any(component.is_alpha for component in self.frame.format.components)
        width, height = self.size
        if opaque:
            width, height = max(math.ceil(width * across), 1), max(math.ceil(height * down), 1)
        if self._quarters % 2:
            width, height = height, width
        levels = np.rot90(_levels(self.frame, width, height, opaque), self._quarters)
        pixels = torch.from_numpy(levels / np.float32(np.iinfo(levels.dtype).max)).permute(2, 0, 1)
        if not opaque:
            pixels = torch.lerp(torch.tensor(background).view(3, 1, 1), pixels[:3], pixels[3:])
        return pixels.unsqueeze(0)


def _levels(frame: av.VideoFrame, width: int, height: int, opaque: bool) -> Any:
    """Pixels [height, width, 3 or 4] of 8 or 16 bits, in full-range RGB."""
    deep = any(component.bits > 8 for component in frame.format.components)
    kind = ("rgb48le" if deep else "rgb24") if opaque else ("rgba64le" if deep else "rgba")
    source: dict[str, Any] = {}
    if not frame.format.is_rgb:
        known = {space.value for space in Colorspace}
        usual = Colorspace.ITU709 if frame.height >= _HD else Colorspace.ITU601
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith(("yuvj", "gray"))
        source = {
            "src_colorspace": Colorspace(frame.colorspace) if frame.colorspace in known else usual,
            "dst_colorspace": Colorspace.ITU709,
            "src_color_range": ColorRange.JPEG if full else ColorRange.MPEG,
            "dst_color_range": ColorRange.JPEG,
        }
    shrinks = width < frame.width or height < frame.height
    how = _AREA if shrinks else Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
    return frame.reformat(width, height, kind, interpolation=how, **source).to_ndarray()


class VideoFile:
    """A video that is read forward; going back begins anew. Only what is shown and what comes next is in memory.

    A picture is found by decoding all that come before it, never by jumping: after a jump, some codecs give pictures
    that differ a little, and a film that is resumed must be the same.

    Args:
        path: The file.

    Raises:
        UsageError: It cannot be read, or has no pictures.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[Count, float] | None = None
        self._begin()

    def at(self, place: float, count: Count = "seconds", *, begin: float = 0.0, loop: bool = False) -> VideoPicture:
        """The picture that is shown at a place: the last one that is not after it.

        Args:
            place: In seconds, or in pictures.
            count: Which of the two.
            begin: Where a loop begins anew.
            loop: After the end it begins anew; else the last picture stays.
        """
        slack = self._slack if count == "seconds" else 0.0
        end = self._ends[count] if self._ends else math.inf
        if loop and begin < end <= place + slack:
            place = begin + (place + slack - begin) % (end - begin) - slack
        knew = self._ends is not None
        self._go(place + slack, count)
        if loop and not knew and self._ends is not None:
            return self.at(place, count, begin=begin, loop=True)
        return self._now

    @property
    def length(self) -> float | None:
        """Its length in seconds, known once its end has been seen."""
        return None if self._ends is None else self._ends["seconds"]

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _begin(self) -> None:
        self._container, self._stream = _opened(self._path)
        self._pictures = self._numbered()
        first = next(self._pictures, None)
        if first is None:
            self.close()
            message = f"{self._path} has no pictures that can be read"
            raise UsageError(message, argument="path", hint="is the file whole?")
        self._now = first
        self._next = next(self._pictures, None)

    def _go(self, place: float, count: Count) -> None:
        if place < self._now.place(count) and self._now.index > 0:
            self.close()
            self._begin()
        while self._next is not None and self._next.place(count) <= place:
            self._now, self._next = self._next, next(self._pictures, None)
        if self._next is None:
            self._ends = {"seconds": self._now.seconds + self._shown_for(), "pictures": self._now.index + 1}

    def _shown_for(self) -> float:
        """How long the last picture is shown, in seconds."""
        frame = self._now.frame
        if frame.duration and frame.time_base:
            return float(frame.duration * frame.time_base)
        return float(1 / self._rate)

    @property
    def _slack(self) -> float:
        return max(_SLACK, float(self._stream.time_base or 0) / 2)

    @property
    def _rate(self) -> Fraction:
        return self._stream.average_rate or self._stream.guessed_rate or Fraction(_USUAL_RATE)

    def _numbered(self) -> Iterator[VideoPicture]:
        ratio = _pixel_ratio(self._stream)
        start, last = None, 0.0
        for index, frame in enumerate(self._decoded()):
            _refuse_giants(self._path, frame.width, frame.height)
            time = float(index / self._rate) if frame.time is None else frame.time
            start = time if start is None else start
            last = max(last, time - start)
            yield VideoPicture(index, last, frame, ratio)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """All pictures in the order they are shown; what is damaged is left out, as players do."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            yield from frames


def _opened(path: Path) -> tuple[Any, Any]:
    """A video's container and its stream of pictures."""
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path}", options=options)
    except FileNotFoundError:
        hint = "paths are relative to the graph's folder"
        raise UsageError(f"there is no video {path}", argument="path", hint=hint) from None
    except (OSError, ValueError) as error:  # FFmpeg's errors are among them
        message = f"{path} is not a video that can be read: {_reason(error)}"
        hint = "is the file whole? MP4, MOV, WebM, MKV, AVI and GIF are the usual formats"
        raise UsageError(message, argument="path", hint=hint) from error
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        kind = "sound, but no pictures" if container.streams.audio else "no pictures"
        container.close()
        raise UsageError(f"{path} has {kind}", argument="path", hint="give a video")
    context = streams[0].codec_context
    try:
        _refuse_giants(path, context.width, context.height)
    except UsageError:
        container.close()
        raise
    context.options = {"max_pixels": str(_MAX_PIXELS)}
    context.thread_type, context.thread_count = "AUTO", _THREADS
    return container, streams[0]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _refuse_giants(path: Path, width: int, height: int) -> None:
    if width * height > _MAX_PIXELS:
        hint = f"make it smaller first; pictures of at most {_MAX_PIXELS // 1_000_000} million pixels are read"
        raise UsageError(f"{path} is too large: {width} x {height} pixels", argument="path", hint=hint)


def _pixel_ratio(stream: Any) -> float:
    """Width of its pixels divided by their height."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return ratio if 0.1 <= ratio <= 10 else 1.0
