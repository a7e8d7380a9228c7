"""What has been run: list, show, logs, diff, cancel, apply, clean."""

from __future__ import annotations

import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from swarm.cli.plain import line
from swarm.cli.run import RunId
from swarm.cli.session import Session, complain, console, emit, emit_line, say, session_of
from swarm.cli.text import count
from swarm.domain.errors import UsageFault
from swarm.domain.ids import slug

if TYPE_CHECKING:
    from swarm.cli.backend import Backend
    from swarm.domain.events import Event
    from swarm.domain.merging import MergePreview
    from swarm.domain.report import RunRecord, RunReport

POLL_SECONDS = 0.5

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Task = Annotated[str, typer.Option("--task", metavar="T", help="One task only.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_runs(ctx: typer.Context, as_json: Json = False) -> None:
    """List all runs, newest first."""
    store = session_of(ctx).backend().store
    records = store.runs()
    if as_json:
        from swarm.domain.documents import RunList

        emit(RunList(runs=records))
    elif not records:
        say('No runs yet. Start one: swarm run "GOAL"')
    else:
        from swarm.cli.render import run_table

        console().print(run_table((r, store.report(r.run)) for r in records))


def show(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Show a run: tasks, score, money, and how to look at it, try it, apply it."""
    backend = session_of(ctx).backend()
    report = _report(backend, run_id)
    if as_json:
        emit(report)
        return
    from swarm.cli.render import print_report

    print_report(report, model=backend.store.record(report.run).model)


def logs(
    ctx: typer.Context,
    run_id: RunId,
    task: Task = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run stops.")] = False,
    as_json: Json = False,
) -> None:
    """Show what happened, in order. With --json and -f: one event per line instead of one document."""
    store = session_of(ctx).backend().store
    run = store.record(run_id).run
    # Asked before reading: what a run writes just before it lets go of its lock is then read once more.
    running = store.locked(run)
    events = store.events(run)
    wanted = _known_task(task, events, complete=not running)
    if as_json and not follow:
        from swarm.domain.documents import EventList

        emit(EventList(run=run, events=tuple(e for e in events if _wanted(e, wanted))))
        return
    seen = _print_new(events, 0, wanted, as_json)
    while follow and running:
        time.sleep(POLL_SECONDS)
        running = store.locked(run)
        seen = _print_new(store.events(run), seen, wanted, as_json)


def diff(ctx: typer.Context, run_id: RunId, task: Task = "", as_json: Json = False) -> None:
    """Show the diff of a run's result, or of one task's branch."""
    backend = session_of(ctx).backend()
    run = backend.store.record(run_id).run
    wanted = _known_task(task, backend.store.events(run), complete=True)
    text = backend.diff(run, wanted)
    if as_json:
        from swarm.domain.documents import DiffText

        emit(DiffText(run=run, task=wanted, diff=text))
        return
    out = console()
    if out.is_terminal:
        from swarm.cli.render import coloured_diff

        out.print(coloured_diff(text), soft_wrap=True)
    else:
        # A pipe gets the bytes as they are: the diff may be applied.
        typer.echo(text, nl=not text.endswith("\n"))


def cancel(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """End a run for good: its agents stop, its containers go, nothing is delivered."""
    backend = session_of(ctx).backend()
    run = backend.store.record(run_id).run
    _done("cancel", run, (backend.cancel(run),), as_json)


def pause(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Ask the process that works on a run to stop safely; `swarm resume` goes on."""
    backend = session_of(ctx).backend()
    run = backend.store.record(run_id).run
    _done("pause", run, (backend.pause(run),), as_json)


def apply(ctx: typer.Context, run_id: RunId, yes: Yes = False, as_json: Json = False) -> None:
    """Merge a run's result into the branch that is checked out, after a look at what changes."""
    session = session_of(ctx)
    backend = session.backend()
    run = backend.store.record(run_id).run
    found = backend.preview(run)
    if found.already:
        _done("apply", run, (f"{found.onto} of {found.repository} holds {found.branch} already.",), as_json)
        return
    (complain if as_json else say)(found.summary.rstrip("\n"))
    if not yes and not _agreed(session, _merge_question(backend, run, found), as_json):
        complain("Nothing was changed.")
        return
    _done("apply", run, (backend.apply(run, yes=True),), as_json)


def clean(
    ctx: typer.Context,
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="One run; all that rest without it.")
    ] = None,
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove the containers and the state of runs that do not run; delivered branches stay."""
    session = session_of(ctx)
    backend = session.backend()
    run = backend.store.record(run_id).run if run_id else None
    lost = () if run else tuple(r.run for r in _resting(backend) if r.status.resumable)
    resumable = bool(run) or yes or not lost
    if not resumable:
        question = f"These runs could still be resumed: {', '.join(lost)}. Remove them as well?"
        resumable = _agreed(session, question, as_json)
    doomed = (run,) if run else tuple(r.run for r in _resting(backend) if resumable or r.run not in lost)
    if not _may_lose_results(session, backend, doomed, yes=yes, as_json=as_json):
        complain("Nothing was removed.")
        return
    removed = backend.clean(run, resumable=resumable)
    _done("clean", run or "", removed or ("There was nothing to remove.",), as_json)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("list", epilog="Example: swarm list --json")(list_runs)
    app.command(epilog="Example: swarm show url-shortener-1a2b")(show)
    app.command(epilog="Example: swarm logs url-shortener-1a2b --task storage -f")(logs)
    app.command(epilog="Example: swarm diff url-shortener-1a2b --task storage")(diff)
    app.command(epilog="Example: swarm cancel url-shortener-1a2b")(cancel)
    app.command(epilog="Example: swarm pause url-shortener-1a2b")(pause)
    app.command(epilog="Example: swarm apply url-shortener-1a2b --yes")(apply)
    app.command(epilog="Example: swarm clean url-shortener-1a2b")(clean)


def _report(backend: Backend, run_id: str) -> RunReport:
    from swarm.cli.outcome import so_far, with_tasks
    from swarm.cli.progress import fold
    from swarm.domain.report import RunStatus, next_step

    record = backend.store.record(run_id)
    report = backend.store.report(record.run)
    if report is None or not report.tasks:
        seen = fold(backend.store.events(record.run))
        report = so_far(record, seen) if report is None else with_tasks(report, seen)
    if record.status in {RunStatus.RUNNING, RunStatus.INTERRUPTED} and report.status is not record.status:
        # The report is of the stop before the last resume: the record knows where the run stands now.
        now = {
            "status": record.status,
            "exit_code": record.status.exit_code,
            "resumes": record.resumes,
            "next_step": next_step(record.run, record.status),
        }
        return report.model_copy(update=now)
    return report


def _known_task(task: str, events: tuple[Event, ...], *, complete: bool) -> str:
    """The canonical id of a task; UsageFault where no event knows it, unless it may still come."""
    if not task:
        return ""
    wanted = slug(task)
    known = sorted({e.task for e in events if e.task})
    if wanted in known or (not complete and not known):
        return wanted
    near = get_close_matches(wanted, known, n=3, cutoff=0.4) or known
    remedy = f"Did you mean: {', '.join(near)}?" if near else "The run has no tasks yet."
    raise UsageFault(f"There is no task `{task}`", remedy=remedy)


def _wanted(event: Event, task: str) -> bool:
    return not task or event.task == task


def _print_new(events: tuple[Event, ...], seen: int, task: str, as_json: bool) -> int:
    for event in events[seen:]:
        if _wanted(event, task):
            emit_line(event) if as_json else say(line(event, date=True))
    return max(seen, len(events))


def _agreed(session: Session, question: str, as_json: bool) -> bool:
    if as_json or not session.interactive():
        complain(question)
        raise UsageFault("This needs a yes, and nobody can be asked here", remedy="Add --yes.")
    return typer.confirm(question)


def _merge_question(backend: Backend, run: str, found: MergePreview) -> str:
    report = backend.store.report(run)
    score = f", {report.score} of 100" if report and report.score is not None else ""
    how = f" ({report.status.value.replace('-', ' ')}{score})" if report else ""
    return f"Merge {found.branch}{how} into {found.onto} of {found.repository}?"


def _resting(backend: Backend) -> tuple[RunRecord, ...]:
    """The runs that no process works on."""
    store = backend.store
    return tuple(r for r in store.runs() if not store.locked(r.run))


def _may_lose_results(
    session: Session, backend: Backend, doomed: tuple[str, ...], *, yes: bool, as_json: bool
) -> bool:
    """Says which of the runs have a result that nobody merged yet; whether they may go."""
    waiting = [run for run in doomed if backend.unapplied(run)]
    if not waiting:
        return True
    has, stays = ("has", "Its branch stays") if len(waiting) == 1 else ("have", "Their branches stay")
    complain(
        f"{count(len(waiting), 'run')} {has} a result that is not merged yet: {', '.join(waiting)}. {stays} in the "
        "repository; the run's folder, its logs and `swarm apply` go."
    )
    return yes or _agreed(session, "Remove?", as_json)


def _done(command: str, run: str, lines: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        from swarm.domain.documents import Done

        emit(Done(command=command, run=run, lines=lines))
        return
    for text in lines:
        say(text)
