"""Phase 6: checks on the integrated tree, the judge, and the fixer while the score is below the threshold."""

from __future__ import annotations

import asyncio
import json

from swarm.agents.activities import AgentActivities
from swarm.agents.loop import run_agent
from swarm.agents.prompts import fixer_prompt, judge_prompt
from swarm.agents.services import Services
from swarm.agents.single import AskGiven, SingleActivities, corrected
from swarm.agents.values import AgentSpec, Examined, Saved
from swarm.domain.base import Nothing, Value
from swarm.domain.conversation import Message, Usage
from swarm.domain.evidence import CheckReport
from swarm.domain.goal import Goal
from swarm.domain.plan import Plan, Role
from swarm.domain.report import Round, TaskReport, TaskStatus
from swarm.domain.sandbox import SandboxSpec
from swarm.domain.verdict import Verdict
from swarm.orchestration.examine import CheckGiven, Examiner
from swarm.orchestration.integrate import INTEGRATION
from swarm.orchestration.task import agent_report, sandbox_spec
from swarm.orchestration.values import Built, Reviewed, Tip
from swarm.ports import Durable
from swarm.verification.checks import is_test_command
from swarm.verification.verdicts import judge_schema, parse_verdict

JUDGE_TRIES = 3
WHOLE_FILES_LIMIT = 150_000
DEFAULT_TESTS = "python -m pytest -q"


class JudgeText(Value):
    """The judge's message."""

    text: str


class Told(Value):
    """A round to announce."""

    round: Round
    threshold: int


class FixGiven(Value):
    """A fixer's work tree to become a commit on the best round."""

    number: int
    parent: str
    fixed: str
    report: str


