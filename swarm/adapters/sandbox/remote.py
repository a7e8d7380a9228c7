"""A sandbox as its port describes it, spoken through a connection to its tool server."""

from __future__ import annotations

import base64
import logging
from typing import Any

from swarm.adapters.sandbox.connection import Connection
from swarm.domain.conversation import ToolCall
from swarm.domain.errors import BundleRefused, SandboxFault
from swarm.domain.sandbox import Command, CommandResult, SandboxSpec, ToolResult

# What the tool server allows itself, and a margin: its own time-outs come first and say more.
_MARGIN_SECONDS = 60.0
_TOOL_SECONDS = 600.0
_GIT_SECONDS = 300.0
_FILE_SECONDS = 60.0
_SETUP_SECONDS = 600
_OUTPUT_TAIL = 2000
_BRANCH = "work"
# The hub takes no more at once.
BUNDLE_BYTES = 256_000_000

log = logging.getLogger(__name__)


class RemoteSandbox:
    """A living sandbox; `created` tells whether it was made just now."""

    def __init__(
        self, name: str, connection: Connection, *, created: bool, bundle_limit: int = BUNDLE_BYTES
    ) -> None:
        self._name = name
        self._connection = connection
        self._created = created
        self._bundle_limit = bundle_limit

    @property
    def name(self) -> str:
        """The container's name, which is its identity."""
        return self._name

    @property
    def created(self) -> bool:
        """Whether it was made by this `open` (fresh files) and not attached to."""
        return self._created

    def prepare(self, spec: SandboxSpec) -> None:
        """Fills the work tree and runs the set-up commands, each once in the life of the container.

        SandboxFault names the set-up command that failed and the end of its output.
        """
        self._ask("prepare", _GIT_SECONDS, call="prepare", commit=spec.commit, branch=_BRANCH)
        for number, command in enumerate(spec.setup):
            ended = self.run(Command(command=command, timeout=_SETUP_SECONDS), call_id=f"setup:{number}")
            if ended.exit_code != 0:
                raise SandboxFault(
                    f"the set-up command '{command}' failed with exit code {ended.exit_code}: "
                    f"{ended.output.strip()[-_OUTPUT_TAIL:]}",
                    where=self._name,
                    remedy="Mend the command in the settings or the plan, then resume the run.",
                )

    def tool(self, call_id: str, call: ToolCall) -> ToolResult:
        """Runs an agent's tool call. The same `call_id` again gives the recorded result and runs nothing."""
        result = self._ask("tool", _TOOL_SECONDS, call=call_id, name=call.name, arguments=call.arguments)
        return ToolResult(
            call_id=call_id,
            name=call.name,
            ok=bool(result["ok"]),
            text=str(result["text"]),
            changed=bool(result["changed"]),
            seconds=float(result["seconds"]),
            data=dict(result["data"]),
        )

    def run(self, command: Command, *, call_id: str = "") -> CommandResult:
        """Runs a command in the work tree; with a `call_id`, at most once per container."""
        result = self._ask(
            "run",
            command.timeout,
            call=call_id,
            command=command.command,
            timeout=command.timeout,
            env=command.env,
        )
        return CommandResult.model_validate(result)

    def read(self, path: str, *, limit: int = 1_000_000) -> bytes | None:
        """At most `limit` bytes of a file of the work tree (relative) or an absolute path; None when there is none."""
        data = self._ask("read", _FILE_SECONDS, path=path, limit=limit)["data"]
        return None if data is None else base64.b64decode(data)

    def write(self, path: str, data: bytes) -> None:
        """Writes a file of the work tree, making its folders."""
        self._ask("write", _FILE_SECONDS, path=path, data=base64.b64encode(data).decode())

    def commit(self, message: str, *, call_id: str = "") -> bytes:
        """A bundle of the whole work tree as one more commit beside HEAD; empty when nothing changed.

        BundleRefused when it is larger than the hub takes; SandboxBroken when the work tree cannot be exported.
        An export whose bundle did not reach the hub is part of the next one.
        """
        exported = self._ask("commit", _GIT_SECONDS, call=call_id, message=message)
        if exported["skipped"]:
            log.warning(
                "%s: files that git could not read were left out: %s", self._name, exported["skipped"]
            )
        return self._bundle(str(exported["commit"]), str(exported["known"])) if exported["commit"] else b""

    def restore(self, commit: str) -> None:
        """Makes the work tree equal to a commit of the hub, ignored files apart; later exports keep their parent."""
        self._ask("restore", _GIT_SECONDS, commit=commit)

    def close(self) -> None:
        """Lets go of the container without stopping it."""
        self._connection.close()

    def _bundle(self, commit: str, known: str) -> bytes:
        bundle = bytearray()
        while True:
            piece = self._ask("bundle", _GIT_SECONDS, commit=commit, known=known, offset=len(bundle))
            data = base64.b64decode(piece["data"])
            bundle += data
            size = int(piece["size"])
            if max(size, len(bundle)) > self._bundle_limit:
                raise BundleRefused(
                    f"The work comes to a bundle of {max(size, len(bundle)):,} bytes, more than the "
                    f"{self._bundle_limit:,} allowed",
                    where=self._name,
                    remedy="Large files that a build makes belong in .gitignore.",
                )
            if len(bundle) >= size:
                return bytes(bundle)
            if not data:
                raise SandboxFault("the bundle ended before its announced size", where=self._name)

    def _ask(self, operation: str, seconds: float, **arguments: object) -> dict[str, Any]:
        return self._connection.ask(operation, seconds + _MARGIN_SECONDS, arguments)
