"""`Graph`: load, check, change and render graphs from Python. The command line is built on it."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytti_graph.core.errors import GraphError, Problem, UsageError
from pytti_graph.core.formulas import Reference, TextSyntaxError, parse_reference
from pytti_graph.core.plugins import Registry, installed
from pytti_graph.graph.checks import CheckedGraph, check, in_file_order, output_problem
from pytti_graph.graph.document import (
    Document,
    DocumentError,
    document_from,
    dump,
    parse_document,
    read_document,
)
from pytti_graph.graph.drafts import draft_settings
from pytti_graph.graph.inputs import input_problems
from pytti_graph.graph.migrations import migrate
from pytti_graph.graph.overrides import override
from pytti_graph.graph.plan import Plan, compile_plan, writer_images
from pytti_graph.graph.ports import meant_port, spelt
from pytti_graph.graph.requirements import check_requirements
from pytti_graph.jobs import Job, checked_seed, portable, record

if TYPE_CHECKING:
    from pytti_graph.engine.events import Frame, Listener
    from pytti_graph.engine.runfolder import RunFolder

Precision = Literal["auto", "float32", "bfloat16"]


class Graph:
    """A graph. It does not change; `override` makes another one.

    Attributes:
        document: The graph as it is written.
        registry: The node types it may use.
        folder: Where its relative input paths begin.
    """

    def __init__(self, document: Document, *, registry: Registry | None = None, folder: Path | None = None) -> None:
        self.document = document
        self.registry = registry if registry is not None else installed()
        self.folder = folder if folder is not None else (document.path.parent if document.path else Path())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, registry: Registry | None = None) -> Graph:
        """Read a graph file, or the graph that a rendered PNG carries.

        Raises:
            UsageError: There is no such file, or a picture carries no graph.
            GraphError: The file is not a graph.
        """
        path = Path(path)
        if path.suffix.lower() == ".png":
            from pytti_graph.engine.pictures import graph_in_png

            try:
                text = graph_in_png(path)
            except OSError as error:
                raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
            if text is None:
                raise UsageError(
                    f"{path} carries no graph", hint="give a graph file (.yaml), or a PNG that pytti-graph wrote"
                )
            document = replace(_whole(parse_document, registry, text, str(path)), name=path.stem)
            return cls(document, registry=registry, folder=path.parent)
        return cls(_whole(read_document, registry, path), registry=registry)

    @classmethod
    def parse(cls, text: str, name: str = "graph", *, registry: Registry | None = None) -> Graph:
        """Read a graph from YAML text; `name` stands for the file in messages."""
        return cls(_whole(parse_document, registry, text, name), registry=registry)

    @classmethod
    def build(cls, mapping: Mapping[str, Any], name: str = "graph", *, registry: Registry | None = None) -> Graph:
        """Make a graph of Python data: what the YAML file would say, as dictionaries and lists."""
        return cls(_whole(document_from, registry, {"pytti_graph": 1, **mapping}, name), registry=registry)

    def override(self, settings: Mapping[str, Any] | Sequence[str]) -> Graph:
        """A graph with some values replaced, by path: `{"canvas.width": 512}` or `["canvas.width=512"]`."""
        return Graph(override(self.document, settings), registry=self.registry, folder=self.folder)

    def draft(self) -> Graph:
        """A graph that renders pictures with half the sides and about a third of the steps."""
        return self.override(draft_settings(self.checked))

    @property
    def yaml(self) -> str:
        """The graph as a file that reads back equal."""
        return dump(self.document)

    @cached_property
    def checked(self) -> CheckedGraph:
        """The graph with every argument read as its type; raises `GraphError`, or `MissingError` for `requires:`."""
        return check(self.present, self.registry)

    @property
    def present(self) -> Document:
        """The graph as the installed versions of its nodes take it; raises as `checked` does."""
        return self._migrated[0]

    @cached_property
    def _migrated(self) -> tuple[Document, list[Problem]]:
        check_requirements(self.document)
        return migrate(self.document, self.registry)

    def check(self, *, write: bool = True, allow_paths: Sequence[str | os.PathLike[str]] = ()) -> list[Problem]:
        """Check everything that can be checked without rendering; nothing heavy is imported.

        Args:
            write: It must write something, as the command line needs it to.
            allow_paths: Folders outside the graph's own that may be read.

        Returns:
            Warnings.

        Raises:
            GraphError: All problems of the graph.
        """
        warnings = self.warnings(write=write)
        _check_files(self.checked, self.folder, [Path(path) for path in allow_paths])
        return warnings

    def warnings(self, *, write: bool = True) -> list[Problem]:
        """What is strange about a graph that compiles: nodes that do not run, or are written for a former version."""
        plan = self.plan(write=write)
        return in_file_order([*self._migrated[1], *(_dead(plan, id) for id in plan.dead)])

    def plan(self, *, write: bool = True, output: str | None = None) -> Plan:
        """Compile the graph: what runs how often, in which order, and why.

        Args:
            write: Run the writers.
            output: The picture to hand out, as a reference such as "canvas"; the writers' if not given.
        """
        return compile_plan(self.checked, write=write, outputs=self._outputs(output, write))

    def _outputs(self, output: str | None, write: bool) -> list[Any] | None:
        if output is None:
            images = writer_images(self.checked)
            if not write and not images:
                images = _images(self.checked)[:1]
            if not write and len(images) > 1:
                names = ", ".join(map(str, images))
                raise UsageError(f"several pictures are written ({names})", hint="say which to hand out, with output=")
            return images
        try:
            reference = spelt(parse_reference(output), "Image", self.checked.nodes)
        except TextSyntaxError as error:
            raise UsageError(f"output '{output}': {error}") from None
        if (wrong := output_problem(reference, self.checked)) is not None:
            raise UsageError(f"output '{output}': {wrong}")
        return [reference]

    def render(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        output: str | None = None,
        seed: int | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        on_event: Listener | None = None,
        cancelled: Callable[[], bool] | None = None,
        allow_paths: Sequence[str | os.PathLike[str]] = (),
        allow_network: bool = False,
    ) -> Iterator[Frame]:
        """Render, frame by frame. Nothing is printed, and nothing written unless a folder is given.

        Args:
            folder: The run folder to make, at once; without one, the writers do not run.
            output: The picture to hand out, as a reference; the writers' if not given.
            seed: Of all random numbers; the graph's, or a new one, if not given.
            device: "auto", or a name that torch knows.
            precision: Of perceptors.
            on_event: Hears warnings, steps, frames and checkpoints, in the rendering thread.
            cancelled: Asked after each step; True stops cleanly.
            allow_paths: Folders outside the graph's own that may be read and written.
            allow_network: Allow downloads.

        Yields:
            Each frame, when it is finished and written.

        Raises:
            GraphError: The graph is not valid.
            MissingError: Weights or plugins are missing.
            RenderError: Something went wrong while rendering.
            Interrupted: `cancelled` said so.
        """
        job = self.prepare(
            folder if folder is None else Path(folder),
            output=output,
            seed=seed,
            device=device,
            precision=precision,
            on_event=on_event,
            cancelled=cancelled,
            allow_paths=allow_paths,
            allow_network=allow_network,
            write=folder is not None,
        )
        return job.frames()

    def prepare(
        self,
        folder: Path | None = None,
        *,
        write: bool = True,
        output: str | None = None,
        seed: int | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        on_event: Listener | None = None,
        cancelled: Callable[[], bool] | None = None,
        allow_paths: Sequence[str | os.PathLike[str]] = (),
        allow_network: bool = False,
    ) -> Job:
        """Make all ready for rendering; arguments as for `render`. With `write` and no folder: `runs/<name>-<n>`."""
        from pytti_graph.engine.device import choose
        from pytti_graph.engine.files import FileAccess
        from pytti_graph.engine.rendering import Rendering
        from pytti_graph.engine.runfolder import RunFolder

        plan = self.plan(write=write, output=output)
        _check_files(plan.graph, self.folder, [Path(path) for path in allow_paths], allow_network)
        chosen = choose(device, precision)
        seed = seed if seed is not None else self.checked.seed
        seed = seed if seed is not None else secrets.randbelow(2**31)
        text = dump(portable(self, checked_seed(seed)))
        run = None
        if write:
            settings = {
                "device": device,
                "precision": precision,
                "allow_paths": [str(Path(p).resolve()) for p in allow_paths],
            }
            run = RunFolder.create(self.document.name, folder, text, record(self, plan, seed, chosen.name, settings))
        files = FileAccess(
            self.folder,
            run.path if run else None,
            allowed=[Path(p) for p in allow_paths],
            network=allow_network,
            graph=text,
        )
        rendering = Rendering(plan, self.registry, seed, chosen, files, run)
        return Job(rendering, fresh=True, on_event=on_event, cancelled=cancelled)


def resume(
    folder: str | os.PathLike[str],
    *,
    frames: int | None = None,
    registry: Registry | None = None,
    device: str | None = None,
    on_event: Listener | None = None,
    cancelled: Callable[[], bool] | None = None,
    graph_folder: str | os.PathLike[str] | None = None,
    allow_paths: Sequence[str | os.PathLike[str]] = (),
    allow_network: bool = False,
) -> Job:
    """Go on with a rendering that was stopped or killed, or extend a finished one.

    The folder may be somebody else's, so what it says that it was allowed counts for nothing.

    Args:
        folder: The run folder.
        frames: New number of frames, at least as many as are finished.
        registry: The node types to use.
        device: Another device than before; frames are then no longer bit for bit the same.
        on_event: As for `Graph.render`.
        cancelled: As for `Graph.render`.
        graph_folder: Where the graph's relative paths begin. Not given, it is the one that the folder tells, if that is
            in the present folder; any other has to be given or allowed.
        allow_paths: Other folders that may be read and written.
        allow_network: As for `Graph.render`.

    Raises:
        UsageError: The folder is no run folder, its checkpoint cannot be read, or another process renders into it.
        GraphError: The graph is not valid, or uses folders that are not allowed.
    """
    from pytti_graph.engine.runfolder import RunFolder

    run = RunFolder.open(Path(folder))
    run.lock()
    try:
        allowed = [Path(path) for path in allow_paths]
        home = None if graph_folder is None else Path(graph_folder)
        return _resumed(run, frames, registry, device, on_event, cancelled, home, allowed, allow_network)
    except BaseException:
        run.unlock()
        raise


def _resumed(
    run: RunFolder,
    frames: int | None,
    registry: Registry | None,
    device: str | None,
    on_event: Listener | None,
    cancelled: Callable[[], bool] | None,
    graph_folder: Path | None,
    allowed: Sequence[Path],
    allow_network: bool,
) -> Job:
    import torch

    from pytti_graph.engine.checkpoint import Checkpoint
    from pytti_graph.engine.device import choose
    from pytti_graph.engine.files import FileAccess
    from pytti_graph.engine.rendering import Rendering

    run.clean()
    record = run.record()
    try:
        source, settings, seed = graph_folder or Path(record["graph_folder"]), record["settings"], int(record["seed"])
        threads, chosen_device, precision = record["threads"], device or settings["device"], settings["precision"]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{run.path / 'run.json'} is damaged: {type(error).__name__} {error}") from None
    _check_node_files(record, registry if registry is not None else installed())
    document = replace(parse_document(run.graph, str(run.path / "graph.yaml")), name=run.path.name)
    graph = Graph(document, registry=registry, folder=source)
    chosen = choose(chosen_device, precision)
    checkpoint = Checkpoint.load(run.checkpoint, chosen.torch) if run.checkpoint.exists() else None
    if frames is not None:
        graph = _extended(graph, frames, checkpoint.frame if checkpoint else 0)
    plan = graph.plan()
    _check_files(plan.graph, source, allowed, allow_network)
    if graph_folder is None:
        check_source(plan.graph, source, allowed)
    run.replace_graph(graph.yaml)
    run.cut_losses(graph.checked.clock.steps_before(checkpoint.frame) if checkpoint else 0)
    files = FileAccess(source, run.path, allowed=allowed, network=allow_network, graph=graph.yaml)
    warnings = [] if threads == torch.get_num_threads() else [_other_threads(threads)]
    rendering = Rendering(plan, graph.registry, seed, chosen, files, run, checkpoint, warnings=warnings)
    return Job(rendering, fresh=False, on_event=on_event, cancelled=cancelled)


def _check_node_files(record: Mapping[str, Any], registry: Registry) -> None:
    """Refuse to go on without the node files that a rendering was begun with; what a run folder names is never run."""
    nodes = record.get("nodes")
    for node in nodes.values() if isinstance(nodes, dict) else ():
        file, type = (node.get("file"), node.get("type")) if isinstance(node, dict) else (None, None)
        if isinstance(file, str) and isinstance(type, str) and registry.find(type) is None:
            message = f"this rendering was begun with {type} of {file}, which is code"
            raise UsageError(message, hint=f"if you trust it, add --nodes {shlex.quote(file)}")


def _check_files(graph: CheckedGraph, folder: Path, allowed: Sequence[Path], network: bool | None = None) -> None:
    """Refuse files that are missing, or lie outside of the folders and the network that the graph was given."""
    if missing := list(input_problems(graph, folder, allowed, network)):
        raise GraphError(in_file_order(missing))


def check_source(graph: CheckedGraph, source: Path, allowed: Sequence[Path]) -> None:
    """Refuse to read where only a run folder says that the graph's folder is; raises `UsageError`."""
    home = source.resolve()
    given = [Path.cwd(), *(path.resolve() for path in allowed)]
    files = [file for node in graph.nodes.values() for _, file, _ in node.files()]
    reads = any(file.direction == "input" and file.address is None for file in files)
    if reads and not any(home.is_relative_to(folder) for folder in given):
        message = f"the graph reads files in {home}, which is not in the present folder"
        raise UsageError(message, hint=f"if it may, add --allow-path {shlex.quote(str(home))}")


