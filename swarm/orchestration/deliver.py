"""Phase 7: the result becomes a branch of the user's repository; nothing else there is touched."""

from __future__ import annotations

import asyncio

from swarm.agents.services import Services
from swarm.domain.base import Nothing
from swarm.domain.goal import Goal
from swarm.orchestration.values import DeliverGiven, Reviewed
from swarm.ports import Durable


def branch_of(run: str) -> str:
    """The branch that a run delivers."""
    return f"swarm/{run}"


async def deliver(services: Services, durable: Durable, goal: Goal, reviewed: Reviewed) -> str:
    """Delivers the branch, removes the run's sandboxes, and returns the branch's name."""

    async def work(given: DeliverGiven) -> Nothing:
        await asyncio.to_thread(services.repository.deliver, services.hub.path, given.commit, given.branch)
        await services.workspaces.remove_run(goal.run)
        services.say("branch.delivered", text=given.branch, commit=given.commit)
        return Nothing()

    branch = branch_of(goal.run)
    await durable.step("deliver", work, DeliverGiven(commit=reviewed.tip, branch=branch))
    return branch
