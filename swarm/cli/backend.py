"""What the command line needs from the rest of the system, and the one place where it is fetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from swarm.domain.events import Event
    from swarm.domain.report import RunRecord, RunReport
    from swarm.domain.requests import Prerequisite, ResumeOverrides, RunRequest
    from swarm.ports import RunStore

Listener = Callable[["Event"], None]


class Backend(Protocol):
    """The use cases behind the commands. Every call raises SwarmError and nothing else on purpose."""

    @property
    def store(self) -> RunStore:
        """The folders of all runs."""
        ...

    def prepare(self, request: RunRequest, tell: Callable[[str], None] | None = None) -> RunRecord:
        """Validates everything and makes the run's folder; UsageFault or EnvironmentFault before anything starts."""
        ...

    async def execute(
        self,
        run: str,
        *,
        listener: Listener,
        interrupt: asyncio.Event,
        resume: bool,
        overrides: ResumeOverrides,
    ) -> RunReport:
        """Carries a prepared or stopped run to its end, or to a safe stop once `interrupt` is set."""
        ...

    async def plan_only(self, request: RunRequest, listener: Listener) -> str:
        """The plan of a goal as YAML; nothing is built."""
        ...

    def cancel(self, run: str) -> str:
        """Ends a run for good; a sentence of what was done."""
        ...

    def pause(self, run: str) -> str:
        """Asks the process that works on a run to stop safely; a sentence of what was done."""
        ...

    def apply(self, run: str, *, yes: bool) -> str:
        """Merges the result into the branch that is checked out in the user's repository; `yes`: it was agreed to."""
        ...

    def preview(self, run: str) -> str:
        """What `apply` would change, as a diff summary."""
        ...

    def diff(self, run: str, task: str = "") -> str:
        """The unified diff of a run's result, or of one task's branch."""
        ...

    def clean(self, run: str | None) -> tuple[str, ...]:
        """Removes the containers and folder of a run, or of all that do not run; what was removed."""
        ...

    def doctor(self) -> tuple[Prerequisite, ...]:
        """Each prerequisite and its state."""
        ...

    def build_sandbox(self, profile: str, progress: Callable[[str], None]) -> str:
        """Builds a profile's image, telling the progress line by line; its tag."""
        ...

    def shell(self, run: str, task: str) -> list[str]:
        """The command that opens a shell in a task's sandbox."""
        ...

    def demo(self, name: str) -> RunRequest:
        """The request that replays a recording that ships with the project."""
        ...

    async def exercise(self, run: str, listener: Listener) -> tuple[str, ...]:
        """Starts what a demo built in a sandbox and uses it; lines that show what it answered."""
        ...


def backend() -> Backend:
    """The real one, made from the user's settings."""
    from swarm.config.settings import load_settings
    from swarm.wiring import Backend as Wired

    return Wired(load_settings())
