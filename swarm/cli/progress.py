"""What the events say so far, folded into one value: the live view draws it, `show` falls back on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from swarm.domain.conversation import Usage
from swarm.domain.events import Event

PHASES = ("prepare", "plan", "scaffold", "build", "integrate", "review", "deliver")
_SINGLE_CALLS = frozenset({"planner", "judge"})
_LAST_NOTES = 3
_NOTHING = Usage()


@dataclass(frozen=True)
class TaskProgress:
    """One task as seen from outside; `seconds` is filled in when it ends."""

    id: str
    role: str = ""
    after: tuple[str, ...] = ()
    state: str = "waiting"
    turn: int = 0
    action: str = ""
    tool_calls: int = 0
    seconds: float = 0.0
    usage: Usage = _NOTHING


@dataclass(frozen=True)
class Progress:
    """A run as seen from outside. `tasks` keeps the order of the plan; `phases` maps a phase to its state."""

    tasks: dict[str, TaskProgress] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    strategy: str = ""
    started: float = 0.0
    merges: int = 0
    conflicts: int = 0
    checks: dict[str, bool] = field(default_factory=dict)
    scores: tuple[int, ...] = ()
    threshold: int = 0
    usage: Usage = _NOTHING
    notes: tuple[str, ...] = ()


def fold(events: Iterable[Event], start: Progress | None = None) -> Progress:
    """The progress after these events."""
    progress = start or Progress()
    for event in events:
        progress = step(progress, event)
    return progress


def step(progress: Progress, event: Event) -> Progress:
    """The progress after one more event."""
    if not progress.started:
        progress = replace(progress, started=event.at)
    family = event.kind.partition(".")[0]
    if family == "task":
        return _on_task(progress, event)
    if family == "phase":
        return _on_phase(progress, event)
    return _on_run(progress, event)


def _on_run(progress: Progress, event: Event) -> Progress:
    data = event.data
    match event.kind:
        case "plan.ready":
            return _planned(progress, event)
        case "model.called" if data.get("role") in _SINGLE_CALLS:
            return _spent(progress, data)
        case "merge.done":
            conflicted = 1 if data.get("conflicts") or data.get("how") == "integrator" else 0
            merged = replace(progress, merges=progress.merges + 1, conflicts=progress.conflicts + conflicted)
            return _task(merged, event.task, state="merged") if event.task else merged
        case "check.done":
            checks = {**progress.checks, str(data.get("name", "check")): bool(data.get("passed"))}
            return replace(progress, checks=checks)
        case "verdict.ready":
            scores = (*progress.scores, _whole(data.get("score")))
            return replace(progress, scores=scores, threshold=_whole(data.get("threshold")))
        case "warning" | "merge.rejected" | "round.rolled-back" | "model.retried" | "plan.rejected":
            return replace(progress, notes=(*progress.notes, event.text)[-_LAST_NOTES:])
    return progress


def _planned(progress: Progress, event: Event) -> Progress:
    known = progress.tasks
    tasks: dict[str, TaskProgress] = {}
    for item in event.data.get("tasks", []):
        name = str(item.get("id", ""))
        before = known.get(name, TaskProgress(name))
        after = tuple(str(d) for d in item.get("depends_on", ()))
        tasks[name] = replace(before, role=str(item.get("role", "")), after=after)
    return replace(
        progress,
        tasks={**tasks, **{k: v for k, v in known.items() if k not in tasks}},
        strategy=str(event.data.get("strategy", "")),
    )


def _on_phase(progress: Progress, event: Event) -> Progress:
    name = str(event.data.get("phase", event.text))
    state = "running" if event.kind == "phase.started" else "done"
    changed = replace(progress, phases={**progress.phases, name: state})
    # A new round of review looks at a new tree: the outcomes of the checks before it say nothing about that one.
    return replace(changed, checks={}) if name == "review" and state == "running" else changed


def _on_task(progress: Progress, event: Event) -> Progress:
    data, name = event.data, event.task
    match event.kind:
        case "task.started":
            return _task(progress, name, state="running", role=data.get("role"))
        case "task.turn":
            seen = _task(
                progress, name, state="running", role=data.get("role"), turn=_whole(data.get("turn"))
            )
            return _spent(_task(seen, name, usage=seen.tasks[name].usage + _usage(data)), data)
        case "task.tool":
            action = f"{data.get('tool', '')} {data.get('target', '')}".strip() or event.text
            calls = progress.tasks[name].tool_calls + 1 if name in progress.tasks else 1
            return _task(progress, name, action=action, tool_calls=calls)
        case "task.gate":
            return _task(progress, name, state="gates", action=event.text)
        case "task.finished":
            return _task(
                progress, name, state="done", action=event.text, seconds=_number(data.get("seconds"))
            )
        case "task.failed":
            return _task(progress, name, state="failed", action=event.text)
        case "task.skipped":
            return _task(progress, name, state="skipped", action=event.text)
    return _task(progress, name, action=event.text)


def _task(progress: Progress, name: str, **changes: Any) -> Progress:
    given = {k: v for k, v in changes.items() if v is not None and v != ""}
    before = progress.tasks.get(name, TaskProgress(name))
    return replace(progress, tasks={**progress.tasks, name: replace(before, **given)})


def _spent(progress: Progress, data: dict[str, Any]) -> Progress:
    return replace(progress, usage=progress.usage + _usage(data))


def _usage(data: dict[str, Any]) -> Usage:
    return Usage(
        calls=1,
        input_tokens=_whole(data.get("tokens_in")),
        cached_tokens=_whole(data.get("cached")),
        output_tokens=_whole(data.get("tokens_out")),
        usd=_number(data.get("usd")),
        seconds=_number(data.get("seconds")),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
