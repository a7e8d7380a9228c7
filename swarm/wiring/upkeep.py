"""What is done to runs from outside: cancel, pause, apply, diff, clean, shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository
from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.adapters.state import FileRunStore
from swarm.config.assets import assets_root
from swarm.domain.errors import SwarmError, UsageFault
from swarm.domain.merging import MergePreview
from swarm.domain.report import RunReport, RunStatus


def cancel(store: FileRunStore, run: str) -> str:
    """Ends a run: asks the process that works on it, or ends it here when none does."""
    record = store.record(run)
    if store.locked(record.run):
        store.request(record.run, "cancel")
        return f"Asked the process that works on {record.run} to cancel; it removes its sandboxes and exits with 8."
    if not record.status.resumable:
        raise UsageFault(f"Run {record.run} ended: {record.status}")
    release = store.lock(record.run)
    try:
        removed = _remove_containers(record.run)
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        store.save(
            record.model_copy(update={"status": RunStatus.CANCELLED, "ended": ended, "detail": "cancelled"})
        )
    finally:
        release()
    return (
        f"Cancelled {record.run}; {_sandboxes(removed)} removed. Its folder stays: swarm clean {record.run}"
    )


def pause(store: FileRunStore, run: str) -> str:
    """Asks the process that works on a run to stop safely."""
    record = store.record(run)
    if not store.locked(record.run):
        raise UsageFault(
            f"No process works on {record.run}", remedy=f"Resume it with: swarm resume {record.run}"
        )
    store.request(record.run, "stop")
    return f"Asked {record.run} to stop; calls under way finish first. Go on with: swarm resume {record.run}"


def preview(store: FileRunStore, run: str) -> MergePreview:
    """What applying the result would do; UsageFault where the repository is not ready for it."""
    report = _delivered(store, run)
    return UserRepository.open(Path(report.repository)).preview(report.branch)


def apply(store: FileRunStore, run: str, *, yes: bool) -> str:
    """Merges the delivered branch into the checked-out one; UsageFault when the user has not agreed."""
    report = _delivered(store, run)
    if not yes:
        raise UsageFault("Applying changes your branch, so it wants your word", remedy="Add --yes.")
    done = UserRepository.open(Path(report.repository)).apply(report.branch)
    if done.conflicts:
        raise UsageFault(
            f"{report.branch} conflicts with {done.onto} in {', '.join(done.conflicts)}; nothing was changed",
            remedy=f"Merge it by hand: git merge {report.branch}",
        )
    if done.already:
        return f"{done.onto} holds {report.branch} already."
    return f"Merged {report.branch} into {done.onto} ({done.commit[:10]})."


def diff(store: FileRunStore, run: str, task: str = "") -> str:
    """The diff of the result so far against the base, or of one task's branch against where it started."""
    record = store.record(run)
    hub = BareHub(store.folder(record.run) / "hub.git")
    if not (hub.path / "HEAD").exists():
        raise UsageFault(f"Run {record.run} has nothing to show yet")
    if task:
        head = hub.ref(f"refs/swarm/tasks/{task}")
        if not head:
            raise UsageFault(
                f"Task {task!r} of {record.run} has no branch", remedy=f"See: swarm show {record.run}"
            )
        return hub.diff(f"{head}^", head)
    report = store.report(record.run)
    head = (report.head if report else "") or hub.ref("refs/swarm/integrated")
    if not head:
        raise UsageFault(f"Run {record.run} has nothing integrated yet")
    return hub.diff(record.goal.base, head)


def unapplied(store: FileRunStore, run: str) -> bool:
    """Whether a run delivered a branch that its repository still has and that no other branch there holds."""
    report = store.report(run)
    if report is None or not report.branch or not Path(report.repository).is_dir():
        return False
    try:
        return UserRepository.open(Path(report.repository)).unmerged(report.branch)
    except SwarmError:
        # Nobody can say that it was merged: what asks before it removes has to ask.
        return True


def clean(store: FileRunStore, run: str | None, *, resumable: bool = False) -> tuple[str, ...]:
    """Removes the containers and folder of one run, or of all that have ended and no process works on.

    A run that could still be resumed is removed when it is named, or with `resumable`.
    """
    if run:
        records = [store.record(run)]
    else:
        resting = (r for r in store.runs() if not store.locked(r.run))
        records = [r for r in resting if resumable or not r.status.resumable]
    lines = []
    for record in records:
        release = store.lock(record.run)
        try:
            removed = _remove_containers(record.run)
            store.remove(record.run)
        finally:
            release()
        lines.append(f"Removed {record.run}: its folder and {_sandboxes(removed)}")
    return tuple(lines)


def shell(store: FileRunStore, run: str, task: str) -> list[str]:
    """The command that opens a shell in the newest running sandbox of a task, or of the run."""
    record = store.record(run)
    name = newest_of(task, DockerSandboxes(assets_root()).of_run(record.run), run=record.run)
    if not name:
        raise UsageFault(
            f"No sandbox of {record.run} is there{f' for {task}' if task else ''}",
            remedy="Sandboxes live while their task runs.",
        )
    return ["docker", "exec", "-it", name, "bash"]


def newest_of(task: str, names: Sequence[str], *, run: str) -> str:
    """The sandbox of a task's last attempt, `swarm-<run>-<task>-<attempt>`; empty where there is none.

    `api` is not `api-tests`; a name without an attempt is the run's own (`integration`), any of them for no task.
    """
    wanted = re.compile(rf"swarm-{re.escape(run)}-{re.escape(task) if task else '.+?'}(?:-(\d+))?")
    found = [(int(match[1] or 0), name) for name in names if (match := wanted.fullmatch(name))]
    return max(found, default=(0, ""))[1]


def _sandboxes(names: Sequence[str]) -> str:
    return f"{len(names)} sandbox{'' if len(names) == 1 else 'es'}"


def _remove_containers(run: str) -> tuple[str, ...]:
    sandboxes = DockerSandboxes(assets_root())
    names = sandboxes.of_run(run)
    for name in names:
        sandboxes.remove(name)
    return names


def _delivered(store: FileRunStore, run: str) -> RunReport:
    record = store.record(run)
    report = store.report(record.run)
    if report is None or not report.branch:
        raise UsageFault(f"Run {record.run} has delivered no branch", remedy=f"See: swarm show {record.run}")
    return report
