"""What a user asks of the system before a run exists, and what a look at the machine found."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from swarm.domain.base import Value
from swarm.domain.goal import Strategy
from swarm.domain.ids import slug

_NAME_WORDS = 5


class RunRequest(Value):
    """A run as asked for on the command line; None means the setting's default.

    `repo` is the path of a repository, None for a new one, which is made at the absolute path `new_folder` (it must
    not exist; empty leaves the choice to the wiring). `base` empty is HEAD. `plan` and `record` are paths of files;
    `model` a model name or `replay:FILE`. `trust_repo` lets the target's own `swarm.toml` set endpoint and models;
    `approve` stops after the plan, and a resume approves it.
    """

    goal_text: str
    repo: str | None = None
    new_folder: str = ""
    base: str = ""
    plan: str | None = None
    agents: int | None = Field(default=None, ge=1)
    strategy: Strategy | None = None
    budget_usd: float | None = Field(default=None, gt=0)
    budget_tokens: int | None = Field(default=None, gt=0)
    threshold: int | None = Field(default=None, ge=0, le=100)
    rounds: int | None = Field(default=None, ge=0)
    model: str | None = None
    record: str | None = None
    trust_repo: bool = False
    profile: str | None = None
    approve: bool = False


class ResumeOverrides(Value):
    """Limits that a resume raises; None keeps what the run was started with."""

    budget_tokens: int | None = Field(default=None, gt=0)
    budget_usd: float | None = Field(default=None, gt=0)
    agents: int | None = Field(default=None, ge=1)


class Prerequisite(Value):
    """One thing that a run needs: whether it is there, what was found, what to do; `essential` False only informs."""

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""
    essential: bool = True


def folder_name(goal_text: str, *, taken: Callable[[str], bool]) -> str:
    """A name for a new repository: the goal's first words, and a number where that name is taken."""
    stem = slug(" ".join(goal_text.split()[:_NAME_WORDS])) or "swarm-project"
    name, number = stem, 1
    while taken(name):
        number += 1
        name = f"{stem}-{number}"
    return name
