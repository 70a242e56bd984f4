"""The command `pytti-graph`: its commands, its errors and its exit codes.

0 done · 1 failed while running · 2 usage · 3 graph not valid · 4 plugin or weights missing · 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from pytti_graph.cli.help import Group
from pytti_graph.core.errors import PyttiGraphError

USAGE, INTERRUPTED = 2, 130
NO_PLUGINS = "--no-plugins"
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"

app = typer.Typer(
    name="pytti-graph",
    help="Make pictures and films that mean what you say, from graphs of nodes.",
    epilog="Begin with 'pytti-graph examples zoom', then 'pytti-graph run zoom.yaml'.",
    cls=Group,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from pytti_graph import __version__

        typer.echo(f"pytti-graph {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _begin(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    no_plugins: Annotated[
        bool, typer.Option(NO_PLUGINS, help="Use only what pytti-graph itself brings; may stand anywhere.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    # Torch's processor allocator gives large buffers back to the system at each step. Taking them again page by page
    # costs up to half of the time; of large pages there are 512 times fewer. Torch reads this when it is first used.
    os.environ.setdefault(LARGE_PAGES, "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = execute(words)
    _flush()
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    from pytti_graph.cli.waiting import say_waiting
    from pytti_graph.core.manifest import telling

    with telling(say_waiting), _without_plugins() if NO_PLUGINS in arguments else contextlib.nullcontext():
        return _execute([word for word in arguments if word != NO_PLUGINS])


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Switch plugins off, in the processes that this one starts too."""
    from pytti_graph.core.plugins import ONLY, forget

    before = os.environ.get(ONLY)
    os.environ[ONLY] = ""
    forget()
    try:
        yield
    finally:
        os.environ.pop(ONLY)
        if before is not None:
            os.environ[ONLY] = before
        forget()


def _execute(arguments: Sequence[str]) -> int:
    try:
        result = typer.main.get_command(app).main(list(arguments), prog_name="pytti-graph", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except PyttiGraphError as error:
        from pytti_graph.cli.output import say_problems

        say_problems(error.problems)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        return _unreadable(error, arguments)
    except Exception as error:
        return _usage(error) if hasattr(error, "format_message") else _crash(error, arguments)


def _usage(error: Exception) -> int:
    """A command line that typer cannot read."""
    from pytti_graph.cli.output import say_problems
    from pytti_graph.core.errors import Problem

    context = getattr(error, "ctx", None)
    message: str = error.format_message().rstrip(".").replace("Value error, ", "")  # type: ignore[attr-defined]
    path = context.command_path if context else "pytti-graph"
    say_problems([Problem(message[:1].lower() + message[1:], hint=f"see '{path} --help'")])
    return USAGE


def _unreadable(error: OSError, arguments: Sequence[str]) -> int:
    """A file or a disk that does not do what it should."""
    from pytti_graph.cli.output import say_problems
    from pytti_graph.core.errors import Problem

    if isinstance(error, BrokenPipeError):
        return 0
    if error.filename is None:
        return _crash(error, arguments)
    say_problems([Problem(f"{error.filename}: {error.strerror or error}")])
    return 1


def _crash(error: Exception, arguments: Sequence[str]) -> int:
    """Something that nobody foresaw."""
    from pytti_graph.cli.output import say_problems
    from pytti_graph.core.blame import described
    from pytti_graph.core.errors import Problem

    verbose = not {"-v", "--verbose"}.isdisjoint(arguments)
    if verbose:
        import traceback

        sys.stderr.write("".join(traceback.format_exception(error)))
    whose = next(iter(getattr(error, "__notes__", ())), "this is a bug in pytti-graph or a plugin")
    hint = whose if verbose else f"{whose}; -v prints where it happened"
    say_problems([Problem(described(error), hint=hint)])
    return 1


def _flush() -> None:
    """Write what is left, without complaint if nobody reads any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
