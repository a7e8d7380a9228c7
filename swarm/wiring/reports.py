"""From what the workflow returned, or from how a run stopped, to the one report that users and scripts read."""

from __future__ import annotations

from swarm.domain.conversation import Usage
from swarm.domain.errors import BudgetFault, CancelFault, InterruptFault, StopFault, SwarmError, WaitingFault
from swarm.domain.report import Outcome, RunRecord, RunReport, RunStatus, next_step

_STATUS: tuple[tuple[type[SwarmError], RunStatus], ...] = (
    (BudgetFault, RunStatus.BUDGET),
    (WaitingFault, RunStatus.WAITING),
    (CancelFault, RunStatus.CANCELLED),
    (InterruptFault, RunStatus.INTERRUPTED),
    (StopFault, RunStatus.FAULT),
)


def status_of(reason: SwarmError) -> RunStatus:
    """Where the reason of a stop leaves a run."""
    return next((status for kind, status in _STATUS if isinstance(reason, kind)), RunStatus.FAILED)


def finished(record: RunRecord, outcome: Outcome, *, repeated: int) -> RunReport:
    """The report of a run that came to its end."""
    totals = sum((task.usage for task in outcome.tasks), Usage())
    return RunReport(
        run=record.run,
        status=outcome.status,
        exit_code=outcome.status.exit_code,
        goal=record.goal.text,
        repository=record.goal.repository,
        branch=outcome.branch,
        base=outcome.base,
        head=outcome.head,
        score=outcome.score,
        threshold=outcome.threshold,
        rounds=outcome.rounds,
        tasks=outcome.tasks,
        merges=outcome.merges,
        ledger=outcome.ledger,
        estimates=outcome.estimates,
        phases=outcome.phases,
        totals=totals,
        cached_share=round(totals.cached_share, 4),
        resumes=record.resumes,
        repeated_calls=repeated,
        replay_drift=sum(task.drift for task in outcome.tasks),
        problems=outcome.problems,
        next_step=_next_step(record.run, outcome.status),
    )


def stopped(
    record: RunRecord, reason: SwarmError, *, spent: Usage, repeated: int, head: str, branch: str
) -> RunReport:
    """The report of a run that stopped on the way; `branch` names the partial result, empty when there is none."""
    status = status_of(reason)
    return RunReport(
        run=record.run,
        status=status,
        exit_code=status.exit_code,
        goal=record.goal.text,
        repository=record.goal.repository,
        branch=branch,
        base=record.goal.base,
        head=head,
        threshold=record.goal.limits.threshold,
        totals=spent,
        cached_share=round(spent.cached_share, 4),
        resumes=record.resumes,
        repeated_calls=repeated,
        problems=(str(reason),),
        next_step=_next_step(record.run, status, reason.option if isinstance(reason, BudgetFault) else ""),
    )


def _next_step(run: str, status: RunStatus, option: str = "") -> str:
    looked_at = f"swarm diff {run}" if status is RunStatus.REJECTED else f"swarm show {run}"
    return next_step(run, status, option) or looked_at
