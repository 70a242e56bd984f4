"""Sweeps on a real Ray cluster of this machine, and what must not go wrong between two machines."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import Graph, Interrupted, Progressed, RenderError, Result, Sweep, Task, UsageError
from pytti_graph_ray.executor import Ray
from pytti_graph_ray.options import Options
from pytti_graph_ray.transfer import accept, chunks, listing, outgoing, placed, relocated, safe, staging

HEAD = """
import os, sys
import ray
settings = dict(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=sys.argv[1])
ray.init(address="local", **settings)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5e" * 16}
"""What lets drivers into the clusters of these tests; without it, Ray would leave a file in the home folder."""


class Head:
    """A cluster of one machine with two processors, in a process of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
        environment = {**os.environ, **TOKEN, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEAD, self.folder],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL},
            **{"env": environment, "text": True},
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address

    def descendants(self, word):
        """Processes of this cluster whose command has a word in it."""
        parents, commands = {}, {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                commands[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
                parents[int(path.name)] = int((path / "status").read_text().partition("\nPPid:\t")[2].split()[0])
        return [number for number in commands if word in commands[number] and self._owns(number, parents)]

    def _owns(self, number, parents):
        while number in parents:
            number = parents[number]
            if number == self.process.pid:
                return True
        return False

    def kill(self, word):
        """End such processes at once; True if there were any."""
        found = self.descendants(word)
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return bool(found)

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def head():
    """A cluster for all tests that leave it alive."""
    made = Head()
    yield made
    made.end()


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """A graph that reads a picture beside it and one in another folder, and writes what it makes of them."""
    (tmp_path / "work").mkdir()
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)
    Image.linear_gradient("L").convert("RGB").resize((16, 16)).save("near.png")
    Image.radial_gradient("L").convert("RGB").resize((16, 16)).save(tmp_path / "pictures/far.png")
    text = """
pytti_graph: 1
title: Two pictures
seed: 3
clock: {frames: 2, fps: 12, steps: 3}
nodes:
  near: {type: source.image, path: near.png}
  far: {type: source.image, path: ../pictures/far.png}
  canvas: {type: image.rgb, width: 16, height: 16}
  like: {type: loss.match, image: canvas, target: near}
  too: {type: loss.match, image: canvas, target: far}
  optimise: {type: optimize.adam, losses: [like, too]}
  frames: {type: write.frames, image: canvas}
  film: {type: write.video, image: canvas, path: film.mp4}
