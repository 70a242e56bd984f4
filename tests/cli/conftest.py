"""The command line as a user types it, in a folder of its own, with a film that renders in a moment."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from pytti_graph.cli.main import execute

FILM = """\
pytti_graph: 1
title: A red film
seed: 3
clock: {frames: 3, fps: 12, steps: 4}
nodes:
  photo: {type: source.image, path: red.png}
  canvas: {type: image.rgb, width: 32, height: 24}
  likeness: {type: loss.match, image: canvas, target: photo}
  optimise: {type: optimize.adam, losses: [likeness]}
  frames: {type: write.frames, image: canvas}
  film: {type: write.video, image: canvas, path: red.mp4}
"""


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with `film.yaml` and the picture it needs, which is where commands run."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 24), "red").save("red.png")
    Path("film.yaml").write_text(FILM)
    return tmp_path


@pytest.fixture
def cli(folder, capsys):
    """Runs one command in this process: `cli("run", "film.yaml")`."""

    def run(*words):
        capsys.readouterr()
        code = execute([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def program(folder):
    """Starts the program as a process of its own, with pipes."""

    def start(*words, **more):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **more.pop("env", {})}
        command = [sys.executable, "-m", "pytti_graph", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=folder, env=environment, **{**pipes, **more})

    return start
