"""Bad input through the command line: a place, a cause and a remedy, the right exit code, and no traceback."""

import errno
import json
import os
import pickle
import resource
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

NOT_VALID = {
    "unknown type": (
        "image.rgb,",
        "image.rbg,",
        "7:18: error: canvas: unknown node type 'image.rbg'; did you mean 'image.rgb'?",
    ),
    "unknown argument": (
        "width: 32",
        "widht: 32",
        "7:29: error: canvas: unknown argument 'widht' (image.rgb); did you mean 'width'?",
    ),
    "unknown port": (
        "image: canvas, target",
        "image: canvas.size, target",
        "8:39: error: likeness: image: 'canvas' (image.rgb) has no port 'size'",
    ),
    "unknown reference": (
        "image: canvas, target",
        "image: canvsa, target",
        "8:39: error: likeness: image: there is no node 'canvsa'; did you mean 'canvas'?",
    ),
    "unknown function": (
        "[likeness]",
        "[likeness], learning_rate: sine(t)",
        "9:70: error: optimise: learning_rate: unknown function 'sine'; did you mean 'sin'?",
    ),
    "wrong type": (
        "width: 32",
        "width: [32]",
        "7:36: error: canvas: width: expected a whole number or a formula, not a list",
    ),
    "not whole": ("width: 32", "width: 32.5", "7:36: error: canvas: width: must be a whole number, not 32.5"),
    "out of bounds": ("width: 32", "width: 0", "7:36: error: canvas: width: must be at least 1 px, not 0"),
    "missing argument": (
        ", target: photo",
        "",
        "8:3: error: likeness: target: missing argument; add 'target: ...' (Image)",
    ),
    "neither of two arguments": (
        "  likeness:",
        "  crops: {type: cutout.smart, image: canvas}\n  likeness:",
        "8:3: error: crops: either size or perceptor is needed; "
        "add 'size: ...' (whole number) or 'perceptor: ...' (list of Perceptor)",
    ),
    "wrong port type": (
        "[likeness]",
        "[canvas]",
        "9:44: error: optimise: losses: expected Loss, but 'canvas' (image.rgb) gives Image; write one of: likeness",
    ),
    "yaml": ("height: 24}", "height: 24", "7:11: error: '{' is not closed; write '}' at its end"),
    "formula": (
        "[likeness]",
        '[likeness], learning_rate: "2 * (t"',
        "9:75: error: optimise: learning_rate: '(' is not closed; write ')' at its end",
    ),
    "formula without quotes": (
        "path: red.mp4",
        "fps: min(1, 2)",
        "11:56: error: film: '2)' is not the name of an argument; put the formula in quotes: fps: \"min(1, 2)\"",
    ),
    "newer version": (
        "pytti_graph: 1",
        "pytti_graph: 2",
        "1:14: error: this graph needs a newer pytti-graph (format 2; this one reads 1); upgrade it",
    ),
    "no version": ("pytti_graph: 1\n", "", "1:1: error: the version of the graph format is missing"),
    "duplicate key": ("seed: 3", "seed: 3\nseed: 4", "4:1: error: duplicate key 'seed'; it is already on line 3"),
    "unknown key": ("seed: 3", "sed: 3", "3:1: error: unknown key 'sed'; did you mean 'seed'?"),
    "clock": ("frames: 3", "frame: 3", "4:9: error: clock has no 'frame'; did you mean 'frames'?"),
    "loop": (
        "photo: {type: source.image, path: red.png}",
        "photo: {type: motion.apply, image: moved, warp: drift}\n"
        "  moved: {type: motion.apply, image: photo, warp: drift}\n"
        "  drift: {type: motion.affine}",
        ": a loop of nodes: ",
    ),
    "no gradient": (
        "image: canvas, target",
        "image: photo, target",
        "9:44: error: optimise: no way leads from the loss 'likeness' to an image",
    ),
}

