"""What the phases give to each other."""

from __future__ import annotations

from swarm.domain.base import Value
from swarm.domain.goal import Brief, Goal
from swarm.domain.merging import Conflict, Ledger, Merged, MergeRecord
from swarm.domain.plan import Plan
from swarm.domain.report import Round, TaskReport


class Moment(Value):
    """Seconds that the run has been worked on so far, pauses left out."""

    at: float


class Prepared(Value):
    """The hub holds the base; the brief says what is there, `code_uses` which Python file imports which."""

    base: str
    brief: Brief
    code_uses: dict[str, tuple[str, ...]] = {}


class ReadGiven(Value):
    """A planner's answer to turn into a plan."""

    text: str
    goal: Goal
    prepared: Prepared


class Planned(Value):
    """A valid plan, or the problems of the last try."""

    plan: Plan | None = None
    problems: tuple[str, ...] = ()
    reports: tuple[TaskReport, ...] = ()


class ScaffoldGiven(Value):
    """The plan and the commit to put its contracts on."""

    plan: Plan
    base: str


class Tip(Value):
    """A commit of the integrated line."""

    commit: str


class TaskGiven(Value):
    """The input of a task's workflow; `base` is the merged tip at its start."""

    goal: Goal
    plan: Plan
    brief: Brief
    task: str
    base: str


class TaskResult(Value):
    """A task's branch (empty when it failed) and its report."""

    commit: str = ""
    base: str
    report: TaskReport


class SealGiven(Value):
    """A finished work tree to become the task's branch: one commit on its base."""

    task: str
    title: str
    report: str
    tree_of: str
    base: str


class MergeGiven(Value):
    """A branch to bring into the tip."""

    task: str
    title: str
    ours: str
    theirs: str


class MergeTried(Value):
    """Merged, or a conflict with the commit that holds the conflicted tree."""

    merged: Merged | None = None
    conflict: Conflict | None = None
    conflicted: str = ""
    seconds: float = 0.0


class ResolvedGiven(Value):
    """An integrator's accepted tree, to become the merge commit."""

    task: str
    title: str
    ours: str
    theirs: str
    resolved: str


class Built(Value):
    """The integrated line after build and integration; `problems` name what failed."""

    tip: str
    reports: tuple[TaskReport, ...] = ()
    merges: tuple[MergeRecord, ...] = ()
    ledger: Ledger = Ledger()
    problems: tuple[str, ...] = ()


class BranchTip(Value):
    """A merged branch, from where it began to its tip."""

    task: str
    base: str
    tip: str


class LedgerGiven(Value):
    """The merged branches in the order of their merges, and the integrated commit."""

    branches: tuple[BranchTip, ...]
    integrated: str


class Reviewed(Value):
    """The line after review: the best round's commit and score."""

    tip: str
    score: int | None = None
    accepted: bool = False
    rounds: tuple[Round, ...] = ()
    reports: tuple[TaskReport, ...] = ()
    problems: tuple[str, ...] = ()


class DeliverGiven(Value):
    """What goes to the user's repository."""

    commit: str
    branch: str


class Name(Value):
    """A name, such as a sandbox's."""

    name: str
