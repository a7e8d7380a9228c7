"""The use cases behind the commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarm.adapters.sandbox.image import ensure_image
from swarm.adapters.state import FileRunStore
from swarm.config.assets import asset, assets_root
from swarm.config.settings import Settings
from swarm.config.tiers import Tier
from swarm.domain.merging import MergePreview
from swarm.domain.report import RunRecord, RunReport
from swarm.domain.requests import Prerequisite, ResumeOverrides, RunRequest
from swarm.wiring import doctor, exercise, planning, upkeep
from swarm.wiring.assembly import Listener
from swarm.wiring.execution import execute
from swarm.wiring.intake import make_record, run_settings, unheard

Tell = Callable[[str], None]


class Backend:
    """Everything that the command line can ask for. Made once, from the user's settings; nothing is started by it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = FileRunStore(settings.state_dir / "runs")

    @property
    def store(self) -> FileRunStore:
        """The folders of all runs."""
        return self._store

    def prepare(self, request: RunRequest, tell: Tell | None = None) -> RunRecord:
        """Validates a request and makes the run's folder; nothing is started."""
        return make_record(self._settings, request, self._store, tell or unheard)

    async def execute(
        self,
        run: str,
        *,
        listener: Listener,
        interrupt: asyncio.Event,
        resume: bool,
        overrides: ResumeOverrides,
    ) -> RunReport:
        """Carries a run to its end or to a safe stop."""
        record = self._store.record(run)
        settings = run_settings(self._settings, record)
        return await execute(
            settings,
            self._store,
            run,
            listeners=(listener,),
            interrupt=interrupt,
            resume=resume,
            overrides=overrides,
        )

    async def plan_only(self, request: RunRequest, listener: Listener) -> str:
        """The plan of a goal as YAML."""
        return await planning.plan_only(self._settings, request, listener)

    def cancel(self, run: str) -> str:
        """Ends a run for good."""
        return upkeep.cancel(self._store, run)

    def pause(self, run: str) -> str:
        """Asks the process that works on a run to stop safely."""
        return upkeep.pause(self._store, run)

    def apply(self, run: str, *, yes: bool) -> str:
        """Merges the result into the checked-out branch; `yes` says that the user has agreed."""
        return upkeep.apply(self._store, run, yes=yes)

    def models(self, record: RunRecord) -> dict[str, str]:
        """The model of each tier as a run uses it."""
        settings = run_settings(self._settings, record)
        return {tier.value: settings.model_of(tier) for tier in Tier}

    def preview(self, run: str) -> MergePreview:
        """What `apply` would do; UsageFault where the repository is not ready for it."""
        return upkeep.preview(self._store, run)

    def diff(self, run: str, task: str = "") -> str:
        """The diff of a run's result or of a task's branch."""
        return upkeep.diff(self._store, run, task)

    def unapplied(self, run: str) -> bool:
        """Whether a run's delivered branch is in the user's repository and not merged there."""
        return upkeep.unapplied(self._store, run)

    def clean(self, run: str | None, *, resumable: bool = False) -> tuple[str, ...]:
        """Removes containers and folders of ended runs, or with `resumable` of all that nobody works on."""
        return upkeep.clean(self._store, run, resumable=resumable)

    def doctor(self) -> tuple[Prerequisite, ...]:
        """Each prerequisite, its state, the remedy."""
        return doctor.examine(self._settings)

    def build_sandbox(self, profile: str, progress: Tell) -> str:
        """Builds a profile's image where it is missing; its tag."""
        return ensure_image(profile, assets_root(), progress)

    def shell(self, run: str, task: str) -> list[str]:
        """The command that opens a shell in a running sandbox."""
        return upkeep.shell(self._store, run, task)

    def demo(self, name: str) -> RunRequest:
        """The request that replays a recording that ships with the project."""
        recording = asset("examples", "recordings") / f"{name}.jsonl"
        return exercise.demo_request(name, recording)

    async def exercise(self, run: str, listener: Listener) -> tuple[str, ...]:
        """Starts what a demo built, in a sandbox, and uses it."""
        return await exercise.exercise(
            self._store, self._store.record(run), asset("examples", "exercises"), listener
        )
