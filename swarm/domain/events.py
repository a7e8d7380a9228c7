"""What happened, as it happens: the live view, `swarm logs` and the timeline read these."""

from __future__ import annotations

from typing import Any, Literal

from swarm.domain.base import Value

EVENT_VERSION = 1

EventKind = Literal[
    "run.started",
    "run.resumed",
    "run.finished",
    "run.stopped",
    "phase.started",
    "phase.finished",
    "plan.estimated",
    "plan.ready",
    "plan.rejected",
    "task.started",
    "task.turn",
    "task.tool",
    "task.nudged",
    "task.gate",
    "task.finished",
    "task.failed",
    "task.skipped",
    "sandbox.created",
    "sandbox.attached",
    "sandbox.recreated",
    "sandbox.removed",
    "model.called",
    "model.retried",
    "merge.done",
    "merge.conflict",
    "merge.rejected",
    "check.done",
    "verdict.ready",
    "round.rolled-back",
    "branch.delivered",
    "warning",
]


class Event(Value):
    """One happening. `at` is seconds since the epoch; `task` is empty for the run itself; `text` is for people.

    `data` by kind: task.turn {turn, tokens_in, tokens_out, cached, usd, seconds}; task.tool {turn, tool, target,
    seconds, ok}; merge.done {how, seconds, conflicts, commit}; check.done {name, passed, seconds, tests};
    verdict.ready {round, score, threshold}; plan.ready {strategy, tasks: [{id, role, depends_on}], tokens};
    phase.* {phase, seconds}; task.finished {turns, seconds}.
    """

    schema_version: int = EVENT_VERSION
    at: float
    kind: EventKind
    run: str
    task: str = ""
    text: str = ""
    data: dict[str, Any] = {}