WHILE_RUNNING = {
    "division by zero at frame 17": (
        "[likeness]",
        '[likeness], learning_rate: "0.1 / abs(frame - 17)"',
        "9:71: error: optimise: learning_rate: division by zero in '0.1 / abs(frame - 17)' (frame = 17)",
    ),
    "not a number at frame 17": (
        "[likeness]",
        '[likeness], learning_rate: "sqrt(16 - frame)"',
        "9:71: error: optimise: learning_rate: square root of -1 in 'sqrt(16 - frame)' (frame = 17)",
    ),
    "loss that is not a number": (
        "target: photo}",
        'target: photo, weight: "1 if frame < 17 else 1e39"}',
        "8:3: error: likeness: the loss is not a number any more (frame 17, step 0); lower the learning rate",
    ),
}

BEFORE_RENDERING = {
    "missing picture": (
        "red.png",
        "none.png",
        "error: photo: path: there is no file 'none.png'; did you mean 'red.png'?",
    ),
    "corrupt picture": ("red.png", "cut.png", "is not a picture that can be read: image file is truncated"),
    "no picture at all": ("red.png", "text.png", "is not a picture that can be read: unknown format"),
    "input outside": ("red.png", "/etc/passwd", "lies outside the graph's folder"),
    "output that is no path": ("red.mp4", '"a\\0.mp4"', "film: path: a path must not be empty or hold NUL characters"),
    "output too long": ("red.mp4", f"{'a' * 300}.mp4", f"film: path: '{'a' * 57}...' cannot be followed: File name"),
    "output outside": ("red.mp4", "../red.mp4", "11:50: error: film: path: '../red.mp4' lies outside the run folder"),
    "wrong container": ("red.mp4", "red.avi", "error: film: 'red.avi' cannot hold h264"),
}


LOOKING = """\
  canvas: {type: image.rgb, width: 24, height: 16}
  crops: {type: cutout.classic, image: canvas, count: 3, size: eye.size}
  seen: {type: encode.cutouts, perceptor: eye, cutouts: crops}
  meaning: {type: loss.prompts, seen: seen, prompts: story}
  optimise: {type: optimize.adam, losses: [meaning]}
  frames: {type: write.frames, image: canvas}
"""
"""The rest of a graph with an eye and a story."""


@pytest.fixture
def eye(tmp_path):
    """A small CLIP with random weights, as a graph writes it."""
    open_clip = pytest.importorskip("open_clip")
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "pg-tiny-cli.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    return "{type: perceptor.open_clip, model: pg-tiny-cli, pretrained: random}"


def write(old, new, frames=3):
    """Change one thing in the film."""
    text = Path("film.yaml").read_text()
    assert old in text
    text = text.replace(old, new, 1).replace("frames: 3", f"frames: {frames}")
    Path("film.yaml").write_text(text)


def clean(outcome):
    """No traceback, and nothing that only a programmer understands."""
    return "Traceback" not in outcome.err + outcome.out and "bug in" not in outcome.err


@pytest.mark.parametrize("command", ["run", "check", "plan"])
@pytest.mark.parametrize("case", NOT_VALID)
def test_a_graph_that_is_not_valid_exits_with_3_and_says_where(cli, case, command):
    old, new, expected = NOT_VALID[case]
    write(old, new)
    outcome = cli(command, "film.yaml")
    assert outcome.code == 3
    assert any(line.startswith("film.yaml:") and expected in line for line in outcome.err.splitlines())
    assert clean(outcome)
    assert outcome.out == ""
    assert not Path("runs").exists()


def test_all_problems_come_in_one_pass_in_the_order_of_the_file(cli):
    write("frames: 3", "frames: 0")
    write("width: 32", "widht: 32")
    write("[likeness]", "[likenes]")
    outcome = cli("run", "film.yaml")
    lines = [int(line.split(":")[1]) for line in outcome.err.splitlines()]
    assert lines == [4, 7, 9]


