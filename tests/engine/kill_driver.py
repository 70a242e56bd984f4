"""Renders a film again and again, killing itself at one file operation after another, and resumes each time.

Run as a program: `kill_driver.py FOLDER STRIDE`. Prints one line per kill, and exits with 1 at the first difference.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch

from pytti_graph import Graph
from pytti_graph.api import resume

GRAPH = """
pytti_graph: 1
seed: 3
clock: {frames: 3, fps: 10, steps: 3, warmup: 4}
nodes:
  target: {type: source.image, path: target.png}
  drift: {type: motion.affine, zoom: 1.1, rotate: "20*t"}
  canvas: {type: image.rgb, width: 16, height: 12, warp: drift}
  like: {type: loss.match, image: canvas, target: target}
  calm: {type: loss.match, image: canvas, target: previous(canvas), weight: 0.2}
  optimise: {type: optimize.adam, losses: [like, calm]}
  frames: {type: write.frames, image: canvas}
  film: {type: write.video, image: canvas, path: film.mp4}
"""
OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}


def render(folder: Path, checkpoint_seconds: float) -> None:
    """Render into a folder."""
    import pytti_graph.engine.rendering as rendering

    rendering.CHECKPOINT_SECONDS = checkpoint_seconds
    torch.set_num_threads(1)
    for _ in Graph.load(folder.parent / "film.yaml").render(folder):
        pass


def finish(folder: Path) -> None:
    """Resume a folder."""
    torch.set_num_threads(1)
    for _ in resume(folder, graph_folder=folder.parent).frames():
        pass


def die_at(count: int, inside: Path) -> None:
    """Kill this process at an operation on a file in a folder, or in the middle of writing a checkpoint."""
    import safetensors.torch

    from pytti_graph.engine import checkpoint

    seen = 0

    def audit(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event in OPERATIONS and str(inside) in str(arguments[0]):
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    def torn(tensors, path, metadata=None):
        nonlocal seen
        data = safetensors.torch.save(tensors, metadata)
        seen += 1
        if seen == count:
            Path(path).write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        Path(path).write_bytes(data)

    checkpoint.save_file = torn
    sys.addaudithook(audit)


def apart(work) -> int:
    """Do something in a process of its own; returns how it ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, bytes]:
    """What must be the same, by name."""
    kept = {path.name: path.read_bytes() for path in sorted((folder / "frames").glob("*.png"))}
    return {**kept, "losses": (folder / "losses.jsonl").read_bytes(), "film": (folder / "film.mp4").read_bytes()}


def main(base: Path, stride: int) -> int:
    """Kill and resume until a rendering survives."""
    from PIL import Image

    Image.linear_gradient("L").convert("RGB").resize((16, 12)).save(base / "target.png")
    (base / "film.yaml").write_text(GRAPH)
    assert apart(lambda: render(base / "whole", 1e9)) == 0
    whole = contents(base / "whole")
    count = 1
    while True:
        folder = base / f"killed-{count}"

        def killed(folder=folder, count=count) -> None:
            die_at(count, base)
            render(folder, 0.0)

        ended = apart(killed)
        if ended == 0:
            print(json.dumps({"survived": count}))
            return 0
        assert ended == -signal.SIGKILL, ended
        if folder.exists():
            assert apart(partial(finish, folder)) == 0, f"kill {count}: cannot resume"
            if contents(folder) != whole:
                print(f"kill {count}: differs", {k for k in whole if contents(folder).get(k) != whole[k]})
                return 1
            assert not list(folder.rglob("*.partial*")), f"kill {count}: left-overs"
        print(f"kill {count}: same" if folder.exists() else f"kill {count}: before there was a folder")
        count += stride


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
