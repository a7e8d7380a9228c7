"""The merge queue: in memory first; an integrator only for a real conflict, and its result is checked for loss."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from swarm.agents.activities import AgentActivities
from swarm.agents.loop import run_agent
from swarm.agents.prompts import integrator_prompt
from swarm.agents.services import Services
from swarm.agents.values import AgentSpec, Examined, Saved
from swarm.domain.base import Value
from swarm.domain.goal import Goal
from swarm.domain.merging import Conflict, GuardFinding, Merged, MergeHow, MergeRecord
from swarm.domain.plan import Plan, Role, Task
from swarm.domain.report import TaskReport
from swarm.orchestration.examine import ExamineGiven, Examiner
from swarm.orchestration.task import agent_report, sandbox_spec
from swarm.orchestration.values import MergeGiven, MergeTried, ResolvedGiven, Tip
from swarm.ports import Durable
from swarm.verification.guards import resolution_findings

INTEGRATION = "integration"


class Integrated(Value):
    """A merge as it went; without a record the branch could not be brought in, and `why` says so."""

    record: MergeRecord | None = None
    reports: tuple[TaskReport, ...] = ()
    why: str = ""


class Integrator:
    """Brings branches into the tip, one after the other."""

    def __init__(self, services: Services, durable: Durable, goal: Goal, plan: Plan) -> None:
        self._services = services
        self._durable = durable
        self._goal = goal
        self._plan = plan
        self._activities = AgentActivities(services)
        self._examiner = Examiner(services)

    async def integrate(self, task: Task, commit: str, tip: str, merged: Sequence[str]) -> Integrated:
        """Merges a task's branch into the tip."""
        given = MergeGiven(task=task.id, title=task.title, ours=tip, theirs=commit)
        tried = await self._durable.step(f"merge:{task.id}", self._merge, given)
        if tried.merged is not None:
            how = MergeHow.CLEAN
            return Integrated(record=_record(task, how, tried.merged.commit, tried.seconds, ()))
        if tried.conflict is None:
            return Integrated(why="git could not merge it and named no conflict")
        return await self._resolve(task, given, tried, tried.conflict, merged)

    async def _merge(self, given: MergeGiven) -> MergeTried:
        return await asyncio.to_thread(self._merge_now, given)

    def _merge_now(self, given: MergeGiven) -> MergeTried:
        services, hub = self._services, self._services.hub
        began = services.clock.monotonic()
        message = f"merge {given.task}: {given.title}\n"
        outcome = hub.merge(given.ours, given.theirs, message=message)
        seconds = round(services.clock.monotonic() - began, 4)
        if isinstance(outcome, Merged):
            hub.set_ref("refs/swarm/integrated", outcome.commit)
            services.say(
                "merge.done",
                task=given.task,
                text="clean",
                how="clean",
                seconds=seconds,
                commit=outcome.commit,
            )
            return MergeTried(merged=outcome, seconds=seconds)
        paths = [file.path for file in outcome.files]
        services.say("merge.conflict", task=given.task, text=", ".join(paths), conflicts=paths)
        conflicted = hub.commit_tree(outcome.tree, parents=[given.ours], message=f"conflict: {given.task}\n")
        hub.set_ref(f"refs/swarm/conflicts/{given.task}", conflicted)
        return MergeTried(conflict=outcome, conflicted=conflicted, seconds=seconds)

    async def _resolve(
        self, task: Task, given: MergeGiven, tried: MergeTried, conflict: Conflict, merged: Sequence[str]
    ) -> Integrated:
        paths = tuple(file.path for file in conflict.files)
        spec = self._spec(task, tried.conflicted, integrator_prompt(self._plan, task, conflict, merged))
        await self._durable.step(f"{spec.label}:place", self._activities.place, spec)

        async def gates(saved: Saved, number: int) -> Examined:
            examine = ResolutionGiven(
                merge=given,
                resolved=saved.checkpoint,
                conflicted=tried.conflicted,
                paths=paths,
                spec=spec,
                number=number,
            )
            return await self._durable.step(f"{spec.label}:gates:{number}", self._examine, examine)

        result = await run_agent(self._durable, self._activities, spec, gates)
        report = agent_report(spec, result)
        if not result.finished:
            why = f"its conflict in {', '.join(paths)} was not resolved: {result.why}"
            return Integrated(reports=(report,), why=why)
        resolved = ResolvedGiven(
            task=task.id, title=task.title, ours=given.ours, theirs=given.theirs, resolved=result.commit
        )
        tip = await self._durable.step(f"merge:{task.id}:resolved", self._commit, resolved)
        seconds = round(tried.seconds + result.seconds, 3)
        return Integrated(
            record=_record(task, MergeHow.INTEGRATOR, tip.commit, seconds, paths), reports=(report,)
        )

    def _spec(self, task: Task, conflicted: str, prompt: str) -> AgentSpec:
        limits = self._goal.limits
        setup = (*self._goal.setup, *self._plan.setup)
        return AgentSpec(
            label=f"integrate-{task.id}",
            role=Role.INTEGRATOR,
            task=f"integrate-{task.id}",
            model=self._services.models[Role.INTEGRATOR],
            system=self._services.skill(Role.INTEGRATOR),
            prompt=prompt,
            sandbox=sandbox_spec(self._services, self._goal, INTEGRATION, conflicted, setup),
            base=conflicted,
            turns=limits.turns_per_task,
            tokens=limits.tokens_per_task,
            seconds=limits.seconds_per_task,
            command_seconds=limits.command_seconds,
        )

    async def _examine(self, given: ResolutionGiven) -> Examined:
        lost = await asyncio.to_thread(self._losses, given)
        if lost:
            for finding in lost:
                self._services.say(
                    "merge.rejected", task=given.merge.task, text=f"{finding.path}: {finding.detail}"
                )
            return Examined(findings=tuple(f"{f.path}: {f.rule}: {f.detail}" for f in lost))
        examine = ExamineGiven(
            plan=self._plan,
            task=given.merge.task,
            spec=given.spec.sandbox,
            base=given.merge.ours,
            commit=given.resolved,
            changed=given.paths,
            number=given.number,
            ownership=False,
        )
        return await self._examiner.examine(examine)

    def _losses(self, given: ResolutionGiven) -> tuple[GuardFinding, ...]:
        hub, merge = self._services.hub, given.merge
        base = hub.merge_base(merge.ours, merge.theirs)
        pairs = ((base, merge.ours), (base, merge.theirs), (given.conflicted, given.resolved))
        paths = sorted({path for a, b in pairs for _, path in hub.changed(a, b)} | set(given.paths))
        sides = [
            hub.read_many(c, paths)
            for c in (base, merge.ours, merge.theirs, given.conflicted, given.resolved)
        ]
        return resolution_findings(*sides)

    async def _commit(self, given: ResolvedGiven) -> Tip:
        def work() -> str:
            hub = self._services.hub
            message = f"merge {given.task}: {given.title}\n"
            commit = hub.commit_tree(
                hub.tree(given.resolved), parents=[given.ours, given.theirs], message=message
            )
            hub.set_ref("refs/swarm/integrated", commit)
            return commit

        commit = await asyncio.to_thread(work)
        self._services.say("merge.done", task=given.task, text="integrator", how="integrator", commit=commit)
        return Tip(commit=commit)


class ResolutionGiven(Value):
    """An integrator's tree to examine."""

    merge: MergeGiven
    resolved: str
    conflicted: str
    paths: tuple[str, ...]
    spec: AgentSpec
    number: int


def _record(
    task: Task, how: MergeHow, commit: str, seconds: float, conflicts: tuple[str, ...]
) -> MergeRecord:
    return MergeRecord(task=task.id, how=how, commit=commit, seconds=seconds, conflicts=conflicts)
