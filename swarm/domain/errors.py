"""The error tree, in one place.

    SwarmError                 what failed, where, what to do; knows its exit code
    ├── UsageFault          2  bad input, nothing started
    ├── EnvironmentFault    2  a prerequisite is missing (engine, image, key), nothing started
    ├── PlanFault           7  no valid plan after the allowed corrections
    ├── StopFault              the run stops and can be resumed
    │   ├── BudgetFault     5  the next call would pass the budget
    │   ├── WaitingFault    4  paused, or waiting for an approval
    │   ├── CancelFault     8  cancelled from another terminal
    │   ├── InterruptFault 130 Ctrl-C
    │   └── OutageFault     6  an outside system failed for good (endpoint, engine, disk)
    │       ├── ModelFault       the endpoint, after retries
    │       ├── SandboxFault     the container engine or the tool server
    │       │   ├── SandboxGone    the container died: re-create it from the last checkpoint
    │       │   └── SandboxBroken  it lives but its agent broke it: the attempt fails, not the run
    │       ├── HubFault         git
    │       │   └── BundleRefused    an agent's work may not come in: the task's fault, not git's
    │       └── ReplayFault      a recording ran out or no longer fits
    └── InternalFault       1  a bug of ours

Expected outcomes (merged or conflict, accepted or rejected) are values, not errors.
"""

from __future__ import annotations

from typing import ClassVar


class SwarmError(Exception):
    """One clear sentence for the user: `what` failed, `where`, and the `remedy`."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return (
            f"{self.what}{where}.{remedy}" if not self.what.endswith(".") else f"{self.what}{where}{remedy}"
        )


class UsageFault(SwarmError):
    """Bad input; nothing was started and nothing changed."""

    exit_code = 2


class EnvironmentFault(SwarmError):
    """A prerequisite is missing; nothing was started."""

    exit_code = 2


class PlanFault(SwarmError):
    """The planner gave no valid plan; `problems` are the exact findings, one sentence each."""

    exit_code = 7

    def __init__(
        self, what: str, *, problems: tuple[str, ...] = (), where: str = "", remedy: str = ""
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.problems = problems


class StopFault(SwarmError):
    """The run cannot go on now; its state is kept and `swarm resume` goes on from it."""

    exit_code = 6


class BudgetFault(StopFault):
    """The next model call would pass the token or money budget; `option` is the flag that raises it, with a value."""

    exit_code = 5

    def __init__(self, what: str, *, option: str = "", where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.option = option


class WaitingFault(StopFault):
    """The run waits for a person: it was paused, or its plan wants an approval."""

    exit_code = 4


class CancelFault(StopFault):
    """Someone cancelled the run; it is not resumed."""

    exit_code = 8


class InterruptFault(StopFault):
    """Ctrl-C or SIGTERM."""

    exit_code = 130


class OutageFault(StopFault):
    """An outside system failed, after the retries that make sense for it."""


class ModelFault(OutageFault):
    """The model endpoint failed or refused; `status` is the HTTP status, 0 where there was none."""

    def __init__(self, what: str, *, status: int = 0, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.status = status


class ContextOverflow(ModelFault):
    """The conversation is longer than the model's context."""


class SandboxFault(OutageFault):
    """The container engine or the tool server failed."""


class SandboxGone(SandboxFault):
    """The container is not running any more: re-create it from the last checkpoint."""


class SandboxBroken(SandboxFault):
    """The container lives but can't do what it is asked: its agent broke it, and only its agent's attempt fails."""


class HubFault(OutageFault):
    """A git command on the run's hub, or an import into it, failed."""


class BundleRefused(HubFault):
    """An import was refused for what it holds (broken, too large, a path or link that leaves the tree): no outage."""


class ReplayFault(OutageFault):
    """A recording has no answer for this request; the remedy names the command that records it anew."""


class InternalFault(SwarmError):
    """A look-up found nothing where something must be, or another broken invariant: a bug."""
