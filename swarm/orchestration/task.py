"""A task's workflow: an agent, a fresh second attempt where the first failed, and the branch that it leaves."""

from __future__ import annotations

import asyncio

from swarm.agents.activities import AgentActivities
from swarm.agents.loop import run_agent
from swarm.agents.prompts import task_prompt
from swarm.agents.services import Services
from swarm.agents.values import AgentResult, AgentSpec, Examined, Saved
from swarm.domain.base import Nothing
from swarm.domain.conversation import Usage
from swarm.domain.events import EventKind
from swarm.domain.evidence import Evidence
from swarm.domain.goal import Goal
from swarm.domain.plan import Task
from swarm.domain.report import TaskReport, TaskStatus
from swarm.domain.sandbox import SandboxSpec
from swarm.orchestration.examine import ExamineGiven, Examiner
from swarm.orchestration.values import Name, SealGiven, TaskGiven, TaskResult, Tip
from swarm.ports import Durable

TASK_FLOW = "task"
ATTEMPTS = 2


async def run_task(services: Services, durable: Durable, given: object) -> TaskResult:
    """Runs one task to a branch `refs/swarm/tasks/<task>`, or to a failure by name."""
    return await TaskRun(services, durable, TaskGiven.model_validate(given)).run()


def sandbox_spec(
    services: Services, goal: Goal, name: str, commit: str, setup: tuple[str, ...]
) -> SandboxSpec:
    """The sandbox of that name for this run."""
    return SandboxSpec(
        name=f"swarm-{goal.run}-{name}",
        run=goal.run,
        image=goal.image,
        profile=goal.profile,
        hub=str(services.hub.path),
        commit=commit,
        setup=setup,
    )


def agent_report(spec: AgentSpec, result: AgentResult) -> TaskReport:
    """The report of an agent that works on the integrated tree: integrator and fixer."""
    return TaskReport(
        task=spec.task,
        role=spec.role,
        status=TaskStatus.DONE if result.finished else TaskStatus.FAILED,
        turns=result.turns,
        tool_calls=result.tool_calls,
        seconds=round(result.seconds, 3),
        usage=result.usage,
        drift=result.drift,
        why=result.why,
    )


class TaskRun:
    """One task's attempts."""

    def __init__(self, services: Services, durable: Durable, given: TaskGiven) -> None:
        self._services = services
        self._durable = durable
        self._given = given
        self._task: Task = given.plan.task(given.task)
        self._activities = AgentActivities(services)
        self._examiner = Examiner(services)

    async def run(self) -> TaskResult:
        """Attempts until one passes the gates."""
        results: list[AgentResult] = []
        previous = ""
        for attempt in range(1, ATTEMPTS + 1):
            spec = self._spec(attempt, previous)
            await self._durable.step(f"announce:{attempt}", self._announce, Name(name=spec.label))
            result = await self._attempt(spec, results[-1].turns if results else 0)
            results.append(result)
            await self._durable.step(f"remove:{attempt}", self._remove, Name(name=spec.sandbox.name))
            if result.finished:
                return await self._sealed(results)
            previous = f"It ended because {result.why}. Its report: {result.report or 'none'}."
        return await self._failed(results)

    async def _attempt(self, spec: AgentSpec, turns_before: int) -> AgentResult:
        async def gates(saved: Saved, number: int) -> Examined:
            given = ExamineGiven(
                plan=self._given.plan,
                task=self._task.id,
                spec=spec.sandbox,
                base=spec.base,
                commit=saved.checkpoint,
                changed=saved.changed,
                number=number,
            )
            return await self._durable.step(f"{spec.label}:gates:{number}", self._examiner.examine, given)

        return await run_agent(self._durable, self._activities, spec, gates, turns_before=turns_before)

    def _spec(self, attempt: int, previous: str) -> AgentSpec:
        given, limits = self._given, self._given.goal.limits
        return AgentSpec(
            label=f"{self._task.id}-{attempt}",
            role=self._task.role,
            task=self._task.id,
            model=self._services.models[self._task.role],
            system=self._services.skill(self._task.role),
            prompt=task_prompt(given.goal, given.plan, self._task, given.brief, previous=previous),
            sandbox=sandbox_spec(
                self._services, given.goal, f"{self._task.id}-{attempt}", given.base, given.goal.setup
            ),
            base=given.base,
            turns=limits.turns_per_task,
            tokens=limits.tokens_per_task,
            seconds=limits.seconds_per_task,
            command_seconds=limits.command_seconds,
        )

    async def _announce(self, _: Name) -> Nothing:
        self._services.say(
            "task.started", task=self._task.id, text=self._task.title, role=self._task.role.value
        )
        return Nothing()

    async def _remove(self, given: Name) -> Nothing:
        await self._services.workspaces.remove(given.name)
        return Nothing()

    async def _sealed(self, results: list[AgentResult]) -> TaskResult:
        last = results[-1]
        given = SealGiven(
            task=self._task.id,
            title=self._task.title,
            report=last.report,
            tree_of=last.commit,
            base=self._given.base,
        )
        sealed = await self._durable.step("seal", self._seal, given)
        evidence = Evidence(
            commit=sealed.commit,
            base=self._given.base,
            changed=last.changed,
            checks=last.checks,
            attempt=len(results),
            report=last.report,
        )
        report = self._report(results, TaskStatus.DONE, evidence)
        await self._durable.step("finished", self._finished, report)
        return TaskResult(commit=sealed.commit, base=self._given.base, report=report)

    async def _seal(self, given: SealGiven) -> Tip:
        message = f"{given.task}: {given.title}\n\n{given.report}".strip() + "\n"

        def work() -> str:
            hub = self._services.hub
            commit = hub.commit_tree(hub.tree(given.tree_of), parents=[given.base], message=message)
            hub.set_ref(f"refs/swarm/tasks/{given.task}", commit)
            return commit

        return Tip(commit=await asyncio.to_thread(work))

    async def _failed(self, results: list[AgentResult]) -> TaskResult:
        report = self._report(results, TaskStatus.FAILED, None)
        await self._durable.step("finished", self._finished, report)
        return TaskResult(base=self._given.base, report=report)

    async def _finished(self, report: TaskReport) -> Nothing:
        kind: EventKind = "task.finished" if report.status is TaskStatus.DONE else "task.failed"
        text = report.why or f"{report.turns} turn{'' if report.turns == 1 else 's'}, {report.seconds:.0f} s"
        self._services.say(
            kind, task=report.task, text=text, role=report.role, turns=report.turns, seconds=report.seconds
        )
        return Nothing()

    def _report(
        self, results: list[AgentResult], status: TaskStatus, evidence: Evidence | None
    ) -> TaskReport:
        return TaskReport(
            task=self._task.id,
            role=self._task.role,
            status=status,
            turns=results[-1].turns,
            tool_calls=sum(r.tool_calls for r in results),
            seconds=round(sum(r.seconds for r in results), 3),
            usage=sum((r.usage for r in results), Usage()),
            attempts=len(results),
            drift=sum(r.drift for r in results),
            evidence=evidence,
            why=results[-1].why,
            predicted_lines=self._task.size,
        )
