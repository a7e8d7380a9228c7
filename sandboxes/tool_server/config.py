"""Where things are in this sandbox, and how long it outlives its last request."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path

from sandboxes.tool_server.history import History

_PRIVATE_PREFIX = "SWARM_"

SYSTEM_PATH = "/usr/bin:/bin"
"""Where our own programs are looked for: the image's PATH begins with a folder that the agent writes to."""


@dataclass(frozen=True)
class Config:
    """`work` is the work tree, `hub` the bare repository, `tmp` scratch, `ttl` seconds, `socket` a path or empty."""

    work: Path
    hub: Path
    tmp: Path
    ttl: float
    socket: str = ""
    history: History = field(default_factory=History, compare=False)

    @property
    def state(self) -> Path:
        """The tool server's own folder, outside the work tree, so that an agent's git cannot disturb it."""
        return self.work.parent / ".swarm"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that commands start with: the image's, and what makes the work tree importable."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE_PREFIX)}
        source = self.work / "src"
        paths = [str(self.work), *([str(source)] if source.is_dir() else [])]
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            **kept,
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.tmp),
            "GIT_TERMINAL_PROMPT": "0",
        }


def parse(arguments: list[str]) -> Config:
    """Settings from the command line, else from `SWARM_WORK`, `SWARM_HUB`, `SWARM_TMP`, `SWARM_TTL`."""
    parser = argparse.ArgumentParser(prog="tool_server")
    parser.add_argument("--work", default=os.environ.get("SWARM_WORK", "/work/repo"))
    parser.add_argument("--hub", default=os.environ.get("SWARM_HUB", "/hub"))
    parser.add_argument("--tmp", default=os.environ.get("SWARM_TMP", "/tmp"))  # noqa: S108 - a private tmpfs here
    parser.add_argument("--ttl", type=float, default=float(os.environ.get("SWARM_TTL", "86400")))
    parser.add_argument("--socket", default="")
    given = parser.parse_args(arguments)
    return Config(
        work=Path(given.work).absolute(),
        hub=Path(given.hub).absolute(),
        tmp=Path(given.tmp).absolute(),
        ttl=given.ttl,
        socket=given.socket,
    )
