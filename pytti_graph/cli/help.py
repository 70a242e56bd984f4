"""Help pages: what typer knows of the commands, calmly set."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from rich.padding import Padding
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from pytti_graph.cli import output
from pytti_graph.cli.commands import OTHERS, Commands, listed
from pytti_graph.cli.options import FOR_PROGRAMS
from pytti_graph.core.errors import PyttiGraphError

_WIDTH = 88


class Command(TyperCommand):
    """A command with a calm help page, which prints nothing among what programs read."""

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        with output.kept_for_programs() if ctx.meta.get(FOR_PROGRAMS) else contextlib.nullcontext():
            try:
                return super().invoke(ctx)
            except PyttiGraphError as error:
                if ctx.params.get("verbose"):
                    output.say_cause(error)
                raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        parameters = [parameter for parameter in self.get_params(ctx) if not getattr(parameter, "hidden", False)]
        arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
        options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
        words = " ".join(map(_metavar, arguments))
        parts = [_usage(f"{ctx.command_path} {words}".strip()), *_prose(self.help)]
        if arguments:
            parts += _section("Arguments", [(_metavar(argument), _help(argument)) for argument in arguments])
        parts += _section("Options", map(_option, options))
        formatter.write(_rendered(parts))


class Group(TyperGroup):
    """The whole program, with its commands by panel."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if not self.commands:
            self.commands = Commands(Command)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        parts = [_usage(f"{ctx.command_path} COMMAND"), *_prose(self.help)]
        for panel, members in groupby(self._rows(ctx), key=lambda row: row[0]):
            parts += _section(panel, ((name, Text(summary)) for _, name, summary in members))
        parts += _section("Options", map(_option, self.get_params(ctx)))
        formatter.write(_rendered([*parts, Text(), *_paragraphs(self.epilog)]))

    def _rows(self, ctx: Any) -> list[tuple[str, str, str]]:
        """Panel, name and summary of each command."""
        if isinstance(self.commands, Commands):
            return [(offer.panel or OTHERS, offer.name, offer.summary) for offer in listed()]
        return [("Commands", name, command.get_short_help_str(200)) for name, command in self.commands.items()]


def _usage(line: str) -> Text:
    return Text.assemble(("Usage: ", "bold"), line, (" [OPTIONS]", "dim"))


def _prose(text: str | None) -> Iterator[Any]:
    for paragraph in _paragraphs(text):
        yield Text()
        yield paragraph


def _paragraphs(text: str | None) -> Iterator[Text]:
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        if paragraph:
            yield Text(" ".join(paragraph.split()))


def _section(title: str, rows: Iterable[tuple[str, Text]]) -> list[Any]:
    table = output.grid(rows, ("cyan", ""))
    table.columns[0].min_width = 10
    return [Text(), Text(title, "bold"), Padding(table, (0, 0, 0, 2), expand=False)]


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(parameter: Any) -> tuple[str, Text]:
    names = ", ".join(sorted(parameter.opts, key=len))
    value = "" if parameter.is_flag else f" {parameter.metavar or 'VALUE'}"
    return f"{names}{value}", _help(parameter)


def _help(parameter: Any) -> Text:
    return Text(parameter.help or "")


def _rendered(parts: Iterable[Any]) -> str:
    target = output.console()
    with target.capture() as captured:
        for part in parts:
            target.print(part, soft_wrap=False, width=min(target.width, _WIDTH))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
