"""Everything that carries one run, built once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.adapters.budget import BudgetedModel
from swarm.adapters.clock import SystemClock
from swarm.adapters.durable.engine import DbosEngine
from swarm.adapters.durable.gate import StopGate
from swarm.adapters.hub import BareHub
from swarm.adapters.journal import JournaledModel
from swarm.adapters.model import OpenAIModel
from swarm.adapters.recording import RecordingModel, ReplayModel
from swarm.adapters.repository import UserRepository
from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.adapters.telemetry import EventLog
from swarm.agents.services import Services
from swarm.agents.workspace import Workspaces
from swarm.config.assets import assets_root, skill
from swarm.config.settings import Settings
from swarm.domain.events import Event
from swarm.domain.goal import Strategy
from swarm.domain.plan import Role
from swarm.domain.recording import RecordingHeader
from swarm.domain.redaction import Redactor
from swarm.domain.report import RunRecord
from swarm.orchestration.goal import GOAL_FLOW, run_goal
from swarm.orchestration.task import TASK_FLOW, run_task
from swarm.ports import Flow, Model, Sandboxes

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Assembly:
    """The parts that the execution of a run talks to."""

    services: Services
    engine: DbosEngine
    gate: StopGate
    journal: JournaledModel
    hub: BareHub
    repository: UserRepository
    sandboxes: Sandboxes


def assemble(
    settings: Settings,
    record: RunRecord,
    folder: Path,
    *,
    listeners: Sequence[Listener],
    elapsed_before: float,
    approved: bool,
    sandboxes: Sandboxes | None = None,
    model: Model | None = None,
) -> Assembly:
    """Builds a run's parts on its folder. `sandboxes` and `model` take the place of the real ones in tests."""
    clock = SystemClock()
    redactor = Redactor((settings.api_key.get_secret_value(),))
    events = EventLog(folder / "events.jsonl", listeners, redactor=redactor)
    gate = StopGate()
    hub = BareHub(folder / "hub.git")
    repository = UserRepository.open(Path(record.goal.repository))
    containers = sandboxes or DockerSandboxes(assets_root())
    journal = journaled(settings, record, folder, redactor, events, model=model)
    started = clock.monotonic()
    services = Services(
        run=record.run,
        model=journal,
        workspaces=Workspaces(containers, hub, events, clock),
        hub=hub,
        repository=repository,
        events=events,
        clock=clock,
        models={role.value: settings.model_for(role.value) for role in Role},
        skill=lambda role: skill(role, custom=settings.skills).text,
        elapsed=lambda: elapsed_before + clock.monotonic() - started,
        approved=lambda: approved,
        keep=functools.partial(_keep, folder),
        max_output_tokens=settings.max_output_tokens,
    )
    flows: dict[str, Flow] = {
        GOAL_FLOW: functools.partial(run_goal, services),
        TASK_FLOW: functools.partial(run_task, services),
    }
    engine = DbosEngine(folder, flows, gate, run=record.run)
    return Assembly(services, engine, gate, journal, hub, repository, containers)


def _keep(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def journaled(
    settings: Settings,
    record: RunRecord,
    folder: Path,
    redactor: Redactor,
    events: EventLog,
    *,
    model: Model | None,
) -> JournaledModel:
    """The model as a run sees it: journal, then budget, then recording, then the endpoint or a replay.

    What the journal answers reaches neither the budget nor the endpoint.
    """
    path = folder / "journal.jsonl"
    inner = model or endpoint(settings, record, events)
    if record.record_to:
        target, resume = Path(record.record_to), record.resumes > 0
        inner = RecordingModel(inner, target, header(settings, record), redactor.clean, resume=resume)
    budgeted = BudgetedModel(
        inner,
        tokens=record.goal.limits.tokens,
        usd=record.goal.limits.usd,
        spent=JournaledModel.spent_in(path),
        price_of=settings.price_of,
        resume_command=f"swarm resume {record.run}",
    )
    return JournaledModel(budgeted, path)


def endpoint(settings: Settings, record: RunRecord, events: EventLog) -> Model:
    """The recording that answers, or the configured endpoint."""
    if settings.replay_file is not None:
        return ReplayModel(settings.replay_file, goal=record.goal.text, pace=settings.replay_pace)

    def on_retry(text: str) -> None:
        events.publish(Event(at=SystemClock().now(), kind="model.retried", run=record.run, text=text))

    return OpenAIModel(
        base_url=settings.base_url,
        api_key=settings.api_key.get_secret_value(),
        timeout=settings.request_timeout,
        retries=settings.retries,
        patience=settings.retry_patience,
        price_of=settings.price_of,
        on_retry=on_retry,
    )


def header(settings: Settings, record: RunRecord) -> RecordingHeader:
    """The first line of a recording, with the command that makes it anew."""
    goal, limits = record.goal, record.goal.limits
    forced = "" if goal.strategy is Strategy.AUTO else f" --{goal.strategy}"
    return RecordingHeader(
        goal=goal.text,
        model=settings.model_for(Role.CODER.value),
        command=f"swarm run @GOAL.md{forced} --agents {limits.agents} --record NEW-FILE.jsonl",
        recorded_at=record.started,
        threshold=limits.threshold,
        strategy=goal.strategy,
        agents=limits.agents,
    )
