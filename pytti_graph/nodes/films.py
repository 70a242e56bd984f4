"""Encodes numbered pictures as a film."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from PIL import Image

from pytti_graph import MissingError, RenderError, UsageError

Codec = Literal["h264", "h265", "vp9", "av1", "prores"]
Quality = Literal["small", "good", "best"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoder:
    """How FFmpeg makes films of one codec.

    Attributes:
        name: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        endings: Of files that can hold it, the usual first.
        qualities: The encoder's options for each quality.
        options: Its other options.
    """

    name: str
    pixels: str
    endings: tuple[str, ...]
    qualities: Mapping[Quality, Mapping[str, str]]
    options: Mapping[str, str]


def _crf(small: int, good: int, best: int) -> dict[Quality, Mapping[str, str]]:
    """Constant rate factors: smaller looks better."""
    return {"small": {"crf": str(small)}, "good": {"crf": str(good)}, "best": {"crf": str(best)}}


_PRORES: dict[Quality, Mapping[str, str]] = {
    "small": {"profile": "0"},
    "good": {"profile": "2"},
    "best": {"profile": "3"},
}
CODECS: Mapping[Codec, Encoder] = {
    "h264": Encoder("libx264", "yuv420p", (".mp4", ".mov", ".mkv"), _crf(26, 18, 12), {"preset": "medium"}),
    # PyAV 18.1 now and then fails to write H.265 into .mp4 and .mov ("not yet implemented").
    "h265": Encoder("libx265", "yuv420p", (".mkv",), _crf(28, 20, 14), {"x265-params": "log-level=none"}),
    "vp9": Encoder("libvpx-vp9", "yuv420p", (".webm", ".mp4", ".mkv"), _crf(38, 28, 18), {"b": "0", "row-mt": "1"}),
    "av1": Encoder("libsvtav1", "yuv420p", (".mp4", ".webm", ".mkv"), _crf(40, 28, 18), {"preset": "6"}),
    "prores": Encoder("prores_ks", "yuv422p10le", (".mov", ".mkv"), _PRORES, {}),
}


def frame_rate(fps: float) -> Fraction:
    """Frames per second as a fraction that containers can hold; 23.976023976 becomes 24000/1001."""
    simple, fine = (Fraction(fps).limit_denominator(limit) for limit in (1001, 100_000))
    rate = simple if abs(simple / Fraction(fps) - 1) < 1e-8 else fine
    if not 0 < rate <= 1000:
        hint = "give the film's own 'fps'"
        raise UsageError(f"a film cannot have {fps:g} frames per second", argument="fps", hint=hint)
    return rate


@contextlib.contextmanager
def _usual_priority() -> Iterator[None]:
    """Give this thread back the priority that it has now.

    SVT-AV1 makes the thread that calls it a real-time one where the user is root, as in containers; from then on, all
    that it starts would starve the rest of the machine.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, parameters)


@_usual_priority()
def check_size(width: int, height: int, codec: Codec) -> None:
    """Try whether a codec takes pictures of this size; raises `RenderError` if not."""
    encoder = CODECS[codec]
    try:
        trial = av.CodecContext.create(encoder.name, "w")
    except av.codec.codec.UnknownCodecError:
        return  # told when the film is made, with what to do
    trial.width, trial.height = width + width % 2, height + height % 2
    trial.pix_fmt, trial.time_base, trial.framerate = encoder.pixels, Fraction(1, 12), Fraction(12)
    trial.options = dict(encoder.options)
    try:
        trial.open()
    except (av.FFmpegError, OSError, ValueError) as error:
        hint = "make the picture smaller, or choose another codec; frames without a film need no codec: write.frames"
        message = f"{codec} cannot hold pictures of {width} x {height} pixels"
        raise RenderError(message, argument="codec", hint=hint) from error


@_usual_priority()
def encode(frames: Sequence[Path], path: Path, rate: Fraction, codec: Codec, quality: Quality) -> None:
    """Make a film.

    Args:
        frames: At least one picture; all of one size.
        path: The film to write; its ending names the container.
        rate: Frames per second.
        codec: How it is compressed.
        quality: How much is kept.

    Raises:
        MissingError: This FFmpeg has no such encoder.
        RenderError: A picture cannot be read, or the film not be encoded.
        OSError: The film cannot be written.
    """
    encoder = CODECS[codec]
    pictures = _pictures(frames)
    first = next(pictures)
    options = {"movflags": "+faststart"} if path.suffix.lower() in (".mp4", ".mov") else {}
    try:
        with av.open(str(path), "w", options=options) as container:
            stream = _stream(container, encoder, rate, quality, first.shape)
            for index, pixels in enumerate(chain([first], pictures)):
                container.mux(stream.encode(_converted(pixels, encoder.pixels, index, rate)))
            container.mux(stream.encode(None))
    except OSError:
        raise
    except av.FFmpegError as error:
        raise RenderError(f"the film {path.name} cannot be encoded: {error}") from error


def _stream(container: Any, encoder: Encoder, rate: Fraction, quality: Quality, shape: tuple[int, ...]) -> Any:
    """A video stream for pictures [H, W, 3], tagged as BT.709 in limited range."""
    try:
        options = {**encoder.options, **encoder.qualities[quality]}
        stream = container.add_stream(encoder.name, rate=rate, options=options)
    except av.codec.codec.UnknownCodecError:
        hint = "install PyAV's own wheel (pip install av), or choose another codec"
        raise MissingError(f"this FFmpeg has no {encoder.name}", argument="codec", hint=hint) from None
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = encoder.pixels
    context = stream.codec_context
    context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _pictures(frames: Sequence[Path]) -> Iterator[Pixels]:
    """Their pixels [H, W, 3], of even height and width."""
    size = None
    for path in frames:
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise RenderError(f"the frame {path} cannot be read: {error}") from error
        size = size or pixels.shape
        if pixels.shape != size:
            message = f"the frame {path} is {_size(pixels.shape)} and the first {_size(size)}; a film has one size"
            raise RenderError(message)
        yield np.pad(pixels, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _converted(pixels: Pixels, format: str, index: int, rate: Fraction) -> av.VideoFrame:
    """One frame of the film: full-range RGB to limited-range BT.709."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format=format,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    frame.color_primaries, frame.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    frame.pts, frame.time_base = index, 1 / rate
    return frame
