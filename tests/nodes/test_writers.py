"""Frames and films on disk."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from pytti_graph import Clock, Moment, RenderError, UsageError
from pytti_graph.core.nodes import spec_of
from pytti_graph.engine.files import FileAccess
from pytti_graph.nodes import films
from pytti_graph.nodes.films import CODECS, check_size, encode, frame_rate
from pytti_graph.nodes.writers import Frames, Video

ALL = [(codec, ending) for codec, encoder in CODECS.items() for ending in encoder.endings]


@pytest.fixture
def files(tmp_path):
    """Everything goes into one folder."""
    return FileAccess(tmp_path, tmp_path, graph="pytti_graph: 1\n")


def smooth(seed, height=48, width=64):
    """A picture of soft colours, the same for the same seed."""
    coarse = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def plain(red, green, blue, height=32, width=32):
    """A picture of one colour, 0..255."""
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, height, width) / 255


def film(files, pictures, clock=None, name="film.mp4", close=True, **arguments):
    """Write pictures as a film; returns its path."""
    clock = clock or Clock(len(pictures), fps=12)
    video = Video(clock, files, files.output(name), files.output("frames"), **arguments)
    for frame, picture in enumerate(pictures):
        video.forward(picture, Moment(clock, frame))
    if close:
        video.close()
    return files.output(name)


def decoded(path):
    """The frames of a film as tensors [3, H, W], converted as its tags say, and its stream's facts."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        context = stream.codec_context
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        facts = {"rate": stream.average_rate, "tags": tags, "pixels": context.pix_fmt, "codec": context.name}
        facts["times"] = [frame.time for frame in frames]
    source = {"src_colorspace": tags[0], "src_color_range": tags[1], "dst_colorspace": 1, "dst_color_range": 2}
    arrays = [frame.reformat(format="rgb24", interpolation="BICUBIC", **source).to_ndarray() for frame in frames]
    return [torch.from_numpy(array).permute(2, 0, 1) / 255 for array in arrays], facts


def psnr(left, right):
    """In decibels."""
    return -10 * float(torch.log10((left - right).square().mean()))


def test_frames_are_numbered_pictures(files, tmp_path):
    """In their folder, made when the first is written."""
    writer = Frames(files.output("frames"))
    assert not list(tmp_path.iterdir())
    for frame in range(3):
        writer.forward(smooth(frame), Moment(Clock(3), frame), files)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["00000.png", "00001.png", "00002.png"]


@pytest.mark.parametrize(("codec", "ending"), ALL)
def test_every_codec_in_every_container(files, codec, ending, capfd):
    """As many frames as written, in their colours, and tagged as BT.709 in limited range."""
    pictures = [smooth(seed) for seed in (0, 1, 2)]
    frames, facts = decoded(film(files, pictures, name=f"film{ending}", codec=codec))
    assert len(frames) == 3
    assert facts["tags"] == (1, 1, 1, 1)
    assert facts["pixels"] == CODECS[codec].pixels
    assert facts["rate"] == 12
    for frame, picture in zip(frames, pictures, strict=True):
        assert psnr(frame, picture[0]) > 35


@pytest.mark.parametrize("quality", ["small", "good", "best"])
@pytest.mark.parametrize("codec", list(CODECS))
def test_every_quality_of_every_codec(files, codec, quality):
    """The picture stays recognisable."""
    path = film(files, [smooth(0)], name=f"film{CODECS[codec].endings[0]}", codec=codec, quality=quality)
    assert psnr(decoded(path)[0][0], smooth(0)[0]) > 30


