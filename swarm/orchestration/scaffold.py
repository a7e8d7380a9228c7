"""Phase 3: contracts and shared files become the common base of all tasks, as code."""

from __future__ import annotations

import asyncio

from swarm.agents.services import Services
from swarm.domain.plan import Plan
from swarm.orchestration.values import Prepared, ScaffoldGiven, Tip
from swarm.planning.scaffold import scaffold_files
from swarm.ports import Durable


async def scaffold(services: Services, durable: Durable, plan: Plan, prepared: Prepared) -> str:
    """The commit that all tasks start from; the base itself when nothing has to be written."""

    async def work(given: ScaffoldGiven) -> Tip:
        return await asyncio.to_thread(_commit, services, given)

    tip = await durable.step("scaffold", work, ScaffoldGiven(plan=plan, base=prepared.base))
    return tip.commit


def _commit(services: Services, given: ScaffoldGiven) -> Tip:
    hub = services.hub
    existing = {path: data.decode("utf-8", "replace") for path, data in _read_all(services, given).items()}
    files = scaffold_files(given.plan, existing)
    commit = given.base
    if files:
        commit = hub.commit_files(
            dict(files), parent=given.base, message="scaffold: contracts and shared files"
        )
    hub.set_ref("refs/swarm/scaffold", commit)
    hub.set_ref("refs/swarm/integrated", commit)
    return Tip(commit=commit)


def _read_all(services: Services, given: ScaffoldGiven) -> dict[str, bytes]:
    python = [
        path
        for path in services.hub.paths(given.base)
        if path.endswith((".py", ".md", ".toml", ".json", ".txt"))
    ]
    wanted = {c.path for c in given.plan.contracts} | {s.path for s in given.plan.shared}
    return services.hub.read_many(
        given.base, sorted(wanted | {p for p in python if p.endswith("__init__.py")})
    )
