"""What the user asks for, and within which limits."""

from __future__ import annotations

from enum import StrEnum

from swarm.domain.base import Value


class Strategy(StrEnum):
    """One agent or several; `auto` leaves it to the partition's cost model."""

    AUTO = "auto"
    SOLO = "solo"
    SWARM = "swarm"


class Limits(Value):
    """Bounds of a run. Tokens are input + output; `usd` None means no money budget; seconds are wall clock."""

    agents: int = 4
    tokens: int = 8_000_000
    usd: float | None = None
    threshold: int = 70
    rounds: int = 3
    turns_per_task: int = 60
    tokens_per_task: int = 3_000_000
    seconds_per_task: int = 5_400
    command_seconds: int = 120


class Goal(Value):
    """A run's input. `repository` is an absolute path; `base` a commit id; `plan_yaml` an edited plan or empty."""

    run: str
    text: str
    repository: str
    base: str
    branch_hint: str = ""
    strategy: Strategy = Strategy.AUTO
    limits: Limits = Limits()
    profile: str = "python"
    image: str
    plan_yaml: str = ""
    checks: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    approve: bool = False


class Brief(Value):
    """What the planner sees of the repository at the base commit.

    `tree` is one path a line (cut at a limit, then the count of what was left out), `languages` maps a language to
    its lines, `conventions` is the text of AGENTS.md, CLAUDE.md, README and manifests, `modules` one line per Python
    file with its top-level symbols, `files` all tracked paths.
    """

    base: str
    tree: str = ""
    languages: dict[str, int] = {}
    conventions: dict[str, str] = {}
    modules: str = ""
    files: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the repository has no files of its own."""
        return not self.files
