"""Outcomes of a merge."""

from __future__ import annotations

from enum import StrEnum

from swarm.domain.base import Value

MARKER_SIZE = 31
"""How long the conflict markers in a `Conflict.tree` are: no text has such lines by chance, unlike git's seven."""


class MergeHow(StrEnum):
    """How a branch came into the integrated tree."""

    CLEAN = "clean"
    INTEGRATOR = "integrator"


class Merged(Value):
    """A merge that git made by itself: the new commit and its tree."""

    commit: str
    tree: str


class ConflictFile(Value):
    """A conflicted path with the blob ids of base, ours and theirs; empty where a side has no such file."""

    path: str
    base: str = ""
    ours: str = ""
    theirs: str = ""


class Conflict(Value):
    """A merge that needs a decision. `tree` is the tree with conflict markers; `messages` is git's own account."""

    tree: str
    files: tuple[ConflictFile, ...]
    messages: str = ""


class Applied(Value):
    """A delivered branch merged into the checked-out one. `commit` is where that stands now.

    With `conflicts` nothing was merged: the merge was undone and these paths are why.
    """

    branch: str
    onto: str
    commit: str
    conflicts: tuple[str, ...] = ()
    already: bool = False


class MergePreview(Value):
    """What applying a delivered branch would do: into which branch of which repository, and git's diff summary."""

    branch: str
    onto: str
    repository: str
    summary: str = ""
    already: bool = False


class GuardFinding(Value):
    """Something that a resolution lost or broke; `rule` names the guard."""

    rule: str
    path: str
    detail: str


class Ledger(Value):
    """What became of the definitions and files that the merged branches brought; `lost` names what is gone unexplained.

    `changed_later`, `moved` and `removed_later` are the work of a branch that was merged after.
    """

    kept: int = 0
    changed_later: int = 0
    moved: int = 0
    removed_later: int = 0
    lost: tuple[str, ...] = ()


class MergeRecord(Value):
    """One merge as reported: seconds of wall clock, conflicted paths, the commit that it made."""

    task: str
    how: MergeHow
    commit: str
    seconds: float = 0.0
    conflicts: tuple[str, ...] = ()
