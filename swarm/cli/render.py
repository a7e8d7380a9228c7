"""Tables and the report, as rich draws them. Texts of others are made safe before they reach the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from swarm.cli.session import console, say
from swarm.cli.text import REPLAY, count, duration, moment, money, one_line, safe, tokens
from swarm.domain.report import RunStatus, TaskStatus

if TYPE_CHECKING:
    from swarm.domain.report import Round, RunRecord, RunReport, TaskReport
    from swarm.domain.requests import Prerequisite
    from swarm.domain.verdict import Finding

_GOAL_WIDTH = 48
_WIDE = 110
_FINDINGS = 12
_SEVERITY_STYLES = {"blocker": "red", "major": "yellow", "minor": "dim"}
_CRITERIA = ("code_quality", "code_organisation", "tests", "security")
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
    table = _table("run", "status", "score", "started", "goal", "repository", shrinks=("goal", "repository"))
    for record, report in records:
        score = "" if report is None or report.score is None else str(report.score)
        table.add_row(
            record.run,
            Text(record.status.value, style=_STATUS_STYLES.get(record.status, "red")),
            score,
            moment(record.started),
            _cut(one_line(record.goal.text, _GOAL_WIDTH)),
            _cut(one_line(record.goal.repository)),
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


def print_report(value: RunReport, *, model: str = "") -> None:
    """Prints a report, and the commands that go on from it as whole lines, which can be copied at any width.

    `model` is what the run was started with: numbers of a replay are called so.
    """
    out = console()
    out.print(report(value, width=out.width, replayed=model.startswith(REPLAY)))
    for line in how_to(value):
        say(line)


def report(value: RunReport, *, width: int, replayed: bool = False) -> Group:
    """The end of a run: tasks, rounds, what the judge found, money."""
    parts: list[RenderableType] = [_headline(value)]
    if value.tasks:
        running = value.status is RunStatus.RUNNING
        parts += [Text(""), task_table(value.tasks, width=width, running=running)]
    if value.merges:
        conflicted = sum(1 for m in value.merges if m.conflicts)
        parts += [Text(""), Text(f"merges   {len(value.merges)}, {conflicted} with conflicts")]
    parts += [Text(f"round {r.number}  {_round(r)}") for r in value.rounds]
    judged = _standing(value.rounds)
    if judged:
        parts += [*_judged(judged), Text("")]
    parts.append(_totals(value, replayed=replayed))
    if value.phases:
        parts.append(Text("phases   " + ", ".join(f"{k} {duration(v)}" for k, v in value.phases.items())))
    parts += [Text(f"! {one_line(p)}", style="yellow") for p in value.problems]
    parts.append(Text(""))
    return Group(*parts)


def task_table(tasks: Iterable[TaskReport], *, width: int = _WIDE, running: bool = True) -> Table:
    """One line per task, in a narrow terminal with fewer columns; nothing runs any more where `running` is False."""
    columns = [
        "task",
        "role",
        "status",
        "turns",
        "calls",
        "time",
        "tokens",
        "cached",
        "money",
        "files",
        "why",
    ]
    if width < _WIDE:
        columns = [c for c in columns if c not in {"role", "calls", "cached", "files"}]
    table = _table(*columns, shrinks=("task", "why"))
    for task in tasks:
        cells = _cells(task, running=running)
        table.add_row(*(cells[c] for c in columns))
    return table


def _cells(task: TaskReport, *, running: bool) -> dict[str, RenderableType]:
    usage = task.usage
    stopped = task.status is TaskStatus.RUNNING and not running
    status = "interrupted" if stopped else task.status.value
    return {
        "task": _cut(task.task),
        "role": task.role,
        "status": Text(status, style="yellow" if stopped else _MARKS.get(task.status, "")),
        "turns": str(task.turns),
        "calls": str(task.tool_calls),
        "time": duration(task.seconds),
        "tokens": tokens(usage.tokens),
        "cached": _share(usage.cached_tokens, usage.input_tokens),
        "money": money(usage.usd, used=usage.tokens),
        "files": str(len(task.evidence.changed)) if task.evidence else "",
        "why": _cut(one_line(task.why, 60)),
    }


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
    step = _next_step(value)
    if step and step not in "\n".join(lines):
        lines.append(f"next   {step}")
    return tuple(lines)


def _next_step(value: RunReport) -> str:
    """How to go on; never the screen that says this itself."""
    if value.status is RunStatus.REJECTED and value.branch:
        where = f"--repo {shlex.quote(value.repository)} --base {shlex.quote(value.branch)}"
        return f'swarm run "WHAT IS TO BE MENDED" {where}'
    return f"swarm logs {value.run}" if value.next_step == f"swarm show {value.run}" else value.next_step


def estimate_line(record: RunRecord, models: Mapping[str, str]) -> str:
    """What a run may cost and who answers, before anything is spent; `models` maps a tier to its model."""
    limits = record.goal.limits
    usd = f"{money(limits.usd)}" if limits.usd is not None else "no money limit"
    bounds = f"at most {tokens(limits.tokens)} tokens, {usd}, {count(limits.agents, 'agent')}"
    return f"budget: {bounds}; {_models(models)}; the estimate comes with the plan"


def _models(models: Mapping[str, str]) -> str:
    names = tuple(dict.fromkeys(models.values()))
    if len(names) == 1:
        return f"model {one_line(names[0])}"
    return "models: " + ", ".join(f"{tier} {one_line(name)}" for tier, name in models.items())


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
    return f"score {value.score}, {outcome}, {count(len(value.verdict.findings), 'finding')}{undone}"


def _standing(rounds: tuple[Round, ...]) -> Round | None:
    """The round that judged what the run left: the last one whose fix was not rolled back."""
    kept = [r for r in rounds if not r.rolled_back] or list(rounds)
    return kept[-1] if kept else None


def _judged(value: Round) -> list[RenderableType]:
    """The marks, and the findings with the worst first, wrapped beside their severity."""
    verdict = value.verdict
    marks = (f"{name.replace('_', ' ')} {getattr(verdict, name).score}" for name in _CRITERIA)
    parts: list[RenderableType] = [Text(f"marks    {', '.join(marks)} (each of 5)")]
    order = list(_SEVERITY_STYLES)
    findings = sorted(verdict.findings, key=lambda f: order.index(f.severity.value))
    if not findings:
        return parts
    rest = len(findings) - _FINDINGS
    more = f", the first {_FINDINGS}; all: --json" if rest > 0 else ""
    parts.append(Text(f"findings of round {value.number} ({len(findings)}{more})"))
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for found in findings[:_FINDINGS]:
        severity = found.severity.value
        table.add_row(Text(f"  {severity}", style=_SEVERITY_STYLES[severity]), Text(_finding(found)))
    return [*parts, table]


def _finding(value: Finding) -> str:
    place = f"{value.file}:{value.line}" if value.file and value.line else value.file
    action = f" → {one_line(value.action)}" if value.action else ""
    return f"{one_line(place)}  {one_line(value.problem)}{action}".strip()


def _totals(value: RunReport, *, replayed: bool) -> Text:
    total = value.totals
    drift = f", replay drift {value.replay_drift}" if value.replay_drift else ""
    repeated = f"{count(value.repeated_calls, 'call')} repeated"
    resumed = f", {count(value.resumes, 'resume')} ({repeated})" if value.resumes else ""
    recorded = "; tokens as recorded; nothing was spent" if replayed else ""
    return Text(
        f"totals   {tokens(total.tokens)} tokens ({value.cached_share:.0%} of input cached), "
        f"{money(total.usd, used=total.tokens)}, {count(total.calls, 'model call')}{resumed}{drift}{recorded}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _cut(text: str) -> Text:
    """A cell that ends in an ellipsis where its column is narrower."""
    return Text(safe(text), no_wrap=True, overflow="ellipsis")


def _table(*columns: str, shrinks: tuple[str, ...]) -> Table:
    """One line a row: rich takes the columns in `shrinks` (cells by `_cut`) together first, and then only the rest."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in columns:
        numeric = name in {"score", "turns", "calls", "time", "tokens", "cached", "money", "files"}
        justify: JustifyMethod = "right" if numeric else "left"
        table.add_column(name, justify=justify, overflow="ellipsis", no_wrap=name not in shrinks)
    return table
