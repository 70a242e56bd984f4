"""Videos of every kind: which picture is shown when, in which colours, and files that are no videos."""

import gc
import itertools
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from pytti_graph import UsageError
from pytti_graph.nodes import video_files
from pytti_graph.nodes.films import encode
from pytti_graph.nodes.video_files import VideoFile, VideoPicture

BLACK = (0.0, 0.0, 0.0)
GREYS = [(20 * index,) * 3 for index in range(10)]


def shown(picture):
    """The place of a picture of `GREYS`, by its colour."""
    return round(float(picture.tensor(BLACK).mean()) * 255 / 20)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "fps"),
    [
        ("a.mkv", "ffv1", "bgr0", 30),
        ("a.mkv", "ffv1", "bgr0", Fraction(24000, 1001)),
        ("a.mp4", "libx264", "yuv420p", 12),
        ("a.mov", "prores_ks", "yuv422p10le", 25),
        ("a.webm", "libvpx-vp9", "yuv420p", 60),
        ("a.avi", "mpeg4", "yuv420p", 24),
        ("a.gif", "gif", "gray", 10),
        ("a.gif", "gif", "gray", 12),
    ],
)
def test_as_many_frames_per_second_take_every_picture(video, name, codec, pixels, fps):
    """However the file counts time; and the last picture stays."""
    made = VideoFile(video(name, GREYS, (32, 32), codec, pixels, fps))
    assert [shown(made.at(float(frame / fps))) for frame in range(12)] == [*range(10), 9, 9]
    assert made.length == pytest.approx(float(10 / fps), abs=0.02)


@pytest.mark.parametrize(
    ("fps", "expected"), [(6, [0, 2, 4, 6, 8, 9]), (24, [0, 0, 1, 1, 2, 2]), (5, [0, 2, 4, 7, 9, 9])]
)
def test_a_video_plays_at_its_own_speed(video, fps, expected):
    """The last picture that is not after the time."""
    made = VideoFile(video("a.mkv", GREYS))
    assert [shown(made.at(frame / fps)) for frame in range(6)] == expected


def test_loops(video):
    """By time and by picture, wherever it begins anew, whether or not the end has been seen."""
    path = video("a.mkv", GREYS)
    for count, unit in (("seconds", 1 / 12), ("pictures", 1)):
        made = VideoFile(path)
        places = [made.at(place * unit, count, begin=6 * unit, loop=True) for place in range(6, 17)]
        assert [shown(place) for place in places] == [6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8]
        assert shown(VideoFile(path).at(35 * unit, count, loop=True)) == 5
        assert shown(VideoFile(path).at(35 * unit, count, begin=50 * unit, loop=True)) == 9


def test_a_video_is_decoded_once(video, monkeypatch):
    """Going forward, however many frames ask; only going back begins anew. A second reader sees the same bits."""
    opened, made = itertools.count(), video_files._opened
    monkeypatch.setattr(video_files, "_opened", lambda path: (next(opened), made(path))[1])
    path = video(
        "a.mp4",
        [np.random.default_rng(index).integers(0, 256, (32, 32, 3)) for index in range(30)],
        codec="libx264",
        pixels="yuv420p",
    )
    reader = VideoFile(path)
    pictures = [reader.at(frame / 12).tensor(BLACK) for frame in range(30)]
    assert reader.at(29 / 12) is reader.at(40)
    assert next(opened) == 1
    assert torch.equal(reader.at(7 / 12).tensor(BLACK), pictures[7])
    assert next(opened) == 3
    assert torch.equal(VideoFile(path).at(22 / 12).tensor(BLACK), pictures[22])


def test_memory_stays_flat(video):
    """Only what is shown and what comes next is there."""
    gc.collect()
    made = VideoFile(video("a.mkv", GREYS * 30))
    for frame in range(0, 300, 7):
        made.at(frame / 12)
    assert sum(isinstance(thing, VideoPicture) for thing in gc.get_objects()) <= 3


