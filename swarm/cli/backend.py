"""What the command line needs from the rest of the system, and the one place where it is fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from swarm.domain.errors import UsageFault

if TYPE_CHECKING:
    import asyncio

    from swarm.domain.events import Event
    from swarm.domain.merging import MergePreview
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

    def models(self, record: RunRecord) -> dict[str, str]:
        """The model of each tier (planner, coder, premium, judge) as a run uses it."""
        ...

    def preview(self, run: str) -> MergePreview:
        """What `apply` would do; UsageFault where the repository is not ready for it."""
        ...

    def diff(self, run: str, task: str = "") -> str:
        """The unified diff of a run's result, or of one task's branch."""
        ...

    def unapplied(self, run: str) -> bool:
        """Whether a run's delivered branch is in the user's repository and not merged there."""
        ...

    def clean(self, run: str | None, *, resumable: bool = False) -> tuple[str, ...]:
        """Removes the containers and folder of a run, or of all that have ended; what was removed.

        With `resumable` also of those that stopped on the way; never of one that a process works on.
        """
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


def backend_without_file() -> Backend:
    """The real one without the user's `swarm.toml`, and without the variables too where those are wrong.

    For `doctor`, which has to look at the machine all the same.
    """
    from swarm.config.settings import load_settings
    from swarm.wiring import Backend as Wired

    bare = {**os.environ, "XDG_CONFIG_HOME": "/nonexistent"}
    try:
        return Wired(load_settings(env=bare))
    except UsageFault:
        ours = ("SWARM_", "OPENAI_")
        return Wired(load_settings(env={k: v for k, v in bare.items() if not k.startswith(ours)}))
