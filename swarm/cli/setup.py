"""What is around a run: doctor, sandbox build and shell, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from swarm.cli.run import Json as JsonReport
from swarm.cli.run import RunId, start
from swarm.cli.runs import Json
from swarm.cli.session import Session, complain, console, emit, say, session_of
from swarm.domain.errors import UsageFault

if TYPE_CHECKING:
    from swarm.domain.requests import Prerequisite

DEMO = "url-shortener"
MISSING = 2

Profile = Annotated[str, typer.Option(metavar="NAME", help="Sandbox profile, a folder of `sandboxes/`.")]


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check each prerequisite and name the remedy. Exit code 2 when something essential is missing."""
    found = _examined(session_of(ctx))
    healthy = all(p.ok for p in found if p.essential)
    if as_json:
        from swarm.domain.documents import Health

        emit(Health(ok=healthy, prerequisites=found))
    else:
        from swarm.cli.render import prerequisite_table

        console().print(prerequisite_table(found))
    raise typer.Exit(0 if healthy else MISSING)


def build(ctx: typer.Context, profile: Profile = "python", as_json: Json = False) -> None:
    """Build the image of a sandbox profile; what is already built is reused."""
    tag = session_of(ctx).backend().build_sandbox(profile, complain)
    if not as_json:
        say(tag)
        return
    from swarm.domain.documents import Done

    emit(Done(command="sandbox build", lines=(tag,)))


def shell(ctx: typer.Context, run_id: RunId, task: Annotated[str, typer.Argument(metavar="TASK")]) -> None:
    """Open a shell in the sandbox of a task, to look around while it works."""
    session = session_of(ctx)
    backend = session.backend()
    run = backend.store.record(run_id).run
    if not session.interactive():
        raise UsageFault("A shell needs a terminal", remedy="Run this command in one.")
    session.exec(backend.shell(run, task))


def demo(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A recording of `examples/recordings/`.")
    ] = DEMO,
    as_json: JsonReport = False,
) -> None:
    """Replay a recorded run in real sandboxes, without a key, then start what it built and use it."""
    start(ctx, session_of(ctx).backend().demo(name), as_json=as_json, demo=True)


def _examined(session: Session) -> tuple[Prerequisite, ...]:
    """What the backend finds; settings that cannot be used are a row of it and hide nothing else."""
    from swarm.domain.requests import Prerequisite

    try:
        backend = session.backend()
    except UsageFault as fault:
        where = f" ({fault.where})" if fault.where else ""
        detail = f"{fault.what}{where}; what follows leaves it out"
        broken = Prerequisite(name="settings", ok=False, detail=detail, remedy=fault.remedy or "Correct it.")
        return (broken, *session.make_bare_backend().doctor())
    return backend.doctor()


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: swarm doctor --json")(doctor)
    app.command(epilog="Example: swarm demo url-shortener")(demo)
    sandbox = typer.Typer(
        help="Build the sandbox image, or look into a sandbox.",
        no_args_is_help=True,
        epilog="Example: swarm sandbox build",
    )
    sandbox.command(epilog="Example: swarm sandbox build --profile python")(build)
    sandbox.command(epilog="Example: swarm sandbox shell url-shortener-1a2b storage")(shell)
    app.add_typer(sandbox, name="sandbox")
