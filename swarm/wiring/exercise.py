"""The demo: a request that replays a recording, and at its end the built service, started and used in a sandbox."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from swarm.adapters.recording import read_recording
from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.adapters.state import FileRunStore
from swarm.config.assets import assets_root
from swarm.domain.errors import SandboxFault, UsageFault
from swarm.domain.events import Event
from swarm.domain.report import RunRecord
from swarm.domain.requests import RunRequest, folder_name
from swarm.domain.sandbox import Command, SandboxSpec
from swarm.wiring.assembly import Listener

EXERCISE_SECONDS = 60


def demo_request(name: str, recording: Path) -> RunRequest:
    """The recording's own goal and threshold, answered by the recording."""
    if not recording.is_file():
        there = ", ".join(sorted(p.stem for p in recording.parent.glob("*.jsonl"))) or "none"
        raise UsageFault(f"There is no demo {name!r}", remedy=f"There are: {there}.")
    header = read_recording(recording).header
    here = Path.cwd()
    folder = here / folder_name(f"swarm demo {name}", taken=lambda found: (here / found).exists())
    return RunRequest(
        goal_text=header.goal,
        threshold=header.threshold,
        new_folder=str(folder),
        strategy=header.strategy,
        agents=header.agents,
        model=f"replay:{recording}",
    )


async def exercise(
    store: FileRunStore, record: RunRecord, exercises: Path, listener: Listener
) -> tuple[str, ...]:
    """Lines that the exercise printed; SandboxFault when the service did not do what it should."""
    listener(
        Event(
            at=time.time(), kind="phase.started", run=record.run, text="exercise", data={"phase": "exercise"}
        )
    )
    recording = Path(record.model.removeprefix("replay:"))
    script = exercises / f"{recording.stem}.py"
    if not script.is_file():
        return ()
    return await asyncio.to_thread(_exercise, store, record, script)


def _exercise(store: FileRunStore, record: RunRecord, script: Path) -> tuple[str, ...]:
    report = store.report(record.run)
    if report is None or not report.head:
        raise UsageFault(f"Run {record.run} has no result to exercise")
    sandboxes = DockerSandboxes(assets_root())
    spec = SandboxSpec(
        name=f"swarm-{record.run}-exercise",
        run=record.run,
        image=record.goal.image,
        profile=record.goal.profile,
        hub=str(store.folder(record.run) / "hub.git"),
        commit=report.head,
        setup=record.goal.setup,
    )
    sandboxes.remove(spec.name)
    try:
        sandbox = sandboxes.open(spec)
        command = f"python - <<'SWARM_EXERCISE'\n{script.read_text(encoding='utf-8')}\nSWARM_EXERCISE\n"
        result = sandbox.run(Command(command=command, timeout=EXERCISE_SECONDS))
    finally:
        sandboxes.remove(spec.name)
    if result.exit_code:
        raise SandboxFault(
            "The built service did not pass its exercise: " + result.output.strip()[-600:], where=record.run
        )
    return tuple(result.output.strip().splitlines())
