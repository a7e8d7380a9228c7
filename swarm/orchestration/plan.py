"""Phase 2: a blueprint from the model, a plan from code; problems go back verbatim, twice at most."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from swarm.agents.services import Services
from swarm.agents.single import AskGiven, SingleActivities, corrected
from swarm.domain.base import Nothing
from swarm.domain.blueprint import Blueprint
from swarm.domain.conversation import Message, Usage
from swarm.domain.errors import WaitingFault
from swarm.domain.goal import Goal
from swarm.domain.plan import Plan, Role
from swarm.domain.report import TaskReport, TaskStatus
from swarm.orchestration.values import Planned, Prepared, ReadGiven
from swarm.planning.blueprint import blueprint_schema, parse_blueprint, validate_blueprint
from swarm.planning.partition import make_plan
from swarm.planning.planfile import plan_from_yaml, plan_to_yaml
from swarm.planning.request import planning_request_text
from swarm.planning.validate import validate_plan
from swarm.ports import Durable

TRIES = 3
CHARACTERS_PER_TOKEN = 4
BLUEPRINT_TOKENS = 4_000
PLACE = "plan"
PLAN_FILE = "plan.yaml"


async def plan(services: Services, durable: Durable, goal: Goal, prepared: Prepared) -> Planned:
    """The plan of a goal, given by hand or made; then announced, and approved where that was asked for."""
    planned = _given(goal, prepared) if goal.plan_yaml else await _made(services, durable, goal, prepared)

    async def announce(planned: Planned) -> Nothing:
        if planned.plan is None:
            services.say("plan.rejected", text="; ".join(planned.problems))
            return Nothing()
        await asyncio.to_thread(services.keep, PLAN_FILE, plan_to_yaml(planned.plan))
        _announce(services, planned.plan)
        return Nothing()

    async def approval(plan: Plan) -> Nothing:
        if not services.approved():
            raise WaitingFault(
                "The plan waits for your approval",
                where=await asyncio.to_thread(services.keep, PLAN_FILE, plan_to_yaml(plan)),
                remedy=f"Read it; `swarm resume {goal.run}` carries it out, `swarm cancel {goal.run}` does not.",
            )
        return Nothing()

    await durable.step("plan:announce", announce, planned)
    if planned.plan is not None and goal.approve:
        await durable.step("plan:approval", approval, planned.plan)
    return planned


def _given(goal: Goal, prepared: Prepared) -> Planned:
    given = plan_from_yaml(goal.plan_yaml, "--plan")
    if not isinstance(given, Plan):
        return Planned(problems=given)
    problems = validate_plan(given, prepared.brief.files)
    return Planned(problems=problems) if problems else Planned(plan=given)


async def _made(services: Services, durable: Durable, goal: Goal, prepared: Prepared) -> Planned:
    activities = SingleActivities(services)
    schema = json.dumps(blueprint_schema())
    messages: tuple[Message, ...] = (
        Message(role="system", content=services.skill(Role.PLANNER)),
        Message(role="user", content=planning_request_text(goal.text, prepared.brief)),
    )
    await durable.step(
        "plan:estimate",
        _estimating(services),
        AskGiven(role=Role.PLANNER, place=PLACE, turn=0, messages=messages, response_schema=schema),
    )
    usage, seconds, drift = Usage(), 0.0, 0
    problems: tuple[str, ...] = ()
    reports: tuple[TaskReport, ...] = ()
    for turn in range(1, TRIES + 1):
        asked = AskGiven(role=Role.PLANNER, place=PLACE, turn=turn, messages=messages, response_schema=schema)
        answered = await durable.step(f"plan:ask:{turn}", activities.ask, asked)
        usage, seconds = usage + answered.reply.usage, seconds + answered.seconds
        drift += answered.reply.drift
        reading = ReadGiven(text=answered.reply.content, goal=goal, prepared=prepared)
        read = await durable.step(f"plan:read:{turn}", _read, reading)
        reports = (_report(turn, usage, seconds, drift, done=read.plan is not None),)
        if read.plan is not None:
            return Planned(plan=read.plan, reports=reports)
        problems = read.problems
        messages = corrected(messages, answered.reply, problems)
    return Planned(problems=problems, reports=reports)


def _estimating(services: Services) -> Callable[[AskGiven], Awaitable[Nothing]]:
    async def estimate(asked: AskGiven) -> Nothing:
        tokens = sum(len(m.content) for m in asked.messages) // CHARACTERS_PER_TOKEN + BLUEPRINT_TOKENS
        services.say("plan.estimated", text=f"planning takes about {tokens:,} tokens", tokens=tokens)
        return Nothing()

    return estimate


async def _read(given: ReadGiven) -> Planned:
    """In a thread, and once: cutting a large blueprint takes seconds."""
    read = await asyncio.to_thread(read_plan, given.text, given.goal, given.prepared)
    return Planned(plan=read) if isinstance(read, Plan) else Planned(problems=read)


def read_plan(text: str, goal: Goal, prepared: Prepared) -> Plan | tuple[str, ...]:
    """The plan in a planner's answer, or the exact problems of its blueprint."""
    blueprint = parse_blueprint(text)
    if not isinstance(blueprint, Blueprint):
        return blueprint
    problems = validate_blueprint(blueprint, prepared.brief.files)
    if problems:
        return problems
    made = make_plan(
        goal.text,
        blueprint,
        prepared.brief,
        agents=goal.limits.agents,
        strategy=goal.strategy,
        code_uses=prepared.code_uses,
    )
    return validate_plan(made, prepared.brief.files) or made


def _report(turns: int, usage: Usage, seconds: float, drift: int, *, done: bool) -> TaskReport:
    return TaskReport(
        task=PLACE,
        role=Role.PLANNER,
        status=TaskStatus.DONE if done else TaskStatus.FAILED,
        turns=turns,
        seconds=seconds,
        usage=usage,
        drift=drift,
    )


def _announce(services: Services, plan: Plan) -> None:
    tokens = next((e.tokens for e in plan.estimates if e.chosen), 0)
    services.say(
        "plan.ready",
        text=f"{plan.strategy}: {len(plan.tasks)} tasks, {len(plan.contracts)} contracts",
        rationale=plan.rationale,
        strategy=plan.strategy.value,
        tokens=tokens,
        tasks=[
            {
                "id": task.id,
                "role": task.role.value,
                "title": task.title,
                "depends_on": list(task.depends_on),
                "soft_depends_on": list(task.soft_depends_on),
                "size": task.size,
            }
            for task in plan.tasks
        ],
    )