@pytest.mark.parametrize("case", WHILE_RUNNING)
def test_what_goes_wrong_at_frame_17_keeps_the_frames_before(cli, case):
    old, new, expected = WHILE_RUNNING[case]
    write(old, new, frames=20)
    outcome = cli("run", "film.yaml", "--set", "clock.steps=1")
    assert outcome.code == 1
    assert expected in outcome.err
    assert "frame 17" in outcome.err
    assert "17 frames in runs/film-1/frames" in outcome.err
    assert "pytti-graph resume runs/film-1" in outcome.err
    assert clean(outcome)


@pytest.mark.parametrize("case", BEFORE_RENDERING)
def test_files_that_cannot_be_used_are_found_before_rendering(cli, case):
    old, new, expected = BEFORE_RENDERING[case]
    Path("cut.png").write_bytes(Path("red.png").read_bytes()[:60])
    Path("text.png").write_text("hello")
    write(old, new)
    outcome = cli("run", "film.yaml")
    assert outcome.code == 3
    assert expected in outcome.err
    assert outcome.err.startswith("film.yaml:")
    assert clean(outcome)
    assert not list(Path().glob("runs/*"))


def test_a_pipe_is_not_waited_for(cli):
    os.mkfifo("pipe.png")
    write("red.png", "pipe.png")
    outcome = cli("run", "film.yaml")
    assert outcome.code == 3
    assert "film.yaml:6:37: error: photo: path: 'pipe.png' is a pipe or a device, not a file" in outcome.err
    assert clean(outcome)


# What artists have, or get wrong

PICTURES = {
    "alpha": lambda: Image.new("RGBA", (9, 7), (255, 0, 0, 128)).save("given.png"),
    "grey and alpha": lambda: Image.new("LA", (9, 7), (9, 128)).save("given.png"),
    "16 bits": lambda: Image.new("I;16", (9, 7), 40000).save("given.png"),
    "cmyk": lambda: Image.new("CMYK", (9, 7), (0, 255, 255, 0)).save("given.png", "JPEG"),
    "turned by the camera": lambda: Image.new("RGB", (7, 9)).save("given.png", "JPEG", exif=turned()),
    "one pixel": lambda: Image.new("1", (1, 1)).save("given.png"),
    "very long": lambda: Image.new("RGB", (20_000, 1)).save("given.png"),
}