class Review:
    """The rounds of review. The judge sees everything since the goal's base."""

    def __init__(self, services: Services, durable: Durable, goal: Goal, plan: Plan) -> None:
        self._services = services
        self._durable = durable
        self._goal = goal
        self._plan = plan
        self._base = goal.base
        self._activities = AgentActivities(services)
        self._single = SingleActivities(services)
        self._examiner = Examiner(services)
        self._reports: list[TaskReport] = []
        self._rounds: list[Round] = []

    async def review(self, built: Built) -> Reviewed:
        """Checks and judges, then fixes at most `rounds` times; a round that lowers the score is rolled back."""
        best = await self._round(0, built.tip)
        for number in range(1, self._goal.limits.rounds + 1):
            if best is None or self._accepted(best):
                break
            tip = await self._fix(number, best, built.problems)
            if tip == best.commit:
                break
            tried = await self._round(number, tip)
            if tried is None:
                break
            best = await self._better(best, tried)
        tip = best.commit if best else built.tip
        accepted = best is not None and self._accepted(best)
        await self._durable.step("review:tip", self._point, Tip(commit=tip))
        return Reviewed(
            tip=tip,
            score=best.score if best else None,
            accepted=accepted,
            rounds=tuple(self._rounds),
            reports=tuple(self._reports),
            problems=built.problems + (() if best else ("the judge gave no valid verdict",)),
        )

    def _accepted(self, best: Round) -> bool:
        return best.checks.passed and best.score >= self._goal.limits.threshold

    async def _round(self, number: int, commit: str) -> Round | None:
        given = CheckGiven(
            plan=self._plan,
            spec=self._sandbox(commit),
            base=self._base,
            commit=commit,
            commands=self._commands(),
            number=number,
        )
        checks = await self._durable.step(f"check:{number}", self._examiner.check, given)
        verdict = await self._judge(number, checks)
        if verdict is None:
            return None
        score = verdict.score(checks_passed=checks.passed, threshold=self._goal.limits.threshold)
        made = Round(number=number, commit=commit, score=score, checks=checks, verdict=verdict)
        self._rounds.append(made)
        await self._durable.step(
            f"verdict:{number}", self._tell, Told(round=made, threshold=self._goal.limits.threshold)
        )
        return made

    def _commands(self) -> tuple[str, ...]:
        commands = dict.fromkeys([*self._goal.checks, *self._plan.acceptance])
        if not any(is_test_command(c) for c in commands) and any(t.tests for t in self._plan.tasks):
            commands[DEFAULT_TESTS] = None
        return tuple(commands)

    async def _judge(self, number: int, checks: CheckReport) -> Verdict | None:
        written = await self._durable.step(f"judge:{number}:prompt", self._prompt, checks)
        messages: tuple[Message, ...] = (
            Message(role="system", content=self._services.skill(Role.JUDGE)),
            Message(role="user", content=written.text),
        )
        schema, place = json.dumps(judge_schema()), f"round-{number}"
        usage, seconds, drift, verdict, turn = Usage(), 0.0, 0, None, 0
        for turn in range(1, JUDGE_TRIES + 1):
            asked = AskGiven(
                role=Role.JUDGE, place=place, turn=turn, messages=messages, response_schema=schema
            )
            answered = await self._durable.step(f"judge:{number}:ask:{turn}", self._single.ask, asked)
            usage, seconds = usage + answered.reply.usage, seconds + answered.seconds
            drift += answered.reply.drift
            parsed = parse_verdict(answered.reply.content)
            if isinstance(parsed, Verdict):
                verdict = parsed
                break
            messages = corrected(messages, answered.reply, parsed)
        status = TaskStatus.DONE if verdict else TaskStatus.FAILED
        self._reports.append(
            TaskReport(
                task=place,
                role=Role.JUDGE,
                status=status,
                turns=turn,
                seconds=seconds,
                usage=usage,
                drift=drift,
            )
        )
        return verdict

    async def _prompt(self, checks: CheckReport) -> JudgeText:
        return JudgeText(text=await asyncio.to_thread(self._prompt_now, checks))

    def _prompt_now(self, checks: CheckReport) -> str:
        hub = self._services.hub
        changed = hub.changed(self._base, checks.commit)
        paths = [path for letter, path in changed if letter != "D"]
        edited = [path for letter, path in changed if letter != "A"]
        files = {
            path: data.decode("utf-8", "replace")
            for path, data in hub.read_many(checks.commit, paths).items()
        }
        whole = files if sum(map(len, files.values())) <= WHOLE_FILES_LIMIT else {}
        stat = hub.diff(self._base, checks.commit, stat=True)
        # New files are shown whole; of those that were there before, what changed has to be seen as well.
        shown = edited if whole else [path for _, path in changed]
        diff = hub.diff(self._base, checks.commit, paths=shown) if shown else ""
        return judge_prompt(self._goal, self._plan, checks, stat=stat, diff=diff, files=whole)

    async def _fix(self, number: int, best: Round, problems: tuple[str, ...]) -> str:
        spec = self._fixer(number, best, problems)
        await self._durable.step(f"{spec.label}:place", self._activities.place, spec)

        async def gates(saved: Saved, examination: int) -> Examined:
            given = CheckGiven(
                plan=self._plan,
                spec=self._sandbox(saved.checkpoint),
                base=self._base,
                commit=saved.checkpoint,
                commands=self._commands(),
                number=100 * number + examination,
            )
            return await self._durable.step(f"{spec.label}:gates:{examination}", self._examine, given)

        result = await run_agent(self._durable, self._activities, spec, gates)
        self._reports.append(agent_report(spec, result))
        if not result.changed and result.commit == spec.base:
            return best.commit
        given = FixGiven(number=number, parent=best.commit, fixed=result.commit, report=result.report)
        return (await self._durable.step(f"{spec.label}:commit", self._commit, given)).commit

    async def _examine(self, given: CheckGiven) -> Examined:
        report = await self._examiner.check(given)
        findings = tuple(
            f"{c.name} `{c.command}` (exit code {c.exit_code}):\n{c.output}" for c in report.failures
        )
        return Examined(
            findings=findings, checks=report.checks, seconds=sum(c.seconds for c in report.checks)
        )

    async def _commit(self, given: FixGiven) -> Tip:
        def work() -> str:
            hub = self._services.hub
            message = f"fix, round {given.number}\n\n{given.report}".strip() + "\n"
            made = hub.commit_tree(hub.tree(given.fixed), parents=[given.parent], message=message)
            hub.set_ref(f"refs/swarm/rounds/{given.number}", made)
            return made

        return Tip(commit=await asyncio.to_thread(work))

    def _fixer(self, number: int, best: Round, problems: tuple[str, ...]) -> AgentSpec:
        limits = self._goal.limits
        return AgentSpec(
            label=f"fix-{number}",
            role=Role.FIXER,
            task=f"fix-{number}",
            model=self._services.models[Role.FIXER],
            system=self._services.skill(Role.FIXER),
            prompt=fixer_prompt(self._goal, self._plan, best.checks, best.verdict, problems),
            sandbox=self._sandbox(best.commit),
            base=best.commit,
            turns=limits.turns_per_task,
            tokens=limits.tokens_per_task,
            seconds=limits.seconds_per_task,
            command_seconds=limits.command_seconds,
        )

    async def _better(self, best: Round, tried: Round) -> Round:
        if (tried.checks.passed, tried.score) >= (best.checks.passed, best.score):
            return tried
        self._rounds[-1] = tried.model_copy(update={"rolled_back": True})
        await self._durable.step(f"rolled-back:{tried.number}", self._tell_rollback, tried)
        return best

    async def _tell(self, given: Told) -> Nothing:
        made = given.round
        self._services.say(
            "verdict.ready",
            text=f"score {made.score} of 100 (threshold {given.threshold})",
            round=made.number,
            score=made.score,
            threshold=given.threshold,
            findings=len(made.verdict.findings),
        )
        return Nothing()

    async def _tell_rollback(self, given: Round) -> Nothing:
        self._services.say(
            "round.rolled-back", text=f"round {given.number} lowered the score", round=given.number
        )
        return Nothing()

    async def _point(self, given: Tip) -> Nothing:
        await asyncio.to_thread(self._services.hub.set_ref, "refs/swarm/integrated", given.commit)
        return Nothing()

    def _sandbox(self, commit: str) -> SandboxSpec:
        return sandbox_spec(
            self._services, self._goal, INTEGRATION, commit, (*self._goal.setup, *self._plan.setup)
        )
