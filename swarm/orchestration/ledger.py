"""The proof that integration lost nothing: every definition that a branch brought, and what became of it."""

from __future__ import annotations

from collections import Counter

from swarm.domain.merging import Ledger
from swarm.orchestration.values import BranchTip, LedgerGiven
from swarm.ports import Hub
from swarm.verification.loss import Branch, Fate, loss_ledger


def account(hub: Hub, given: LedgerGiven) -> Ledger:
    """Looks up, for each merged branch, what the integrated tree has of it."""
    branches = [_branch(hub, branch) for branch in given.branches]
    paths = sorted({path for branch in branches for path in (*branch.base, *branch.tip)})
    entries = loss_ledger(branches, hub.read_many(given.integrated, paths))
    fates = Counter(entry.fate for entry in entries)
    lost = tuple(
        f"{e.path} {e.symbol} of {e.task}".replace("  ", " ") for e in entries if e.fate is Fate.LOST
    )
    return Ledger(
        kept=fates[Fate.KEPT],
        changed_later=fates[Fate.CHANGED_LATER],
        moved=fates[Fate.MOVED],
        removed_later=fates[Fate.REMOVED_LATER],
        lost=lost,
    )


def _branch(hub: Hub, branch: BranchTip) -> Branch:
    paths = [path for _, path in hub.changed(branch.base, branch.tip)]
    return Branch(branch.task, base=hub.read_many(branch.base, paths), tip=hub.read_many(branch.tip, paths))
