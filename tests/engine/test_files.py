"""What may be read and written, and that files are there whole or not at all."""

import contextlib
import errno
import os
import struct
import time

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pytti_graph import RenderError, UsageError
from pytti_graph.engine.files import FileAccess, write_whole
from pytti_graph.engine.pictures import GRAPH_LIMIT, graph_in_png, save_png, to_picture

GRAPH = "pytti_graph: 1\ntitle: Größe \u2603\n"


@pytest.fixture
def files(tmp_path):
    """A graph's folder and a run folder."""
    (tmp_path / "graphs").mkdir()
    return FileAccess(tmp_path / "graphs", tmp_path / "run", graph=GRAPH)


def picture(seed=0, height=5, width=7):
    """Random levels of 8 bits."""
    return torch.randint(0, 256, (1, 3, height, width), generator=torch.Generator().manual_seed(seed)) / 255


def left(folder):
    """Names of all files, hidden ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_inputs_are_found_in_the_graphs_folder(files, tmp_path):
    """And outputs in the run folder."""
    assert files.input("pictures/../a.png") == tmp_path / "graphs" / "a.png"
    assert files.output("frames") == tmp_path / "run" / "frames"
    assert files.input(tmp_path / "graphs" / "a.png") == tmp_path / "graphs" / "a.png"


OUTSIDE = ["../a.png", "a/../../a.png", "/etc/passwd", "../graphs2/a.png", "../run/a.png"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_leaving_the_folder_is_refused(files, path):
    """With the option that would allow it."""
    with pytest.raises(UsageError, match="lies outside the graph's folder") as caught:
        files.input(path)
    assert "--allow-path " in caught.value.problem.hint


@pytest.mark.parametrize("path", ["../film.mp4", "/tmp/film.mp4", "../graphs/a.png"])
def test_writing_outside_is_refused(files, path):
    """Also by nodes that do not ask."""
    with pytest.raises(UsageError, match="lies outside the run folder"):
        files.output(path)
    with pytest.raises(UsageError):
        files.write(files.output(".") / path, lambda path: path.write_text("no"))
    with pytest.raises(UsageError):
        files.save_frame(files.output(".") / path, 0, picture())


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "C:\\a.png", "loop/a"])
def test_paths_that_are_none(files, tmp_path, path):
    """They give an error of ours."""
    (tmp_path / "graphs" / "loop").symlink_to("loop")
    with pytest.raises(UsageError):
        files.input(path)


def test_a_path_that_is_too_long(files):
    """It is an error, or merely not there."""
    with contextlib.suppress(UsageError):
        assert not os.path.lexists(files.input("a/" * 5000))


def test_links_are_followed_before_the_check(files, tmp_path):
    """A link inside the folder may not lead out of it, and one outside may lead in."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "graphs" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "graphs" / "a.txt").write_text("a")
    (tmp_path / "graphs" / "inner.txt").symlink_to("a.txt")
    assert files.input("inner.txt").read_text() == "a"
    with pytest.raises(UsageError, match="outside"):
        files.input("link.txt")


def test_allowed_folders(tmp_path):
    """They and what is in them, and not what merely begins with their name."""
    files = FileAccess(tmp_path / "graphs", tmp_path / "run", allowed=[tmp_path / "photos"])
    assert files.input("../photos/a.png") == tmp_path / "photos" / "a.png"
    assert files.output(tmp_path / "photos" / "film.mp4") == tmp_path / "photos" / "film.mp4"
    with pytest.raises(UsageError):
        files.input("../photos2/a.png")


