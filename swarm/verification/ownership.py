"""Who may change what: a task changes its own paths and makes new ones, never those of another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from swarm.domain.plan import Plan, Role, Task

SCAFFOLD = "scaffold"
_EVERYTHING = {"", ".", "/", "*", "**"}


def ownership_findings(plan: Plan, task: Task, changed: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each changed path that belongs to another task or to the scaffold, and what to do about it.

    `changed` are paths relative to the repository's root, deleted ones included. Paths that nobody owns are fine, and
    so is everything in a plan of one solo agent.
    """
    if task.role is Role.SOLO:
        return ()
    found = []
    for path in sorted({_normal(p) for p in changed}):
        if not owns(task, path):
            owner = _owner(plan, task, path)
            found += [_finding(path, owner, _is_contract_of(plan, path, owner))] if owner else []
    return tuple(found)


def owns(task: Task, path: str) -> bool:
    """Whether a path is among those that a task owns: named itself, or under an owned `dir/`."""
    return any(_covers(owned, _normal(path)) for owned in task.owns)


def _normal(path: str) -> str:
    text = str(PurePosixPath(path)) if path.strip() else ""
    return text.removeprefix("./")


def _covers(owned: str, path: str) -> bool:
    prefix = owned.strip().removeprefix("./").removesuffix("**").removesuffix("*")
    if prefix in _EVERYTHING:
        return True
    return path.startswith(prefix) if prefix.endswith("/") else path == _normal(prefix)


def _owner(plan: Plan, task: Task, path: str) -> str:
    """The task or `scaffold` that a path belongs to; empty for nobody or for the task itself."""
    if any(_normal(s.path) == path for s in plan.shared):
        return SCAFFOLD
    provider = next((c.provider for c in plan.contracts if _normal(c.path) == path), "")
    if provider:
        return "" if provider == task.id else provider
    return next((t.id for t in plan.tasks if t.id != task.id and owns(t, path)), "")


def _is_contract_of(plan: Plan, path: str, owner: str) -> bool:
    return any(_normal(c.path) == path and c.provider == owner for c in plan.contracts)


def _finding(path: str, owner: str, is_contract: bool) -> str:
    whose = "the scaffold, which is the common base of all tasks" if owner == SCAFFOLD else f"task `{owner}`"
    what = " and carries a contract that others rely on" if is_contract else ""
    return (
        f"{path}: belongs to {whose}{what}; you changed it. Undo that (`git checkout HEAD -- {path}`, or delete it if "
        "it is new) and do what you need in your own files. If that cannot be done, say in your report what is missing."
    )
