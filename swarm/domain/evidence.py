"""What was observed, as against what was claimed."""

from __future__ import annotations

from swarm.domain.base import Value


class Check(Value):
    """One check and its outcome. `output` is the tail of what it printed; `tests` how many it collected, -1 unknown."""

    name: str
    command: str = ""
    passed: bool
    exit_code: int = 0
    output: str = ""
    tests: int = -1
    seconds: float = 0.0


class CheckReport(Value):
    """The checks of one tree, in order."""

    commit: str
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(c.passed for c in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(c for c in self.checks if not c.passed)


class Evidence(Value):
    """A receipt for a finished task: what a reader can look up in the hub instead of believing the agent."""

    commit: str
    base: str
    changed: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    attempt: int = 1
    report: str = ""
