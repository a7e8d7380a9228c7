"""What every command gets from the application: its backend and its surroundings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, cast

import typer

from swarm.cli.backend import Backend, backend_without_file

if TYPE_CHECKING:
    from rich.console import Console

    from swarm.domain.base import Value

PIPE_WIDTH = 10_000
"""Columns where no terminal limits them: a line is one thing, for grep, however long its ids and paths are."""


def _stdin_is_terminal() -> bool:
    return sys.stdin.isatty()


def _replace_process(argv: list[str]) -> NoReturn:
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point: argv goes to the program as it is


@dataclass(frozen=True)
class Session:
    """The surroundings of one command; tests give their own."""

    make_backend: Callable[[], Backend]
    make_bare_backend: Callable[[], Backend] = backend_without_file
    interactive: Callable[[], bool] = _stdin_is_terminal
    exec: Callable[[list[str]], None] = _replace_process

    def backend(self) -> Backend:
        """The use cases, built when a command first needs them."""
        return self.make_backend()


def session_of(ctx: typer.Context) -> Session:
    """The session that the application put into the context."""
    return cast("Session", ctx.obj)


def console(*, error: bool = False) -> Console:
    """A console on standard output or standard error, without guesses about markup in texts of others."""
    from rich.console import Console

    made = Console(stderr=error, markup=False, highlight=False, emoji=False, soft_wrap=False)
    return (
        made
        if made.is_terminal
        else Console(stderr=error, markup=False, highlight=False, emoji=False, width=PIPE_WIDTH)
    )


def say(text: str) -> None:
    """A line on standard output, exactly as it is."""
    typer.echo(text)


def complain(text: str) -> None:
    """A line on standard error, exactly as it is."""
    typer.echo(text, err=True)


def emit(value: Value) -> None:
    """The one JSON document of a command, on standard output."""
    typer.echo(value.model_dump_json(indent=2))


def emit_line(value: Value) -> None:
    """One value as one line of JSON, for streams."""
    typer.echo(json.dumps(value.model_dump(mode="json"), ensure_ascii=False))
