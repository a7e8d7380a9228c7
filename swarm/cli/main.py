"""The application and its error boundary: what a user sees when something fails is decided here, once."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from swarm import __version__
from swarm.cli import run, runs, setup
from swarm.cli.backend import Backend, backend
from swarm.cli.session import Session, complain, emit, say
from swarm.domain.errors import PlanFault, SwarmError

DEBUG = "--debug"
INTERRUPTED = 130


class Boundary(TyperGroup):
    """The root command. Every error leaves through `main`: one sentence on standard error, and an exit code."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Runs the command line; always ends in SystemExit with the documented code."""
        words, debug = _without_debug(sys.argv[1:] if args is None else args)
        try:
            code = super().main(words, *rest, **{**extra, "standalone_mode": False})
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the boundary: everything is explained here
            if debug:
                traceback.print_exception(error)
            code = _explain(error)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. Typer would make a silent exit of Ctrl-C: as an Abort it reaches the boundary."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error


def create_app(make_backend: Callable[[], Backend] = backend, **surroundings: Any) -> typer.Typer:
    """The application. `surroundings` are the other fields of Session; tests set them."""
    app = typer.Typer(
        name="swarm",
        cls=Boundary,
        add_completion=False,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog='Example: swarm run "A CLI that converts CSV to JSON, with tests"   (first: swarm doctor)',
    )
    session = Session(make_backend, **surroundings)

    @app.callback()
    def root(
        ctx: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
        _debug: Annotated[bool, typer.Option(DEBUG, help="Show tracebacks; may stand anywhere.")] = False,
    ) -> None:
        """Turn a goal into a reviewed branch: plan, build in sandboxes, merge, judge, deliver."""
        ctx.obj = session
        if version:
            say(f"swarm {__version__}")
            raise typer.Exit(0)
        if ctx.invoked_subcommand is None:
            say(ctx.get_help())
            raise typer.Exit(2)

    _commands(app)
    return app


def main() -> None:
    """The entry point of `swarm` and `python -m swarm`."""
    create_app()(prog_name="swarm")


def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the version."""
    if not as_json:
        say(f"swarm {__version__}")
        return
    from swarm.domain.documents import Done

    emit(Done(command="version", lines=(__version__,)))


def _commands(app: typer.Typer) -> None:
    run.register(app)
    runs.register(app)
    setup.register(app)
    app.command(epilog="Example: swarm version --json")(version)


def _without_debug(args: Sequence[str]) -> tuple[list[str], bool]:
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    kept = [w for w in words[:end] if w != DEBUG]
    return kept + words[end:], len(kept) < end


def _explain(error: BaseException) -> int:
    if isinstance(error, SwarmError):
        complain(f"swarm: {error}")
        for problem in error.problems if isinstance(error, PlanFault) else ():
            complain(f"  - {problem}")
        return error.exit_code
    if isinstance(error, typer.TyperException):
        message = error.format_message().rstrip(".")
        # A group without a command has printed its help and has nothing more to say.
        if message:
            complain(f"swarm: {message}{'' if message.endswith('?') else '.'} See: {_help_command(error)}")
        return 2
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        complain("swarm: interrupted.")
        return INTERRUPTED
    complain(f"swarm: internal error: {type(error).__name__}: {_first_line(error)}. {_where_logged(error)}")
    return 1


def _help_command(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'swarm'} --help"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")


def _where_logged(error: BaseException) -> str:
    try:
        # Only now: it brings the settings with it, and those may be what is broken.
        from swarm.config.sources import state_home

        log = state_home(os.environ) / "swarm" / "errors.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(
                f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} swarm {__version__} {' '.join(sys.argv[1:2])}\n"
            )
            file.write("".join(traceback.format_exception(error)) + "\n")
    except (OSError, ImportError) as fault:
        return f"The traceback could not be written to a log ({fault}); see it with {DEBUG}."
    return f"The traceback is in {log}."
