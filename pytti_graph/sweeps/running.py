"""One go at a sweep: from what is there to what can be had, noted step by step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytti_graph.api import Graph
from pytti_graph.core.blame import culprit, described
from pytti_graph.core.errors import PyttiGraphError, RenderError, UsageError
from pytti_graph.core.offers import Offer
from pytti_graph.core.plugins import Plugin, imported, offers
from pytti_graph.executors.tasks import Executor, Noted, Outcome, Task, TaskEvent
from pytti_graph.graph.document import dump
from pytti_graph.jobs import portable
from pytti_graph.sweeps.folder import SHEET, TABLE, SweepFolder
from pytti_graph.sweeps.plan import Variation
from pytti_graph.sweeps.results import Result, as_csv, as_json, ended, read_result
from pytti_graph.sweeps.sheet import write_sheet

Listener = Callable[[TaskEvent | Result], None]


def make_executor(name: str, jobs: int | None, options: Mapping[str, str]) -> Executor:
    """The executor of a name, "local" or a plugin's.

    Raises:
        UsageError: There is none, or it does not understand its options.
        MissingError: It cannot be imported.
        RenderError: It cannot be made.
    """
    plugin, offer = offers().find_offer("executor", name)
    kind = imported(plugin, offer)
    with _blamed_on(plugin, offer):
        made: Executor = kind(jobs, options)
    return made if not plugin.is_foreign else _Foreign(made, plugin, offer)


class _Foreign:
    """An executor of a plugin: whatever goes wrong in it is an error that names the plugin."""

    def __init__(self, executor: Executor, plugin: Plugin, offer: Offer) -> None:
        self._executor, self._plugin, self._offer = executor, plugin, offer

    def run(
        self, tasks: Sequence[Task], cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[TaskEvent, None, None]:
        """Run tasks; see `Executor.run`."""
        with _blamed_on(self._plugin, self._offer):
            yield from self._executor.run(tasks, cancelled)


@contextlib.contextmanager
def _blamed_on(plugin: Plugin, offer: Offer) -> Iterator[None]:
    try:
        yield
    except PyttiGraphError:
        raise
    except Exception as error:
        message = f"the executor '{offer.name}' failed: {described(error)}"
        raise RenderError(message, hint=culprit(error, plugin, offer.module)) from error


class Going:
    """One go at a sweep, in its locked folder.

    Attributes:
        results: What has become of each variation so far, by name.
    """

    def __init__(self, folder: SweepFolder, variations: Sequence[Variation], columns: int | None) -> None:
        self._folder, self._columns = folder, columns
        self.results = read_results(folder, variations)

    def left(self) -> list[Variation]:
        """The variations that are not finished."""
        return [result.variation for result in self.results.values() if result.status != "finished"]

    def render(
        self, executor: Executor, tasks: Sequence[Task], on_event: Listener, cancelled: Callable[[], bool]
    ) -> None:
        """Run tasks; whatever happens, what is known is written at the end."""
        try:
            with contextlib.closing(executor.run(tasks, cancelled)) as events:
                for event in events:
                    on_event(self._told(event))
        finally:
            self._write_overview()

    def _told(self, event: TaskEvent) -> TaskEvent | Result:
        """What listeners hear of an executor's event, with places in the user's graph."""
        match event:
            case Noted(name, problem):
                return Noted(name, self.results[name].variation.placed(problem))
            case Outcome(name, _, problems):
                placed = tuple(map(self.results[name].variation.placed, problems))
                return self._noted(replace(event, problems=placed))
            case _:
                return event

    def _noted(self, outcome: Outcome) -> Result:
        """Note how a variation ended, at once: nobody knows what comes next."""
        before = self.results[outcome.task]
        result = ended(before.variation, before.folder, outcome)
        self.results[outcome.task] = result
        self._write_plan()
        return result

    def _write_plan(self) -> None:
        told = [as_json(result, self._folder.path) for result in self.results.values()]
        self._folder.update_plan(variations=told)

    def _write_overview(self) -> None:
        for name, result in self.results.items():
            if result.status in ("waiting", "interrupted"):  # one that was begun may have left something
                self.results[name] = read_result(result.variation, result.folder, {})
        self._write_plan()
        results = list(self.results.values())
        self._folder.write(TABLE, as_csv(results))
        write_sheet(results, self._folder.path / SHEET, self._columns)


def read_results(folder: SweepFolder, variations: Sequence[Variation]) -> dict[str, Result]:
    """What has become of each variation, by name."""
    entries = folder.plan().get("variations")
    noted = {e["name"]: e for e in entries if isinstance(e, dict) and "name" in e} if isinstance(entries, list) else {}
    return {
        variation.name: read_result(variation, folder.path / variation.name, noted.get(variation.name, {}))
        for variation in variations
    }


def task(
    variation: Variation,
    folder: SweepFolder,
    **rights: Any,
) -> Task:
    """What an executor has to do for a variation.

    Args:
        variation: Which one.
        folder: Where it is rendered.
        rights: Where to compute and what may be used: the other attributes of the task.
    """
    graph = variation.graph
    seed = graph.checked.seed
    assert seed is not None
    return Task(
        name=variation.name,
        folder=str(folder.run_folder(variation.name)),
        graph=dump(portable(graph, seed)),
        graph_name=graph.document.name,
        graph_folder=str(graph.folder.resolve()),
        inputs=tuple(_inputs(graph)),
        **rights,
    )


def _inputs(graph: Graph) -> Iterator[str]:
    """The files that a graph reads, as it names them; links are not followed."""
    for node in graph.checked.nodes.values():
        for _, file, _ in node.files():
            if file.direction == "input" and file.address is None:
                yield os.path.normpath(graph.folder.resolve() / file.text)


def check_allowed(wanted: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse a sweep that was begun with more rights than it is given now: its folder may come from a stranger."""
    for path in wanted:
        if not any(Path(path).is_relative_to(folder) for folder in allowed):
            hint = f"to allow it again, add --allow-path {path}"
            raise UsageError(f"this sweep was begun with the right to read and write {path}", hint=hint)
