"""Phase 1: the hub mirrors the target at its base, and the brief says what is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarm.agents.services import Services
from swarm.domain.goal import Goal
from swarm.orchestration.values import Prepared
from swarm.planning.brief import brief
from swarm.ports import Durable


async def prepare(services: Services, durable: Durable, goal: Goal) -> Prepared:
    """Mirrors and briefs."""

    async def work(goal: Goal) -> Prepared:
        return await asyncio.to_thread(_mirror, services, goal)

    return await durable.step("prepare", work, goal)


def _mirror(services: Services, goal: Goal) -> Prepared:
    hub = services.hub
    hub.create()
    hub.mirror(Path(goal.repository), goal.base)
    hub.set_ref("refs/swarm/base", goal.base)
    paths = hub.paths(goal.base)
    return Prepared(
        base=goal.base, brief=brief(goal.base, paths, lambda some: hub.read_many(goal.base, some))
    )
