"""The user's repository comes in, and nothing that it holds runs on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.stranger import git, new_repository

from swarm.adapters.hub import BareHub
from swarm.domain.errors import HubFault

HOOKS = ("pre-receive", "update", "post-update", "reference-transaction", "post-checkout", "pre-auto-gc")


@pytest.fixture
def user(tmp_path: Path) -> Path:
    where = tmp_path / "user's repository"
    new_repository(where, {"app.py": "1\n"})
    (where / "app.py").write_text("2\n")
    git(where, "commit", "-qam", "second")
    return where


def head(where: Path) -> str:
    return git(where, "rev-parse", "HEAD")


def test_a_commit_comes_with_its_history(hub: BareHub, user: Path) -> None:
    hub.mirror(user, head(user))
    assert hub.ref("refs/swarm/base") == head(user)
    assert hub.read(git(user, "rev-parse", "HEAD^"), "app.py") == b"1\n"
    git(hub.path, "fsck", "--strict", "--no-dangling")


def test_only_that_commit_comes(hub: BareHub, user: Path) -> None:
    git(user, "tag", "v1")
    git(user, "checkout", "-q", "-b", "other")
    git(user, "commit", "-q", "--allow-empty", "-m", "other")
    hub.mirror(user, git(user, "rev-parse", "main"))
    assert git(hub.path, "for-each-ref", "--format=%(refname)") == "refs/swarm/base"
    with pytest.raises(HubFault):
        hub.tree(head(user))


def test_mirroring_again_is_nothing_new_even_without_the_repository(hub: BareHub, user: Path) -> None:
    commit = head(user)
    hub.mirror(user, commit)
    shutil.rmtree(user)
    hub.mirror(user, commit)
    assert hub.ref("refs/swarm/base") == commit


def test_another_base_replaces_the_first(hub: BareHub, user: Path) -> None:
    hub.mirror(user, head(user))
    hub.mirror(user, git(user, "rev-parse", "HEAD^"))
    assert hub.ref("refs/swarm/base") == git(user, "rev-parse", "HEAD^")


def test_a_commit_that_no_branch_holds_comes_too(hub: BareHub, user: Path) -> None:
    git(user, "checkout", "-q", "--detach")
    git(user, "commit", "-q", "--allow-empty", "-m", "detached")
    commit = head(user)
    git(user, "checkout", "-q", "main")
    hub.mirror(user, commit)
    assert hub.ref("refs/swarm/base") == commit


def test_a_repository_without_a_commit_needs_no_mirror(hub: BareHub, tmp_path: Path) -> None:
    hub.mirror(tmp_path, "")
    assert hub.ref("refs/swarm/base") == ""


def test_a_linked_work_tree_is_a_repository_too(hub: BareHub, user: Path, tmp_path: Path) -> None:
    git(user, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    hub.mirror(tmp_path / "linked", head(user))
    assert hub.read(head(user), "app.py") == b"2\n"


def test_a_shallow_repository_comes_as_far_as_it_goes(hub: BareHub, user: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{user}", str(shallow))
    hub.mirror(shallow, head(user))
    commit = hub.commit_files({"new": "x"}, parent=head(user), message="on top")
    assert hub.paths(commit) == ("app.py", "new")
    git(hub.path, "fsck", "--strict", "--no-dangling")


def test_an_unknown_commit_is_a_fault(hub: BareHub, user: Path) -> None:
    with pytest.raises(HubFault, match="git fetch failed"):
        hub.mirror(user, "1" * 40)


def test_a_folder_that_is_no_repository_is_a_fault(hub: BareHub, tmp_path: Path) -> None:
    with pytest.raises(HubFault, match="does not appear to be a git repository"):
        hub.mirror(tmp_path, "1" * 40)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_that_another_user_owns_comes_once_it_was_opened(hub: BareHub, user: Path) -> None:
    commit = head(user)
    for path in [user, *user.rglob("*")]:
        os.chown(path, 12345, 12345)
    hub.mirror(user, commit)
    assert hub.ref("refs/swarm/base") == commit


# --- hostile repositories ---


def test_no_program_that_the_settings_name_is_run(hub: BareHub, user: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    evil = tmp_path / "evil.sh"
    evil.write_text(f'#!/bin/sh\necho "$0 $*" >> "{ran}"\nexec "$@"\n')
    evil.chmod(0o755)
    settings = (
        "uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand", "core.alternateRefsCommand", "core.gitProxy",
        "core.editor", "core.pager", "pager.upload-pack", "alias.upload-pack", "gpg.program", "credential.helper",
        "diff.external", "filter.x.clean", "filter.x.smudge", "merge.x.driver", "core.askPass",
    )  # fmt: skip
    for name in settings:
        git(user, "config", name, str(evil))
    for name in HOOKS:
        shutil.copy(evil, user / ".git" / "hooks" / name)
    hub.mirror(user, head(user))
    assert hub.read(head(user), "app.py") == b"2\n"
    assert not ran.exists()


def test_what_a_partial_clone_lacks_is_not_fetched_by_its_own_command(
    hub: BareHub, user: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    git(user, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{user}", str(partial))
    git(partial, "config", "remote.origin.uploadpack", f"touch {ran}; git-upload-pack")
    git(partial, "config", "remote.origin.url", str(user))
    with pytest.raises(HubFault, match="git fetch failed"):
        hub.mirror(partial, head(user))
    assert not ran.exists()
    assert hub.ref("refs/swarm/base") == ""


def test_replaced_objects_come_as_they_were(hub: BareHub, user: Path) -> None:
    real = git(user, "rev-parse", "HEAD:app.py")
    fake = git(user, "hash-object", "-w", "--stdin", given=b"replaced\n")
    git(user, "replace", real, fake)
    git(user, "replace", "HEAD", "HEAD^")
    hub.mirror(user, head(user))
    assert hub.read(head(user), "app.py") == b"2\n"


def test_borrowed_objects_come_and_are_then_the_hubs_own(hub: BareHub, user: Path, tmp_path: Path) -> None:
    borrower = tmp_path / "borrower"
    git(tmp_path, "clone", "-q", "--shared", str(user), str(borrower))
    commit = head(user)
    hub.mirror(borrower, commit)
    shutil.rmtree(user)
    git(hub.path, "fsck", "--strict", "--no-dangling")
    assert not (hub.path / "objects" / "info" / "alternates").exists()


def test_a_repository_with_a_name_like_an_option_or_address_is_a_path(
    hub: BareHub, user: Path, tmp_path: Path
) -> None:
    for name in ("--upload-pack=touch x", "ext::sh -c id", "host:path", "a;touch b"):
        place = tmp_path / name
        shutil.copytree(user, place)
        other = BareHub(tmp_path / f"{abs(hash(name))}.git")
        other.create()
        other.mirror(place, head(user))
        assert other.ref("refs/swarm/base") == head(user)
    assert not (tmp_path / "b").exists()


def test_settings_and_variables_of_this_machine_do_not_reach_the_hub(
    hub: BareHub, user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "gitconfig"
    mine.write_text(
        f"[uploadpack]\n\tpackObjectsHook = touch {tmp_path}/ran;\n[fetch]\n\tfsckObjects = nonsense\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    hub.mirror(user, hub.ref("refs/swarm/base") or _head_of(user))
    assert not (tmp_path / "ran").exists()


def _head_of(where: Path) -> str:
    return (where / ".git" / "refs" / "heads" / "main").read_text().strip()