"""
    Path("two.yaml").write_text(text)
    return Graph.load("two.yaml")


def pictures(folder):
    """Every frame below a folder."""
    return {path.relative_to(folder).as_posix(): pixels(path) for path in sorted(Path(folder).rglob("frames/*.png"))}


def pixels(path):
    with Image.open(path) as picture:
        return picture.tobytes()


def statuses(results):
    return [result.status for result in results]


def on(head, **options):
    """The executor, for a cluster."""
    return Ray(None, {"address": head.address, **options})


# On a cluster


@pytest.mark.slow
def test_machines_that_share_no_files(head, graph, tmp_path):
    """Inputs travel there, run folders come back; one fails, and the rest are what they are here, bit for bit."""
    allowed = [tmp_path / "pictures"]
    weights = [1.0, "1 if frame < 1 else 1e39", 0.5]
    sweep = Sweep.plan(graph, {"like.weight": weights}, allow_paths=allowed)
    results = sweep.run("far", executor=on(head, shared="no"))
    assert statuses(results) == ["finished", "failed", "finished"], [result.problems for result in results]
    assert "not a number any more" in results[1].problems[0].message
    for result in results[::2]:
        frames = list(pictures(result.folder).values())
        assert frames == rendered_here(result.variation.graph, allow_paths=allowed)
    assert (results[0].folder / "film.mp4").is_file()
    record = json.loads((results[0].folder / "run.json").read_text())
    assert record["graph_folder"] == str(tmp_path / "work")
    assert record["settings"]["allow_paths"] == [str(allowed[0])]
    assert not [path for path in Path("far").glob(".*") if path.name != ".lock"]


@pytest.mark.slow
def test_a_worker_that_dies_harms_no_other_variation(head, graph, tmp_path):
    """Machines that share the folder render into it; a process that is killed is reported."""

    def kill(event):
        if isinstance(event, Progressed) and event.task.startswith("001"):
            head.kill("ray::Worker")

    sweep = Sweep.plan(graph, {"clock.steps": [20_000, 3]}, allow_paths=[tmp_path / "pictures"])
    results = sweep.run("out", executor=Ray(1, {"address": head.address}), on_event=kill)
    assert statuses(results) == ["failed", "finished"]
    assert "the worker that rendered it died" in results[0].problems[0].message


@pytest.mark.slow
def test_what_was_stopped_goes_on_elsewhere(head, graph, tmp_path):
    """The run folder comes back half done, travels there again, and ends as if nothing had happened."""
    allowed = [tmp_path / "pictures"]
    long = graph.override({"clock.steps": 1000})
    sweep, begun = Sweep.plan(long, {"seed": [1]}, allow_paths=allowed), []
    with pytest.raises(Interrupted):
        sweep.run(
            *("out",),
            executor=on(head, shared="no"),
            on_event=lambda event: isinstance(event, Progressed) and begun.append(event),
            cancelled=lambda: bool(begun),
        )
    (result,) = Sweep.open("out", allow_paths=allowed).results()
    assert result.status == "interrupted"
    assert (result.folder / "checkpoint.safetensors").is_file()
    assert statuses(Sweep.open("out", allow_paths=allowed).run(executor=on(head, shared="no"))) == ["finished"]
    assert list(pictures("out").values()) == rendered_here(long, seed=1, allow_paths=allowed)


def rendered_here(graph, **more):
    """The frames of a graph, made by one thread as on the cluster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [frame.image.tobytes() for frame in graph.render(**more)]
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def impatient(monkeypatch):
    """A cluster counts as lost after a few seconds."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")


@pytest.mark.slow
def test_a_cluster_that_goes_away_loses_nothing(graph, tmp_path, impatient):
    """The error names the distribution; what is finished is kept, and the rest can be rendered here."""
    head = Head()
    try:

        def kill(event):
            if isinstance(event, Result):
                head.kill("gcs_server")

        sweep = Sweep.plan(graph, {"clock.steps": [3, 200_000]}, allow_paths=[tmp_path / "pictures"])
        with pytest.raises(RenderError, match="pytti-graph-ray: the Ray cluster went away") as caught:
            sweep.run("out", executor=Ray(1, {"address": head.address, "shared": "no"}), on_event=kill)
        assert "pytti-graph resume" in caught.value.problem.hint
        assert statuses(sweep.results()) == ["finished", "waiting"]
        assert Path("out/sweep.csv").is_file()
    finally:
        head.end()


@pytest.mark.slow
def test_no_cluster(graph, tmp_path, impatient):
    """A clear error, and the sweep can go on somewhere else."""
    sweep = Sweep.plan(graph, {"seed": [1]}, allow_paths=[tmp_path / "pictures"])
    with pytest.raises(RenderError, match="pytti-graph-ray: no Ray cluster"):
        sweep.run("out", executor=Ray(None, {"address": "127.0.0.1:1"}))
    assert statuses(sweep.results()) == ["waiting"]


@pytest.fixture
def silent():
    """An address where somebody listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_not_waited_for_for_ever(graph, tmp_path, silent, monkeypatch):
    """A line says what is waited for; then there is an error, much sooner than Ray's."""
    monkeypatch.setattr("pytti_graph_ray.executor._TOLD_AFTER", 1.0)
    monkeypatch.setattr("pytti_graph_ray.executor._GIVEN_UP_AFTER", 8.0)
    sweep, told, begin = Sweep.plan(graph, {"seed": [1, 2]}, allow_paths=[tmp_path / "pictures"]), [], time.monotonic()
    with pytest.raises(RenderError, match=f"pytti-graph-ray: no Ray cluster answers at '{silent}'") as caught:
        sweep.run("out", executor=Ray(None, {"address": silent}), on_event=told.append)
    assert time.monotonic() - begin < 16
    assert "'ray status'" in caught.value.problem.hint
    (note,) = told
    assert f"no Ray cluster answers at '{silent}' yet; it has 8 seconds" in str(note.problem)
    assert statuses(sweep.results()) == ["waiting", "waiting"]


