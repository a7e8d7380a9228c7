"""A small world: real hub, real repository, real tool server in a local process, a scripted model, no durability."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarm.adapters.clock import SystemClock
from swarm.adapters.durable.gate import StopGate
from swarm.adapters.fakes.durable import DirectDurable
from swarm.adapters.fakes.model import ScriptedModel
from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.adapters.fakes.script import Line
from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository
from swarm.agents.services import Services
from swarm.agents.workspace import Workspaces
from swarm.domain.conversation import ModelReply, ToolCall
from swarm.domain.events import Event
from swarm.domain.goal import Goal, Limits, Strategy
from swarm.domain.plan import Role
from swarm.domain.report import Outcome
from swarm.orchestration.goal import GOAL_FLOW, run_goal
from swarm.orchestration.task import TASK_FLOW, run_task
from swarm.ports import Flow


def turn(*calls: tuple[str, Mapping[str, Any]], text: str = "") -> ModelReply:
    """A reply with these tool calls."""
    made = tuple(
        ToolCall(id=f"c{n}", name=name, arguments=json.dumps(args)) for n, (name, args) in enumerate(calls)
    )
    return ModelReply(content=text, tool_calls=made, finish_reason="tool_calls")


def write(path: str, content: str) -> tuple[str, dict[str, str]]:
    """A write_file call."""
    return "write_file", {"path": path, "content": content}


def finish(report: str = "done") -> tuple[str, dict[str, str]]:
    """A finish call."""
    return "finish", {"report": report}


class Heard:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[Event]:
        return [e for e in self.events if e.kind == kind]


class World:
    """One run's surroundings; `run` carries a goal through them."""

    def __init__(self, folder: Path) -> None:
        self.repository = UserRepository.create(folder / "target")
        self.hub = BareHub(folder / "hub.git")
        self.sandboxes = LocalSandboxes(folder / "sandboxes")
        self.heard = Heard()
        self.gate = StopGate()
        self.model = ScriptedModel({})
        self._used: list[Workspaces] = []

    def services(self, script: Mapping[tuple[str, str], Sequence[Line]]) -> Services:
        self.model = ScriptedModel(script)
        clock = SystemClock()
        workspaces = Workspaces(self.sandboxes, self.hub, self.heard, clock)
        self._used.append(workspaces)
        return Services(
            run="test-run",
            model=self.model,
            workspaces=workspaces,
            hub=self.hub,
            repository=self.repository,
            events=self.heard,
            clock=clock,
            models={role.value: "scripted" for role in Role},
            skill=lambda role: f"You are a {role}.",
            elapsed=clock.monotonic,
            approved=lambda: True,
            keep=lambda name, _: name,
            max_output_tokens=4000,
        )

    def goal(self, *, plan: str = "", limits: Limits | None = None) -> Goal:
        return Goal(
            run="test-run",
            text="Build two small modules.",
            repository=str(self.repository.path),
            base=self.repository.resolve(""),
            strategy=Strategy.AUTO,
            limits=limits or Limits(rounds=1),
            image="none",
            plan_yaml=plan,
        )

    async def close(self) -> None:
        """Removes the sandboxes that a test left, as the end of a run does."""
        for workspaces in self._used:
            await workspaces.remove_run("test-run")

    async def run(self, goal: Goal, script: Mapping[tuple[str, str], Sequence[Line]]) -> Outcome:
        services = self.services(script)
        flows: dict[str, Flow] = {
            GOAL_FLOW: functools.partial(run_goal, services),
            TASK_FLOW: functools.partial(run_task, services),
        }
        durable = DirectDurable("test-run", flows, self.gate)
        return await run_goal(services, durable, goal.model_dump(mode="json"))
