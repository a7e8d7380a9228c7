"""What is done to runs from outside: cancel, pause, apply, diff, clean, shell."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository
from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.adapters.state import FileRunStore
from swarm.config.assets import assets_root
from swarm.domain.errors import UsageFault
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
    return f"Cancelled {record.run}; {len(removed)} sandboxes removed. Its folder stays: swarm clean {record.run}"


def pause(store: FileRunStore, run: str) -> str:
    """Asks the process that works on a run to stop safely."""
    record = store.record(run)
    if not store.locked(record.run):
        raise UsageFault(
            f"No process works on {record.run}", remedy=f"Resume it with: swarm resume {record.run}"
        )
    store.request(record.run, "stop")
    return f"Asked {record.run} to stop; calls under way finish first. Go on with: swarm resume {record.run}"


def preview(store: FileRunStore, run: str) -> str:
    """What applying the result would change."""
    report = _delivered(store, run)
    return BareHub(store.folder(report.run) / "hub.git").diff(report.base, report.head, stat=True)


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


def clean(store: FileRunStore, run: str | None) -> tuple[str, ...]:
    """Removes the containers and folder of one ended run, or of all ended ones.

    A run that could still be resumed is removed only when it is named.
    """
    records = [store.record(run)] if run else [r for r in store.runs() if not r.status.resumable]
    lines = []
    for record in records:
        release = store.lock(record.run)
        try:
            removed = _remove_containers(record.run)
            store.remove(record.run)
        finally:
            release()
        lines.append(f"Removed {record.run}: its folder and {len(removed)} sandboxes")
    return tuple(lines)


def shell(store: FileRunStore, run: str, task: str) -> list[str]:
    """The command that opens a shell in the newest running sandbox of a task, or of the run."""
    record = store.record(run)
    prefix = f"swarm-{record.run}-{task}"
    names = [name for name in DockerSandboxes(assets_root()).of_run(record.run) if name.startswith(prefix)]
    if not names:
        raise UsageFault(
            f"No sandbox of {record.run} is there{f' for {task}' if task else ''}",
            remedy="Sandboxes live while their task runs.",
        )
    return ["docker", "exec", "-it", max(names), "bash"]


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
