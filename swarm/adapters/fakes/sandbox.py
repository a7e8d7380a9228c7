"""Sandboxes without containers, for tests and the smallest example: the real tool server as a local process.

Files, git, commands, call ids, death and reattachment behave as in a container, because the same program does them.
What is missing is the isolation: commands run on this machine, as this user, with its network. Never give it an agent
that a real model drives.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from swarm.adapters.sandbox.connection import Connection
from swarm.adapters.sandbox.remote import RemoteSandbox
from swarm.adapters.sandbox.sockets import SocketStream
from swarm.config.assets import asset_folder
from swarm.domain.errors import SandboxFault, SandboxGone
from swarm.domain.sandbox import SandboxSpec
from swarm.ports import Sandbox

_START_SECONDS = 20.0
_END_SECONDS = 5.0
_POLL_SECONDS = 0.01
# The engine's own rule for names of containers.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_GIT_IDENTITY = "[user]\n\tname = swarm agent\n\temail = agent@swarm.invalid\n"


class LocalSandboxes:
    """Sandboxes as folders and processes below `folder`. Image and profile of a spec are not looked at."""

    def __init__(self, folder: Path, *, ttl: float = 3_600) -> None:
        self._folder = folder.absolute()
        self._ttl = ttl

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Attaches to the living tool server of that name, or starts one in a new folder; clones, runs set-up."""
        connected = self._reach(spec.name)
        created = connected is None
        if connected is None:
            connected = self._create(spec)
        explain = partial(_explain, spec.name, _pid(connected))
        sandbox = RemoteSandbox(
            spec.name, Connection(SocketStream(connected), spec.name, explain), created=created
        )
        try:
            sandbox.prepare(spec)
        except SandboxFault as fault:
            sandbox.close()
            if not isinstance(fault, SandboxGone):
                self.remove(spec.name)
            raise
        return sandbox

    def kill(self, name: str) -> None:
        """Ends a tool server and its commands as a crash would; its files are lost to the next `open`."""
        connected = self._reach(name)
        if connected is not None:
            with connected:
                _end(_pid(connected))

    def remove(self, name: str) -> None:
        """Stops and deletes a sandbox; nothing happens where there is none."""
        self.kill(name)
        shutil.rmtree(self._place(name), ignore_errors=True)

    def of_run(self, run: str) -> tuple[str, ...]:
        """The names of a run's sandboxes, living or not."""
        labels = self._folder.glob("*/label") if self._folder.is_dir() else iter(())
        return tuple(sorted(path.parent.name for path in labels if path.read_text(encoding="utf-8") == run))

    def _place(self, name: str) -> Path:
        """The folder of a sandbox. It is deleted as a whole, so a name may lead nowhere else."""
        if not _NAME.fullmatch(name):
            raise SandboxFault(
                f"'{name}' is no name of a sandbox", remedy="Use letters, digits, '-', '_' and '.'."
            )
        return self._folder / name

    def _create(self, spec: SandboxSpec) -> socket.socket:
        with self._name_taken(spec.name):
            if (connected := self._reach(spec.name)) is not None:
                connected.close()
                raise _taken(spec.name)
            folder = self._place(spec.name)
            shutil.rmtree(folder, ignore_errors=True)
            for part in ("home", "tmp"):
                (folder / part).mkdir(parents=True)
            (folder / "home" / ".gitconfig").write_text(_GIT_IDENTITY, encoding="utf-8")
            (folder / "label").write_text(spec.run, encoding="utf-8")
            self._start(folder, Path(spec.hub))
            return self._wait(spec.name)

    def _start(self, folder: Path, hub: Path) -> None:
        """Starts the tool server so that it outlives this process and its terminal, as a container does."""
        python = Path(sys.executable)
        places = ["--work", str(folder / "repo"), "--hub", str(hub), "--tmp", str(folder / "tmp")]
        server = str(asset_folder("sandboxes") / "tool_server")
        with (folder / "log").open("wb") as log:
            started = subprocess.run(
                [
                    *("setsid", "--fork", str(python), "-I", "-S", server, *places),
                    # Relative, because the path of a unix socket may have 107 bytes only.
                    *("--socket", "socket", "--ttl", str(self._ttl)),
                ],
                cwd=folder,
                # Nothing of this process's environment, which may hold keys.
                env={
                    "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                    "HOME": str(folder / "home"),
                    "PYTEST_ADDOPTS": "-p no:cacheprovider",
                    "RUFF_NO_CACHE": "true",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if started.returncode != 0:
            raise SandboxFault("the tool server could not be started", where=str(folder / "log"))

    def _wait(self, name: str) -> socket.socket:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            connected = self._reach(name)
            if connected is not None:
                return connected
            time.sleep(_POLL_SECONDS)
        log = (self._folder / name / "log").read_text(errors="replace").strip()[-500:]
        raise SandboxFault(f"the tool server did not start: {log or 'it said nothing'}", where=name)

    def _reach(self, name: str) -> socket.socket | None:
        """A connection to a living tool server; None when there is none."""
        try:
            folder = os.open(self._place(name), os.O_PATH | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.connect(f"/proc/self/fd/{folder}/socket")
        except (FileNotFoundError, ConnectionRefusedError):
            connected.close()
            return None
        finally:
            os.close(folder)
        return connected

    @contextmanager
    def _name_taken(self, name: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _taken(name) from error
            yield


def _taken(name: str) -> SandboxFault:
    return SandboxFault(
        "another process is making this sandbox at the same moment",
        where=name,
        remedy="Let the other one work on the run, or try again when it has ended.",
    )


def _pid(connected: socket.socket) -> int:
    """The process at the other end."""
    size = struct.calcsize("3i")
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[0])


def _explain(name: str, pid: int) -> SandboxFault:
    deadline = time.monotonic() + _END_SECONDS
    while _lives(pid):
        if time.monotonic() > deadline:
            return SandboxFault("the tool server ended the connection", where=name)
        time.sleep(_POLL_SECONDS)
    return SandboxGone("the sandbox died: its tool server ended", where=name)


def _end(pid: int) -> None:
    """Kills a process with all its descendants; stopped first, so that it starts no more of them."""
    deadline = time.monotonic() + _END_SECONDS
    while _lives(pid) and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            for one in [*_descendants(pid), pid]:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _descendants(pid: int) -> list[int]:
    parents = {int(entry.name): _state(int(entry.name))[1] for entry in Path("/proc").glob("[0-9]*")}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _lives(pid: int) -> bool:
    return _state(pid)[0] not in "ZX"


def _state(pid: int) -> tuple[str, int]:
    """A process's state letter and parent; `X` and 0 when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    state, parent = stat.rpartition(")")[2].split()[:2]
    return state, int(parent)
