"""Phases 4 and 5: tasks start when their dependencies are merged, and each finished branch is merged at once."""

from __future__ import annotations

import asyncio

from swarm.agents.services import Services
from swarm.domain.base import Nothing
from swarm.domain.goal import Goal
from swarm.domain.merging import Ledger, MergeRecord
from swarm.domain.plan import Plan
from swarm.domain.report import TaskReport, TaskStatus
from swarm.orchestration.integrate import Integrator
from swarm.orchestration.ledger import account
from swarm.orchestration.task import TASK_FLOW
from swarm.orchestration.values import BranchTip, Built, LedgerGiven, Name, Prepared, TaskGiven, TaskResult
from swarm.planning.schedule import doomed, may_merge, ready
from swarm.ports import Durable


class Builder:
    """The scheduler's state, rebuilt at a replay by the same decisions from the same recorded ends."""

    def __init__(
        self,
        services: Services,
        durable: Durable,
        goal: Goal,
        plan: Plan,
        *,
        prepared: Prepared,
        integrator: Integrator,
    ) -> None:
        self._services = services
        self._durable = durable
        self._goal = goal
        self._plan = plan
        self._prepared = prepared
        self._integrator = integrator
        self._started: list[str] = []
        self._running: list[str] = []
        self._waiting: dict[str, TaskResult] = {}
        self._merged: list[str] = []
        self._failed: dict[str, str] = {}
        self._reports: list[TaskReport] = []
        self._merges: list[MergeRecord] = []
        self._branches: list[BranchTip] = []
        self._tip = ""

    async def build(self, base: str) -> Built:
        """Runs the whole DAG; what fails takes only its dependents with it."""
        self._tip = base
        while True:
            await self._start_ready()
            if not self._running:
                break
            name = await self._durable.wait_first([f"task.{task}" for task in self._running])
            await self._ended(name.removeprefix("task."))
            await self._merge_waiting()
        await self._skip_doomed()
        given = LedgerGiven(branches=tuple(self._branches), integrated=self._tip)
        ledger = await self._durable.step("ledger", self._account, given)
        failures = tuple(f"task {task} failed: {why}" for task, why in self._failed.items())
        return Built(
            tip=self._tip,
            reports=tuple(self._reports),
            merges=tuple(self._merges),
            ledger=ledger,
            problems=(*failures, *(f"lost in integration: {lost}" for lost in ledger.lost)),
        )

    async def _account(self, given: LedgerGiven) -> Ledger:
        return await asyncio.to_thread(account, self._services.hub, given)

    async def _start_ready(self) -> None:
        room = self._goal.limits.agents - len(self._running)
        names = ready(self._plan, frozenset(self._merged), frozenset(self._started), frozenset(self._failed))
        for task in names[: max(0, room)]:
            self._started.append(task)
            self._running.append(task)
            given = TaskGiven(
                goal=self._goal.model_copy(update={"plan_yaml": ""}),
                plan=self._plan,
                brief=self._prepared.brief.model_copy(update={"files": ()}),
                task=task,
                base=self._tip,
            )
            await self._durable.spawn(f"task.{task}", TASK_FLOW, given)

    async def _ended(self, task: str) -> None:
        self._running.remove(task)
        result = await self._durable.result(f"task.{task}", TaskResult)
        self._reports.append(result.report)
        if result.commit:
            self._waiting[task] = result
        else:
            self._failed[task] = result.report.why

    async def _merge_waiting(self) -> None:
        progress = True
        while progress:
            progress = False
            for task in [
                t for t in self._waiting if may_merge(self._plan, t, frozenset(self._merged) | self._gone())
            ]:
                await self._merge(task, self._waiting.pop(task))
                progress = True

    def _gone(self) -> frozenset[str]:
        """Failed tasks and what they took along: nothing waits for their merge."""
        return frozenset(self._failed) | frozenset(doomed(self._plan, frozenset(self._failed)))

    async def _merge(self, task: str, result: TaskResult) -> None:
        integrated = await self._integrator.integrate(
            self._plan.task(task), result.commit, self._tip, self._merged
        )
        self._reports.extend(integrated.reports)
        if integrated.record is None:
            self._failed[task] = integrated.why
            return
        self._tip = integrated.record.commit
        self._branches.append(BranchTip(task=task, base=result.base, tip=result.commit))
        self._merged.append(task)
        self._merges.append(integrated.record)

    async def _skip_doomed(self) -> None:
        for task in doomed(self._plan, frozenset(self._failed)):
            if task in self._started or task in self._failed:
                continue
            why = "a task that it depends on failed"
            self._failed[task] = why
            self._reports.append(
                TaskReport(task=task, role=self._plan.task(task).role, status=TaskStatus.SKIPPED, why=why)
            )
            await self._durable.step(f"skipped:{task}", self._skipped, Name(name=task))

    async def _skipped(self, given: Name) -> Nothing:
        self._services.say("task.skipped", task=given.name, text="a task that it depends on failed")
        return Nothing()
