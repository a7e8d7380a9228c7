"""Tables and the report, as rich draws them. Texts of others are made safe before they reach the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm.cli.session import console, say
from swarm.cli.text import duration, money, one_line, safe, tokens
from swarm.domain.report import RunStatus, TaskStatus

if TYPE_CHECKING:
    from swarm.domain.report import Round, RunRecord, RunReport, TaskReport
    from swarm.domain.requests import Prerequisite

_GOAL_WIDTH = 48
_STATUS_STYLES = {
    RunStatus.ACCEPTED: "green",
    RunStatus.RUNNING: "cyan",
    RunStatus.REJECTED: "yellow",
    RunStatus.WAITING: "yellow",
    RunStatus.INTERRUPTED: "yellow",
    RunStatus.BUDGET: "yellow",
    RunStatus.CANCELLED: "dim",
}
_MARKS = {TaskStatus.DONE: "green", TaskStatus.FAILED: "red", TaskStatus.SKIPPED: "magenta"}


def run_table(records: Iterable[tuple[RunRecord, RunReport | None]]) -> Table:
    """All runs, one a line."""
    table = _table("run", "status", "score", "started", "goal", "repository")
    for record, report in records:
        score = "" if report is None or report.score is None else str(report.score)
        table.add_row(
            record.run,
            Text(record.status.value, style=_STATUS_STYLES.get(record.status, "red")),
            score,
            record.started,
            one_line(record.goal.text, _GOAL_WIDTH),
            one_line(record.goal.repository),
        )
    return table


def prerequisite_table(found: Iterable[Prerequisite]) -> Table:
    """Each prerequisite, its state and the remedy."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in ("", "prerequisite", "found", "remedy"):
        table.add_column(name, overflow="fold")
    for item in found:
        mark = Text("✓", style="green") if item.ok else Text("✗" if item.essential else "!", style="red")
        table.add_row(mark, item.name, safe(item.detail), "" if item.ok else safe(item.remedy))
    return table


def print_report(value: RunReport) -> None:
    """Prints a report, and the commands that go on from it as whole lines, which can be copied at any width."""
    console().print(report(value))
    for line in how_to(value):
        say(line)


def report(value: RunReport) -> Group:
    """The end of a run: tasks, rounds, money."""
    parts: list[RenderableType] = [_headline(value)]
    if value.tasks:
        parts += [Text(""), task_table(value.tasks)]
    if value.merges:
        conflicted = sum(1 for m in value.merges if m.conflicts)
        parts += [Text(""), Text(f"merges   {len(value.merges)}, {conflicted} with conflicts")]
    parts += [Text(f"round {r.number}  {_round(r)}") for r in value.rounds]
    parts.append(_totals(value))
    if value.phases:
        parts.append(Text("phases   " + ", ".join(f"{k} {duration(v)}" for k, v in value.phases.items())))
    parts += [Text(f"! {one_line(p)}", style="yellow") for p in value.problems]
    parts.append(Text(""))
    return Group(*parts)


def task_table(tasks: Iterable[TaskReport]) -> Table:
    """One line per task."""
    table = _table(
        "task", "role", "status", "turns", "calls", "time", "tokens", "cached", "money", "files", "why"
    )
    for task in tasks:
        usage = task.usage
        table.add_row(
            task.task,
            task.role,
            Text(task.status.value, style=_MARKS.get(task.status, "")),
            str(task.turns),
            str(task.tool_calls),
            duration(task.seconds),
            tokens(usage.tokens),
            _share(usage.cached_tokens, usage.input_tokens),
            money(usage.usd, used=usage.tokens),
            str(len(task.evidence.changed)) if task.evidence else "",
            one_line(task.why, 60),
        )
    return table


def how_to(value: RunReport) -> tuple[str, ...]:
    """The commands that go on from a report: look, try, apply where there is a branch; else the next step."""
    lines: list[str] = []
    if value.branch:
        repository = shlex.quote(value.repository)
        beside = shlex.quote(
            str(Path(value.repository).with_name(f"{Path(value.repository).name}-{value.run}"))
        )
        branch = shlex.quote(value.branch)
        lines += [
            f"look   swarm diff {value.run}",
            f"try    git -C {repository} worktree add {beside} {branch} && cd {beside}",
            f"apply  swarm apply {value.run}",
        ]
    if value.next_step and value.next_step not in "\n".join(lines):
        lines.append(f"next   {value.next_step}")
    return tuple(lines)


def estimate_line(record: RunRecord) -> str:
    """What a run may cost, before anything is spent."""
    limits = record.goal.limits
    usd = f"{money(limits.usd)}" if limits.usd is not None else "no money limit"
    model = f", model {record.model}" if record.model else ""
    bounds = f"at most {tokens(limits.tokens)} tokens, {usd}, {limits.agents} agents"
    return f"budget: {bounds}{model}; the estimate comes with the plan"


def coloured_diff(diff: str) -> Text:
    """A unified diff with the usual colours."""
    text = Text(no_wrap=True)
    for line in safe(diff).splitlines(keepends=True):
        heads = line.startswith(("diff ", "index ", "+++", "---"))
        style = "bold" if heads else {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        text.append(line, style=style)
    return text


def _headline(value: RunReport) -> Text:
    text = Text.assemble(("run ", "bold"), value.run, "  ")
    text.append(value.status.value, style=f"bold {_STATUS_STYLES.get(value.status, 'red')}")
    if value.score is not None:
        text.append(f"  score {value.score} of 100 (needs {value.threshold})")
    if value.branch:
        text.append(f"  branch {value.branch}")
    return text


def _round(value: Round) -> str:
    failed = ", ".join(c.name for c in value.checks.failures)
    outcome = f"checks failed: {failed}" if failed else "checks passed"
    undone = ", rolled back" if value.rolled_back else ""
    return f"score {value.score}, {outcome}, {len(value.verdict.findings)} findings{undone}"


def _totals(value: RunReport) -> Text:
    total = value.totals
    drift = f", replay drift {value.replay_drift}" if value.replay_drift else ""
    resumed = f", {value.resumes} resumes ({value.repeated_calls} calls repeated)" if value.resumes else ""
    return Text(
        f"totals   {tokens(total.tokens)} tokens ({value.cached_share:.0%} of input cached), "
        f"{money(total.usd, used=total.tokens)}, {total.calls} model calls{resumed}{drift}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in columns:
        numeric = name in {"score", "turns", "calls", "time", "tokens", "cached", "money", "files"}
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    return table