@pytest.mark.slow
def test_stopping_ends_the_wait_for_a_cluster(graph, tmp_path, silent, monkeypatch):
    """At the first Ctrl-C."""
    monkeypatch.setattr("pytti_graph_ray.executor._TOLD_AFTER", 1.0)
    sweep, told = Sweep.plan(graph, {"seed": [1]}, allow_paths=[tmp_path / "pictures"]), []
    with pytest.raises(Interrupted, match="0 of 1 variations are finished"):
        sweep.run(
            *("out",),
            executor=Ray(None, {"address": silent}),
            on_event=lambda event: told.append(time.monotonic()),
            cancelled=lambda: bool(told),
        )
    assert time.monotonic() - told[0] < 5
    assert statuses(sweep.results()) == ["waiting"]


@pytest.mark.slow
def test_a_share_that_no_machine_has(head, graph, tmp_path):
    sweep = Sweep.plan(graph, {"seed": [1]}, allow_paths=[tmp_path / "pictures"])
    with pytest.raises(RenderError, match="no machine of the cluster has num_cpus=64") as caught:
        sweep.run("out", executor=on(head, num_cpus="64"))
    assert "wait=yes" in caught.value.problem.hint


# Options


def test_options_come_from_the_command_line_and_the_environment():
    environment = {"RAY_ADDRESS": "one:1", "PYTTI_GRAPH_RAY_NUM_GPUS": "0.5", "PYTTI_GRAPH_RAY_SHARED": "no"}
    found = Options.read(3, {"shared": "yes"}, environment)
    assert found == Options(3, "one:1", 1.0, 0.5, "yes")
    assert Options.read(None, {"address": "two:2"}, environment).address == "two:2"
    assert Options.read(None, {}, {}).address == "local"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_gpu": "1"}, "has no option 'num_gpu'"),
        ({"num_cpus": "many"}, "num_cpus: 'many'"),
        ({"num_cpus": "-1"}, "num_cpus: '-1'"),
        ({"num_gpus": "1.5"}, "num_gpus: '1.5'"),
        ({"num_gpus": "nan"}, "num_gpus: 'nan'"),
        ({"shared": "maybe"}, "neither yes nor no"),
    ],
)
def test_options_that_make_no_sense(given, message):
    with pytest.raises(UsageError, match=message):
        Options.read(None, given, {})


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_a_worker_switches_large_pages_on_before_there_is_torch(monkeypatch, given, expected):
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    if given is not None:
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given)
    code = (
        "import os, sys\n"
        "from pytti_graph_ray.worker import Worker\n"
        "Worker(1)\n"
        "print(os.environ['THP_MEM_ALLOC_ENABLE'], 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected, "False"]


def test_listing_executors_imports_no_ray():
    code = (
        "import sys, pytti_graph_ray.executor\n"
        "from pytti_graph.core.plugins import offers\n"
        "print([offer.name for _, offer in offers().offered('executor')], 'ray' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['local', 'ray'] False False\n"


# Files that travel


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "", ".", "a//b", "a/.", ".lock", "a\\b", "C:/x", "a\0b", "a" * 5000]
)
def test_files_that_lead_out_of_the_run_folder_are_refused(tmp_path, name):
    with pytest.raises(RenderError, match="is refused"):
        safe(tmp_path, name)


@given(st.text(alphabet="ab./\\:\0~ ", max_size=12))
def test_whatever_a_file_is_called_it_lies_in_the_folder(name):
    base = Path("/base/folder")
    with contextlib.suppress(RenderError):
        found = safe(base, name)
        assert Path(os.path.normpath(found)).is_relative_to(base)
        assert found != base


