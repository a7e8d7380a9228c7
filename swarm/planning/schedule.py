"""Which task may start, which may be merged, which never will: pure answers for the builder's loop."""

from __future__ import annotations

from collections.abc import Collection

from swarm.domain.errors import InternalFault
from swarm.domain.plan import Plan, Task


def ready(
    plan: Plan, merged: Collection[str], started: Collection[str], failed: Collection[str]
) -> tuple[str, ...]:
    """The tasks that can start now, longest remaining path first (weights are sizes).

    A task starts when its hard dependencies are merged; soft ones it starts beside. What failed, and what depends on
    it, never starts.
    """
    out = {*merged, *started, *failed, *doomed(plan, failed)}
    free = [t.id for t in plan.tasks if t.id not in out and set(t.depends_on) <= set(merged)]
    path = remaining(plan)
    return tuple(sorted(free, key=lambda name: (-path[name], name)))


def may_merge(plan: Plan, task: str, merged: Collection[str]) -> bool:
    """Whether everything that a task is merged after has been merged."""
    return set(_before(plan.task(task))) <= set(merged)


def doomed(plan: Plan, failed: Collection[str]) -> tuple[str, ...]:
    """The tasks that depend on failed ones, over hard and soft dependencies, in the plan's order.

    Soft ones too: a task that was built against a stub must not be delivered on top of it.
    """
    lost = set(failed)
    while more := {t.id for t in plan.tasks if t.id not in lost and lost & set(_before(t))}:
        lost |= more
    return tuple(t.id for t in plan.tasks if t.id in lost and t.id not in failed)


def remaining(plan: Plan) -> dict[str, int]:
    """Task → the lines on the longest path from its start to the end of the plan, its own included.

    Raises InternalFault for a cycle or an unknown task: plans are validated before they are scheduled.
    """
    known = {t.id for t in plan.tasks}
    followers = {name: [t.id for t in plan.tasks if name in _before(t)] for name in known}
    if any(name not in known for t in plan.tasks for name in _before(t)):
        raise InternalFault(
            "a plan with unknown dependencies reached the scheduler", remedy="Validate it first."
        )
    found: dict[str, int] = {}
    while len(found) < len(known):
        free = [t for t in plan.tasks if t.id not in found and all(f in found for f in followers[t.id])]
        if not free:
            raise InternalFault(
                "a plan with a dependency cycle reached the scheduler", remedy="Validate it first."
            )
        for task in free:
            found[task.id] = max(1, task.size) + max((found[f] for f in followers[task.id]), default=0)
    return found


def _before(task: Task) -> tuple[str, ...]:
    return (*task.depends_on, *task.soft_depends_on)
