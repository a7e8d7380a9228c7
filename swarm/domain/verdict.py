"""The judge's opinion, as values; the score is computed in code."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from swarm.domain.base import Value


class Severity(StrEnum):
    """How much a finding matters."""

    BLOCKER = "blocker"
    MAJOR = "major"
    MINOR = "minor"


class Finding(Value):
    """One fault: where, how bad, and what to do about it. `line` 0 means the whole file."""

    file: str = ""
    line: int = 0
    severity: Severity = Severity.MINOR
    problem: str
    action: str = ""


class Criterion(Value):
    """One criterion's mark, 0 to 5."""

    score: int = Field(ge=0, le=5)
    reason: str = ""


class Verdict(Value):
    """Four marks and findings. Failing checks cap the score one below the threshold."""

    code_quality: Criterion
    code_organisation: Criterion
    tests: Criterion
    security: Criterion
    findings: tuple[Finding, ...] = ()
    summary: str = ""

    def score(self, *, checks_passed: bool, threshold: int) -> int:
        """The sum of the marks × 5: 0 to 100, below the threshold where a check fails."""
        marks = (self.code_quality, self.code_organisation, self.tests, self.security)
        total = 5 * sum(m.score for m in marks)
        return total if checks_passed else min(total, max(0, threshold - 1))