def checkered(height, width):
    """A picture in which every pixel has another colour."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(5, 7), (6, 8), (1, 1), (3, 200)])
@pytest.mark.parametrize("pixels", ["bgr0", "gbrp10le", "rgb48le"])
def test_sizes_are_kept(video, size, pixels):
    """Odd ones as well, and deep colours."""
    picture = checkered(*size)
    [read] = VideoFile(video("a.mkv", [picture], pixels=pixels)).at(0).tensor(BLACK)
    torch.testing.assert_close(read, torch.from_numpy(picture).permute(2, 0, 1) / 255, atol=0.005, rtol=0)


@pytest.mark.parametrize(
    ("codec", "pixels", "name", "tolerance"),
    [
        ("ffv1", "yuv420p10le", "a.mkv", 1),
        ("ffv1", "yuv444p16le", "a.mkv", 1),
        ("libx264", "yuv420p10le", "a.mp4", 3),
        ("mjpeg", "yuvj420p", "a.avi", 3),
        ("prores_ks", "yuva444p10le", "a.mov", 3),
        ("libx264", "yuv420p", "a.mp4", 3),
        ("qtrle", "argb", "a.mov", 0),
    ],
)
def test_colours_are_right(video, codec, pixels, name, tolerance):
    """10 and 16 bits, full and limited range."""
    for colour in [(200, 30, 60), (255, 255, 255), (0, 0, 0), (20, 90, 250)]:
        read = VideoFile(video(name, [colour], (32, 32), codec, pixels)).at(0).tensor(BLACK)
        assert (read[0].mean((1, 2)) * 255).tolist() == pytest.approx(colour, abs=tolerance + 0.5)


def test_films_of_our_own_come_back(video, tmp_path):
    """What write.video makes says how its colours are meant."""
    Image.new("RGB", (64, 48), (200, 30, 60)).save(tmp_path / "00000.png")
    encode([tmp_path / "00000.png"], tmp_path / "film.mp4", Fraction(12), "h264", "best")
    read = VideoFile(tmp_path / "film.mp4").at(0).tensor(BLACK)
    assert (read[0].mean((1, 2)) * 255).tolist() == pytest.approx((200, 30, 60), abs=3.5)


@pytest.mark.parametrize(("opacity", "expected"), [(0, (0, 0, 255)), (255, (200, 30, 60)), (51, (40, 6, 216))])
def test_transparent_places_show_the_background(video, opacity, expected):
    """Alpha is composited, not dropped."""
    read = VideoFile(video("a.mkv", [(200, 30, 60, opacity)], pixels="bgra")).at(0).tensor((0.0, 0.0, 1.0), 0.5, 0.5)
    assert (read[0].mean((1, 2)) * 255).tolist() == pytest.approx(expected, abs=1)


def turned(path, matrix):
    """Write another display matrix into an MP4's track header."""
    content = bytearray(path.read_bytes())
    begin = content.find(b"tkhd") + 44
    assert struct.unpack(">9i", content[begin : begin + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content[begin : begin + 36] = struct.pack(">9i", *matrix, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((0, 65536, 0, -65536, 0, 0), -1), ((-65536, 0, 0, 0, -65536, 0), 2), ((0, -65536, 0, 65536, 0, 0), 1)],
)
def test_cameras_are_held_upright(video, matrix, turns):
    """A quarter turn with the clock sends the upper row to the right, and so on."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32] = 255
    path = turned(video("a.mp4", [picture], codec="libx264", pixels="yuv444p"), matrix)
    made = VideoFile(path).at(0)
    expected = torch.from_numpy(np.rot90(picture, turns).copy()).permute(2, 0, 1) / 255
    assert made.size == (expected.shape[2], expected.shape[1])
    assert (made.tensor(BLACK)[0] - expected).abs().mean() < 0.02
    assert made.tensor(BLACK, 0.5, 0.25).shape[2:] == (expected.shape[1] // 4, expected.shape[2] // 2)


def test_pixels_become_square(video):
    """A width of 8 broad pixels is one of 16."""
    path = video("a.mp4", [GREYS[3]], (8, 8), "libx264", "yuv420p", sample_aspect_ratio=Fraction(2, 1))
    assert VideoFile(path).at(0).size == (16, 8)
    assert VideoFile(path).at(0).tensor(BLACK).shape == (1, 3, 8, 16)


def test_shrinking_averages(video):
    """Fine patterns become grey, not stripes."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2] = 255
    read = VideoFile(video("a.mkv", [picture])).at(0).tensor(BLACK, 0.25, 0.25)
    assert read.shape == (1, 3, 16, 16)
    assert (read - 0.5).abs().max() < 0.02


def test_damaged_places_are_passed_over(video):
    """As players do; what is cut off ends with its last picture."""
    pictures = [np.random.default_rng(index).integers(0, 256, (32, 32, 3)) for index in range(40)]
    path = video("a.mkv", pictures)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert 20 < VideoFile(path).at(100).index < 30
    begin = len(content) // 2
    path.write_bytes(
        content[:begin] + bytes(byte ^ 0x55 for byte in content[begin : begin + 90]) + content[begin + 90 :]
    )
    assert VideoFile(path).at(100).index >= 35


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no video",
        "\0" * 5000,
        PLAYLIST.format("a.mkv"),
        "ffconcat version 1.0\nfile a.mkv\n",
        "v=0\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["b.mp4", "b.m3u8", "b.mkv"])
def test_what_is_no_video_is_refused(video, tmp_path, capfd, content, name):
    """Playlists too, which would lead to other files; nothing is printed."""
    video("a.mkv", GREYS)
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match="is not a video that can be read") as caught:
        VideoFile(tmp_path / name)
    assert caught.value.problem.argument == "path"
    assert "whole" in caught.value.problem.hint
    assert capfd.readouterr() == ("", "")


def test_files_that_are_not_there(tmp_path):
    """Missing, and a folder."""
    with pytest.raises(UsageError, match=r"there is no video .*a\.mp4"):
        VideoFile(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="is not a video that can be read"):
        VideoFile(tmp_path)


def sound(path, cover=False):
    """A file with a little silence, and a cover picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        frame.rate = 44100
        if cover:
            picture = container.add_stream("png", rate=1)
            picture.width = picture.height = 8
            picture.pix_fmt = "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_sound_alone_is_refused(tmp_path):
    """Where pictures are asked for."""
    with pytest.raises(UsageError, match="has sound, but no pictures"):
        VideoFile(sound(tmp_path / "a.mkv"))


def test_a_video_without_a_picture_is_refused(video):
    """A stream that was begun and never filled, or cut off at once."""
    path = video("a.mkv", [np.random.default_rng(0).integers(0, 256, (64, 64, 3))] * 2)
    content = path.read_bytes()
    for end in range(0, 1200, 60):
        path.write_bytes(content[:end])
        with pytest.raises(UsageError, match=r"is not a video that can be read|no pictures"):
            VideoFile(path)


def test_giants_are_refused_before_they_are_decoded(video, monkeypatch):
    """By their header alone."""
    path = video("a.mkv", GREYS)
    monkeypatch.setattr(video_files, "_MAX_PIXELS", 47)
    with pytest.raises(UsageError, match=r"a\.mkv is too large: 8 x 6 pixels"):
        VideoFile(path)
