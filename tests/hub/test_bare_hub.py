"""The hub as a store of trees and commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stranger import git

from swarm.adapters.hub import BareHub
from swarm.domain.errors import HubFault
from swarm.ports import Hub


def test_creating_twice_keeps_what_is_there(hub: BareHub, base: str) -> None:
    hub.create()
    assert hub.ref("refs/swarm/base") == base


def test_a_half_made_hub_of_a_killed_process_is_cleared_away(tmp_path: Path) -> None:
    leftover = tmp_path / ".hub.git-new-dead"
    leftover.mkdir()
    BareHub(tmp_path / "hub.git").create()
    assert not leftover.exists()
    assert (tmp_path / "hub.git" / "HEAD").exists()


def test_a_folder_that_is_no_hub_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "hub.git").mkdir()
    (tmp_path / "hub.git" / "precious").write_text("mine")
    with pytest.raises(HubFault, match="could not be made"):
        BareHub(tmp_path / "hub.git").create()
    assert (tmp_path / "hub.git" / "precious").read_text() == "mine"


def test_the_hub_is_the_port(hub: BareHub) -> None:
    port: Hub = hub
    assert port.path.is_absolute()


def test_the_same_files_give_the_same_commit_in_another_hub(hub: BareHub, tmp_path: Path) -> None:
    other = BareHub(tmp_path / "other.git")
    other.create()
    made = []
    for one in (hub, other):
        root = one.commit_files({"a": "1\n"}, parent="", message="root")
        made.append(one.commit_files({"a": "2\n", "b/c": "3\n"}, parent=root, message="next"))
    assert made[0] == made[1]


def test_a_commit_is_dated_a_second_after_its_youngest_parent(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"a": "1"}, parent=base, message="next")
    older, newer = (int(git(hub.path, "show", "-s", "--format=%ct", c)) for c in (base, commit))
    assert newer == older + 1


def test_a_commit_after_one_dated_in_the_far_future_is_still_valid(hub: BareHub, base: str) -> None:
    raw = f"tree {hub.tree(base)}\nauthor a <a> 99999999999 +0000\ncommitter a <a> 99999999999 +0000\n\nx\n"
    late = git(hub.path, "hash-object", "-w", "-t", "commit", "--stdin", given=raw.encode())
    commit = hub.commit_tree(hub.tree(base), parents=[late], message="next")
    assert commit == hub.commit_tree(hub.tree(base), parents=[late], message="next")
    git(hub.path, "fsck", "--strict")


def test_none_deletes_and_other_files_stay(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"app.py": None, "never/was": None, "new": "x"}, parent=base, message="m")
    assert hub.paths(commit) == (".gitignore", "docs/readme.md", "new")


def test_a_folder_may_take_the_place_of_a_deleted_file(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"app.py/inner": "x", "app.py": None}, parent=base, message="m")
    assert hub.read(commit, "app.py/inner") == b"x"


def test_a_file_may_not_silently_replace_a_folder(hub: BareHub, base: str) -> None:
    with pytest.raises(HubFault):
        hub.commit_files({"docs": "x"}, parent=base, message="m")


def test_rewriting_a_program_keeps_it_executable(hub: BareHub, base: str) -> None:
    blob = git(hub.path, "hash-object", "-w", "--stdin", given=b"#!/bin/sh\n")
    tree = git(hub.path, "mktree", given=f"100755 blob {blob}\ttool\n".encode())
    before = hub.commit_tree(tree, parents=[base], message="tool")
    after = hub.commit_files({"tool": "#!/bin/bash\n"}, parent=before, message="m")
    assert git(hub.path, "ls-tree", after, "tool").startswith("100755")


def test_text_is_stored_as_it_is(hub: BareHub) -> None:
    text = "é\r\nlast line without end"
    commit = hub.commit_files({"a b\n'c": text}, parent="", message="m")
    assert hub.read(commit, "a b\n'c") == text.encode()
    assert hub.paths(commit) == ("a b\n'c",)


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", ".git/config", "a/.GIT/hooks/x", "a//b", ""])
def test_a_path_outside_the_tree_is_refused(hub: BareHub, path: str) -> None:
    with pytest.raises(HubFault):
        hub.commit_files({path: "x"}, parent="", message="m")


def test_an_absent_file_is_none_and_a_folder_is_no_file(hub: BareHub, base: str) -> None:
    assert hub.read(base, "nope") is None
    assert hub.read(base, "docs") is None
    assert hub.read_many(base, ["app.py", "nope", "docs/readme.md", "app.py"]) == {
        "app.py": b"def f():\n    return 1\n",
        "docs/readme.md": b"one\ntwo\nthree\n",
    }


def test_reading_by_tree_is_reading_by_commit(hub: BareHub, base: str) -> None:
    assert hub.read(hub.tree(base), "app.py") == hub.read(base, "app.py")


def test_an_unknown_commit_is_a_fault_and_not_an_absent_file(hub: BareHub) -> None:
    with pytest.raises(HubFault, match="no commit"):
        hub.read("1" * 40, "app.py")


@pytest.mark.parametrize("name", ["HEAD", "", "--output=/tmp/x", "main..x", "abc"])
def test_only_full_ids_name_commits(hub: BareHub, base: str, name: str) -> None:
    for call in (hub.tree, hub.paths, lambda n: hub.diff(base, n), lambda n: hub.set_ref("refs/swarm/x", n)):
        with pytest.raises(HubFault, match="not a full commit id"):
            call(name)


def test_changes_are_listed_without_guessing_renames(hub: BareHub, base: str) -> None:
    text = "def f():\n    return 1\n"
    commit = hub.commit_files({"app.py": None, "moved.py": text, ".gitignore": "x"}, parent=base, message="m")
    assert hub.changed(base, commit) == (("M", ".gitignore"), ("D", "app.py"), ("A", "moved.py"))
    assert hub.changed(base, base) == ()


def test_a_difference_is_shown_for_the_paths_asked_for(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"app.py": "x\n", "docs/readme.md": "y\n"}, parent=base, message="m")
    shown = hub.diff(base, commit, paths=["docs"])
    assert "+y" in shown
    assert "app.py" not in shown
    assert "2 files changed" in hub.diff(base, commit, stat=True)


def test_a_path_of_a_difference_is_no_pattern(hub: BareHub, base: str) -> None:
    commit = hub.commit_files({"app.py": "x\n"}, parent=base, message="m")
    assert hub.diff(base, commit, paths=["*.py"]) == ""


def test_the_merge_base_of_strangers_is_empty(hub: BareHub, base: str) -> None:
    stranger = hub.commit_files({"a": "1"}, parent="", message="stranger")
    child = hub.commit_files({"a": "1"}, parent=base, message="child")
    assert hub.merge_base(base, stranger) == ""
    assert hub.merge_base(base, child) == base


def test_a_ref_that_is_absent_is_empty(hub: BareHub) -> None:
    assert hub.ref("refs/swarm/none") == ""


def test_a_ref_can_be_moved_anywhere(hub: BareHub, base: str) -> None:
    other = hub.commit_files({"a": "1"}, parent="", message="other")
    hub.set_ref("refs/swarm/x", base)
    hub.set_ref("refs/swarm/x", other)
    assert hub.ref("refs/swarm/x") == other


@pytest.mark.parametrize("name", ["HEAD", "main", "refs/../config", "refs/x..y", "refs/a b"])
def test_a_strange_name_for_a_ref_is_refused(hub: BareHub, base: str, name: str) -> None:
    with pytest.raises(HubFault):
        hub.set_ref(name, base)


def test_a_ref_of_an_absent_commit_is_refused(hub: BareHub) -> None:
    with pytest.raises(HubFault, match="update-ref"):
        hub.set_ref("refs/swarm/x", "1" * 40)


def test_submodules_of_the_user_are_no_files(hub: BareHub, base: str) -> None:
    tree = git(hub.path, "mktree", "--missing", given=f"160000 commit {'1' * 40}\tsub\n".encode())
    assert hub.paths(hub.commit_tree(tree, parents=[base], message="m")) == ()


@pytest.mark.usefixtures("private_umask")
def test_sandboxes_of_another_user_can_read_every_file(tmp_path: Path) -> None:
    hub = BareHub(tmp_path / "private.git")
    hub.create()
    hub.set_ref("refs/swarm/base", hub.commit_files({"a/b": "1"}, parent="", message="base"))
    for path in [hub.path, *hub.path.rglob("*")]:
        if path.name == "swarm-work":
            continue
        assert path.stat().st_mode & 0o004, path
        assert not path.is_dir() or path.stat().st_mode & 0o001, path
