"""`swarm run`, `swarm plan`, `swarm resume`: what spends tokens."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarm.cli.execution import carry
from swarm.cli.goals import read_goal
from swarm.cli.plain import PlainView
from swarm.cli.session import complain, say, session_of
from swarm.domain.errors import InterruptFault, UsageFault

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from swarm.domain.goal import Strategy
    from swarm.domain.report import RunReport
    from swarm.domain.requests import RunRequest

_TURN_SECONDS = 0.2

Goal = Annotated[str, typer.Argument(metavar="GOAL", help="Text, `-` for standard input, or `@file`.")]
Repo = Annotated[
    str | None, typer.Option(metavar="PATH", help="Repository to work on; a new one without it.")
]
Base = Annotated[
    str, typer.Option(metavar="REF", help="Branch, tag or commit to start from; HEAD without it.")
]
PlanFile = Annotated[str | None, typer.Option("--plan", metavar="FILE", help="A plan from `swarm plan`.")]
Agents = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Agents at work at the same time, at most.")
]
Solo = Annotated[bool, typer.Option("--solo", help="One agent does it all.")]
Swarm = Annotated[bool, typer.Option("--swarm", help="Several agents, whatever the cost model says.")]
Usd = Annotated[
    float | None, typer.Option(metavar="X", help="Stop before spending more than this many US dollars.")
]
Tokens = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Stop before using more tokens, in and out.")
]
Threshold = Annotated[
    int | None,
    typer.Option(min=0, max=100, metavar="N", help="Score from which a result is accepted (default 70)."),
]
Rounds = Annotated[int | None, typer.Option(min=0, metavar="N", help="Rounds of fixing at most (default 3).")]
ModelId = Annotated[str | None, typer.Option(metavar="ID", help="Model of all tiers, or `replay:FILE`.")]
Record = Annotated[
    str | None, typer.Option(metavar="FILE", help="Record the model's answers into this file.")
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Sandbox profile, a folder of `sandboxes/`.")
]
TrustRepo = Annotated[
    bool,
    typer.Option(
        "--trust-repo", help="Let the repository's swarm.toml set endpoint, models, skills and limits."
    ),
]
Approve = Annotated[bool, typer.Option("--approve", help="Stop after the plan; `swarm resume` approves it.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of one.")]


EXERCISED = "the built service, started in a sandbox and used:"

RUN_HELP = """Build a goal: plan it, build it in sandboxes, merge, judge, and deliver a branch.

Ctrl-C stops safely, and `swarm resume` goes on. Exit codes:

0 accepted
1 internal error
2 usage or bad input, nothing started
3 finished, not accepted
4 waiting (paused, or approval)
5 budget reached, resumable
6 stopped by a fault, resumable
7 plan failed
8 cancelled
130 interrupted, resumable
"""


def run(
    ctx: typer.Context,
    goal: Goal,
    *,
    repo: Repo = None,
    base: Base = "",
    plan_file: PlanFile = None,
    agents: Agents = None,
    solo: Solo = False,
    swarm: Swarm = False,
    budget_usd: Usd = None,
    budget_tokens: Tokens = None,
    threshold: Threshold = None,
    rounds: Rounds = None,
    model: ModelId = None,
    record: Record = None,
    profile: Profile = None,
    trust_repo: TrustRepo = False,
    approve: Approve = False,
    as_json: Json = False,
) -> None:
    """Builds a goal; the help for people is RUN_HELP."""
    from swarm.domain.requests import RunRequest

    text = read_goal(goal)
    request = RunRequest(
        goal_text=text,
        repo=repo,
        new_folder="" if repo else _new_folder(text),
        base=base,
        plan=plan_file,
        agents=agents,
        strategy=_strategy(solo, swarm),
        budget_usd=_positive(budget_usd),
        budget_tokens=budget_tokens,
        threshold=threshold,
        rounds=rounds,
        model=model,
        record=record,
        trust_repo=trust_repo,
        profile=profile,
        approve=approve,
    )
    start(ctx, request, as_json=as_json)


def start(ctx: typer.Context, request: RunRequest, *, as_json: bool, demo: bool = False) -> None:
    """Prepares a request, says where and within which budget it works, and carries it to its end."""
    from swarm.cli.render import estimate_line

    backend = session_of(ctx).backend()
    tell = complain if as_json else say
    record = backend.prepare(request, tell)
    tell(f"{'repository' if request.repo else 'new repository'}: {record.goal.repository}")
    tell(estimate_line(record, backend.models(record)))

    async def exercise(report: RunReport) -> tuple[str, ...]:
        lines = await backend.exercise(report.run, PlainView(sys.stderr).on_event)
        return ("", EXERCISED, *lines) if lines else ()

    carry(backend, record, as_json=as_json, afterwards=exercise if demo else None)


def plan(
    ctx: typer.Context,
    goal: Goal,
    *,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the plan to a new file.")] = None,
    repo: Repo = None,
    base: Base = "",
    agents: Agents = None,
    solo: Solo = False,
    swarm: Swarm = False,
    budget_usd: Usd = None,
    budget_tokens: Tokens = None,
    model: ModelId = None,
    record: Record = None,
    trust_repo: TrustRepo = False,
    as_json: Json = False,
) -> None:
    """Plan a goal and print tasks and contracts as YAML, which `swarm run --plan` takes back after editing."""
    from swarm.domain.requests import RunRequest

    text = read_goal(goal)
    request = RunRequest(
        goal_text=text,
        repo=repo,
        new_folder="" if repo else _new_folder(text),
        base=base,
        agents=agents,
        strategy=_strategy(solo, swarm),
        budget_usd=_positive(budget_usd),
        budget_tokens=budget_tokens,
        model=model,
        record=record,
        trust_repo=trust_repo,
    )
    if out:
        _refuse_existing(Path(out))
    backend = session_of(ctx).backend()
    # Progress goes to standard error: standard output is the plan.
    try:
        yaml_text = asyncio.run(_interruptible(backend.plan_only(request, PlainView(sys.stderr).on_event)))
    except KeyboardInterrupt as error:
        raise InterruptFault("The planning was interrupted; no plan was made") from error
    if out:
        _write_plan(Path(out), yaml_text)
        complain(f"The plan is in {out}. Edit it, then: swarm run --plan {out} GOAL")
    if as_json:
        say(_as_json(yaml_text))
    elif not out:
        say(yaml_text.rstrip("\n"))


def resume(
    ctx: typer.Context,
    run_id: RunId,
    *,
    budget_tokens: Tokens = None,
    budget_usd: Usd = None,
    agents: Agents = None,
    as_json: Json = False,
) -> None:
    """Go on with a run that was interrupted, paused, out of budget, or stopped by a fault."""
    from swarm.domain.report import RunStatus
    from swarm.domain.requests import ResumeOverrides

    overrides = ResumeOverrides(budget_tokens=budget_tokens, budget_usd=_positive(budget_usd), agents=agents)
    backend = session_of(ctx).backend()
    record = backend.store.record(run_id)
    if record.status is RunStatus.RUNNING:
        remedy = f"Watch it: swarm logs {record.run} -f"
        raise UsageFault("A process works on this run", where=record.run, remedy=remedy)
    if not record.status.resumable:
        remedy = f"Look at it: swarm show {record.run}"
        raise UsageFault(f"The run has ended: {record.status.value}", where=record.run, remedy=remedy)
    carry(backend, record, as_json=as_json, resume=True, overrides=overrides)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(
        help=RUN_HELP,
        epilog='Example: swarm run "Add a --json flag to the CLI" --repo ../tool --budget-tokens 2000000',
    )(run)
    app.command(epilog="Example: swarm plan @goal.md --out plan.yaml && swarm run @goal.md --plan plan.yaml")(
        plan
    )
    app.command(epilog="Example: swarm resume url-shortener-1a2b --budget-tokens 4000000")(resume)


async def _interruptible(work: Coroutine[Any, Any, str]) -> str:
    """Awaits work in a loop that turns: a signal just before the loop sleeps is noticed only when it wakes again."""

    async def turn() -> None:
        while True:  # noqa: ASYNC110 - it waits for nothing: it only makes the loop turn
            await asyncio.sleep(_TURN_SECONDS)

    turning = asyncio.create_task(turn())
    try:
        return await work
    finally:
        turning.cancel()


def _strategy(solo: bool, swarm: bool) -> Strategy | None:
    from swarm.domain.goal import Strategy

    if solo and swarm:
        raise UsageFault(
            "--solo and --swarm exclude each other", remedy="Give one, or neither for the cost model."
        )
    return Strategy.SOLO if solo else Strategy.SWARM if swarm else None


def _positive(usd: float | None) -> float | None:
    if usd is not None and not 0 < usd < float("inf"):
        raise UsageFault(
            "--budget-usd must be more than 0", where=str(usd), remedy="Leave it out for no money limit."
        )
    return usd


def _new_folder(goal_text: str) -> str:
    from swarm.domain.requests import folder_name

    here = Path.cwd()
    return str(here / folder_name(goal_text, taken=lambda name: (here / name).exists()))


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageFault(
            "The file for the plan exists", where=str(path), remedy="Name another one, or move it away."
        )
    if not path.parent.is_dir():
        raise UsageFault("There is no folder for the plan", where=str(path.parent), remedy="Make it first.")


def _write_plan(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        # The plan has been paid for: it is shown even where it cannot be kept.
        say(text)
        raise UsageFault(f"The plan cannot be written: {error.strerror}", where=str(path)) from error


def _as_json(yaml_text: str) -> str:
    import yaml

    return json.dumps(yaml.safe_load(yaml_text), indent=2, ensure_ascii=False)
