"""The one branch that a repository is given, the merge when asked, and that nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stranger import git

from swarm.adapters.hub import BareHub
from swarm.adapters.repository import UserRepository
from swarm.domain.errors import UsageFault

BRANCH = "swarm/url-shortener-1a2b"


def work(hub: BareHub, user: UserRepository, files: dict[str, str | None]) -> str:
    return hub.commit_files(files, parent=user.resolve(""), message="work of a run")


def state(where: Path) -> tuple[str, ...]:
    """All of a repository that a delivery must not change: HEAD, work tree, index, refs, FETCH_HEAD, settings."""
    refs = git(where, "for-each-ref", "--format=%(refname) %(objectname)")
    return (
        git(where, "symbolic-ref", "HEAD"),
        git(where, "status", "--porcelain"),
        git(where, "ls-files", "--stage"),
        "\n".join(line for line in refs.splitlines() if "refs/heads/swarm/" not in line),
        str((where / ".git" / "FETCH_HEAD").exists()),
        (where / ".git" / "config").read_text(),
        "\n".join(sorted(f"{p} {p.stat().st_mtime_ns}" for p in where.rglob("*") if ".git" not in p.parts)),
    )


def test_a_delivery_makes_the_branch_and_changes_nothing_else(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    (where / "app.py").write_text("uncommitted\n")
    before = state(where)
    commit = work(hub, user, {"app.py": "2\n", "new": "x"})
    user.deliver(hub.path, commit, BRANCH)
    assert user.resolve(BRANCH) == commit
    assert state(where) == before
    git(where, "fsck", "--strict", "--no-dangling")


def test_a_delivery_again_is_nothing_new(user: UserRepository, hub: BareHub) -> None:
    commit = work(hub, user, {"app.py": "2\n"})
    user.deliver(hub.path, commit, BRANCH)
    user.deliver(hub.path, commit, BRANCH)
    assert user.resolve(BRANCH) == commit


def test_a_later_result_moves_the_branch_forward(user: UserRepository, hub: BareHub) -> None:
    first = work(hub, user, {"app.py": "2\n"})
    second = hub.commit_files({"app.py": "3\n"}, parent=first, message="more")
    user.deliver(hub.path, first, BRANCH)
    user.deliver(hub.path, second, BRANCH)
    assert user.resolve(BRANCH) == second


def test_other_work_on_a_branch_of_that_name_stays(where: Path, user: UserRepository, hub: BareHub) -> None:
    git(where, "branch", BRANCH)
    git(where, "worktree", "add", "-q", str(where.parent / "w"), BRANCH)
    git(where.parent / "w", "commit", "-q", "--allow-empty", "-m", "mine")
    git(where, "worktree", "remove", str(where.parent / "w"))
    mine = user.resolve(BRANCH)
    with pytest.raises(UsageFault, match="holds other work"):
        user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), BRANCH)
    assert user.resolve(BRANCH) == mine


def test_an_earlier_delivery_may_be_replaced_when_it_is_named(user: UserRepository, hub: BareHub) -> None:
    first, second = work(hub, user, {"app.py": "2\n"}), work(hub, user, {"app.py": "3\n"})
    user.deliver(hub.path, first, BRANCH)
    with pytest.raises(UsageFault):
        user.deliver(hub.path, second, BRANCH)
    user.deliver(hub.path, second, BRANCH, replaces=first)
    assert user.resolve(BRANCH) == second


def test_the_checked_out_branch_is_never_moved(where: Path, user: UserRepository, hub: BareHub) -> None:
    before = user.resolve("main")
    with pytest.raises(UsageFault, match="checked out"):
        user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), "main")
    assert user.resolve("main") == before


def test_a_branch_checked_out_in_another_work_tree_is_never_moved(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    git(where, "worktree", "add", "-q", "-b", BRANCH, str(where.parent / "linked"))
    with pytest.raises(UsageFault, match="checked out"):
        user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), BRANCH)


def test_a_branch_that_is_a_folder_of_this_one_is_named(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    git(where, "branch", "swarm")
    with pytest.raises(UsageFault, match=r"cannot stand beside .* branch swarm:.*git branch -m swarm NAME"):
        user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), BRANCH)


@pytest.mark.parametrize("name", ["-x", "a..b", "a b", "", "x.lock", "refs/heads/../x"])
def test_a_name_that_is_none_is_refused(user: UserRepository, hub: BareHub, name: str) -> None:
    with pytest.raises(UsageFault, match="not a name"):
        user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), name)


def test_a_delivery_runs_no_hook_and_no_monitor(where: Path, user: UserRepository, hub: BareHub) -> None:
    ran = where.parent / "ran"
    for name in ("reference-transaction", "post-checkout", "post-merge", "pre-auto-gc", "fsmonitor"):
        hook = where / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    git(where, "config", "core.fsmonitor", str(where / ".git" / "hooks" / "fsmonitor"))
    user.deliver(hub.path, work(hub, user, {"app.py": "2\n"}), BRANCH)
    user.uncommitted()
    assert not ran.exists()


def test_a_shallow_repository_gets_its_branch(where: Path, tmp_path: Path) -> None:
    git(where, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{where}", "shallow")
    user = UserRepository.open(tmp_path / "shallow")
    hub = BareHub(tmp_path / "shallow-hub.git")
    hub.create()
    hub.mirror(user.path, user.resolve(""))
    commit = work(hub, user, {"app.py": "2\n"})
    user.deliver(hub.path, commit, BRANCH)
    assert user.resolve(BRANCH) == commit


def test_a_repository_that_was_given_its_first_commit_gets_its_branch(tmp_path: Path) -> None:
    user = UserRepository.create(tmp_path / "new")
    hub = BareHub(tmp_path / "new-hub.git")
    hub.create()
    hub.mirror(user.path, user.resolve(""))
    user.deliver(hub.path, work(hub, user, {"app.py": "1\n"}), BRANCH)
    assert user.apply(BRANCH).conflicts == ()
    assert (user.path / "app.py").read_text() == "1\n"


# --- applying ---


def delivered(hub: BareHub, user: UserRepository, files: dict[str, str | None]) -> None:
    user.deliver(hub.path, work(hub, user, files), BRANCH)


def test_applying_merges_into_the_checked_out_branch(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    assert "app.py" in user.summary(BRANCH)
    done = user.apply(BRANCH)
    assert (done.onto, done.conflicts, done.already) == ("main", (), False)
    assert done.commit == git(where, "rev-parse", "main")
    assert (where / "app.py").read_text() == "2\n"
    assert git(where, "show", "-s", "--format=%an %s") == f"Jo Merge branch '{BRANCH}'"
    assert len(git(where, "show", "-s", "--format=%P").split()) == 2


def test_applying_again_says_that_it_is_done(user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    first = user.apply(BRANCH)
    second = user.apply(BRANCH)
    assert second.already
    assert second.commit == first.commit


def test_a_look_before_a_merge_says_into_what_and_changes_nothing(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    before = git(where, "rev-parse", "HEAD")

    found = user.preview(BRANCH)

    assert (found.branch, found.onto, found.repository, found.already) == (BRANCH, "main", str(where), False)
    assert "app.py" in found.summary
    assert git(where, "rev-parse", "HEAD") == before


def test_a_look_before_a_merge_refuses_what_the_merge_would_refuse(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    (where / "docs" / "readme.md").write_text("draft\n")
    with pytest.raises(UsageFault, match=r"docs/readme\.md"):
        user.preview(BRANCH)


def test_a_look_after_the_merge_says_that_it_is_done(user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    user.apply(BRANCH)
    assert user.preview(BRANCH).already


def test_a_branch_is_unmerged_until_another_one_holds_it(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    first = user.unmerged(BRANCH)
    git(where, "checkout", "-q", "-b", "side")
    user.apply(BRANCH)
    git(where, "checkout", "-q", "main")

    assert (first, user.unmerged(BRANCH)) == (True, False)


def test_a_branch_that_is_gone_is_not_unmerged(user: UserRepository) -> None:
    assert not user.unmerged(BRANCH)


def test_a_conflict_leaves_everything_as_it_was(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"app.py": "2\n", "new": "x"})
    (where / "app.py").write_text("mine\n")
    git(where, "commit", "-qam", "mine")
    (where / "untracked").write_text("mine")
    before = git(where, "rev-parse", "HEAD")
    done = user.apply(BRANCH)
    assert done.conflicts == ("app.py",)
    assert done.commit == before == git(where, "rev-parse", "HEAD")
    assert (where / "app.py").read_text() == "mine\n"
    assert git(where, "status", "--porcelain") == "?? untracked"


def test_uncommitted_changes_are_not_merged_over(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"app.py": "2\n"})
    (where / "docs" / "readme.md").write_text("draft\n")
    with pytest.raises(UsageFault, match=r"docs/readme\.md .*Commit or stash"):
        user.apply(BRANCH)
    assert (where / "docs" / "readme.md").read_text() == "draft\n"


def test_a_file_that_git_does_not_know_is_not_overwritten(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    delivered(hub, user, {"new": "theirs"})
    (where / "new").write_text("mine")
    with pytest.raises(
        UsageFault, match=r"untracked working tree files .*: new .*Move or remove these files"
    ):
        user.apply(BRANCH)
    assert (where / "new").read_text() == "mine"


def test_a_merge_of_the_users_own_is_not_aborted(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"new": "x"})
    git(where, "checkout", "-q", "-b", "other")
    git(where, "commit", "-q", "--allow-empty", "-m", "other")
    git(where, "checkout", "-q", "main")
    git(where, "merge", "-q", "--no-ff", "--no-commit", "other")
    with pytest.raises(UsageFault, match="under way"):
        user.apply(BRANCH)
    assert (where / ".git" / "MERGE_HEAD").exists()


def test_a_hook_of_the_user_may_refuse_the_merge(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"new": "x"})
    hook = where / ".git" / "hooks" / "pre-merge-commit"
    hook.write_text("#!/bin/sh\necho no merges on Friday >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(UsageFault, match="no merges on Friday"):
        user.apply(BRANCH)
    assert not (where / ".git" / "MERGE_HEAD").exists()
    assert git(where, "status", "--porcelain") == ""


def test_nothing_is_applied_to_a_detached_head(where: Path, user: UserRepository, hub: BareHub) -> None:
    delivered(hub, user, {"new": "x"})
    git(where, "checkout", "-q", "--detach")
    with pytest.raises(UsageFault, match="No branch is checked out"):
        user.apply(BRANCH)


def test_a_branch_that_is_gone_is_named(user: UserRepository) -> None:
    with pytest.raises(UsageFault, match=f"no branch {BRANCH}"):
        user.apply(BRANCH)
    with pytest.raises(UsageFault, match=f"no branch {BRANCH}"):
        user.summary(BRANCH)


# --- what git would run ---

SCRIPT = "#!/bin/sh\ntouch ran\n"


def test_a_branch_that_brings_a_hook_is_not_merged(where: Path, user: UserRepository, hub: BareHub) -> None:
    git(where, "config", "core.hooksPath", ".githooks")
    delivered(hub, user, {".githooks/post-merge": SCRIPT, "app.py": "2\n"})
    before = git(where, "rev-parse", "HEAD")
    with pytest.raises(
        UsageFault, match=r"runs on this machine: \.githooks/post-merge .*git -c core\.hooksPath"
    ):
        user.apply(BRANCH)
    assert git(where, "rev-parse", "HEAD") == before
    assert not (where / ".githooks").exists()


@pytest.mark.parametrize(
    ("hooks", "path"),
    [
        (".husky/_", ".husky/post-merge"),
        (".GitHooks", ".githooks/post-merge"),
        ("tools/../.githooks/", ".githooks/post-merge"),
        ("{where}/tools/hooks", "tools/hooks/post-merge"),
        ("tools/hooks", "tools"),
        ("linked", "docs/post-merge"),
    ],
)
def test_a_hook_is_found_however_its_folder_is_named(
    where: Path, user: UserRepository, hub: BareHub, hooks: str, path: str
) -> None:
    (where / "linked").symlink_to("docs")
    git(where, "config", "core.hooksPath", hooks.format(where=where))
    delivered(hub, user, {path: SCRIPT})
    with pytest.raises(UsageFault, match=f"runs on this machine: {path}"):
        user.apply(BRANCH)


def test_a_hook_that_is_a_link_into_the_work_tree_is_not_changed(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    (where / ".git" / "hooks" / "post-merge").symlink_to("../../tools/after.sh")
    delivered(hub, user, {"tools/after.sh": SCRIPT})
    with pytest.raises(UsageFault, match=r"runs on this machine: tools/after\.sh"):
        user.apply(BRANCH)


def test_a_change_that_a_merge_would_carry_into_a_hook_is_not_merged(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    text = "".join(f"# {number}\n" for number in range(20))
    (where / "after.sh").write_text(text)
    git(where, "add", "after.sh")
    git(where, "commit", "-q", "-m", "script")
    hub.mirror(user.path, user.resolve(""))
    delivered(hub, user, {"after.sh": f"{text}touch ran\n"})
    (where / ".githooks").mkdir()
    git(where, "mv", "after.sh", ".githooks/post-merge")
    git(where, "commit", "-q", "-m", "moved")
    git(where, "config", "core.hooksPath", ".githooks")
    for ask in (user.preview, user.apply):
        with pytest.raises(UsageFault, match=r"runs on this machine: \.githooks/post-merge"):
            ask(BRANCH)


def test_settings_that_the_work_tree_holds_are_not_changed(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    (where / ".gitconfig").write_text("[alias]\n\tst = status\n")
    git(where, "add", ".gitconfig")
    git(where, "commit", "-q", "-m", "settings")
    git(where, "config", "include.path", "../.gitconfig")
    hub.mirror(user.path, user.resolve(""))
    delivered(hub, user, {".gitconfig": "[core]\n\tfsmonitor = ./run\n"})
    with pytest.raises(UsageFault, match=r"runs on this machine: \.gitconfig"):
        user.apply(BRANCH)


def test_hooks_in_the_work_tree_run_where_the_branch_leaves_them_alone(
    where: Path, user: UserRepository, hub: BareHub
) -> None:
    hook = where / ".githooks" / "post-merge"
    hook.parent.mkdir()
    hook.write_text(SCRIPT)
    hook.chmod(0o755)
    git(where, "add", ".githooks")
    git(where, "commit", "-q", "-m", "hooks")
    git(where, "config", "core.hooksPath", ".githooks")
    hub.mirror(user.path, user.resolve(""))
    delivered(hub, user, {"app.py": "2\n"})
    assert user.apply(BRANCH).conflicts == ()
    assert (where / "ran").exists()


@pytest.mark.parametrize("name", ["x", "x=y", "a.b"])
@pytest.mark.parametrize("kind", ["clean", "process"])
def test_listing_uncommitted_work_runs_no_filter(
    where: Path, user: UserRepository, name: str, kind: str
) -> None:
    ran = where.parent / "ran"
    (where / ".git" / "info" / "attributes").write_text(f"*.py filter={name}\n")
    with (where / ".git" / "config").open("a") as settings:
        settings.write(f'[filter "{name}"]\n\t{kind} = touch {ran}; cat\n\trequired = true\n')
    (where / "app.py").write_text("3\n")
    assert user.uncommitted() == ("app.py",)
    assert not ran.exists()