@pytest.mark.parametrize(
    "colour",
    [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (200, 100, 50)],
)
def test_colours_are_not_shifted(files, colour):
    """Luma and chroma on disk are those of BT.709 in 16..235, within what 8 bits can hold."""
    path = film(files, [plain(*colour)], quality="best")
    with av.open(str(path)) as container:
        planes = next(container.decode(video=0)).to_ndarray().astype(float)
    red, green, blue = (level / 255 for level in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748
    found = planes[:32].mean(), planes[32:40].mean(), planes[40:48].mean()
    assert found == pytest.approx(expected, abs=1.01)


def test_browsers_can_begin_before_the_end(files):
    """The index comes before the pictures."""
    data = film(files, [smooth(0)]).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"avc1" in data


@pytest.mark.parametrize(("height", "width"), [(31, 33), (32, 33), (31, 32), (1, 1)])
def test_odd_sizes(files, height, width):
    """The edge is repeated, and nothing is lost."""
    frames, _ = decoded(film(files, [smooth(0, height, width)] * 2, quality="best"))
    assert frames[0].shape == (3, height + height % 2, width + width % 2)
    assert psnr(frames[0][:, :height, :width], smooth(0, height, width)[0]) > 28


@pytest.mark.parametrize("fps", [12, 12.5, 24000 / 1001, 23.976, 0.5, 59.94, 1 / 3, 7.123])
def test_frame_rates(files, fps):
    """Constant and exact, also where they are no whole numbers."""
    _, facts = decoded(film(files, [smooth(seed, 16, 16) for seed in range(4)], Clock(4, fps=fps)))
    assert facts["times"] == pytest.approx([frame / fps for frame in range(4)], abs=1e-4 / fps)


@pytest.mark.parametrize(
    ("fps", "rate"), [(12, Fraction(12)), (24000 / 1001, Fraction(24000, 1001)), (29.97, Fraction(2997, 100))]
)
def test_frame_rates_as_fractions(fps, rate):
    """Those of television are recognised."""
    assert frame_rate(fps) == rate


@pytest.mark.parametrize("fps", [1e-9, 1e6])
def test_impossible_frame_rates(files, fps):
    """A film of the clock's rate may not be possible."""
    with pytest.raises(UsageError, match="frames per second"):
        Video(Clock(fps=fps), files, files.output("film.mp4"), files.output("frames"))


def test_a_film_may_have_its_own_rate(files):
    """Slower than the clock."""
    _, facts = decoded(film(files, [smooth(0)] * 2, Clock(2, fps=12), fps=6))
    assert facts["rate"] == 6


def test_nothing_is_made_before_the_first_frame(files, tmp_path):
    """Nor at the end, if there was none."""
    video = Video(Clock(), files, files.output("film.mp4"), files.output("frames"))
    video.close()
    assert not list(tmp_path.iterdir())


def test_a_continued_rendering_gives_a_whole_film(files, tmp_path):
    """Frames of an earlier process are in it."""
    pictures = [smooth(seed) for seed in range(4)]
    clock = Clock(4)
    film(files, pictures[:2], clock, close=False)
    later = FileAccess(tmp_path, tmp_path)
    video = Video(clock, later, later.output("film.mp4"), later.output("frames"))
    for frame in (2, 3):
        video.forward(pictures[frame], Moment(clock, frame))
    video.close()
    frames, _ = decoded(tmp_path / "film.mp4")
    assert [psnr(frame, picture[0]) > 35 for frame, picture in zip(frames, pictures, strict=True)] == [True] * 4


def test_a_rendering_stopped_early_gives_a_shorter_film(files):
    """And it is replaced when it goes on."""
    pictures = [smooth(seed) for seed in range(3)]
    assert len(decoded(film(files, pictures[:2], Clock(3)))[0]) == 2
    assert len(decoded(film(files, pictures, Clock(3)))[0]) == 3


def test_frames_after_the_last_are_left_out(files):
    """Those of a longer rendering before, or after a gap."""
    path = film(files, [smooth(seed) for seed in range(4)], Clock(3))
    assert len(decoded(path)[0]) == 3
    files.output("frames/00001.png").unlink()
    Video(Clock(3), files, path, files.output("frames")).close()
    assert len(decoded(path)[0]) == 1


def test_two_writers_share_frames(files, tmp_path):
    """`write.frames` and `write.video` of one picture."""
    clock = Clock(1)
    Frames(files.output("frames")).forward(smooth(0), Moment(clock), files)
    before = (tmp_path / "frames" / "00000.png").stat().st_mtime_ns
    film(files, [smooth(0)], clock)
    assert (tmp_path / "frames" / "00000.png").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "codec", "words"),
    [
        ("film.webm", "h264", "write path: film.mp4"),
        ("film", "h264", "write path: film.mp4"),
        ("film.mp4", "prores", "write path: film.mov"),
        ("film.gif", "vp9", "write path: film.webm"),
    ],
)
def test_endings_that_do_not_fit(files, name, codec, words):
    """Said before anything is rendered."""
    with pytest.raises(UsageError, match="cannot hold") as caught:
        Video(Clock(), files, files.output(name), files.output("frames"), codec=codec)
    assert words in caught.value.problem.hint


def test_frames_of_different_sizes(files):
    """A film has one size."""
    with pytest.raises(RenderError, match=r"00001\.png is 32 x 16 and the first 16 x 16"):
        film(files, [smooth(0, 16, 16), smooth(0, 16, 32)])


def test_a_damaged_frame(files, tmp_path):
    """It is named, and no half film is left."""
    path = film(files, [smooth(0), smooth(1)], close=False)
    frame = tmp_path / "frames" / "00001.png"
    frame.write_bytes(frame.read_bytes()[:200])
    with pytest.raises(RenderError, match=r"00001\.png cannot be read"):
        Video(Clock(2), files, path, files.output("frames")).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames"]


def test_a_full_disk(tmp_path):
    """An error that the engine understands."""
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        encode([tmp_path / "a.png"] * 50, tmp_path / "full.mp4", Fraction(12), "h264", "best")


def test_a_missing_encoder(files, monkeypatch):
    """Other builds of FFmpeg have fewer."""
    broken = films.Encoder("libnothing", "yuv420p", (".mp4",), CODECS["h264"].qualities, {})
    monkeypatch.setattr(films, "CODECS", {**CODECS, "h264": broken})
    with pytest.raises(Exception, match="no libnothing") as caught:
        film(files, [smooth(0)])
    assert caught.value.exit_code == 4


def test_the_schemas():
    """Both are sinks, and every argument is explained."""
    for made in (Frames, Video):
        spec = spec_of(made)
        assert spec.returns is None
        assert all(parameter.help for parameter in spec.parameters)
    assert spec_of(Video).parameter("path").default == "film.mp4"


def test_a_codec_that_cannot_hold_the_picture_is_told_on_the_first_frame():
    """Not after hours of rendering."""
    check_size(256, 255, "h264")
    with pytest.raises(RenderError, match="h264 cannot hold pictures of 20000 x 20000 pixels"):
        check_size(20000, 20000, "h264")


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system tells no priorities")
@pytest.mark.parametrize("codec", ["h264", "av1", "vp9"])
def test_encoding_leaves_the_priority_of_the_program_alone(tmp_path, codec):
    """Some encoders make it a real-time one, which starves the rest of the machine."""
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index:05d}.png")
        Image.new("RGB", (64, 64), (40 * index, 90, 120)).save(paths[-1])
    check_size(64, 64, codec)
    encode(paths, tmp_path / "film.mkv", Fraction(12), codec, "small")
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