def turned():
    """What a camera that was held upright says."""
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_can_be_a_target_a_start_a_mask_and_a_prompt(cli, eye, name):
    PICTURES[name]()
    Path("film.yaml").write_text(
        "pytti_graph: 1\n"
        "seed: 1\n"
        "clock: {frames: 1, steps: 1}\n"
        "nodes:\n"
        f"  eye: {eye}\n"
        "  story: {type: prompt.scenes, perceptor: eye, scenes: 'a cat:1_[given.png] | [given.png]'}\n"
        "  photo: {type: source.image, path: given.png}\n"
        "  area: {type: source.mask, path: given.png}\n"
        "  canvas: {type: image.palette, width: 24, height: 16, start: photo}\n"
        "  crops: {type: cutout.classic, image: canvas, count: 3, size: eye.size}\n"
        "  seen: {type: encode.cutouts, perceptor: eye, cutouts: crops}\n"
        "  meaning: {type: loss.prompts, seen: seen, prompts: story, mask: area}\n"
        "  near: {type: loss.match, image: canvas, target: photo, mask: area}\n"
        "  use: {type: loss.palette_use, palette: canvas.palette, mask: area}\n"
        "  optimise: {type: optimize.adam, losses: [meaning, near, use]}\n"
        "  frames: {type: write.frames, image: canvas}\n"
    )
    outcome = cli("run", "film.yaml", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert Path("runs/film-1/frames/00000.png").exists()


SCENES = {
    '""': "there are no prompts; write a text",
    '"a cat | "': "a prompt is empty; write a text, or remove the '|' beside it",
    '"a [cat"': "'[' is not closed; write ']' at its end",
    '"a cat:1_[none.png]"': "there is no file 'none.png'",
    '"a cat:1:-0.5"': "the stop -0.5 is never reached",
    '"a cat:-1:0.5"': "with the stop 0.5 nothing is pushed away",
    '"a cat:1_[text.png]"': "text.png is not a picture that can be read: unknown format",
}


@pytest.mark.parametrize("scenes", SCENES)
def test_prompts_that_say_nothing_sensible(cli, eye, scenes):
    Path("text.png").write_text("hello")
    Path("film.yaml").write_text(
        f"pytti_graph: 1\nseed: 1\nnodes:\n  eye: {eye}\n"
        f"  story: {{type: prompt.scenes, perceptor: eye, scenes: {scenes}}}\n" + LOOKING
    )
    outcome = cli("run", "film.yaml")
    assert outcome.code == 3
    [line] = [line for line in outcome.err.splitlines() if "error: " in line]
    assert line.startswith("film.yaml:5:")
    assert "error: story: " in line
    assert SCENES[scenes] in line
    assert clean(outcome)


def test_an_endless_weight_says_what_may_be_too_large(cli):
    write("target: photo}", "target: photo, weight: 1e38}")
    outcome = cli("run", "film.yaml", "--set", "likeness.weight=1e38*1e38")
    assert outcome.code == 1
    assert "film.yaml:8:3: error: likeness: its gradient for canvas.pixels is not finite" in outcome.err
    assert "a number that goes into it may be too large, such as a weight" in outcome.err
    assert clean(outcome)


WEIGHTS = {
    "other.safetensors": "it gives 2 numbers, where a rating is one",
    "text.pt": "text.pt cannot be read as weights: it is damaged, or no file of weights",
    "function.pt": "function.pt cannot be read as weights: it holds objects beside weights, which could run code",
    "red.png": "red.png cannot be read as weights",
}


def strange_weights():
    """Files that are no weights, or those of something else."""
    save_file({"layer.weight": torch.zeros(2, 32)}, "other.safetensors")
    Path("text.pt").write_text("hello")
    Path("function.pt").write_bytes(pickle.dumps({"a": print}, protocol=2))


@pytest.mark.parametrize("name", WEIGHTS)
def test_heads_of_something_else(cli, eye, name):
    strange_weights()
    Path("film.yaml").write_text(
        f"pytti_graph: 1\nseed: 1\nnodes:\n  eye: {eye}\n"
        "  story: {type: prompt.scenes, perceptor: eye, scenes: a cat}\n"
        + LOOKING.replace("losses: [meaning]", "losses: [liked]")
        + f"  liked: {{type: loss.aesthetic, seen: seen, path: {name}}}\n"
    )
    outcome = cli("run", "film.yaml")
    assert outcome.code == 3
    assert WEIGHTS[name] in outcome.err
    assert "error: liked: " in outcome.err
    assert clean(outcome)


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("other.safetensors", 3, "does not hold weights of pg-tiny-cli: "),
        ("text.pt", 4, "cannot be read as weights: it is damaged, or no file of weights; fetch or copy it again"),
        ("function.pt", 4, "it holds objects beside weights, which could run code"),
    ],
)
def test_eyes_of_something_else(cli, eye, name, code, expected):
    strange_weights()
    Path("film.yaml").write_text(
        f"pytti_graph: 1\nseed: 1\nnodes:\n  eye: {eye.replace('random', name)}\n"
        "  story: {type: prompt.scenes, perceptor: eye, scenes: a cat}\n" + LOOKING
    )
    outcome = cli("run", "film.yaml")
    assert outcome.code == code
    assert "error: eye: " in outcome.err
    assert expected in outcome.err
    assert "Error(s)" not in outcome.err
    assert clean(outcome)


