"""The user's own repository, through GitPython: read it, give it one branch, and merge that when the user says so.

The user's settings hold here as they do when the user types git; only what a delivery has no use for (hooks, fsmonitor,
automatic maintenance, submodule recursion) is off. What agents made is data in the hub and is never checked out by
this, except by `apply`, which the user asks for after a look.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.adapters.repository.command import ANY, Answer, as_user, quietly, some, split
from swarm.adapters.repository.programs import run_by_git, without_filters
from swarm.adapters.repository.remarks import remarks
from swarm.domain.errors import HubFault, UsageFault
from swarm.domain.merging import Applied, MergePreview

_NOTHING = "0" * 40
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_IDENTITY = ("user.name=swarm", "user.email=swarm@localhost")
_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_FETCH = (
    "--quiet",
    "--no-tags",
    "--no-prune",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
)
_MERGE = ("--no-ff", "--no-edit", "--no-squash", "--no-autostash", "--no-stat", "--commit", "--quiet")
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


class UserRepository:
    """A repository with a work tree; made by `open` or `create`, which check what they find."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def open(cls, path: Path) -> UserRepository:
        """The repository that holds `path`. UsageFault for what is none, is bare, or may not be read."""
        where = path.absolute()
        if not where.is_dir():
            remedy = "Give --repo the folder of a git repository."
            raise UsageFault("There is no such folder", where=str(where), remedy=remedy)
        _check_environment()
        found = as_user(where, "rev-parse", "--is-bare-repository", "--show-object-format", ok=ANY)
        if found.code != 0:
            raise _not_a_repository(where, found)
        bare, form = found.line.split("\n")
        if form != "sha1":
            remedy = "Only sha1 is supported so far."
            raise UsageFault(f"The repository uses {form} object names", where=str(where), remedy=remedy)
        top = as_user(where, "rev-parse", "--show-toplevel", ok=ANY)
        if bare == "true" or top.code != 0:
            remedy = "Clone it and give --repo the clone."
            raise UsageFault("The repository has no work tree", where=str(where), remedy=remedy)
        return cls(Path(top.line))

    @classmethod
    def around(cls, path: Path) -> Path | None:
        """The top of the repository that holds a folder; None where there is none."""
        found = quietly(path, "rev-parse", "--show-toplevel", ok=ANY)
        return Path(found.line) if found.code == 0 and found.line else None

    @classmethod
    def create(cls, path: Path) -> UserRepository:
        """A new repository with one empty commit on `main`, in a folder that is absent or empty."""
        where = path.absolute()
        _check_environment()
        if where.exists() and (not where.is_dir() or any(where.iterdir())):
            raise UsageFault(
                "A new repository needs an empty folder", where=str(where), remedy="Name another one."
            )
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise UsageFault(f"The folder could not be made: {fault.strerror}", where=str(where)) from fault
        as_user(where, "init", "--quiet", "--initial-branch=main", "--object-format=sha1")
        made = cls.open(where)
        made.ensure_commit()
        return made

    @property
    def path(self) -> Path:
        """The top of its work tree."""
        return self._path

    @property
    def empty(self) -> bool:
        """Whether it has no commit on the checked-out branch yet."""
        return not self._commit_of("HEAD")

    def ensure_commit(self) -> str:
        """The checked-out commit; without one, an empty first commit is made. Files and index stay as they are."""
        found = self._commit_of("HEAD")
        if not found:
            found = self._git("commit-tree", _EMPTY_TREE, "-m", "Start", settings=_IDENTITY).line
            self._git("update-ref", "-m", "swarm: first commit", "HEAD", found, _NOTHING)
        return found

    def resolve(self, base: str) -> str:
        """The commit id of a base (empty: HEAD); UsageFault names near ones."""
        found = self._commit_of(base or "HEAD")
        if found:
            return found
        if not base:
            remedy = '`git commit --allow-empty -m "Start"` makes one.'
            raise UsageFault("The repository has no commit yet", where=str(self._path), remedy=remedy)
        kinds = ("refs/heads", "refs/tags", "refs/remotes")
        names = self._git("for-each-ref", "--format=%(refname:short)", *kinds).out.split()
        near = difflib.get_close_matches(base.removeprefix("refs/heads/"), names, n=3, cutoff=0.5)
        remedy = f"Near: {', '.join(near)}." if near else "`git branch -a` and `git tag` list what there is."
        raise UsageFault(f"{base!r} is no branch, tag or commit", where=str(self._path), remedy=remedy)

    def paths(self, commit: str) -> tuple[str, ...]:
        """The paths of all files at a commit."""
        return split(self._git("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit).out)

    def uncommitted(self) -> tuple[str, ...]:
        """Paths with uncommitted work, which a run does not include; folders end in `/`.

        No program that the repository's settings name runs for this, filters included: a file with a filter (Git LFS)
        that was touched and not changed is listed as well, and work inside a submodule is not.
        """
        options, env = without_filters(self._path)
        # A submodule has settings of its own, and git would follow them there.
        return self._status("--untracked-files=normal", "--ignore-submodules=dirty", options=options, env=env)

    def current_branch(self) -> str:
        """The checked-out branch; empty when HEAD is detached."""
        return self._git("symbolic-ref", "--short", "--quiet", "HEAD", ok=(0, 1)).line

    def branch_exists(self, branch: str) -> bool:
        """Whether there is a local branch of that name."""
        return bool(self._commit_of(f"refs/heads/{branch}"))

    def swarm_toml(self, base: str) -> str:
        """The text of `swarm.toml` at a commit; empty when there is none."""
        return self._git("cat-file", "blob", f"{base}:swarm.toml", ok=(0, 128)).out

    def deliver(self, hub: Path, commit: str, branch: str, *, replaces: str = "") -> None:
        """Brings a commit from the hub and points `branch` at it; never the checked-out branch, never the work tree.

        A branch that exists is moved only forward, or when it stands at `replaces`, the commit of an earlier delivery.
        """
        self._check_branch_name(branch)
        old = self._commit_of(f"refs/heads/{branch}")
        if old == commit:
            return
        self._check_not_in_use(branch)
        self._fetch(hub, commit)
        if old and old != replaces and not self._is_ancestor(old, commit):
            raise UsageFault(
                f"The branch {branch} exists and holds other work",
                where=str(self._path),
                remedy=f"Rename it (git branch -m {shlex.quote(branch)} NAME) and resume.",
            )
        self._git("update-ref", "-m", "swarm: delivery", f"refs/heads/{branch}", commit, old or _NOTHING)

    def apply(self, branch: str) -> Applied:
        """Merges a branch into the checked-out one, with a merge commit and the user's hooks; a conflict undoes it all.

        UsageFault when the work tree has changes, something else is under way, the branch changes what git itself
        would run, or git refuses.
        """
        onto = self._ready_for_merge(branch)
        before = self.resolve("")
        if self._is_ancestor(f"refs/heads/{branch}", before):
            return Applied(branch=branch, onto=onto, commit=before, already=True)
        self._check_runs_nothing(branch)
        message = f"Merge branch '{branch}'"
        merged = as_user(self._path, "merge", *_MERGE, "-m", message, f"refs/heads/{branch}", ok=ANY)
        if merged.code == 0:
            return Applied(branch=branch, onto=onto, commit=self.resolve(""))
        conflicts = split(self._git("diff", "--name-only", "--diff-filter=U", "-z").out)
        self._undo_merge(before)
        if not conflicts:
            raise self._refused(branch, merged)
        return Applied(branch=branch, onto=onto, commit=before, conflicts=conflicts)

    def preview(self, branch: str) -> MergePreview:
        """What `apply` would do. UsageFault where it would refuse before it merges."""
        onto = self._ready_for_merge(branch)
        already = self._is_ancestor(f"refs/heads/{branch}", "HEAD")
        if not already:
            self._check_runs_nothing(branch)
        summary = "" if already else self.summary(branch)
        return MergePreview(
            branch=branch, onto=onto, repository=str(self._path), summary=summary, already=already
        )

    def unmerged(self, branch: str) -> bool:
        """Whether there is such a branch and no other one, here or on a remote, holds its commits."""
        if not self.branch_exists(branch):
            return False
        holders = self._git(
            "for-each-ref",
            "--format=%(refname)",
            f"--contains=refs/heads/{branch}",
            "refs/heads",
            "refs/remotes",
        ).out.split()
        return all(name.endswith(f"/{branch}") for name in holders)

    def summary(self, branch: str) -> str:
        """What `apply` would bring, as git's diff summary."""
        if not self.branch_exists(branch):
            raise self._no_branch(branch)
        return self._git(
            "diff", "--stat=100", "--no-ext-diff", "--no-color", f"HEAD...refs/heads/{branch}"
        ).out

    def peculiarities(self, base: str) -> tuple[str, ...]:
        """Sentences about what a run will treat otherwise than the user may expect."""
        return remarks(self._path, base)

    # --- reading ---

    def _commit_of(self, name: str) -> str:
        wanted = ("--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        found = self._git("rev-parse", *wanted, ok=(0, 1, 128))
        return found.line.split("\n")[-1] if found.code == 0 else ""

    def _status(
        self, *wanted: str, options: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        found = self._git(*options, "status", "--porcelain=v1", "-z", "--no-renames", *wanted, env=env)
        return tuple(line[3:] for line in split(found.out))

    def _is_ancestor(self, old: str, new: str) -> bool:
        return self._git("merge-base", "--is-ancestor", old, new, ok=(0, 1)).code == 0

    # --- delivering ---

    def _check_branch_name(self, branch: str) -> None:
        allowed = self._git("check-ref-format", f"refs/heads/{branch}", ok=(0, 1)).code == 0
        if not allowed or branch.startswith("-"):
            raise UsageFault(f"{branch!r} is not a name that git allows for a branch")
        names = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").out.split("\n")
        other = next((n for n in names if branch.startswith(f"{n}/") or n.startswith(f"{branch}/")), "")
        if other:
            raise UsageFault(
                f"The branch {branch} cannot stand beside the branch {other}: git keeps them as folder and file",
                where=str(self._path),
                remedy=f"Rename it (git branch -m {shlex.quote(other)} NAME) and resume.",
            )

    def _check_not_in_use(self, branch: str) -> None:
        listed = split(self._git("worktree", "list", "--porcelain", "-z").out)
        if f"branch refs/heads/{branch}" in listed:
            remedy = "Check out another branch and resume."
            raise UsageFault(f"The branch {branch} is checked out", where=str(self._path), remedy=remedy)

    def _fetch(self, hub: Path, commit: str) -> None:
        self._git("fetch", *_FETCH, "--", str(hub.absolute()), commit, env={"GIT_ALLOW_PROTOCOL": "file"})

    # --- applying ---

    def _ready_for_merge(self, branch: str) -> str:
        onto = self.current_branch()
        if not onto:
            remedy = "Check out the branch to merge into."
            raise UsageFault("No branch is checked out", where=str(self._path), remedy=remedy)
        if not self.branch_exists(branch):
            raise self._no_branch(branch)
        if self._under_way():
            remedy = "Finish or abort it first."
            raise UsageFault("A merge, rebase or the like is under way", where=str(self._path), remedy=remedy)
        changed = self._status("--untracked-files=no")
        if changed:
            raise UsageFault(
                f"The work tree has changes that are not committed: {some(changed)}",
                where=str(self._path),
                remedy="Commit or stash them first.",
            )
        return onto

    def _check_runs_nothing(self, branch: str) -> None:
        # Refused, and not merged with the hooks off: the files would lie where git runs them at the user's next
        # commit or checkout, and by then nobody asks.
        # The result is looked at and not the branch: a merge follows files to where the user renamed them.
        merged = self._git("merge-tree", "--write-tree", "-z", "HEAD", f"refs/heads/{branch}", ok=ANY)
        if merged.code > 1:
            raise self._refused(branch, merged)
        tree = merged.out.partition("\0")[0]
        changed = self._git("diff-tree", "-r", "--name-only", "--no-renames", "-z", "HEAD", tree).out
        found = run_by_git(self._path, split(changed))
        if found:
            raise UsageFault(
                f"The branch {branch} changes what git runs on this machine: {some(found)}",
                where=str(self._path),
                remedy="Read these files; if you trust them, merge by hand: "
                f"`git -c core.hooksPath=/dev/null merge --no-ff {shlex.quote(branch)}`.",
            )

    def _under_way(self) -> bool:
        return any(
            Path(self._path, self._git("rev-parse", "--git-path", name).line).exists() for name in _UNDER_WAY
        )

    def _undo_merge(self, before: str) -> None:
        if self._under_way():
            self._git("merge", "--abort")
        if self.resolve("") != before or self._status("--untracked-files=no"):
            raise HubFault(
                "The merge failed and could not be undone wholly",
                where=str(self._path),
                remedy=f"`git status` shows where it stands; before it, the branch was at {before}.",
            )

    def _refused(self, branch: str, merged: Answer) -> UsageFault:
        named = f" {some(merged.listed)}" if merged.listed else ""
        in_the_way = "would be overwritten" in merged.complaint
        return UsageFault(
            f"git did not merge {branch}: {merged.complaint}{named}",
            where=str(self._path),
            remedy="Move or remove these files, then apply again." if in_the_way else "",
        )

    def _no_branch(self, branch: str) -> UsageFault:
        remedy = "`git branch` lists what there is."
        return UsageFault(f"There is no branch {branch}", where=str(self._path), remedy=remedy)

    def _git(
        self,
        *arguments: str,
        ok: Sequence[int] = (0,),
        settings: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        return quietly(self._path, *arguments, ok=ok, settings=settings, env=env)


def _check_environment() -> None:
    misleading = [name for name in _MISLEADING if name in os.environ]
    if misleading:
        raise UsageFault(
            f"{' and '.join(misleading)} in the environment would point git at another repository",
            remedy=f"Run it again after `unset {' '.join(misleading)}`.",
        )


def _not_a_repository(where: Path, found: Answer) -> UsageFault:
    if "dubious ownership" in found.err:
        return UsageFault(
            "Another user owns the repository, and git does not read it",
            where=str(where),
            remedy=f"`git config --global --add safe.directory {shlex.quote(str(where))}` says that you trust it.",
        )
    if "not a git repository" in found.err:
        remedy = "`git init` makes one there; without --repo a new repository is made."
        return UsageFault("This is not a git repository", where=str(where), remedy=remedy)
    return UsageFault(f"git cannot read the repository: {found.complaint}", where=str(where))
