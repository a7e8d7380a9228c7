"""Merges without a work tree: clean ones, conflicts, and attributes that try to pass one off as the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stranger import git, new_repository

from swarm.adapters.hub import BareHub
from swarm.adapters.hub.merged import read_conflict
from swarm.domain.errors import HubFault
from swarm.domain.merging import MARKER_SIZE, Conflict, Merged


def two_sides(
    hub: BareHub, ours: dict[str, str | None], theirs: dict[str, str | None], base: str
) -> tuple[str, str]:
    return (
        hub.commit_files(ours, parent=base, message="ours"),
        hub.commit_files(theirs, parent=base, message="theirs"),
    )


def test_a_clean_merge_has_both_parents_and_both_changes(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"a": "1"}, {"b": "2"}, base)
    merged = hub.merge(ours, theirs, message="merge b")
    assert isinstance(merged, Merged)
    assert git(hub.path, "show", "-s", "--format=%P %s", merged.commit) == f"{ours} {theirs} merge b"
    assert {"a", "b", "app.py"} <= set(hub.paths(merged.commit))
    assert hub.tree(merged.commit) == merged.tree


def test_the_same_merge_again_is_the_same_commit(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"a": "1"}, {"b": "2"}, base)
    assert hub.merge(ours, theirs, message="m") == hub.merge(ours, theirs, message="m")


def test_a_conflict_names_the_three_versions(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"app.py": "ours\n"}, {"app.py": "theirs\n", "new": "x"}, base)
    conflict = hub.merge(ours, theirs, message="m")
    assert isinstance(conflict, Conflict)
    (file,) = conflict.files
    assert file.path == "app.py"
    read = [git(hub.path, "cat-file", "blob", name) for name in (file.base, file.ours, file.theirs)]
    assert read == ["def f():\n    return 1", "ours", "theirs"]
    assert "CONFLICT (content): Merge conflict in app.py" in conflict.messages
    assert hub.read(conflict.tree, "new") == b"x"


def test_a_conflict_shows_the_base_between_long_markers(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"app.py": "ours\n"}, {"app.py": "theirs\n"}, base)
    conflict = hub.merge(ours, theirs, message="m")
    assert isinstance(conflict, Conflict)
    text = (hub.read(conflict.tree, "app.py") or b"").decode()
    markers = [line.split(" ")[0] for line in text.splitlines() if len(line.split(" ")[0]) == MARKER_SIZE]
    assert markers == [mark * MARKER_SIZE for mark in "<|=>"]


def test_a_deletion_against_a_change_is_a_conflict_without_that_side(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"app.py": None}, {"app.py": "theirs\n"}, base)
    conflict = hub.merge(ours, theirs, message="m")
    assert isinstance(conflict, Conflict)
    assert conflict.files[0].ours == ""
    assert conflict.files[0].theirs
    assert "deleted in ours and modified in theirs" in conflict.messages


def test_a_file_that_both_sides_added_has_no_base(hub: BareHub, base: str) -> None:
    ours, theirs = two_sides(hub, {"a b\té": "1\n"}, {"a b\té": "2\n"}, base)
    conflict = hub.merge(ours, theirs, message="m")
    assert isinstance(conflict, Conflict)
    assert [(f.path, f.base) for f in conflict.files] == [("a b\té", "")]


@pytest.mark.parametrize(
    "attribute", ["merge=union", "merge=ours", "-text merge=binary", "conflict-marker-size=3"]
)
def test_attributes_in_the_tree_do_not_change_a_conflict(hub: BareHub, base: str, attribute: str) -> None:
    attributes = hub.commit_files({".gitattributes": f"* {attribute}\n"}, parent=base, message="attributes")
    plain = hub.merge(*two_sides(hub, {"app.py": "ours\n"}, {"app.py": "theirs\n"}, base), message="m")
    other = hub.merge(*two_sides(hub, {"app.py": "ours\n"}, {"app.py": "theirs\n"}, attributes), message="m")
    assert isinstance(plain, Conflict)
    assert isinstance(other, Conflict)
    assert other.files == plain.files


@pytest.mark.parametrize("attribute", ["merge=union", "merge=evil"])
def test_the_hubs_attributes_win_where_git_reads_those_of_the_tree(
    hub: BareHub, tmp_path: Path, attribute: str
) -> None:
    """Git reads a work tree's attributes always, a bare repository's only in some versions: so ask in a work tree."""
    where = tmp_path / "worktree"
    base = new_repository(where, {"f": "base\n", ".gitattributes": f"f {attribute}\n"})
    git(where, "config", "merge.evil.driver", f"touch {tmp_path}/ran; exit 0")
    sides = []
    for text in ("ours\n", "theirs\n"):
        git(where, "checkout", "-q", "--detach", base)
        (where / "f").write_text(text)
        git(where, "commit", "-qam", text)
        sides.append(git(where, "rev-parse", "HEAD"))
    git(where, "merge-tree", "--write-tree", *sides)  # exit code 0: without us it looks clean
    (tmp_path / "ran").unlink(missing_ok=True)
    (where / ".git" / "info" / "attributes").write_bytes((hub.path / "info" / "attributes").read_bytes())
    with pytest.raises(AssertionError, match="merge-tree"):
        git(where, "merge-tree", "--write-tree", *sides)
    assert not (tmp_path / "ran").exists()


def test_strangers_do_not_merge(hub: BareHub, base: str) -> None:
    stranger = hub.commit_files({"a": "1"}, parent="", message="stranger")
    with pytest.raises(HubFault, match="unrelated histories"):
        hub.merge(base, stranger, message="m")


def test_merging_an_absent_commit_is_a_fault_and_no_conflict(hub: BareHub, base: str) -> None:
    with pytest.raises(HubFault, match="merge-tree"):
        hub.merge(base, "1" * 40, message="m")


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"t" * 40 + b"\0",
        b"tree\0nonsense\0\0",
        b"tree\x00100644 abc 7\tp\0\0",
        b"tree\0\0two\0a\0kind\0text\0",
    ],
)
def test_an_answer_of_another_shape_is_a_fault(out: bytes) -> None:
    with pytest.raises(HubFault, match="merge-tree"):
        read_conflict(out, ours="1" * 40, theirs="2" * 40)


def test_messages_about_several_paths_are_read_whole() -> None:
    stages = b"tree\x00100644 aa 1\told\x00100644 bb 2\tnew\0\0"
    out = stages + b"2\0old\0new\0CONFLICT (rename)\0Moved.\n\x001\0x\0Auto\0Done.\n\0"
    conflict = read_conflict(out, ours="1" * 40, theirs="2" * 40)
    assert [(f.path, f.base, f.ours) for f in conflict.files] == [("old", "aa", ""), ("new", "", "bb")]
    assert conflict.messages == "Moved.\nDone.\n"
