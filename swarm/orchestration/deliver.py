"""Phase 7: the result becomes a branch of the user's repository; nothing else there is touched."""

from __future__ import annotations

import asyncio

from swarm.agents.services import Services
from swarm.domain.base import Nothing
from swarm.domain.errors import UsageFault, WaitingFault
from swarm.domain.goal import Goal
from swarm.orchestration.values import DeliverGiven, Reviewed
from swarm.ports import Durable, Hub, Repository

DELIVERED = "refs/swarm/delivered"


def branch_of(run: str) -> str:
    """The branch that a run delivers."""
    return f"swarm/{run}"


async def deliver(services: Services, durable: Durable, goal: Goal, reviewed: Reviewed) -> str:
    """Delivers the branch, removes the run's sandboxes, and returns the branch's name."""

    async def work(given: DeliverGiven) -> Nothing:
        try:
            await asyncio.to_thread(hand_over, services.hub, services.repository, given.commit, given.branch)
        except UsageFault as fault:
            # The user's repository stands in the way: nothing is lost, and a resume delivers.
            raise WaitingFault(fault.what, where=fault.where, remedy=fault.remedy) from fault
        await services.workspaces.remove_run(goal.run)
        services.say("branch.delivered", text=given.branch, commit=given.commit)
        return Nothing()

    branch = branch_of(goal.run)
    await durable.step("deliver", work, DeliverGiven(commit=reviewed.tip, branch=branch))
    return branch


def hand_over(hub: Hub, repository: Repository, commit: str, branch: str) -> None:
    """Points the branch at a commit, in place of what was delivered before."""
    repository.deliver(hub.path, commit, branch, replaces=hub.ref(DELIVERED))
    hub.set_ref(DELIVERED, commit)
