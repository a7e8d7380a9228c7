"""`swarm plan`: the first two phases alone, in a temporary folder; nothing is kept but the YAML that comes back."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from swarm.adapters.fakes.durable import DirectDurable
from swarm.adapters.repository import UserRepository
from swarm.adapters.state import new_run_id
from swarm.config.settings import Settings
from swarm.domain.errors import PlanFault, UsageFault
from swarm.domain.goal import Goal, Strategy
from swarm.domain.report import RunRecord
from swarm.domain.requests import RunRequest
from swarm.orchestration.plan import plan
from swarm.orchestration.prepare import prepare
from swarm.planning.planfile import plan_to_yaml
from swarm.wiring.assembly import Listener, assemble
from swarm.wiring.intake import check_model, check_record, planning_settings, record_path


async def plan_only(settings: Settings, request: RunRequest, listener: Listener) -> str:
    """The plan of a goal as YAML; PlanFault with the problems when the planner gives no valid one."""
    text = request.goal_text.strip()
    if not text:
        raise UsageFault("The goal is empty", remedy='Say what to build: swarm plan "Add a --version flag".')
    chosen = planning_settings(settings, request)
    check_model(chosen, text)
    check_record(request)
    with tempfile.TemporaryDirectory(prefix="swarm-plan-") as folder:
        record = _record(chosen, request, text, Path(folder))
        parts = assemble(
            chosen, record, Path(folder), listeners=(listener,), elapsed_before=0.0, approved=True
        )
        durable = DirectDurable(record.run, {}, parts.gate)
        prepared = await prepare(parts.services, durable, record.goal)
        planned = await plan(parts.services, durable, record.goal, prepared)
    if planned.plan is None:
        raise PlanFault("The planner gave no valid plan", problems=planned.problems)
    return plan_to_yaml(planned.plan)


def _record(settings: Settings, request: RunRequest, text: str, folder: Path) -> RunRecord:
    if request.repo is not None:
        repository = UserRepository.open(Path(request.repo))
        base = repository.resolve(request.base)
    else:
        repository = UserRepository.create(folder / "empty")
        base = repository.resolve("")
    now = datetime.now(UTC)
    goal = Goal(
        run=new_run_id(text, now.timestamp()),
        text=text,
        repository=str(repository.path),
        base=base,
        strategy=request.strategy or Strategy.AUTO,
        limits=settings.limits(),
        image="none",
    )
    return RunRecord(
        run=goal.run,
        goal=goal,
        started=now.isoformat(timespec="seconds"),
        model=request.model or "",
        record_to=record_path(request),
    )
