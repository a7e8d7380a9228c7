"""The loss ledger: what became of each definition that a branch brought."""

from __future__ import annotations

import pytest

from swarm.verification.loss import Branch, Fate, integration_losses, loss_ledger

BASE = b"def old():\n    return 1\n\ndef other():\n    return 2\n"
ADDED = BASE + b"\ndef made():\n    return old() + 5\n"
CHANGED = BASE.replace(b"return 1", b"return 1 + 1")


def fates(branches: list[Branch], integrated: dict[str, bytes]) -> dict[tuple[str, str], tuple[Fate, str]]:
    return {(e.task, e.symbol or e.path): (e.fate, e.by) for e in loss_ledger(branches, integrated)}


def branch(task: str, tip: bytes, base: bytes = BASE, path: str = "a.py") -> Branch:
    return Branch(task, {path: base}, {path: tip})


def test_what_stands_in_the_tree_is_kept_and_what_was_not_touched_is_not_listed() -> None:
    both = ADDED.replace(b"return 1", b"return 1 + 1")
    found = fates([branch("one", ADDED), branch("two", CHANGED)], {"a.py": both})
    assert found == {("one", "made"): (Fate.KEPT, ""), ("two", "old"): (Fate.KEPT, "")}


@pytest.mark.parametrize(("tip", "symbol"), [(ADDED, "made"), (CHANGED, "old")])
def test_a_definition_that_is_gone_or_reverted_is_lost(tip: bytes, symbol: str) -> None:
    (entry,) = integration_losses([branch("one", tip)], {"a.py": BASE})
    assert (entry.task, entry.path, entry.symbol, entry.fate) == ("one", "a.py", symbol, Fate.LOST)


def test_a_lost_test_method_is_named_with_its_class() -> None:
    tip = b"class TestA:\n    def test_x(self):\n        assert f()\n\n    def test_y(self):\n        assert g()\n"
    left = tip[: tip.index(b"\n    def test_y")]
    found = fates([Branch("one", {}, {"tests/test_a.py": tip})], {"tests/test_a.py": left})
    assert found[("one", "TestA.test_y")] == (Fate.LOST, "")
    assert found[("one", "TestA.test_x")] == (Fate.KEPT, "")


def test_a_definition_that_a_later_branch_changed_or_removed_is_not_lost() -> None:
    later = branch("two", ADDED.replace(b"+ 5", b"+ 6"), base=ADDED)
    assert fates([branch("one", ADDED), later], dict(later.tip))[("one", "made")] == (
        Fate.CHANGED_LATER,
        "two",
    )
    gone = branch("two", BASE, base=ADDED)
    assert fates([branch("one", ADDED), gone], {"a.py": BASE})[("one", "made")] == (Fate.REMOVED_LATER, "two")


def test_an_earlier_branch_excuses_nothing() -> None:
    assert integration_losses([branch("zero", BASE, base=ADDED), branch("one", ADDED)], {"a.py": BASE})


def test_a_definition_in_another_file_has_moved() -> None:
    found = fates([branch("one", ADDED)], {"a.py": BASE, "b.py": b"def made():\n    return old() + 5\n"})
    assert found[("one", "made")] == (Fate.MOVED, "")


def test_a_definition_that_two_branches_changed_counts_as_changed_later() -> None:
    mixed = BASE.replace(b"return 1", b"return 1 + 1 + 3")
    found = fates(
        [branch("one", CHANGED), branch("two", BASE.replace(b"return 1", b"return 1 + 3"))], {"a.py": mixed}
    )
    assert found[("one", "old")] == (Fate.CHANGED_LATER, "two")


def test_files_of_other_kinds_are_kept_changed_or_lost_whole() -> None:
    made = Branch("one", {}, {"README.md": b"hello"})
    assert fates([made], {"README.md": b"hello"}) == {("one", "README.md"): (Fate.KEPT, "")}
    assert fates([made], {}) == {("one", "README.md"): (Fate.LOST, "")}
    later = Branch("two", {"README.md": b"hello"}, {"README.md": b"hello world"})
    assert fates([made, later], {"README.md": b"hello world"})[("one", "README.md")] == (
        Fate.CHANGED_LATER,
        "two",
    )


def test_a_file_that_is_back_to_its_old_text_is_lost_unless_a_later_branch_wanted_that() -> None:
    made = Branch("one", {"a.md": b"old"}, {"a.md": b"new"})
    assert integration_losses([made], {"a.md": b"old"})
    later = Branch("two", {"a.md": b"new"}, {"a.md": b"old"})
    assert fates([made, later], {"a.md": b"old"}) == {
        ("one", "a.md"): (Fate.CHANGED_LATER, "two"),
        ("two", "a.md"): (Fate.KEPT, ""),
    }


def test_a_deletion_needs_no_proof() -> None:
    assert loss_ledger([Branch("one", {"a.py": BASE}, {})], {}) == ()
