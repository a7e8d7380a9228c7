"""What a sandbox is asked to be and to do."""

from __future__ import annotations

from typing import Any

from swarm.domain.base import Value


class SandboxSpec(Value):
    """A sandbox to attach to or to create.

    `name` is its identity and lock (`swarm-<run>-<task>-<attempt>`); `hub` the host path of the bare repository,
    mounted read-only; `commit` what is checked out when it is created; `labels` let `clean` find what a run left.
    """

    name: str
    run: str
    image: str
    profile: str
    hub: str
    commit: str
    setup: tuple[str, ...] = ()


class Command(Value):
    """A command for a sandbox: run by `bash -lc` in the work tree, stopped with all descendants after `timeout` s."""

    command: str
    timeout: int = 120
    env: dict[str, str] = {}


class CommandResult(Value):
    """Its end: `output` is stdout and stderr as they came, capped with the middle cut out; `size` bytes in all."""

    exit_code: int
    output: str
    size: int = 0
    timed_out: bool = False
    seconds: float = 0.0


class ToolResult(Value):
    """What a tool call gave back to the agent; `ok` False marks a refused or failed call (exit codes: in the text)."""

    call_id: str
    name: str
    ok: bool
    text: str
    changed: bool = False
    seconds: float = 0.0
    data: dict[str, Any] = {}
