"""Sandboxes as Docker containers: hardened, without network, reached through their tool server.

The name is the lock: the engine makes one container of a name. The container outlives the process that made it, and
the next process attaches to it and asks for the results of calls that the first one did not see the end of.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from swarm.adapters.sandbox.connection import Connection
from swarm.adapters.sandbox.engine import Engine, Found
from swarm.adapters.sandbox.profile import SHARED_MEMORY, Profile, load_profile
from swarm.adapters.sandbox.remote import RemoteSandbox
from swarm.adapters.sandbox.sockets import AttachStream
from swarm.domain.errors import EnvironmentFault, SandboxBroken, SandboxFault, SandboxGone
from swarm.domain.sandbox import SandboxSpec
from swarm.ports import Sandbox

RUN_LABEL = "swarm.run"
SANDBOX_LABEL = "swarm.sandbox"
_USER = "1000:1000"
_HUB = "/hub"
_START_SECONDS = 15.0
_GONE_SECONDS = 3.0
_POLL_SECONDS = 0.05
_SECONDS_END = len("2026-01-01T00:00:00")


class DockerSandboxes:
    """The container engine. `assets` holds `sandboxes/`; a sandbox outlives its last request by `ttl` seconds."""

    def __init__(self, assets: Path, *, ttl: float = 86_400) -> None:
        self._assets = assets
        self._ttl = ttl
        self._engine = Engine()

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Attaches to the running container of that name, or makes it (replacing a dead one), clones, runs set-up.

        EnvironmentFault without engine, image or profile; SandboxFault when somebody else makes it at the same
        moment or a set-up command fails (the container is removed then).
        """
        found = self._settled(spec.name)
        created = found is None or not found.running
        if found is not None and created:
            # By its id: under its name somebody may have made a new one since.
            self._engine.remove(found.identity)
        identity = found.identity if found is not None and not created else self._create(spec)
        sandbox = RemoteSandbox(spec.name, self._connect(spec.name, identity), created=created)
        try:
            sandbox.prepare(spec)
        except SandboxGone:
            sandbox.close()
            raise
        except SandboxFault as fault:
            sandbox.close()
            # Half prepared it is of no use, and its recorded failure would come back for ever.
            self._engine.remove(identity)
            if not isinstance(fault, SandboxBroken):
                raise
            if created:  # no agent was in it yet
                raise SandboxFault(fault.what, where=fault.where, remedy=fault.remedy) from fault
            return self.open(spec)
        return sandbox

    def remove(self, name: str) -> None:
        """Stops and deletes a container; nothing happens where there is none."""
        self._engine.remove(name)

    def of_run(self, run: str) -> tuple[str, ...]:
        """The names of a run's containers, running or not."""
        return self._engine.names(f"{RUN_LABEL}={run}")

    def _settled(self, name: str) -> Found | None:
        """The container of a name, once whoever makes it had the time to start it."""
        while True:
            found = self._engine.find(name)
            if found is None or found.state != "created" or _age(found) > _START_SECONDS:
                return found
            time.sleep(_POLL_SECONDS)

    def _create(self, spec: SandboxSpec) -> str:
        profile = load_profile(spec.profile, self._assets)
        identity = self._engine.create(
            spec.name,
            image=spec.image,
            host=self._host(spec, profile),
            user=_USER,
            hostname="sandbox",
            stdin_open=True,
            # Without it the container's input ends, and the container with it, when this process dies.
            detach=True,
            labels={RUN_LABEL: spec.run, SANDBOX_LABEL: spec.name},
            environment={"SWARM_TTL": str(self._ttl)},
        )
        try:
            self._engine.start(identity, spec.name)
        except SandboxFault:
            self._engine.remove(identity)
            raise
        return identity

    def _host(self, spec: SandboxSpec, profile: Profile) -> dict[str, object]:
        """The hardening: what a sandbox may use, and that it can reach nothing else."""
        seccomp = self._seccomp()
        owned = "exec,nosuid,nodev,mode=0755,uid=1000,gid=1000"
        return {
            "network_mode": "none",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true", f"seccomp={seccomp}"],
            "pids_limit": profile.pids,
            "mem_limit": profile.memory,
            "memswap_limit": profile.memory,
            "nano_cpus": round(profile.cpus * 1_000_000_000),
            "shm_size": SHARED_MEMORY,
            "ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
            "log_config": {"Type": "none", "Config": {}},
            "init": False,
            "tmpfs": {
                "/work": f"size={profile.work},{owned}",
                "/home/agent": f"size={profile.home},{owned}",
                "/tmp": f"size={profile.tmp},exec,nosuid,nodev,mode=1777",  # noqa: S108 - the sandbox's own
            },
            "binds": {spec.hub: {"bind": _HUB, "mode": "ro"}},
        }

    def _seccomp(self) -> str:
        path = self._assets / "sandboxes" / "seccomp.json"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise EnvironmentFault(
                f"the seccomp profile cannot be read: {error.strerror}",
                where=str(path),
                remedy="Reinstall swarm.",
            ) from error

    def _connect(self, name: str, identity: str) -> Connection:
        """A connection whose tool server answers."""
        stream = AttachStream(self._engine.attach(identity, name))
        connection = Connection(stream, name, partial(self._explain, name, identity, stream))
        try:
            connection.handshake()
        except SandboxFault:
            connection.close()
            raise
        return connection

    def _explain(self, name: str, identity: str, stream: AttachStream) -> SandboxFault:
        """Why the stream ended: SandboxGone when the container is dead, else the engine let go of it."""
        deadline = time.monotonic() + _GONE_SECONDS
        found: Found | None = None
        try:
            # The stream ends a moment before the engine says that the container has.
            while (found := self._engine.find(identity)) is not None and found.running:
                if time.monotonic() > deadline:
                    return SandboxFault(
                        "the engine ended the connection to a running sandbox",
                        where=name,
                        remedy="Resume the run: it attaches again.",
                    )
                time.sleep(_POLL_SECONDS)
        except (SandboxFault, EnvironmentFault) as fault:
            return SandboxFault(f"the connection broke, and {fault.what}", where=name, remedy=fault.remedy)
        return SandboxGone(f"the sandbox died: {_cause(found, stream.complaints)}", where=name)


def _cause(found: Found | None, complaints: str) -> str:
    if found is None:
        return "it was removed"
    cause = "out of memory" if found.out_of_memory else f"exit code {found.exit_code}"
    return f"{cause}; its last words: {complaints}" if complaints else cause


def _age(found: Found) -> float:
    """Seconds since the container was made; the engine writes nanoseconds, which Python does not read."""
    made = datetime.strptime(found.made_at[:_SECONDS_END], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return (datetime.now(UTC) - made).total_seconds()
