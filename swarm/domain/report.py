"""The record of a run: what `--json` prints and what `swarm show` reads."""

from __future__ import annotations

from enum import StrEnum

from swarm.domain.base import Value
from swarm.domain.conversation import Usage
from swarm.domain.evidence import CheckReport, Evidence
from swarm.domain.goal import Goal
from swarm.domain.merging import Ledger, MergeRecord
from swarm.domain.plan import Estimate
from swarm.domain.verdict import Verdict

REPORT_VERSION = 1


class RunStatus(StrEnum):
    """Where a run stands. `interrupted` is derived: it says running, but no process holds its lock."""

    RUNNING = "running"
    ACCEPTED = "accepted"
    REJECTED = "not-accepted"
    WAITING = "waiting"
    BUDGET = "budget-reached"
    FAULT = "stopped-by-fault"
    PLAN_FAILED = "plan-failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "internal-error"

    @property
    def exit_code(self) -> int:
        """The documented exit code of `swarm run` and `swarm resume`."""
        return _EXIT_CODES[self]

    @property
    def resumable(self) -> bool:
        """Whether `swarm resume` can go on."""
        return self in _RESUMABLE


_EXIT_CODES = {
    RunStatus.ACCEPTED: 0,
    RunStatus.FAILED: 1,
    RunStatus.REJECTED: 3,
    RunStatus.WAITING: 4,
    RunStatus.BUDGET: 5,
    RunStatus.FAULT: 6,
    RunStatus.PLAN_FAILED: 7,
    RunStatus.CANCELLED: 8,
    RunStatus.INTERRUPTED: 130,
    RunStatus.RUNNING: 130,
}
_RESUMABLE = {
    RunStatus.RUNNING,
    RunStatus.WAITING,
    RunStatus.BUDGET,
    RunStatus.FAULT,
    RunStatus.INTERRUPTED,
    RunStatus.FAILED,
}


def next_step(run: str, status: RunStatus, option: str = "") -> str:
    """The command that goes on from a status; empty where nothing does. `option` raises the budget that was reached."""
    if status is RunStatus.RUNNING:
        return f"swarm logs {run} -f"
    if status is RunStatus.BUDGET:
        return f"swarm resume {run} {option or '--budget-tokens N'}"
    if status.resumable:
        return f"swarm resume {run}"
    return f"swarm apply {run}" if status is RunStatus.ACCEPTED else ""


class TaskStatus(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class TaskReport(Value):
    """One task as it went. `why` names the reason where it failed or was skipped."""

    task: str
    role: str
    status: TaskStatus
    turns: int = 0
    tool_calls: int = 0
    seconds: float = 0.0
    usage: Usage = Usage()
    attempts: int = 1
    drift: int = 0
    evidence: Evidence | None = None
    why: str = ""
    predicted_lines: int = 0


class Round(Value):
    """One round of review: the checks, the verdict, the score, and whether its fix was rolled back."""

    number: int
    commit: str
    score: int
    checks: CheckReport
    verdict: Verdict
    rolled_back: bool = False


class Outcome(Value):
    """What the durable goal workflow returns."""

    status: RunStatus
    base: str
    head: str
    branch: str = ""
    summary: str = ""
    score: int | None = None
    threshold: int = 70
    rounds: tuple[Round, ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    merges: tuple[MergeRecord, ...] = ()
    ledger: Ledger = Ledger()
    estimates: tuple[Estimate, ...] = ()
    phases: dict[str, float] = {}
    problems: tuple[str, ...] = ()


class RunReport(Value):
    """The one document of `--json`; its schema is `contracts/report.schema.json`.

    `repeated_calls` counts model calls that were on the wire at a kill and were made again.
    """

    schema_version: int = REPORT_VERSION
    run: str
    status: RunStatus
    exit_code: int
    goal: str
    repository: str
    branch: str = ""
    base: str = ""
    head: str = ""
    score: int | None = None
    threshold: int = 70
    rounds: tuple[Round, ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    merges: tuple[MergeRecord, ...] = ()
    ledger: Ledger = Ledger()
    estimates: tuple[Estimate, ...] = ()
    phases: dict[str, float] = {}
    totals: Usage = Usage()
    cached_share: float = 0.0
    resumes: int = 0
    repeated_calls: int = 0
    replay_drift: int = 0
    problems: tuple[str, ...] = ()
    next_step: str = ""


class RunRecord(Value):
    """A run's entry in the state folder: its goal, where it stands, how often it was resumed.

    `endpoint` is the base URL that it was started with; a resume uses it where no other is set. No key is kept.
    """

    schema_version: int = REPORT_VERSION
    run: str
    goal: Goal
    status: RunStatus = RunStatus.RUNNING
    started: str
    ended: str = ""
    resumes: int = 0
    model: str = ""
    endpoint: str = ""
    trust_repo: bool = False
    record_to: str = ""
    detail: str = ""
