"""What a sandbox profile (`sandboxes/<name>/profile.toml`) allows: memory, CPU, processes, scratch space."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator

from swarm.domain.base import Value
from swarm.domain.errors import EnvironmentFault

# What lies in a tmpfs counts against the memory limit: a full one must leave room for the processes.
TMPFS_SHARE = 0.6
SHARED_MEMORY = 64 * 1024**2
_SIZE = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class Profile(Value):
    """Limits of a sandbox. Sizes are bytes; `memory` includes swap; `cpus` is a quota in cores.

    `work`, `tmp` and `home` are the sizes of its in-memory file systems.
    """

    name: str
    memory: int
    cpus: float
    pids: int
    work: int
    tmp: int
    home: int

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        scratch = self.work + self.tmp + self.home + SHARED_MEMORY
        if scratch > TMPFS_SHARE * self.memory:
            raise ValueError(
                f"tmpfs and shared memory take {scratch / self.memory:.0%} of the memory; "
                f"at most {TMPFS_SHARE:.0%} leaves room for processes"
            )
        return self


def load_profile(name: str, assets: Path) -> Profile:
    """The profile of that name under `assets`, the folder that holds `sandboxes/`; EnvironmentFault if it is wrong."""
    path = assets / "sandboxes" / name / "profile.toml"
    try:
        return _parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(found.parent.name for found in path.parent.parent.glob("*/profile.toml")))
        raise EnvironmentFault(
            f"there is no sandbox profile '{name}'",
            where=str(path),
            remedy=f"Choose one of these: {known or 'none found'}.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFault(
            f"the sandbox profile '{name}' is not valid: {_first_line(error)}",
            where=str(path),
            remedy="Mend the file or reinstall swarm.",
        ) from error


def _parse(text: dict[str, Any]) -> Profile:
    if text["network"] != "none":
        raise ValueError(f"network is '{text['network']}', and 'none' is the only one there is")
    limits, tmpfs = text["limits"], text["tmpfs"]
    return Profile(
        name=text["name"],
        memory=_bytes(limits["memory"]),
        cpus=limits["cpus"],
        pids=limits["pids"],
        work=_bytes(tmpfs["work"]),
        tmp=_bytes(tmpfs["tmp"]),
        home=_bytes(tmpfs["home"]),
    )


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a size such as 512m or 2g")
    return int(match[1]) * _UNITS[match[2].lower()]


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"])
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error).split("\n", 1)[0]
