"""What agents and orchestration are given to work with: the ports, and the few settings that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarm.agents.workspace import Workspaces
from swarm.domain.events import Event, EventKind
from swarm.ports import Clock, Events, Hub, Model, Repository


@dataclass(frozen=True)
class Services:
    """Everything outside, behind ports.

    `models` maps a role to a model id, `skill` a role to its system prompt, `elapsed` gives the seconds that the run
    has been worked on so far (pauses left out), `approved` says whether the plan may be carried out,
    `keep` writes a text into the run's folder and gives its path.
    """

    run: str
    model: Model
    workspaces: Workspaces
    hub: Hub
    repository: Repository
    events: Events
    clock: Clock
    models: Mapping[str, str]
    skill: Callable[[str], str]
    elapsed: Callable[[], float]
    approved: Callable[[], bool]
    keep: Callable[[str, str], str]
    max_output_tokens: int

    def say(self, kind: EventKind, *, task: str = "", text: str = "", **data: Any) -> None:
        """Publishes an event of this run."""
        self.events.publish(
            Event(at=self.clock.now(), kind=kind, run=self.run, task=task, text=text, data=data)
        )