def _other_threads(threads: int) -> Problem:
    hint = f"call torch.set_num_threads({threads}) before for the very same bits"
    return Problem(f"this rendering was begun with {threads} threads", hint=hint, severity="warning")


def _extended(graph: Graph, frames: int, done: int) -> Graph:
    if frames < done:
        raise UsageError(f"{done} frames are already finished", hint=f"give '--frames' a number of at least {done}")
    clock = graph.checked.clock
    if clock.frames == 1 and frames > 1:
        raise UsageError("a single picture cannot become a film", hint="render the graph again with '--frames'")
    return graph.override({"clock.frames": frames, "clock.scene_frames": clock.scene_frames or clock.frames})


def _whole(read: Callable[..., Document], registry: Registry | None, *source: Any) -> Document:
    """Read a document; what is wrong with it is told together with what is wrong with the rest."""
    try:
        return read(*source)
    except DocumentError as error:
        problems = list(error.problems)
        if error.document.nodes:
            try:
                check(error.document, registry if registry is not None else installed())
            except GraphError as more:
                problems += more.problems
        raise GraphError(in_file_order(problems)) from None


def _images(graph: CheckedGraph) -> list[Reference]:
    """Pictures, those that can be optimised first."""
    nodes = sorted(graph.nodes.values(), key=lambda node: not node.spec.trainable)
    images = [node for node in nodes if node.spec.returns == "Image" or meant_port(node.spec, "Image")]
    return [spelt(Reference(node.id), "Image", graph.nodes) for node in images]


def _dead(plan: Plan, id: str) -> Problem:
    position = plan.graph.nodes[id].position
    message = "nothing that is written or optimised needs this node, so it does not run"
    return Problem(message, position, id, severity="warning")


__all__ = ["Graph", "GraphError", "Job", "resume"]
