"""`Sweep`: many variations of one graph, planned, rendered into one folder, and gone on with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytti_graph.api import Graph, check_source
from pytti_graph.core.errors import Interrupted, Problem, UsageError
from pytti_graph.executors.tasks import Executor, Task
from pytti_graph.graph.document import dump, parse_document
from pytti_graph.sweeps.folder import SweepFolder
from pytti_graph.sweeps.plan import Variation, check, variations
from pytti_graph.sweeps.results import Result
from pytti_graph.sweeps.running import Going, Listener, check_allowed, make_executor, read_results, task
from pytti_graph.sweeps.vary import Axes, read_vary

if TYPE_CHECKING:
    from pytti_graph.core.plugins import Registry

PathLike = str | os.PathLike[str]


class Sweep:
    """Many variations of one graph.

    Attributes:
        graph: What does not vary.
        variations: Every combination of values, in order.
        warnings: What is strange about them.
        folder: The sweep folder, once there is one.
    """

    def __init__(
        self,
        graph: Graph,
        axes: Axes,
        *,
        draft: bool = False,
        frames: int | None = None,
        allow_paths: Sequence[PathLike] = (),
        node_files: Sequence[PathLike] = (),
    ) -> None:
        self.graph, self._axes = graph, axes
        self._draft, self._frames = draft, frames
        self._allow_paths = tuple(str(Path(path).resolve()) for path in allow_paths)
        self._node_files = tuple(str(Path(path).resolve()) for path in node_files)
        self.variations = tuple(variations(graph, axes, draft=draft, frames=frames))
        self.warnings: Sequence[Problem] = ()
        self._folder: SweepFolder | None = None
        self._settings: dict[str, str] = {"device": "auto", "precision": "auto"}

    @classmethod
    def plan(
        cls,
        graph: Graph,
        vary: Mapping[str, Iterable[Any]] | Sequence[str],
        *,
        draft: bool = False,
        frames: int | None = None,
        allow_paths: Sequence[PathLike] = (),
        node_files: Sequence[PathLike] = (),
    ) -> Sweep:
        """Make a grid of variations, and check them all; nothing is written.

        Args:
            graph: What does not vary. If neither it nor `vary` has a seed, all variations get the same new one.
            vary: Values by path, `{"seed": [1, 2, 3]}`, or texts such as "seed=[1, 2, 3]"; paths as for `override`.
            draft: Make drafts of all variations.
            frames: Number of frames of all variations.
            allow_paths: Folders outside the graph's own that may be read and written.
            node_files: Python files with nodes that the graph's registry has; they are run in every process.

        Raises:
            UsageError: What varies cannot be read.
            GraphError: All problems of all variations.
        """
        axes = read_vary(vary)
        if graph.document.seed is None and "seed" not in axes:
            graph = graph.override({"seed": secrets.randbelow(2**31)})
        sweep = cls(graph, axes, draft=draft, frames=frames, allow_paths=allow_paths, node_files=node_files)
        sweep.warnings = check(sweep.variations, list(map(Path, allow_paths)))
        return sweep

    @classmethod
    def open(
        cls,
        folder: PathLike,
        *,
        registry: Registry | None = None,
        allow_paths: Sequence[PathLike] = (),
        node_files: Sequence[PathLike] = (),
    ) -> Sweep:
        """A sweep that was begun: `run` goes on with it.

        Args:
            folder: The sweep folder. It is data: what it may read, write and run besides, the other arguments say.
            registry: The node types to use.
            allow_paths: As for `plan`; all that it was begun with.
            node_files: As for `plan`.

        Raises:
            UsageError: It is not the folder of a sweep, it is damaged, or it was begun with more `allow_paths`.
        """
        found = SweepFolder.open(Path(folder))
        plan = found.plan()
        try:
            draft, frames, settings = bool(plan["draft"]), plan["frames"], plan["settings"]
            name, source, axes = str(plan["graph_name"]), Path(plan["graph_folder"]), read_vary(plan["vary"])
            recorded = {key: str(settings[key]) for key in ("device", "precision")}
            wanted = [str(path) for path in settings["allow_paths"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{found.path} is damaged: {type(error).__name__} {error}") from None
        check_allowed(wanted, [str(Path(path).resolve()) for path in allow_paths])
        document = replace(parse_document(found.graph, str(found.path / "graph.yaml")), name=name)
        graph = Graph(document, registry=registry, folder=source)
        sweep = cls(graph, axes, draft=draft, frames=frames, allow_paths=allow_paths, node_files=node_files)
        sweep._folder, sweep._settings = found, recorded
        check_source(graph.checked, source, [Path(path) for path in allow_paths])
        return sweep

    @property
    def folder(self) -> Path | None:
        """The sweep folder, as seen from the present one, or None."""
        return self._folder.shown if self._folder is not None else None

    @property
    def axes(self) -> dict[str, list[Any]]:
        """What varies, in the order given, with its values."""
        return {path: [value.plain() for value in values] for path, values in self._axes.items()}

    def create(self, folder: PathLike | None = None) -> Path:
        """Make the sweep folder: `folder`, which must not exist or be empty, or `sweeps/<graph>-<n>`.

        Raises:
            UsageError: It cannot be made, or there is one already.
        """
        if self._folder is not None:
            raise UsageError(f"this sweep has the folder {self._folder.shown} already")
        chosen = None if folder is None else Path(folder)
        name = self.graph.document.name
        self._folder = SweepFolder.create(name, chosen, dump(self.graph.document), self._record())
        return self._folder.shown

    def _record(self) -> dict[str, Any]:
        """What `sweep.json` says of the plan."""
        from pytti_graph import __version__

        return {
            "version": __version__,
            "graph_name": self.graph.document.name,
            "graph_folder": str(self.graph.folder.resolve()),
            "vary": self.axes,
            "draft": self._draft,
            "frames": self._frames,
            "settings": {**self._settings, "allow_paths": list(self._allow_paths)},
            "executor": None,
            "variations": [],
        }

    def run(
        self,
        folder: PathLike | None = None,
        *,
        executor: str | Executor = "local",
        jobs: int | None = None,
        options: Mapping[str, str] | None = None,
        device: str | None = None,
        precision: str | None = None,
        allow_network: bool = False,
        on_event: Listener = lambda event: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Result]:
        """Render all variations that are not finished.

        What fails harms no other. Whatever happens, the table and the contact sheet are written at the end.

        Args:
            folder: The sweep folder to make, unless there is one; `sweeps/<graph>-<n>` if not given.
            executor: Where to render: a name that the hook `pytti_graph_executors` knows, or an executor.
            jobs: How many variations to render at once; None leaves it to the executor.
            options: For the executor.
            device: "auto", or a name that torch knows; as before if not given.
            precision: Of perceptors; as before if not given.
            allow_network: Allow downloads.
            on_event: Hears the executor's events, and a `Result` for each variation that has ended.
            cancelled: Asked again and again; True stops cleanly.

        Returns:
            What became of each variation, in order.

        Raises:
            UsageError: The folder cannot be made, or another process renders into it.
            Interrupted: `cancelled` said so before all had ended.
            PyttiGraphError: The executor can run nothing any more.
        """
        chosen = make_executor(executor, jobs, options or {}) if isinstance(executor, str) else executor
        if self._folder is None:
            self._settings = {"device": device or "auto", "precision": precision or "auto"}
            self.create(folder)
        elif folder is not None:
            raise UsageError(f"this sweep has the folder {self._folder.shown} already")
        else:
            changed = {"device": device, "precision": precision}
            self._settings.update({key: value for key, value in changed.items() if value is not None})
        place = self._folder
        assert place is not None
        with place.locked():
            place.clean()
            place.update_plan(executor=executor if isinstance(executor, str) else type(executor).__name__)
            going = Going(place, self.variations, self._columns)
            tasks = [self._task(variation, allow_network) for variation in going.left()]
            going.render(chosen, tasks, on_event, cancelled)
        return self._ended(list(going.results.values()), stopped=cancelled())

    def _task(self, variation: Variation, allow_network: bool) -> Task:
        assert self._folder is not None
        return task(
            variation,
            self._folder,
            **self._settings,
            node_files=self._node_files,
            allow_paths=self._allow_paths,
            allow_network=allow_network,
        )

    @property
    def _columns(self) -> int | None:
        """How many pictures stand side by side: the values of what varies last, if more than one thing varies."""
        *rows, columns = self._axes.values()
        return len(columns) if rows else None

    def _ended(self, results: list[Result], *, stopped: bool) -> list[Result]:
        """All results; raises `Interrupted` if there is more to do and somebody wanted to stop."""
        if stopped and any(result.status in ("interrupted", "waiting") for result in results):
            finished = sum(result.status == "finished" for result in results)
            hint = f"continue with 'pytti-graph resume {self.folder}'"
            raise Interrupted(f"stopped: {finished} of {len(results)} variations are finished", hint=hint)
        return results

    def results(self) -> list[Result]:
        """What has become of each variation so far, in order."""
        if self._folder is None:
            return [Result(variation, Path(variation.name), "waiting") for variation in self.variations]
        return list(read_results(self._folder, self.variations).values())
