"""Pictures from videos."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from torch import Tensor

from pytti_graph import Bounds, Device, Image, InputPath, Integer, Moment, Number, UsageError, node
from pytti_graph.nodes import sources
from pytti_graph.nodes.named_colours import named_colour
from pytti_graph.nodes.sources import LONGEST, Side
from pytti_graph.nodes.video_files import VideoFile, VideoPicture


@node("source.video")
class Video:
    """Read a video: for each frame of the film the picture that it shows at that time.

    Time is the film's: a video plays as fast as it was taken, whatever the frames per second of either. With `stride`,
    each frame of the film takes the next picture, or every second one, and so on. A single picture gets the first.

    It reads MP4, MOV, WebM, MKV, AVI, MPEG and GIF, with or without sound, turns them upright as the camera says, and
    never holds more than a few pictures in memory.

    Args:
        path: The file, relative to the graph's folder.
        start: Where in the video the film begins.
        stride: Take every so many-th picture, whatever their time; not given, the video plays at its own speed.
        end: What comes after its end: hold its last picture, or loop, which begins anew at `start`.
        width: Make it this wide. Given alone, the height follows.
        height: Make it this high. Given alone, the width follows.
        fit: What happens if width and height give another shape: crop what sticks out at both sides, or stretch.
        max_side: A larger picture is made smaller until its longer side has this many pixels. If width or height is
            given, that side is as given, and one that follows may have at most this many.
        background: What shows through transparent places: a name ("white") or "#rrggbb".
    """

    def __init__(
        self,
        path: InputPath,
        start: Annotated[Number, Bounds(ge=0, unit="seconds")] = 0,
        stride: Annotated[Integer, Bounds(ge=1)] | None = None,
        end: Literal["hold", "loop"] = "hold",
    ) -> None:
        self._file, self._start, self._stride, self._loop = VideoFile(path), start, stride, end == "loop"
        self._first = self._file.at(start).index
        self._made: tuple[VideoPicture, tuple[Any, ...], Tensor] | None = None
        if (length := self._file.length) is not None and start >= length:
            self.close()
            raise UsageError(f"{path} is only {length:.3g} seconds long", argument="start", hint="begin earlier")

    def forward(
        self,
        moment: Moment,
        device: Device,
        width: Side | None = None,
        height: Side | None = None,
        fit: Literal["crop", "stretch"] = "crop",
        max_side: Annotated[Integer, Bounds(ge=1, le=LONGEST, unit="px")] = 4096,
        background: str = "black",
    ) -> Image:
        """The picture of this frame; the same tensor while it does not change."""
        shown, how = self._shown(moment), (width, height, fit, max_side, background)
        if self._made is None or self._made[0] is not shown or self._made[1] != how:
            self._made = shown, how, picture(shown, *how).to(device.torch)
        return self._made[2]

    def _shown(self, moment: Moment) -> VideoPicture:
        if self._stride is None:
            return self._file.at(self._start + moment.t, begin=self._start, loop=self._loop)
        place = self._first + moment.frame * self._stride
        return self._file.at(place, "pictures", begin=self._first, loop=self._loop)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def picture(
    shown: VideoPicture,
    width: int | None,
    height: int | None,
    fit: Literal["crop", "stretch"],
    max_side: int,
    background: str,
) -> Tensor:
    """A picture of a video [1, 3, H, W] as `source.image` would give it; the arguments are those of that node."""
    old_width, old_height = shown.size
    if width is None or height is None:
        fit = "stretch"
    width, height = sources.sides(old_width, old_height, width, height, max_side)
    across, down = width / old_width, height / old_height
    if fit == "crop":  # twice as large, so that the middle is found to a fraction of a pixel
        across = down = 2 * max(across, down)
    pixels = shown.tensor(named_colour(background, "background"), min(across, 1.0), min(down, 1.0))
    return sources.resized(pixels, width, height, fit, max_side)
