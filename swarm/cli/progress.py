"""What the events say so far, folded into one value: the live view draws it, `show` falls back on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from swarm.domain.conversation import Usage
from swarm.domain.events import Event

PHASES = ("prepare", "plan", "scaffold", "build", "review", "deliver")
_CALLERS = {"plan": "planner", "review": "judge"}
_SINGLE_CALLS = frozenset(_CALLERS.values())
_LAST_NOTES = 3
_NOTHING = Usage()


@dataclass(frozen=True)
class TaskProgress:
    """One task, or one planner's or judge's answer, as seen from outside.

    `at` is when it was last heard of; `seconds` what its agent has worked so far, pauses of the run left out.
    """

    id: str
    role: str = ""
    after: tuple[str, ...] = ()
    state: str = "waiting"
    turn: int = 0
    action: str = ""
    tool_calls: int = 0
    seconds: float = 0.0
    at: float = 0.0
    usage: Usage = _NOTHING


@dataclass(frozen=True)
class Progress:
    """A run as seen from outside. `tasks` keeps the order of the plan; `phases` maps a phase to its state.

    `calls` are the planner's and the judge's answers by their place. `started` is the start of this session, `last`
    the newest event, `worked` the seconds of the sessions before. `estimate` is in tokens: of planning until there is
    a plan, then of the plan; `rationale` is why the strategy was chosen.
    """

    tasks: dict[str, TaskProgress] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    calls: dict[str, TaskProgress] = field(default_factory=dict)
    strategy: str = ""
    rationale: str = ""
    estimate: int = 0
    started: float = 0.0
    last: float = 0.0
    worked: float = 0.0
    merges: int = 0
    conflicts: int = 0
    checks: dict[str, bool] = field(default_factory=dict)
    scores: tuple[int, ...] = ()
    threshold: int = 0
    usage: Usage = _NOTHING
    notes: tuple[str, ...] = ()

    @property
    def under_way(self) -> tuple[TaskProgress, ...]:
        """The planner's or judge's call that is waited for."""
        return tuple(c for c in self.calls.values() if c.state == "running")

    def seconds(self, now: float) -> float:
        """How long the run has been worked on, the time between its sessions left out."""
        return self.worked + max(0.0, now - self.started)


def resumed(progress: Progress, at: float) -> Progress:
    """The progress of the sessions before as the start of a new one: what was at work goes on from that moment."""
    going = {"running", "gates"}

    def moved(all_of: dict[str, TaskProgress]) -> dict[str, TaskProgress]:
        return {n: replace(t, at=at) if t.state in going else t for n, t in all_of.items()}

    before = max(0.0, progress.last - progress.started) if progress.started else 0.0
    return replace(
        progress,
        worked=progress.worked + before,
        started=at,
        last=at,
        tasks=moved(progress.tasks),
        calls=moved(progress.calls),
    )


def fold(events: Iterable[Event], start: Progress | None = None) -> Progress:
    """The progress after these events."""
    progress = start or Progress()
    for event in events:
        progress = step(progress, event)
    return progress


def step(progress: Progress, event: Event) -> Progress:
    """The progress after one more event."""
    if event.kind == "run.resumed":
        return resumed(progress, event.at)
    progress = replace(progress, started=progress.started or event.at, last=event.at)
    family = event.kind.partition(".")[0]
    if family == "task":
        return _on_task(progress, event)
    if family == "phase":
        return _on_phase(progress, event)
    return _on_plan(progress, event) if family == "plan" else _on_run(progress, event)


def _on_run(progress: Progress, event: Event) -> Progress:
    data = event.data
    match event.kind:
        case "model.called" if data.get("role") in _SINGLE_CALLS:
            return _spent(_called(progress, event), data)
        case "merge.done":
            conflicted = 1 if data.get("conflicts") or data.get("how") == "integrator" else 0
            merged = replace(progress, merges=progress.merges + 1, conflicts=progress.conflicts + conflicted)
            return _task(merged, event.task, state="merged") if event.task else merged
        case "check.done":
            checks = {**progress.checks, str(data.get("name", "check")): bool(data.get("passed"))}
            checked = replace(progress, checks=checks)
            if progress.phases.get("review") != "running":
                return checked
            # The checks of a round are told all at once at their end, and then the judge is asked.
            return _asked(checked, f"round-{len(progress.scores)}", "judge", event.at)
        case "verdict.ready":
            scores = (*progress.scores, _whole(data.get("score")))
            judged = _fixed(_answered(progress, "judge"))
            return replace(judged, scores=scores, threshold=_whole(data.get("threshold")))
        case "warning" | "merge.rejected" | "round.rolled-back" | "model.retried":
            return _noted(progress, event)
    return progress


def _on_plan(progress: Progress, event: Event) -> Progress:
    match event.kind:
        case "plan.estimated":
            asked = _asked(progress, "plan", "planner", event.at)
            return replace(asked, estimate=_whole(event.data.get("tokens")))
        case "plan.rejected":
            return _answered(_noted(progress, event), "planner", state="failed")
    return _planned(_answered(progress, "planner"), event)


def _noted(progress: Progress, event: Event) -> Progress:
    return replace(progress, notes=(*progress.notes, event.text)[-_LAST_NOTES:])


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
        rationale=str(event.data.get("rationale", "")),
        estimate=_whole(event.data.get("tokens")),
    )


def _asked(progress: Progress, place: str, role: str, at: float) -> Progress:
    if place in progress.calls and progress.calls[place].usage.calls:
        return progress
    call = TaskProgress(place, role=role, state="running", action="its answer is awaited", at=at)
    return replace(progress, calls={**progress.calls, place: call})


def _called(progress: Progress, event: Event) -> Progress:
    role = str(event.data["role"])
    place = event.task or role
    before = progress.calls.get(place, TaskProgress(place, role=role, state="running"))
    call = replace(
        before,
        turn=_whole(event.data.get("turn")),
        action="answered; it is read, or asked again",
        seconds=before.seconds + _number(event.data.get("seconds")),
        at=event.at,
        usage=before.usage + _usage(event.data),
    )
    return replace(progress, calls={**progress.calls, place: call})


def _answered(progress: Progress, role: str, *, state: str = "done") -> Progress:
    """The calls of a role at their end."""
    calls = {
        n: replace(c, state=state) if c.role == role and c.state == "running" else c
        for n, c in progress.calls.items()
    }
    return replace(progress, calls=calls)


def _fixed(progress: Progress) -> Progress:
    # No event of its own ends a fixer: the verdict on what it did says that it has ended.
    tasks = {
        n: replace(t, state="done") if t.role == "fixer" and t.state == "running" else t
        for n, t in progress.tasks.items()
    }
    return replace(progress, tasks=tasks)


def _unasked(progress: Progress) -> Progress:
    # Checks were told and yet an agent works: they were the fixer's gates, and no judge was asked after them.
    calls = {n: c for n, c in progress.calls.items() if c.usage.calls or c.role != "judge"}
    return replace(progress, calls=calls) if len(calls) < len(progress.calls) else progress


def _on_phase(progress: Progress, event: Event) -> Progress:
    name = str(event.data.get("phase", event.text))
    state = "running" if event.kind == "phase.started" else "done"
    changed = replace(progress, phases={**progress.phases, name: state})
    if state == "done" and name in _CALLERS:
        changed = _fixed(_answered(changed, _CALLERS[name]))
    # A new round of review looks at a new tree: the outcomes of the checks before it say nothing about that one.
    return replace(changed, checks={}) if name == "review" and state == "running" else changed


def _on_task(progress: Progress, event: Event) -> Progress:
    before = progress.tasks.get(event.task)
    after = _told(_unasked(progress), event)
    # What ended says itself how long it took.
    at_work = before is not None and before.at and event.kind not in {"task.finished", "task.failed"}
    took = before.seconds + max(0.0, event.at - before.at) if before and at_work else None
    return _task(after, event.task, at=event.at, seconds=took)


def _told(progress: Progress, event: Event) -> Progress:
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
                progress, name, state="done", action=event.text, seconds=_number(data.get("seconds")) or None
            )
        case "task.failed":
            return _task(
                progress,
                name,
                state="failed",
                action=event.text,
                seconds=_number(data.get("seconds")) or None,
            )
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