def test_a_graph_folder_that_is_a_link(tmp_path):
    """It is followed too."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert FileAccess(tmp_path / "link").input("a.png") == tmp_path / "real" / "a.png"


def test_frames_are_lossless_and_carry_their_graph(files, tmp_path):
    """Every 8-bit level comes back."""
    path = files.save_frame(tmp_path / "run" / "frames", 12, picture())
    assert path == tmp_path / "run" / "frames" / "00012.png"
    assert torch.equal(
        torch.from_numpy(np.array(Image.open(path))), (picture()[0] * 255).round().byte().permute(1, 2, 0)
    )
    assert graph_in_png(path) == GRAPH
    assert Image.open(path).text["pytti-graph"] == GRAPH
    assert b"pytti-graph\0\0" in path.read_bytes()


def test_levels_are_rounded_and_bounded():
    """Not truncated, and not wrapped around."""
    values = torch.tensor([-1.0, 0.0, 0.6 / 255, 1.4 / 255, 254.6 / 255, 2.0]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert np.array(to_picture(values))[0, :, 0].tolist() == [0, 0, 1, 1, 255, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(files, tmp_path, value):
    """Rather than any colour."""
    with pytest.raises(RenderError, match="not numbers"):
        files.save_frame(tmp_path / "run", 0, torch.full((1, 3, 2, 2), value))
    assert left(tmp_path) == []


def test_gradients_and_other_precisions_do_not_matter():
    """A writer may be given anything that an image is."""
    assert to_picture(picture().requires_grad_()).size == (7, 5)
    assert np.array(to_picture(torch.ones(1, 3, 1, 1, dtype=torch.bfloat16))).tolist() == [[[255, 255, 255]]]


def test_a_frame_is_written_once(files, tmp_path):
    """Two writers of one picture share a folder; the next frame is another."""
    folder = tmp_path / "run" / "frames"
    first = files.save_frame(folder, 0, picture()).stat()
    again = files.save_frame(folder, 0, picture()).stat()
    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    files.save_frame(folder, 1, picture(1))
    files.save_frame(tmp_path / "run" / "other", 0, picture(2))
    assert left(tmp_path) == ["00000.png", "00000.png", "00001.png"]


def test_a_new_run_writes_frames_anew(tmp_path):
    """What a killed run left behind is replaced."""
    for seed in (0, 1):
        path = FileAccess(tmp_path, tmp_path).save_frame(tmp_path, 0, picture(seed))
    assert np.array_equal(np.array(Image.open(path)), np.array(to_picture(picture(1))))


def test_a_failed_write_leaves_what_was_there(tmp_path):
    """And no half-written file."""
    path = tmp_path / "run.json"
    write_whole(path, lambda path: path.write_text("old"))

    def fail(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    with pytest.raises(RenderError, match=r"the disk is full: .*run\.json") as caught:
        write_whole(path, fail)
    assert "kept" in caught.value.problem.hint
    assert "resume" in caught.value.problem.hint
    assert path.read_text() == "old"
    assert left(tmp_path) == ["run.json"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path):
    """Whatever is raised."""

    def stop(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", stop)
    assert left(tmp_path) == []


def test_a_folder_that_is_a_file(files, tmp_path):
    """A clear error."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "frames").write_text("in the way")
    with pytest.raises(RenderError, match="cannot be written"):
        files.save_frame(tmp_path / "run" / "frames", 0, picture())


def test_temporary_names(tmp_path):
    """In the same folder, hidden, found by '.*.partial*', and with the same ending, which encoders look at."""
    seen = []

    def note(path):
        seen.append(path)
        path.write_text("")

    write_whole(tmp_path / "a" / "film.mp4", note)
    assert seen[0].parent == tmp_path / "a"
    assert seen[0].suffix == ".mp4"
    assert seen[0].match(".*.partial*")


def test_what_a_killed_process_left_is_replaced(tmp_path):
    """Its half-written file has the same temporary name."""
    (tmp_path / ".a.txt.partial.txt").write_text("half")
    write_whole(tmp_path / "a.txt", lambda path: path.write_text("new"))
    assert left(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def png(tmp_path, *chunks, compressed=False, info=None):
    """A PNG with text chunks."""
    path = tmp_path / "a.png"
    made = info or PngInfo()
    for keyword, text in chunks:
        made.add_itxt(keyword, text, zip=compressed)
    Image.new("RGB", (2, 2)).save(path, pnginfo=made)
    return path


def test_a_png_without_a_graph(tmp_path):
    """Other texts, or none."""
    assert graph_in_png(png(tmp_path)) is None
    assert graph_in_png(png(tmp_path, ("Title", "pytti-graph"), ("pytti", "x"))) is None


def test_compressed_graphs_are_not_read(tmp_path):
    """They could be of any size once unpacked."""
    assert graph_in_png(png(tmp_path, ("pytti-graph", "x" * 10_000_000), compressed=True)) is None


def test_huge_graphs_are_not_read(tmp_path):
    """Nor kept in memory."""
    assert graph_in_png(png(tmp_path, ("pytti-graph", "x" * (GRAPH_LIMIT + 1)))) is None
    assert len(graph_in_png(png(tmp_path, ("pytti-graph", "x" * (GRAPH_LIMIT - 100))))) == GRAPH_LIMIT - 100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + bytes(50),
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 0xFFFFFFFF, b"IDAT"),
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 4_000_000, b"iTXt") + b"pytti-graph\0\0\0",
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 18, b"iTXt") + b"pytti-graph\0\0\0\0\0\xff\xff",
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 0, b"iTXt") * 500_000,
    ],
    ids=["empty", "signature", "gif", "giant chunk", "cut off", "not utf-8", "many chunks"],
)
def test_damaged_files_have_no_graph(tmp_path, data):
    """And are read quickly."""
    path = tmp_path / "a.png"
    path.write_bytes(data)
    begin = time.monotonic()
    assert graph_in_png(path) is None
    assert time.monotonic() - begin < 2


def test_a_png_saved_without_a_graph(tmp_path):
    """Embedding programs may have none."""
    save_png(picture(), tmp_path / "a.png")
    assert graph_in_png(tmp_path / "a.png") is None
