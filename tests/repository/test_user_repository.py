"""The user's repository: opening it, making one, and what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.stranger import git

from swarm.adapters.repository import UserRepository
from swarm.domain.errors import UsageFault
from swarm.ports import Repository

# --- opening and making ---


def test_it_is_the_port(user: UserRepository) -> None:
    port: Repository = user
    assert port.uncommitted() == ()


def test_a_folder_inside_the_repository_opens_it(where: Path) -> None:
    assert UserRepository.open(where / "docs").path == where


def test_a_folder_that_is_no_repository_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"not a git repository .*git init"):
        UserRepository.open(tmp_path)


def test_a_folder_that_does_not_exist_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no such folder"):
        UserRepository.open(tmp_path / "nope")


def test_a_bare_repository_is_the_users_mistake(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(UsageFault, match=r"no work tree.*Clone it"):
        UserRepository.open(tmp_path / "bare.git")


def test_a_repository_with_longer_object_names_is_named(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    with pytest.raises(UsageFault, match="sha256"):
        UserRepository.open(tmp_path / "long")


def test_a_broken_repository_is_named_in_gits_words(where: Path) -> None:
    (where / ".git" / "config").write_text("[core\nnonsense")
    with pytest.raises(UsageFault, match="bad config"):
        UserRepository.open(where)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_comes_with_the_command_that_trusts_it(where: Path) -> None:
    for path in [where, *where.rglob("*")]:
        os.chown(path, 12345, 12345)
    with pytest.raises(UsageFault, match=r"Another user owns .*safe\.directory"):
        UserRepository.open(where)


def test_a_variable_that_points_git_elsewhere_is_refused(
    where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    with pytest.raises(UsageFault, match="unset GIT_DIR"):
        UserRepository.open(where)


def test_a_new_repository_has_one_empty_commit_on_main(tmp_path: Path) -> None:
    made = UserRepository.create(tmp_path / "a" / "new")
    assert made.current_branch() == "main"
    assert made.paths(made.resolve("")) == ()
    assert made.uncommitted() == ()
    assert not made.empty


def test_a_new_repository_needs_no_identity_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert UserRepository.create(tmp_path / "new").resolve("")


def test_a_folder_with_files_does_not_become_a_new_repository(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(UsageFault, match="empty folder"):
        UserRepository.create(tmp_path)


def test_a_repository_without_a_commit_gets_an_empty_one_only_when_asked(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk", "young")
    (tmp_path / "young" / "draft").write_text("x")
    git(tmp_path / "young", "add", "draft")
    young = UserRepository.open(tmp_path / "young")
    assert young.empty
    with pytest.raises(UsageFault, match="no commit yet"):
        young.resolve("")
    commit = young.ensure_commit()
    assert young.ensure_commit() == commit == young.resolve("trunk")
    assert git(tmp_path / "young", "status", "--porcelain") == "A  draft"


# --- reading ---


def test_a_base_may_be_a_branch_a_tag_or_an_abbreviation(where: Path, user: UserRepository) -> None:
    git(where, "tag", "-a", "-m", "one", "v1")
    commit = git(where, "rev-parse", "HEAD")
    assert {user.resolve(base) for base in ("", "main", "v1", commit[:10], "HEAD")} == {commit}


@pytest.mark.parametrize("base", ["mian", "refs/heads/man", "man"])
def test_an_unknown_base_names_near_ones(user: UserRepository, base: str) -> None:
    with pytest.raises(UsageFault, match=r"no branch, tag or commit .*Near: main"):
        user.resolve(base)


@pytest.mark.parametrize("base", ["--all", "-h", "HEAD:app.py", "a..b"])
def test_what_is_no_commit_is_no_base(user: UserRepository, base: str) -> None:
    with pytest.raises(UsageFault):
        user.resolve(base)


def test_uncommitted_work_is_listed_by_its_plain_paths(where: Path, user: UserRepository) -> None:
    (where / "app.py").write_text("changed\n")
    (where / "a b\té").write_text("new")
    (where / "folder").mkdir()
    (where / "folder" / "new").write_text("new")
    git(where, "mv", "docs/readme.md", "moved.md")
    assert set(user.uncommitted()) == {"app.py", "a b\té", "folder/", "docs/readme.md", "moved.md"}


def test_the_projects_settings_are_those_at_the_base(where: Path, user: UserRepository) -> None:
    assert user.swarm_toml(user.resolve("")) == ""
    (where / "swarm.toml").write_text("profile = 'python'\n")
    assert user.swarm_toml(user.resolve("")) == ""
    git(where, "add", "swarm.toml")
    git(where, "commit", "-qm", "settings")
    assert user.swarm_toml(user.resolve("")) == "profile = 'python'\n"


def test_a_detached_head_has_no_branch(where: Path, user: UserRepository) -> None:
    assert user.current_branch() == "main"
    git(where, "checkout", "-q", "--detach")
    assert user.current_branch() == ""


def test_an_ordinary_repository_has_no_peculiarities(user: UserRepository) -> None:
    assert user.peculiarities(user.resolve("")) == ()


def test_submodules_and_large_files_elsewhere_are_pointed_out(where: Path, user: UserRepository) -> None:
    (where / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (where / "model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n")
    git(where, "add", "-A")
    git(where, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    git(where, "commit", "-qm", "peculiar")
    submodules, lfs = user.peculiarities(user.resolve(""))
    assert "vendor/lib" in submodules
    assert "model.bin" in lfs


def test_a_shallow_clone_is_pointed_out(where: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{where}", "shallow")
    user = UserRepository.open(tmp_path / "shallow")
    assert "shallow" in user.peculiarities(user.resolve(""))[0]