@given(st.lists(st.text(alphabet="ab./", min_size=1), min_size=1))
def test_wherever_a_file_comes_from_it_is_kept_below(parts):
    found = placed(Path("/root/x"), "/".join(parts))
    assert Path(os.path.normpath(found)).is_relative_to("/root/x")


def test_relative_paths_stay_the_same_elsewhere():
    """What leads from the graph to a file here leads to it there."""
    task = Task("a", "/home/u/out/a", "", "g", "/home/u/work", inputs=("/home/u/pictures/far.png",))
    moved = relocated(task, Path("/tmp/there"))
    before = os.path.relpath(task.inputs[0], task.graph_folder)
    assert os.path.normpath(Path(moved.graph_folder, before)) == moved.inputs[0]
    assert moved.folder == "/tmp/there/home/u/out/a"


def test_large_files_travel_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("pytti_graph_ray.transfer.CHUNK", 4)
    (tmp_path / "a").write_bytes(b"0123456789")
    (tmp_path / "empty").touch()
    assert list(chunks(tmp_path / "a")) == [b"0123", b"4567", b"89"]
    assert list(chunks(tmp_path / "empty")) == [b""]


def run_folder(path, status="finished"):
    """What a run folder looks like."""
    (path / "frames").mkdir(parents=True)
    (path / "frames/00000.png").write_bytes(status.encode())
    (path / "graph.yaml").write_text("pytti_graph: 1")
    record = {"status": status, "graph_folder": "/tmp/there", "settings": {"allow_paths": ["/tmp/there/p"]}}
    (path / "run.json").write_text(json.dumps(record))


@pytest.fixture
def task(tmp_path):
    return Task("a", str(tmp_path / "sweep/a"), "", "g", "/here", allow_paths=("/here/p",))


def test_what_comes_back_takes_its_place(task, tmp_path):
    """A new run folder at once, a known one file by file; its record names the folders of this machine."""
    (tmp_path / "sweep").mkdir()
    for status in ("interrupted", "finished"):
        made = staging(task)
        shutil.rmtree(made)
        run_folder(made, status)
        accept(task, made)
        record = json.loads(Path(task.folder, "run.json").read_text())
        assert record == {"status": status, "graph_folder": "/here", "settings": {"allow_paths": ["/here/p"]}}
        assert Path(task.folder, "frames/00000.png").read_bytes() == status.encode()
        assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["a"]


def test_nothing_is_written_through_a_link(task, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run_folder(Path(task.folder))
    shutil.rmtree(Path(task.folder, "frames"))
    Path(task.folder, "frames").symlink_to(tmp_path / "elsewhere")
    made = staging(task)
    shutil.rmtree(made)
    run_folder(made)
    with pytest.raises(RenderError, match="through a link"):
        accept(task, made)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_is_no_run_folder_is_refused(task, tmp_path):
    (tmp_path / "sweep").mkdir()
    made = staging(task)
    (made / "run.json").write_text("[1]")
    with pytest.raises(RenderError, match="no run folder"):
        accept(task, made)
    assert not Path(task.folder).exists()


def test_links_and_hidden_files_do_not_travel(tmp_path):
    run_folder(tmp_path / "a")
    (tmp_path / "a/.lock").touch()
    (tmp_path / "a/link.png").symlink_to("/etc/hostname")
    assert [name for name, _ in listing(tmp_path / "a")] == ["frames/00000.png", "graph.yaml", "run.json"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.png").write_bytes(b"x")
    travelling = outgoing(Task("a", str(tmp_path / "a"), "", "g", str(tmp_path), inputs=(str(tmp_path / "in"),)))
    assert [path.relative_to(tmp_path).as_posix() for path in travelling] == [
        "in/x.png",
        "a/frames/00000.png",
        "a/graph.yaml",
        "a/run.json",
    ]
