"""Carries a run: takes its lock, runs the durable engine until it ends or is to stop, and writes the report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.state import FileRunStore
from swarm.config.settings import Settings
from swarm.domain.errors import (
    BudgetFault,
    CancelFault,
    InternalFault,
    InterruptFault,
    SwarmError,
    UsageFault,
    WaitingFault,
)
from swarm.domain.events import Event, EventKind
from swarm.domain.report import Outcome, RunRecord, RunReport, RunStatus
from swarm.domain.requests import ResumeOverrides
from swarm.orchestration.deliver import branch_of, hand_over
from swarm.orchestration.goal import GOAL_FLOW
from swarm.wiring.assembly import Assembly, Listener, assemble
from swarm.wiring.reports import finished, stopped

CONTROL_SECONDS = 0.5
INTEGRATED = "refs/swarm/integrated"


class Execution:
    """One process's work on one run. The caller holds the run's lock."""

    def __init__(
        self, settings: Settings, store: FileRunStore, record: RunRecord, assembly: Assembly
    ) -> None:
        self._settings = settings
        self._store = store
        self._record = record
        self._parts = assembly

    async def carry(self, interrupt: asyncio.Event) -> RunReport:
        """Runs until the workflow ends, or until something asks it to stop; the state is kept either way."""
        watchers = [
            asyncio.create_task(self._watch_interrupt(interrupt)),
            asyncio.create_task(self._watch_control()),
        ]
        try:
            given = self._record.goal
            result = await self._parts.engine.run(GOAL_FLOW, given)
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        report = await self._finish(result)
        await asyncio.to_thread(self._parts.engine.close)
        return report

    async def _finish(self, result: dict[str, object] | None) -> RunReport:
        reason = self._parts.gate.reason
        if result is not None:
            report = self._on_end(Outcome.model_validate(result))
        else:
            report = await self._on_stop(
                reason or InternalFault("the engine ended without a result or a reason")
            )
        status = report.status
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        self._store.save_report(report)
        detail = report.problems[0] if report.problems else ""
        self._store.save(self._record.model_copy(update={"status": status, "ended": ended, "detail": detail}))
        kind: EventKind = "run.finished" if result is not None else "run.stopped"
        self._parts.services.say(kind, text=f"{status}{': ' + detail if detail else ''}", status=status.value)
        return report

    def _on_end(self, outcome: Outcome) -> RunReport:
        return finished(self._record, outcome, repeated=self._parts.journal.repeated_calls())

    async def _on_stop(self, reason: SwarmError) -> RunReport:
        hub = self._parts.hub
        head = hub.ref(INTEGRATED) if (hub.path / "HEAD").exists() else ""
        branch = ""
        if isinstance(reason, BudgetFault) and head:
            branch = branch_of(self._record.run)
            await asyncio.to_thread(hand_over, hub, self._parts.repository, head, branch)
        if isinstance(reason, CancelFault):
            await self._parts.services.workspaces.remove_run(self._record.run)
        journal = self._parts.journal
        return stopped(
            self._record,
            reason,
            spent=journal.spent(),
            repeated=journal.repeated_calls(),
            head=head,
            branch=branch,
        )

    async def _watch_interrupt(self, interrupt: asyncio.Event) -> None:
        await interrupt.wait()
        remedy = f"Resume with: swarm resume {self._record.run}"
        self._parts.gate.stop(InterruptFault("interrupted", remedy=remedy))

    async def _watch_control(self) -> None:
        run = self._record.run
        while True:
            asked = await asyncio.to_thread(self._store.requested, run)
            if asked == "cancel":
                await self._parts.engine.cancel()
                return
            if asked == "stop":
                self._parts.gate.stop(WaitingFault("paused", remedy=f"Resume with: swarm resume {run}"))
            await asyncio.sleep(CONTROL_SECONDS)


async def execute(
    settings: Settings,
    store: FileRunStore,
    run: str,
    *,
    listeners: Sequence[Listener],
    interrupt: asyncio.Event,
    resume: bool,
    overrides: ResumeOverrides,
) -> RunReport:
    """Takes the run's lock and carries it; UsageFault when it can't be carried (unknown, locked, ended)."""
    folder = store.folder(run)
    release = store.lock(folder.name)
    try:
        record = _record(store, folder, resume, overrides)
        approved = resume or not record.goal.approve
        before = _elapsed(store.events(record.run))
        parts = assemble(
            settings, record, folder, listeners=listeners, elapsed_before=before, approved=approved
        )
        store.clear_request(record.run)
        text = record.goal.text if not resume else f"resume {record.resumes}"
        parts.services.say("run.resumed" if resume else "run.started", text=text)
        return await Execution(settings, store, record, parts).carry(interrupt)
    finally:
        release()


def _record(store: FileRunStore, folder: Path, resume: bool, overrides: ResumeOverrides) -> RunRecord:
    record = store.record(folder.name)
    if not resume:
        return record
    if not record.status.resumable:
        raise UsageFault(
            f"Run {record.run} ended: {record.status}", remedy=f"See it with: swarm show {record.run}"
        )
    changes = {
        "tokens": overrides.budget_tokens,
        "usd": overrides.budget_usd,
        "agents": overrides.agents,
    }
    limits = record.goal.limits.model_copy(update={k: v for k, v in changes.items() if v is not None})
    goal = record.goal.model_copy(update={"limits": limits})
    changed = record.model_copy(
        update={"goal": goal, "resumes": record.resumes + 1, "status": RunStatus.RUNNING, "ended": ""}
    )
    store.save(changed)
    return changed


def _elapsed(events: Sequence[Event]) -> float:
    """Seconds that the run was worked on in earlier sessions: from each start to the last event of that session."""
    total, began, last = 0.0, 0.0, 0.0
    for event in events:
        if event.kind in {"run.started", "run.resumed"}:
            total += last - began
            began = event.at
        last = event.at
    return total + (last - began)
