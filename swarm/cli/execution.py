"""Carries a run from the command line: the view, the signals, the report, the exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import typer

from swarm.cli.backend import Backend
from swarm.cli.interrupts import stops_safely
from swarm.cli.plain import PlainView
from swarm.cli.session import complain, console, emit, say
from swarm.domain.errors import EnvironmentFault, UsageFault

if TYPE_CHECKING:
    from swarm.cli.progress import Progress
    from swarm.domain.events import Event
    from swarm.domain.report import RunRecord, RunReport
    from swarm.domain.requests import ResumeOverrides


class View(Protocol):
    """Shows a run while it goes on."""

    def start(self, record: RunRecord, seen: Progress) -> None:
        """Begins to show it, from where its earlier sessions left it."""
        ...

    def on_event(self, event: Event) -> None:
        """Takes an event in, from any thread."""
        ...

    def notice(self, text: str) -> None:
        """Shows a line of the command line's own."""
        ...

    def stop(self) -> None:
        """Lets go of the terminal."""
        ...


def carry(
    backend: Backend,
    record: RunRecord,
    *,
    as_json: bool,
    resume: bool = False,
    overrides: ResumeOverrides | None = None,
    afterwards: Callable[[RunReport], Awaitable[tuple[str, ...]]] | None = None,
) -> None:
    """Carries a run to its end, shows the report and leaves with its exit code.

    With `as_json` standard output gets the report and nothing else, also when an error ends a run that had started;
    `afterwards` is awaited in the same loop when there is a report with a branch, and its lines are shown.
    """
    from swarm.domain.requests import ResumeOverrides

    limits = overrides or ResumeOverrides()

    async def all_of_it() -> int:
        try:
            report = await _execute(backend, record, _view(as_json), resume, limits)
        except (UsageFault, EnvironmentFault):
            raise  # nothing was started: there is no run to report on
        except Exception as error:
            _show_error(backend, record, error, as_json)
            raise
        _show(record, _with_tasks(backend, report), as_json)
        if afterwards is not None and report.branch:
            for line in await afterwards(report):
                (complain if as_json else say)(line)
        return report.exit_code

    # One loop for everything: what the engine opened in it stays usable for what comes afterwards.
    raise typer.Exit(asyncio.run(all_of_it()))


async def _execute(
    backend: Backend, record: RunRecord, view: View, resume: bool, overrides: ResumeOverrides
) -> RunReport:
    from swarm.cli.progress import fold

    interrupt = asyncio.Event()
    view.start(record, fold(backend.store.events(record.run)))
    try:
        with stops_safely(record.run, interrupt, view.notice):
            return await backend.execute(
                record.run, listener=view.on_event, interrupt=interrupt, resume=resume, overrides=overrides
            )
    finally:
        view.stop()


def _view(as_json: bool) -> View:
    out = console(error=as_json)
    if not out.is_terminal or out.is_dumb_terminal:
        return PlainView(sys.stderr if as_json else sys.stdout)
    from swarm.cli.live import LiveView

    return LiveView(out)


def _show(record: RunRecord, report: RunReport, as_json: bool) -> None:
    if as_json:
        emit(report)
        return
    from swarm.cli.render import print_report

    print_report(report, model=record.model)


def _with_tasks(backend: Backend, report: RunReport) -> RunReport:
    if report.tasks:
        return report
    from swarm.cli.outcome import with_tasks
    from swarm.cli.progress import fold

    return with_tasks(report, fold(backend.store.events(report.run)))


def _show_error(backend: Backend, record: RunRecord, error: Exception, as_json: bool) -> None:
    from swarm.cli.outcome import after_error
    from swarm.cli.progress import fold

    seen = fold(backend.store.events(record.run))
    last = backend.store.report(record.run)
    now = backend.store.record(record.run)
    report = after_error(now, error, last, seen)
    # For people the boundary says the problem on standard error: here it would be said twice.
    _show(now, report if as_json else report.model_copy(update={"problems": ()}), as_json)
