"""How much longer the command line takes with 50 plugins installed: `python -m benchmarks.plugins [ROUNDS]`.

Each plugin is a distribution of its own with a package of three modules, four nodes and a command. With and without
them take turns, so that both meet the same noise; ratios are of medians. "Cold" is the first call after an
installation, when there are no manifests yet.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PLUGINS = 50
GRAPH = Path(__file__).parents[1] / "graphs" / "clip.yaml"
COMMANDS = (("--help",), ("plugins",), ("check", str(GRAPH)))
INIT = """\
from pytti_graph import hookimpl

@hookimpl
def pytti_graph_nodes(register):
    for number in range(4):
        register(f"{name}.nodes:node_{{number}}")

@hookimpl
def pytti_graph_commands(register):
    register("{name}", "{name}.command:greet")
"""
NODE = '''\
@node("{name}.number_{number}")
def node_{number}(image: Image, weight: Number = 1.0, width: int = 64) -> Loss:
    """A loss.

    Args:
        image: The picture.
        weight: How much it counts.
        width: A width.
    """
    return weight * image.mean()


'''
COMMAND = 'def greet(name: str) -> None:\n    """Say hello."""\n    print("hello", name)\n'


def install(folder: Path, name: str) -> None:
    """A distribution as pip leaves it behind."""
    package = folder / name
    package.mkdir()
    nodes = "import torch\nfrom pytti_graph import Image, Loss, Number, node\n\n\n"
    nodes += "".join(NODE.format(name=name, number=number) for number in range(4))
    for file, text in {"__init__": INIT.format(name=name), "nodes": nodes, "command": COMMAND}.items():
        (package / f"{file}.py").write_text(text)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nA plugin.\n")
    (info / "entry_points.txt").write_text(f"[pytti_graph]\n{name} = {name}\n")


def seconds(command: Sequence[str], site: Path, cache: Path) -> float:
    """How long a command takes, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(cache), "PYTTI_GRAPH_PLUGINS": ""}
    if any(site.iterdir()):
        environment.pop("PYTTI_GRAPH_PLUGINS")
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pytti_graph", *command], env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sites = {"none": folder / "none", "many": folder / "many"}
        for site in sites.values():
            site.mkdir()
        for number in range(PLUGINS):
            install(sites["many"], f"bench_{number:02d}")
        for command in COMMANDS:
            caches = {kind: folder / f"cache-{kind}-{command[0]}" for kind in sites}
            cold = {kind: seconds(command, sites[kind], caches[kind]) for kind in sites}
            times: dict[str, list[float]] = {kind: [] for kind in sites}
            for _ in range(rounds):
                for kind, site in sites.items():
                    times[kind].append(seconds(command, site, caches[kind]))
            middle = {kind: statistics.median(found) for kind, found in times.items()}
            print(
                f"{command[0]:8} none {middle['none']:.3f} s, {PLUGINS} plugins {middle['many']:.3f} s: "
                f"{middle['many'] / middle['none']:.2f} times (cold: {cold['none']:.2f} s and {cold['many']:.2f} s)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
