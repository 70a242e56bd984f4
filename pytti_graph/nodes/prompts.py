"""What the picture should mean, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from pytti_graph import (
    Bounds,
    Clock,
    Device,
    Files,
    FormulaValues,
    Moment,
    Number,
    Perceptor,
    Prompts,
    Report,
    TextParser,
    node,
)
from pytti_graph.core.scenes import Affix, Prompt, with_affixes
from pytti_graph.nodes.prompt_files import open_pictures
from pytti_graph.nodes.prompt_reading import Reading, texts_of
from pytti_graph.nodes.prompt_videos import PromptVideos
from pytti_graph.nodes.weighing import is_empty

if TYPE_CHECKING:
    from pytti_graph.core.scenes import Scenes as ParsedScenes

    ParsedAffix = Affix | Literal[""]
else:
    ParsedScenes = ParsedAffix = Any

_KEYS = "pytti_graph.graph.scene_keys:write_scenes"


@node("prompt.scenes", rate="timeline")
class Scenes:
    r"""Say what the picture should mean, scene after scene.

    `||` separates scenes and `|` the texts of a scene, so "a volcano | smoke:0.3 || a castle" is a scene of two
    texts followed by a scene of one. A text may be followed by its weight and its stop, `text:weight:stop`; both
    are numbers or formulas ("a volcano:1 - progress"). The weight says how much the text counts (1 if not given;
    below 0 pushes the picture away from it). The stop says how near is near enough: nothing pulls any more once the
    weight's sign times the distance is at or below it (distances go from 0 to 4.93; without a stop the pull never
    ends). A text that itself holds `:` or `|` is written in double quotes, or with `\` before them.

    What stands in brackets is the file of a picture: `[photo.png]` wants every part of the canvas to mean what the
    picture shows there. A video, `[dance.mp4]`, means in each frame of the film what it shows at that time, and after
    its end its last picture. Pictures may lie in the network: `[https://host/photo.png]`, fetched once, if it is
    allowed.

    A mask after the weight, `text:weight_mask`, says which crops the text is about: l, r, u, d for those in the left,
    right, upper or lower half of the picture, n and f for large and small ones, `[sky.png]` and `[-sky.png]` for those
    in the white or black parts of a picture or a video. A cutoff may follow (`1_l_0.3`): where the halves meet, as a
    part of the width or height, or the size of the smallest large crop, as a part of the picture's. A text with a
    cutoff (`1_sky_0.8`) is a mask too: it takes the crops that are nearer to that text than the cutoff.

    The scenes share the frames of a film equally (or the first `clock.scene_frames` of them, and the last scene stays);
    those of a single picture share its steps. A change of scene begins
    with the new scene's first frame. With `fade`, that frame and the following ones, `fade` in all, mix the old scene
    and the new: with 36 frames, two scenes and a fade of 6, frames 0 to 17 are the first scene's alone, frames 18 to 23
    mix (the new scene's share is 1/7, 2/7 ... 6/7), and frames 24 to 35 are the second scene's alone.

    Args:
        perceptor: The network that reads the texts: the one that looks at the picture. Or several of them.
        scenes: The texts, as above.
        prefix: Stands before each scene: text that goes before that of its first prompt, or prompts that end with `|`.
        suffix: Stands after each scene: text that goes after that of its last prompt, or prompts that begin with `|`.
        fade: How many frames each change of scene takes; 0 is a cut. With one frame, steps.
    """

    def __init__(
        self,
        perceptor: list[Perceptor],
        scenes: Annotated[ParsedScenes, TextParser("pytti_graph.core.scenes:parse_scenes", _KEYS)],
        clock: Clock,
        device: Device,
        files: Files,
        report: Report,
        prefix: Annotated[ParsedAffix, TextParser("pytti_graph.core.scenes:parse_prefix")] = "",
        suffix: Annotated[ParsedAffix, TextParser("pytti_graph.core.scenes:parse_suffix")] = "",
        fade: Annotated[Number, Bounds(ge=0, unit="frames")] = 0,
    ) -> None:
        self._scenes = with_affixes(prefix or Affix(), scenes, suffix or Affix())
        self._clock, self._device, self._fade = clock, device, fade
        everything = [prompt for scene in self._scenes for prompt in scene]
        pictures = open_pictures(everything, files, device)
        self._videos = PromptVideos(everything, files, device)
        self._readings = [Reading.by(eye, everything, pictures, device.torch) for eye in perceptor]
        self._said: tuple[object, ...] = ()
        self._prompts: Prompts
        self._warn(everything, perceptor, report)

    def forward(self, prefix: FormulaValues, scenes: FormulaValues, suffix: FormulaValues, moment: Moment) -> Prompts:
        """The texts of the scenes that have a say now: one scene's, or during a fade two or more scenes'."""
        values = (*prefix, *scenes, *suffix)
        length, now = timeline(self._clock, moment)
        shares = scene_shares(now, len(self._scenes), length, self._fade)
        active = [index for index, share in enumerate(shares) if share > 0]
        prompts = [prompt for index in active for prompt in self._scenes[index]]
        weights = [values[prompt.weight] * shares[index] for index in active for prompt in self._scenes[index]]
        stops = [values[prompt.stop] for prompt in prompts]
        cutoffs = [_cutoff(prompt, values) for prompt in prompts]
        shots = self._videos.at(prompts, moment)
        said = (active, weights, stops, cutoffs, shots)
        if said != self._said:
            numbers = self._tensor(weights), self._tensor(stops)
            read = [reading.prompts(prompts, *numbers, cutoffs, shots) for reading in self._readings]
            self._prompts = Prompts.of_each(read)
            self._said = said
        return self._prompts

    def close(self) -> None:
        """Let go of the videos."""
        self._videos.close()

    def _tensor(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=self._device.torch)

    def _warn(self, prompts: Sequence[Prompt], perceptors: Sequence[Perceptor], report: Report) -> None:
        first: dict[str, tuple[str, int]] = {}
        for text, argument, offset in texts_of(prompts):
            first.setdefault(text, (argument, offset))
        for text, (argument, offset) in first.items():
            for perceptor in perceptors:
                if (reason := perceptor.unfamiliar(text)) is not None:
                    message = f"{perceptor.name} may not understand '{text}': {reason}"
                    report.warn(message, argument=argument, offset=offset)
        areas = self._readings[0].areas
        for mask, argument in {prompt.mask: prompt.argument for prompt in prompts}.items():
            if mask is not None and mask in areas and is_empty(areas[mask].levels):
                colour, other = ("black", mask.text) if mask.inverted else ("white", f"-{mask.text}")
                message = f"nothing in {mask.text} is {colour}, so the prompt pulls nowhere; is [{other}] meant?"
                report.warn(message, argument=argument, offset=mask.offset)
        if (trouble := self._trouble()) is not None:
            report.warn(trouble, argument="scenes")

    def _trouble(self) -> str | None:
        """Why a scene is never alone, or None."""
        length, _ = timeline(self._clock, Moment(self._clock))
        count, unit = len(self._scenes), "step" if self._clock.frames == 1 else "frame"
        unit += "" if length == 1 else "s"
        if count > max(length, 1):
            return f"there are {count} scenes and only {length} {unit}, so that not every scene is seen"
        shortest = min(_lengths(count, length))
        if count > 1 and self._fade >= shortest:
            return f"a scene's {shortest} {unit} are all fade ({self._fade:g}), so that it is never seen alone"
        return None


def _cutoff(prompt: Prompt, values: Sequence[float]) -> float | None:
    return None if prompt.mask is None or prompt.mask.cutoff is None else values[prompt.mask.cutoff]


def timeline(clock: Clock, moment: Moment) -> tuple[int, int]:
    """How long all scenes take together, and how much of it is over: in frames, or for a single picture in steps."""
    if clock.frames == 1:
        return clock.steps_in(0), moment.now
    return clock.scene_frames or clock.frames, moment.now


def first_moments(scenes: int, length: int) -> list[int]:
    """The first frame (or step) of each scene: scene i of n has the frames f with floor(f n / length) = i."""
    return [-(-index * length // scenes) for index in range(scenes)]


def scene_shares(now: float, scenes: int, length: int, fade: float) -> list[float]:
    """How much each scene counts at a time.

    The share that has passed to scene i or a later one rises linearly: on the last frame before scene i's first it is
    0, and `fade` frames after that first it is 1. A scene keeps what has not passed on. So shares are never negative,
    sum to 1 and are continuous, even where fades overlap.

    Args:
        now: The time, in frames (or steps); not only whole ones.
        scenes: How many scenes there are.
        length: How many frames (or steps) they share.
        fade: How many frames (or steps) a change takes.
    """
    later = [min(max((now - first + 1) / (fade + 1), 0.0), 1.0) for first in first_moments(scenes, length)[1:]]
    return [before - after for before, after in zip([1.0, *later], [*later, 0.0], strict=True)]


def _lengths(scenes: int, length: int) -> list[int]:
    first = first_moments(scenes, length)
    return [after - before for before, after in zip(first, [*first[1:], length], strict=True)]
