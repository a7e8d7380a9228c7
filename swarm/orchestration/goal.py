"""The path of one goal, as a list of seven verbs."""

from __future__ import annotations

from swarm.agents.services import Services
from swarm.domain.goal import Goal
from swarm.domain.report import Outcome, RunStatus
from swarm.orchestration.build import Builder
from swarm.orchestration.deliver import deliver
from swarm.orchestration.integrate import Integrator
from swarm.orchestration.phases import Phases
from swarm.orchestration.plan import plan
from swarm.orchestration.prepare import prepare
from swarm.orchestration.review import Review
from swarm.orchestration.scaffold import scaffold
from swarm.orchestration.values import Built, Planned, Prepared, Reviewed
from swarm.ports import Durable

GOAL_FLOW = "goal"


async def run_goal(services: Services, durable: Durable, given: object) -> Outcome:
    """Turns a goal into a judged, merged branch: prepare, plan, scaffold, build and integrate, review, deliver."""
    goal = Goal.model_validate(given)
    phases = Phases(services, durable)
    prepared = await phases.time("prepare", prepare(services, durable, goal))
    planned = await phases.time("plan", plan(services, durable, goal, prepared))
    if planned.plan is None:
        return _unplanned(goal, planned, phases.seconds)
    base = await phases.time("scaffold", scaffold(services, durable, planned.plan, prepared))
    integrator = Integrator(services, durable, goal, planned.plan)
    built = await phases.time(
        "build",
        Builder(services, durable, goal, planned.plan, prepared=prepared, integrator=integrator).build(base),
    )
    reviewed = await phases.time("review", Review(services, durable, goal, planned.plan).review(built))
    branch = await phases.time("deliver", deliver(services, durable, goal, reviewed))
    return _outcome(
        goal,
        prepared=prepared,
        planned=planned,
        built=built,
        reviewed=reviewed,
        branch=branch,
        seconds=phases.seconds,
    )


def _unplanned(goal: Goal, planned: Planned, seconds: dict[str, float]) -> Outcome:
    return Outcome(
        status=RunStatus.PLAN_FAILED,
        base=goal.base,
        head=goal.base,
        summary="No valid plan after the allowed corrections.",
        threshold=goal.limits.threshold,
        tasks=planned.reports,
        phases=seconds,
        problems=planned.problems,
    )


def _outcome(
    goal: Goal,
    *,
    prepared: Prepared,
    planned: Planned,
    built: Built,
    reviewed: Reviewed,
    branch: str,
    seconds: dict[str, float],
) -> Outcome:
    plan = planned.plan
    return Outcome(
        status=RunStatus.ACCEPTED if reviewed.accepted else RunStatus.REJECTED,
        base=prepared.base,
        head=reviewed.tip,
        branch=branch,
        summary=plan.summary if plan else "",
        score=reviewed.score,
        threshold=goal.limits.threshold,
        rounds=reviewed.rounds,
        tasks=(*planned.reports, *built.reports, *reviewed.reports),
        merges=built.merges,
        ledger=built.ledger,
        estimates=plan.estimates if plan else (),
        # Merges happen while others build: their seconds are part of those of the build.
        phases=seconds | {"integrate": round(sum(merge.seconds for merge in built.merges), 3)},
        problems=reviewed.problems,
    )
