"""The documents that `--json` prints beside the report; their schemas are in `contracts/`."""

from __future__ import annotations

from swarm.domain.base import Value
from swarm.domain.events import Event
from swarm.domain.report import RunRecord
from swarm.domain.requests import Prerequisite

DOCUMENT_VERSION = 1


class RunList(Value):
    """`swarm list --json`: newest first."""

    schema_version: int = DOCUMENT_VERSION
    runs: tuple[RunRecord, ...] = ()


class EventList(Value):
    """`swarm logs --json`, in the order of happening (with `--follow`: one event per line instead)."""

    schema_version: int = DOCUMENT_VERSION
    run: str
    events: tuple[Event, ...] = ()


class DiffText(Value):
    """`swarm diff --json`: a unified diff; `task` is empty for the whole run."""

    schema_version: int = DOCUMENT_VERSION
    run: str
    task: str = ""
    diff: str = ""


class Health(Value):
    """`swarm doctor --json`: `ok` when nothing essential is missing."""

    schema_version: int = DOCUMENT_VERSION
    ok: bool
    prerequisites: tuple[Prerequisite, ...] = ()


class Done(Value):
    """What a command did, one sentence each: cancel, apply, clean, sandbox build, version."""

    schema_version: int = DOCUMENT_VERSION
    command: str
    run: str = ""
    lines: tuple[str, ...] = ()
