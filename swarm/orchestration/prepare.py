"""Phase 1: the hub mirrors the target at its base, and the brief says what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from swarm.agents.services import Services
from swarm.domain.goal import Goal
from swarm.orchestration.values import Prepared
from swarm.planning.brief import brief
from swarm.planning.code_graph import import_uses
from swarm.ports import Durable

GRAPH_FILES = 5_000


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
    made = brief(goal.base, paths, lambda some: hub.read_many(goal.base, some))
    return Prepared(base=goal.base, brief=made, code_uses=_code_uses(services, goal.base, paths))


def _code_uses(services: Services, base: str, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The import graph of the repository's Python files, as far as their number allows."""
    python = [path for path in paths if path.endswith(".py")][:GRAPH_FILES]
    sources = services.hub.read_many(base, python)
    return import_uses({path: data.decode("utf-8", "replace") for path, data in sources.items()})