def test_a_disk_that_fills_up_keeps_what_is_finished(cli, monkeypatch):
    from pytti_graph.engine import files

    save = files.save_png

    def full(image, path, graph=None):
        if "00001" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(image, path, graph)

    monkeypatch.setattr(files, "save_png", full)
    outcome = cli("run", "film.yaml")
    assert outcome.code == 1
    assert "the disk is full" in outcome.err
    assert "1 frame in runs/film-1/frames" in outcome.err
    assert clean(outcome)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_too_little_memory_says_what_to_lower(program):
    write("width: 32, height: 24", "width: 16384, height: 16384")

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    process = program("run", "film.yaml", preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "film.yaml:7:3: error: canvas: out of memory; lower canvas.width, canvas.height" in err
    assert "Traceback" not in err


def test_an_output_folder_that_cannot_be_made(cli):
    Path("file").write_text("")
    outcome = cli("run", "film.yaml", "-o", "file/run")
    assert outcome.code == 2
    assert "the output folder cannot be made" in outcome.err
    assert "-o DIR" in outcome.err
    assert clean(outcome)


def test_an_existing_run_is_never_overwritten(cli):
    Path("done").mkdir()
    Path("done/keep.txt").write_text("mine")
    outcome = cli("run", "film.yaml", "-o", "done")
    assert outcome.code == 2
    assert "existing runs are never overwritten" in outcome.err
    assert [path.name for path in Path("done").iterdir()] == ["keep.txt"]


def test_a_file_that_is_not_there(cli):
    outcome = cli("run", "flim.yaml")
    assert outcome.code == 2
    assert outcome.err == "error: cannot read flim.yaml: there is no such file; did you mean 'film.yaml'?\n"


def test_a_picture_that_is_not_there(cli):
    outcome = cli("run", "none.png")
    assert outcome.code == 2
    assert "none.png" in outcome.err
    assert clean(outcome)


def test_a_picture_without_a_graph(cli):
    outcome = cli("run", "red.png")
    assert outcome.code == 2
    assert "carries no graph" in outcome.err


def test_weights_that_are_not_here_exit_with_4(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("film.yaml").write_text(
        "pytti_graph: 1\n"
        "nodes:\n"
        "  eye: {type: perceptor.open_clip, model: ViT-B-16, pretrained: missing.safetensors}\n"
        "  story: {type: prompt.scenes, perceptor: eye, scenes: a cat}\n"
        "  canvas: {type: image.rgb, width: 32, height: 24}\n"
        "  crops: {type: cutout.classic, image: canvas, size: eye.size}\n"
        "  seen: {type: encode.cutouts, perceptor: eye, cutouts: crops}\n"
        "  meaning: {type: loss.prompts, seen: seen, prompts: story}\n"
        "  optimise: {type: optimize.adam, losses: [meaning]}\n"
        "  frames: {type: write.frames, image: canvas}\n"
    )
    outcome = cli("run", "film.yaml")
    assert outcome.code == 4
    assert outcome.err.startswith("film.yaml:3:")
    assert "missing.safetensors" in outcome.err
    assert clean(outcome)
    assert not list(Path().glob("runs/*"))


@pytest.mark.parametrize(
    ("setting", "code", "expected"),
    [
        ("canvas.widht=64", 3, "--set canvas.widht=64:1:1: error: canvas: unknown argument 'widht'"),
        ("canvsa.width=64", 3, "did you mean 'canvas'?"),
        ("canvas.width=0", 3, "--set canvas.width=0:1:14: error: canvas: width: must be at least 1 px, not 0"),
        ("nonsense", 2, "cannot read the setting 'nonsense'"),
    ],
)
def test_settings_that_make_no_sense(cli, setting, code, expected):
    outcome = cli("run", "film.yaml", "--set", setting)
    assert outcome.code == code
    assert expected in outcome.err


def test_text_that_looks_like_markup_is_printed_as_it_is(cli):
    write("width: 32", "'[bold]x': 32")
    outcome = cli("check", "film.yaml")
    assert "'[bold]x'" in outcome.err


def test_long_lines_are_not_wrapped(cli):
    write("image: canvas, target", f"image: {'c' * 300}, target")
    outcome = cli("check", "film.yaml")
    assert len(outcome.err.splitlines()) == 1
