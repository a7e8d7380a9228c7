"""From how a run ended to the report and the exit code: also when it ended by an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.domain.errors import PlanFault, StopFault, SwarmError
from swarm.domain.report import RunReport, RunStatus, TaskReport, TaskStatus, next_step

if TYPE_CHECKING:
    from swarm.cli.progress import Progress, TaskProgress
    from swarm.domain.report import RunRecord

# An error of a run that had started and the status that it leaves have the same exit code: it names one from the other.
_BY_EXIT_CODE = {s.exit_code: s for s in RunStatus if s is not RunStatus.RUNNING}
_STATES = {
    "running": TaskStatus.RUNNING,
    "gates": TaskStatus.RUNNING,
    "done": TaskStatus.DONE,
    "merged": TaskStatus.DONE,
    "failed": TaskStatus.FAILED,
    "skipped": TaskStatus.SKIPPED,
}


def status_of(error: BaseException) -> RunStatus:
    """Where an error leaves a run that had started."""
    if isinstance(error, StopFault | PlanFault):
        return _BY_EXIT_CODE[error.exit_code]
    return RunStatus.FAILED


def after_error(record: RunRecord, error: BaseException, last: RunReport | None, seen: Progress) -> RunReport:
    """The report of a run that an error ended: the last one that was saved, or what the events told, plus the error."""
    status = status_of(error)
    base = with_tasks(last, seen) if last else so_far(record, seen)
    problems = error.problems if isinstance(error, PlanFault) else ()
    sentence = str(error) if isinstance(error, SwarmError) else f"{type(error).__name__}: {error}"
    return base.model_copy(
        update={
            "status": status,
            "exit_code": status.exit_code,
            "problems": tuple(dict.fromkeys((*base.problems, sentence, *problems))),
            "next_step": next_step(record.run, status),
        }
    )


def so_far(record: RunRecord, seen: Progress) -> RunReport:
    """A report of a run that has none yet, from its record and its events."""
    total = seen.usage
    return RunReport(
        run=record.run,
        status=record.status,
        exit_code=record.status.exit_code,
        goal=record.goal.text,
        repository=record.goal.repository,
        base=record.goal.base,
        score=seen.scores[-1] if seen.scores else None,
        threshold=record.goal.limits.threshold,
        tasks=_tasks(seen),
        totals=total,
        cached_share=total.cached_share,
        resumes=record.resumes,
        problems=(record.detail,) if record.detail else (),
        next_step=next_step(record.run, record.status),
    )


def with_tasks(report: RunReport, seen: Progress) -> RunReport:
    """The report with its tasks as the events tell them, where it has none: a run that stopped on the way."""
    return report if report.tasks else report.model_copy(update={"tasks": _tasks(seen)})


def _tasks(seen: Progress) -> tuple[TaskReport, ...]:
    planner = [c for c in seen.calls.values() if c.role == "planner"]
    others = [c for c in seen.calls.values() if c.role != "planner"]
    return tuple(_task(t) for t in (*planner, *seen.tasks.values(), *others))


def _task(task: TaskProgress) -> TaskReport:
    return TaskReport(
        task=task.id,
        role=task.role,
        status=_STATES.get(task.state, TaskStatus.WAITING),
        turns=task.turn,
        tool_calls=task.tool_calls,
        seconds=task.seconds,
        usage=task.usage,
        why=task.action if task.state in {"failed", "skipped"} else "",
    )
