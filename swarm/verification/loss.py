"""The loss ledger: what became of every definition and test that a task's branch added or changed.

A report shows it as the proof that integration lost nothing; an entry that is `lost` breaks the build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarm.domain.base import Value
from swarm.verification.definitions import Definition, definitions, language_of

Files = Mapping[str, bytes]


class Fate(StrEnum):
    """What the integrated tree has of a branch's work."""

    KEPT = "kept"
    CHANGED_LATER = "changed-later"
    MOVED = "moved"
    REMOVED_LATER = "removed-later"
    LOST = "lost"


class LedgerEntry(Value):
    """One definition (or a whole file, `symbol` empty) of a branch and its fate; `by` the later task that did it."""

    task: str
    path: str
    symbol: str = ""
    fate: Fate
    by: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A merged branch: the files that it changed, at its merge base and at its tip. Absent means there is none."""

    task: str
    base: Files
    tip: Files


def loss_ledger(branches: Sequence[Branch], integrated: Files) -> tuple[LedgerEntry, ...]:
    """The fate of all that the branches brought, in their order, which is the order of their merges.

    `integrated` is the final tree, at least all its source files: definitions that moved are looked for in all of it.
    """
    tails = {d.tail: path for path, source in integrated.items() for d in definitions(path, source).values()}
    return tuple(
        entry
        for place, branch in enumerate(branches)
        for path in sorted({*branch.base, *branch.tip})
        for entry in _path_entries(branch, path, branches[place + 1 :], integrated, tails)
    )


def integration_losses(branches: Sequence[Branch], integrated: Files) -> tuple[LedgerEntry, ...]:
    """The entries of the ledger that are lost; empty is the proof that nothing was."""
    return tuple(entry for entry in loss_ledger(branches, integrated) if entry.fate is Fate.LOST)


def _path_entries(
    branch: Branch, path: str, later: Sequence[Branch], integrated: Files, tails: Mapping[str, str]
) -> list[LedgerEntry]:
    tip, base = branch.tip.get(path), branch.base.get(path)
    if tip is None or tip == base:
        return []  # a deletion needs no proof: what others then lack shows in their own entries
    if not language_of(path):
        return [_file_entry(branch, path, integrated.get(path), later)]
    before, now = definitions(path, base or b""), definitions(path, tip)
    after = definitions(path, integrated.get(path, b""))
    entries = []
    for name, brought in sorted(now.items()):
        old = before.get(name)
        if old is None or old.digest != brought.digest:
            moved = old is None and tails.get(brought.tail, path) != path
            fate, by = _symbol_fate(path, brought, old, after.get(name), later)
            fate = Fate.MOVED if fate is Fate.LOST and after.get(name) is None and moved else fate
            entries.append(LedgerEntry(task=branch.task, path=path, symbol=name, fate=fate, by=by))
    return entries


def _file_entry(branch: Branch, path: str, final: bytes | None, later: Sequence[Branch]) -> LedgerEntry:
    by = next((b.task for b in later if path in b.base or path in b.tip), "")
    if final == branch.tip[path]:
        fate, by = Fate.KEPT, ""
    elif final is None:
        fate = Fate.REMOVED_LATER if by else Fate.LOST
    else:
        fate = Fate.LOST if final == branch.base.get(path) and not by else Fate.CHANGED_LATER
    return LedgerEntry(task=branch.task, path=path, fate=fate, by=by)


def _symbol_fate(
    path: str,
    brought: Definition,
    before: Definition | None,
    after: Definition | None,
    later: Sequence[Branch],
) -> tuple[Fate, str]:
    """The fate of a definition, and the later task that changed or removed it."""
    if after is None:
        by = _remover(path, brought.name, later)
        return (Fate.REMOVED_LATER, by) if by else (Fate.LOST, "")
    if after.digest == brought.digest:
        return Fate.KEPT, ""
    by = _toucher(path, brought.name, later)
    reverted = before is not None and after.digest == before.digest and not by
    return (Fate.LOST if reverted else Fate.CHANGED_LATER), by


def _toucher(path: str, name: str, later: Sequence[Branch]) -> str:
    """The later branch that changed a definition; empty for none."""
    for branch in later:
        states = [definitions(path, files.get(path, b"")).get(name) for files in (branch.base, branch.tip)]
        if (states[0] and states[0].digest) != (states[1] and states[1].digest):
            return branch.task
    return ""


def _remover(path: str, name: str, later: Sequence[Branch]) -> str:
    """The later branch that had a definition and deleted it; empty for none."""
    for branch in later:
        had = name in definitions(path, branch.base.get(path, b""))
        if had and name not in definitions(path, branch.tip.get(path, b"")):
            return branch.task
    return ""
