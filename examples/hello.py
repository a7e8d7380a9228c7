"""A whole run with a scripted model and local sandboxes: no key, no Docker, nothing left behind.

    python examples/hello.py

What is real: git, the hub, the gates, the merge, the review. What is not: the model follows a script, the sandboxes are
plain processes of this machine, and nothing is durable.
"""

from __future__ import annotations

import asyncio
import functools
import json
import tempfile
from pathlib import Path

from swarm.adapters.clock import SystemClock
from swarm.adapters.fakes.durable import DirectDurable
from swarm.adapters.fakes.model import ScriptedModel
from swarm.adapters.fakes.sandbox import LocalSandboxes
from swarm.adapters.fakes.script import Line, says
from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository
from swarm.agents.services import Services
from swarm.agents.workspace import Workspaces
from swarm.domain.conversation import ModelReply, ToolCall
from swarm.domain.events import Event
from swarm.domain.goal import Goal
from swarm.domain.plan import Role
from swarm.orchestration.goal import run_goal
from swarm.orchestration.task import TASK_FLOW, run_task

BLUEPRINT = {
    "summary": "A greeting.",
    "files": [
        {
            "path": "hello.py",
            "purpose": "Greets.",
            "lines": 5,
            "tests": ["tests/test_hello.py"],
            "symbols": [{"name": "hello", "kind": "function", "signature": "def hello(name: str) -> str"}],
        }
    ],
    "acceptance": ["python -m pytest -q"],
}
FILES = {
    "hello.py": 'def hello(name: str) -> str:\n    """A greeting."""\n    return f"Hello, {name}!"\n',
    "tests/test_hello.py": (
        "from hello import hello\n\n\ndef test_it_greets() -> None:\n    assert hello('you') == 'Hello, you!'\n"
    ),
}
VERDICT = {name: {"score": 4} for name in ("code_quality", "code_organisation", "tests", "security")}


class Printed:
    """Events as lines."""

    def publish(self, event: Event) -> None:
        """Prints one."""
        print(f"{event.kind:18} {event.task:6} {event.text}")


def work() -> ModelReply:
    """The agent's only turn: two files and the word that it is done."""
    writes = [("write_file", {"path": path, "content": text}) for path, text in FILES.items()]
    calls = [*writes, ("finish", {"report": "A greeting and its test."})]
    return ModelReply(
        tool_calls=tuple(
            ToolCall(id=str(n), name=name, arguments=json.dumps(a)) for n, (name, a) in enumerate(calls)
        )
    )


def script() -> dict[tuple[str, str], list[Line]]:
    """What the model says, by role and task."""
    return {
        ("planner", "plan"): [says(json.dumps(BLUEPRINT))],
        ("solo", "solo"): [work()],
        ("judge", "round-0"): [says(json.dumps({**VERDICT, "findings": []}))],
    }


async def main() -> None:
    """Builds a greeting in a temporary folder and shows where it came to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository, hub, clock = (
            UserRepository.create(folder / "target"),
            BareHub(folder / "hub.git"),
            SystemClock(),
        )
        workspaces = Workspaces(LocalSandboxes(folder / "sandboxes"), hub, Printed(), clock)
        services = Services(
            run="hello",
            model=ScriptedModel(script()),
            workspaces=workspaces,
            hub=hub,
            repository=repository,
            events=Printed(),
            clock=clock,
            models={role.value: "scripted" for role in Role},
            skill=lambda role: f"You are a {role}.",
            elapsed=clock.monotonic,
            approved=lambda: True,
            keep=lambda name, _: name,
            max_output_tokens=4000,
        )
        base = repository.resolve("")
        goal = Goal(
            run="hello", text="Greet people.", repository=str(repository.path), base=base, image="none"
        )
        durable = DirectDurable("hello", {TASK_FLOW: functools.partial(run_task, services)})
        outcome = await run_goal(services, durable, goal.model_dump(mode="json"))
        print(f"{outcome.status}: score {outcome.score}, branch {outcome.branch}")


if __name__ == "__main__":
    asyncio.run(main())
