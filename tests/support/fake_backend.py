"""An honest stand-in for the wiring: it keeps runs in memory and behaves as the backend promises, errors included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from swarm.cli.backend import Listener
from swarm.domain.conversation import Usage
from swarm.domain.errors import SwarmError, UsageFault
from swarm.domain.events import Event, EventKind
from swarm.domain.evidence import Check, CheckReport, Evidence
from swarm.domain.goal import Goal, Limits
from swarm.domain.merging import MergeHow, MergePreview, MergeRecord
from swarm.domain.report import Round, RunRecord, RunReport, RunStatus, TaskReport, TaskStatus
from swarm.domain.requests import Prerequisite, ResumeOverrides, RunRequest
from swarm.domain.verdict import Criterion, Finding, Severity, Verdict

RUN = "shop-20261120-1a2b"


class MemoryStore:
    """Runs in memory, with the look-up rules of the real store."""

    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self.reports: dict[str, RunReport] = {}
        self.logs: dict[str, list[Event]] = {}
        self.held: set[str] = set()

    def _id(self, run: str) -> str:
        matches = [name for name in self.records if name.startswith(run)] if run else []
        if run in self.records or len(matches) == 1:
            return run if run in self.records else matches[0]
        near = get_close_matches(run, self.records, n=3, cutoff=0.3)
        raise UsageFault(f"There is no run {run!r}", remedy=f"Did you mean: {', '.join(near)}?")

    def create(self, record: RunRecord) -> Path:
        self.records[record.run] = record
        return self.folder(record.run)

    def folder(self, run: str) -> Path:
        return Path("/nowhere") / self._id(run)

    def record(self, run: str) -> RunRecord:
        found = self.records[self._id(run)]
        stopped = found.status is RunStatus.RUNNING and found.run not in self.held
        return found.model_copy(update={"status": RunStatus.INTERRUPTED}) if stopped else found

    def save(self, record: RunRecord) -> None:
        self.records[record.run] = record

    def report(self, run: str) -> RunReport | None:
        return self.reports.get(self._id(run))

    def save_report(self, report: RunReport) -> None:
        self.reports[report.run] = report

    def runs(self) -> tuple[RunRecord, ...]:
        return tuple(self.record(name) for name in sorted(self.records, reverse=True))

    def lock(self, run: str) -> Callable[[], None]:
        name = self._id(run)
        if name in self.held:
            raise UsageFault(f"Process 1 works on run {name}")
        self.held.add(name)
        return lambda: self.held.discard(name)

    def locked(self, run: str) -> bool:
        return self._id(run) in self.held

    def events(self, run: str) -> tuple[Event, ...]:
        return tuple(self.logs.get(self._id(run), ()))

    def remove(self, run: str) -> None:
        del self.records[self._id(run)]


@dataclass
class FakeBackend:
    """What happens is set by its fields: `status` or `error` at the end, `patience` seconds of work before it."""

    status: RunStatus = RunStatus.ACCEPTED
    error: Exception | None = None
    refusal: SwarmError | None = None
    patience: float = 0.0
    blocked: float = 0.0
    missing: tuple[str, ...] = ()
    merged: bool = False
    tiers: dict[str, str] = field(default_factory=dict)
    store: MemoryStore = field(default_factory=MemoryStore)
    requests: list[RunRequest] = field(default_factory=list)
    resumed: list[ResumeOverrides] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def prepare(self, request: RunRequest, tell: Callable[[str], None] | None = None) -> RunRecord:
        self.requests.append(request)
        if self.refusal:
            raise self.refusal
        record = make_record(
            text=request.goal_text,
            repository=request.repo or request.new_folder,
            model=request.model or "m-1",
        )
        self.store.create(record)
        return record

    async def execute(
        self,
        run: str,
        *,
        listener: Listener,
        interrupt: asyncio.Event,
        resume: bool,
        overrides: ResumeOverrides,
    ) -> RunReport:
        if resume:
            self.resumed.append(overrides)
        release = self.store.lock(run)
        try:
            await self._work(run, listener, interrupt)
            if self.error:
                raise self.error
            status = RunStatus.INTERRUPTED if interrupt.is_set() else self.status
            report = make_report(run, status)
            self.store.save_report(report)
            return report
        finally:
            release()

    async def _work(self, run: str, listener: Listener, interrupt: asyncio.Event) -> None:
        log = self.store.logs.setdefault(run, [])
        for event in make_events(run):
            log.append(event)
            listener(event)
        if self.blocked:
            # A call that blocks the loop, as a misbehaving library would.
            time.sleep(self.blocked)  # noqa: ASYNC251 - that is what this stands for
        with suppress(TimeoutError):
            await asyncio.wait_for(interrupt.wait(), self.patience)

    async def plan_only(self, request: RunRequest, listener: Listener) -> str:
        self.requests.append(request)
        if self.error:
            raise self.error
        listener(make_event("phase.started", phase="plan"))
        await asyncio.sleep(self.patience)
        return "schema_version: 1\ngoal: a shop\nstrategy: solo\ntasks: []\n"

    def cancel(self, run: str) -> str:
        self.done.append(f"cancel {run}")
        return f"Run {run} is cancelled."

    def pause(self, run: str) -> str:
        self.done.append(f"pause {run}")
        return f"Run {run} stops after the calls under way."

    def apply(self, run: str, *, yes: bool) -> str:
        self.done.append(f"apply {run} {yes}")
        return "Merged swarm/x into main."

    def models(self, record: RunRecord) -> dict[str, str]:
        return {tier: self.tiers.get(tier, record.model) for tier in ("planner", "coder", "premium", "judge")}

    def preview(self, run: str) -> MergePreview:
        if self.refusal:
            raise self.refusal
        return MergePreview(
            branch=f"swarm/{run}",
            onto="main",
            repository="/home/ada/my shop",
            summary="" if self.merged else " shop/cart.py | 12 ++++++++++++\n",
            already=self.merged,
        )

    def diff(self, run: str, task: str = "") -> str:
        return f"diff --git a/{task or 'all'} b/{task or 'all'}\n+one\x1b]0;owned\x07\n"

    def unapplied(self, run: str) -> bool:
        report = self.store.report(run)
        return bool(report and report.branch) and not self.merged

    def clean(self, run: str | None, *, resumable: bool = False) -> tuple[str, ...]:
        self.done.append(f"clean {run}")
        resting = [r for r in self.store.runs() if not self.store.locked(r.run)]
        gone = [run] if run else [r.run for r in resting if resumable or not r.status.resumable]
        for name in gone:
            self.store.remove(name)
        return tuple(f"removed {name}" for name in gone)

    def doctor(self) -> tuple[Prerequisite, ...]:
        names = {"engine": True, "key": True, "colour": False}
        return tuple(
            Prerequisite(
                name=name,
                ok=name not in self.missing,
                detail=f"the {name}",
                remedy=f"install the {name}",
                essential=essential,
            )
            for name, essential in names.items()
        )

    def build_sandbox(self, profile: str, progress: Callable[[str], None]) -> str:
        progress("step 1 of 1")
        return f"swarm-sandbox-{profile}:abc"

    def shell(self, run: str, task: str) -> list[str]:
        return ["docker", "exec", "-it", f"swarm-{run}-{task}-1", "bash"]

    def demo(self, name: str) -> RunRequest:
        if name != "url-shortener":
            raise UsageFault(f"There is no recording {name!r}", remedy="There is: url-shortener.")
        return RunRequest(goal_text="a URL shortener", new_folder="/tmp/short", model=f"replay:{name}.jsonl")

    async def exercise(self, run: str, listener: Listener) -> tuple[str, ...]:
        await asyncio.sleep(0)
        return ("POST /links -> 201", "GET /abc -> 302")


def make_record(
    run: str = RUN,
    *,
    text: str = "a shop",
    status: RunStatus = RunStatus.RUNNING,
    repository: str = "/home/ada/shop",
    limits: Limits | None = None,
    model: str = "m-1",
) -> RunRecord:
    goal = Goal(
        run=run, text=text, repository=repository, base="b" * 40, limits=limits or Limits(), image="image:1"
    )
    return RunRecord(run=run, goal=goal, status=status, started="2026-11-20T10:00:00+00:00", model=model)


def make_event(
    kind: EventKind, *, task: str = "", text: str = "", at: float = 1000.0, **data: object
) -> Event:
    return Event(at=at, kind=kind, run=RUN, task=task, text=text, data=dict(data))


def make_events(run: str = RUN) -> tuple[Event, ...]:
    tasks = [
        {"id": "store", "role": "coder", "depends_on": []},
        {"id": "web", "role": "coder", "depends_on": ["store"]},
    ]
    spent: dict[str, Any] = {"tokens_in": 900, "tokens_out": 100, "cached": 300, "usd": 0.01, "seconds": 2.0}
    made = (
        make_event("run.started", text="a shop"),
        make_event("phase.started", phase="plan"),
        make_event("plan.estimated", text="planning takes about 6,000 tokens", tokens=6000),
        make_event("model.called", task="plan", role="planner", turn=1, **spent),
        make_event(
            "plan.ready", strategy="swarm", tokens=250_000, rationale="two tasks beat one", tasks=tasks
        ),
        make_event("phase.finished", phase="plan", seconds=3.0),
        make_event("task.started", task="store", role="coder"),
        make_event("task.turn", task="store", turn=1, role="coder", **spent),
        make_event("task.tool", task="store", turn=1, tool="write_file", target="shop/store.py", ok=True),
        make_event("task.finished", task="store", text="the store", turns=1, seconds=4.0),
        make_event("merge.done", task="store", how="clean", text="clean", conflicts=[]),
    )
    return tuple(e.model_copy(update={"run": run, "at": 1000.0 + i}) for i, e in enumerate(made))


def make_report(run: str = RUN, status: RunStatus = RunStatus.ACCEPTED) -> RunReport:
    usage = Usage(
        calls=3, input_tokens=9000, cached_tokens=6000, output_tokens=1000, usd=0.0421, seconds=30.0
    )
    check = Check(name="tests", command="pytest -q", passed=True, tests=12, seconds=1.5)
    mark = Criterion(score=4, reason="fine")
    verdict = Verdict(
        code_quality=mark,
        code_organisation=mark,
        tests=mark,
        security=mark,
        findings=(
            Finding(file="shop/store.py", line=3, problem="no limit", action="add one"),
            Finding(severity=Severity.BLOCKER, problem="no sign-in", action="ask for one"),
        ),
    )
    evidence = Evidence(commit="c" * 40, base="b" * 40, changed=("shop/store.py",), checks=(check,))
    task = TaskReport(
        task="store", role="coder", status=TaskStatus.DONE, turns=3, tool_calls=7, seconds=42.0, usage=usage,
        evidence=evidence,
    )  # fmt: skip
    checks = CheckReport(commit="d" * 40, checks=(check,))
    return RunReport(
        run=run,
        status=status,
        exit_code=status.exit_code,
        goal="a shop",
        repository="/home/ada/my shop",
        branch=f"swarm/{run}" if status in {RunStatus.ACCEPTED, RunStatus.REJECTED} else "",
        base="b" * 40,
        head="d" * 40,
        score=80,
        rounds=(Round(number=1, commit="d" * 40, score=80, checks=checks, verdict=verdict),),
        tasks=(task,),
        merges=(MergeRecord(task="store", how=MergeHow.CLEAN, commit="d" * 40, seconds=0.1),),
        phases={"plan": 3.0, "build": 42.0},
        totals=usage,
        cached_share=0.6667,
        next_step=f"swarm resume {run}" if status.resumable else f"swarm show {run}",
    )
