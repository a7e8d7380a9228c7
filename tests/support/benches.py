"""What sandbox tests stand on: a hub made with plain git, and an engine that cleans up what it was asked for."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Protocol

from swarm.adapters.sandbox.docker import DockerSandboxes
from swarm.domain.conversation import ToolCall
from swarm.domain.sandbox import Command, CommandResult, SandboxSpec, ToolResult
from swarm.ports import Sandbox, Sandboxes

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    ".gitignore": "*.log\nbuild/\n",
    "README.md": "# A project\n",
    "src/app.py": "def answer():\n    return 41\n",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    ended = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def make_hub(folder: Path) -> Path:
    """A bare repository with one commit, made with plain git."""
    source = folder / "source"
    source.mkdir(parents=True)
    git(source, "init", "-q", "-b", "main")
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    git(source, "add", "-A")
    git(source, "commit", "-qm", "start")
    git(folder, "clone", "-q", "--bare", str(source), str(folder / "hub.git"))
    return folder / "hub.git"


class HubFolder:
    """A bare repository with one commit, `base`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = git(self.path, "rev-parse", "main")

    def receive(self, bundle: bytes) -> str:
        """Takes a bundle in; the commit that it brought."""
        file = self.path.parent / f"{uuid.uuid4().hex}.bundle"
        file.write_bytes(bundle)
        git(self.path, "bundle", "verify", str(file))
        git(self.path, "fetch", "-q", str(file), "+refs/swarm/out:refs/swarm/received")
        return git(self.path, "rev-parse", "refs/swarm/received")

    def files(self, commit: str) -> list[str]:
        return git(self.path, "ls-tree", "-r", "--name-only", commit).splitlines()

    def text(self, commit: str, path: str) -> str:
        return git(self.path, "show", f"{commit}:{path}")


class Killable(Sandboxes, Protocol):
    def kill(self, name: str) -> None: ...


class KillableDocker(DockerSandboxes):
    """Real containers, and a way to make one die as the machine would."""

    def kill(self, name: str) -> None:
        subprocess.run(["docker", "kill", "--signal=KILL", name], check=True, capture_output=True)


class Bench:
    """An engine under test with what a spec needs; removes at the end what it named."""

    def __init__(self, kind: str, sandboxes: Killable, hub: HubFolder, image: str) -> None:
        self.kind = kind
        self.sandboxes = sandboxes
        self.hub = hub
        self.image = image
        self.run = f"test-{uuid.uuid4().hex[:8]}"
        self.opened: list[Sandbox] = []

    def spec(self, task: str = "task", *, commit: str = "", setup: tuple[str, ...] = ()) -> SandboxSpec:
        return SandboxSpec(
            name=f"swarm-{self.run}-{task}-1",
            run=self.run,
            image=self.image,
            profile="python",
            hub=str(self.hub.path),
            commit=commit or self.hub.base,
            setup=setup,
        )

    def open(self, spec: SandboxSpec | None = None) -> Sandbox:
        sandbox = self.sandboxes.open(spec or self.spec())
        self.opened.append(sandbox)
        return sandbox

    def clean(self) -> None:
        for sandbox in self.opened:
            sandbox.close()
        for name in self.sandboxes.of_run(self.run):
            self.sandboxes.remove(name)


def sh(sandbox: Sandbox, command: str, timeout: int = 30, call_id: str = "") -> CommandResult:
    return sandbox.run(Command(command=command, timeout=timeout), call_id=call_id)


def output(sandbox: Sandbox, command: str) -> str:
    """What a command printed; it has to succeed."""
    ended = sh(sandbox, command)
    assert ended.exit_code == 0, ended.output
    return ended.output


def tool(sandbox: Sandbox, name: str, /, **arguments: object) -> ToolResult:
    """An agent's tool call with a call id of its own."""
    return sandbox.tool(uuid.uuid4().hex, ToolCall(id="t", name=name, arguments=json.dumps(arguments)))
