"""The work tree as git sees it: prepare it from the hub, export it as a bundle, restore it.

All of this uses a repository of the tool server's own, whose objects are borrowed from the hub and whose index knows
the work tree. It holds nothing that cannot be made anew, for an agent, whose user id is ours, may delete it. The
agent's `.git` is never read and, after `prepare`, never written: whatever the agent does to it (commit, stash, delete
it), an export takes what lies in the work tree.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandboxes.tool_server.config import SYSTEM_PATH, Config

GIT_SECONDS = 280
_KEPT_BUNDLES = 2
_CHUNK = 3_000_000
_NESTED_ROUNDS = 20
_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
_PROBE = ".swarm-probe"
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "swarm"), ("EMAIL", "swarm@localhost"))
}
Stamp = tuple[int, int, int, int]
T = TypeVar("T")


class GitFailed(Exception):
    """A git command failed; the text is what it said."""


class NoCommit(GitFailed):
    """The hub does not have a commit, or nobody has named one yet."""


@dataclass(frozen=True)
class Exported:
    """A commit to hand out and the newest ancestor that the hub has; `commit` is empty when nothing changed.

    `skipped` is what git said of files that it could not read; empty as a rule.
    """

    commit: str
    known: str
    skipped: str = ""


class Repository:
    """The tool server's own repository over the work tree."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._history = config.history
        self._folder = config.state / "git"

    def prepare(self, commit: str, branch: str) -> str:
        """Fills an empty work tree from a commit of the hub, with a repository for the agent (branch, or detached)."""
        if self._history.parents:
            return self._history.parents[0]
        with self._alone():
            self._config.work.mkdir(parents=True, exist_ok=True)
            self._run("init", "--quiet", "--bare", str(self._folder))
            self._borrow(self._folder)
            self._require(commit)
            self._git("read-tree", "--reset", "-u", commit)
            self._make_agent_repository(commit, branch)
        self._history.parents, self._history.reference = (commit,), commit
        return commit

    def export(self, message: str) -> Exported:
        """Commits the work tree beside HEAD. The parent is the last export that the hub took, or the start.

        One that the hub refused is no parent: it would be refused again with every export after it.
        """
        return self._mending(lambda: self._export(message))

    def _export(self, message: str) -> Exported:
        with self._alone():
            parents, reference = self._history.parents, self._history.reference
            known = self._known()
            skipped = self._index_everything()
            tree = self._git("write-tree")
            if tree == self._tree_of(reference):
                # An export whose bundle never reached the hub is handed out again.
                lost = reference == parents[-1] and known != reference
                return Exported(reference if lost else "", known, skipped)
            commit = self._git("commit-tree", tree, "-p", known, "-m", message)
        self._history.parents, self._history.reference = (*parents, commit), commit
        return Exported(commit, known, skipped)

    def bundle(self, commit: str, known: str, offset: int) -> tuple[bytes, int]:
        """A piece of the bundle of `known..commit` (one ref, `refs/swarm/out`) and the size of the whole."""
        return self._mending(lambda: self._piece(commit, known, offset))

    def _piece(self, commit: str, known: str, offset: int) -> tuple[bytes, int]:
        with self._alone():
            path = self._config.state / f"{commit}-{known}.bundle"
            if not path.exists():
                self._git("update-ref", "refs/swarm/out", commit)
                part = path.with_suffix(".part")
                self._git("bundle", "create", "--quiet", str(part), "refs/swarm/out", f"^{known}")
                part.replace(path)
                self._drop_old_bundles()
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(_CHUNK), path.stat().st_size

    def restore(self, commit: str) -> None:
        """Makes the work tree equal to a commit of the hub; ignored files stay. Later exports keep their parent."""
        self._mending(lambda: self._restore(commit))
        self._history.reference = commit

    def _restore(self, commit: str) -> None:
        with self._alone():
            self._require(commit)
            self._index_everything()
            self._git("read-tree", "--reset", "-u", commit)
            self._git("clean", "-ffdq")

    def files(self, *pathspecs: str) -> list[str]:
        """Tracked and untracked paths that exist and are not ignored, sorted."""
        asked = ("ls-files", "-z", "-c", "-o", "--exclude-standard", "--", *pathspecs)
        listed = self._mending(lambda: self._git(*asked))
        paths = {path for path in listed.split("\0") if path}
        return sorted(path for path in paths if os.path.lexists(self._config.work / path))

    def stamps(self) -> dict[str, Stamp]:
        """What tells whether a file was touched, for each file that is not ignored."""
        found: dict[str, Stamp] = {}
        for path in self.files():
            try:
                info = os.lstat(self._config.work / path)
            except OSError:  # gone since it was listed, which the next comparison sees
                continue
            found[path] = (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)
        return found

    def _index_everything(self) -> str:
        """Brings our index up to the work tree; what could not be read. Nested repositories count as folders."""
        for _ in range(_NESTED_ROUNDS):
            nested = self._nested()
            if not nested:
                break
            # git descends into a folder that its index knows; otherwise it would record a link and lose the files.
            lines = "".join(f"100644 {_EMPTY_BLOB}\t{path}{_PROBE}\0" for path in nested)
            self._git("hash-object", "-w", "--stdin", given=b"")
            self._git("update-index", "-z", "--index-info", given=os.fsencode(lines))
        added = self._spawn(("add", "--all", "--ignore-errors", "."), bare=False)
        if added.returncode not in {0, 1}:
            raise _failure("add", added)
        return added.stderr.decode(errors="replace").strip()[-1000:] if added.returncode else ""

    def _nested(self) -> list[str]:
        untracked = self._git("ls-files", "-z", "-o", "--exclude-standard").split("\0")
        return [path for path in untracked if path.endswith("/")]

    def _make_agent_repository(self, commit: str, branch: str) -> None:
        work = self._config.work
        self._run("init", "--quiet", f"--initial-branch={branch or 'work'}", str(work))
        self._borrow(work / ".git")
        # The index holds the stamps of the files just written, so nothing has to be read again.
        (work / ".git" / "index").write_bytes((self._folder / "index").read_bytes())
        head = f"refs/heads/{branch}" if branch else "HEAD"
        self._run("-C", str(work), "update-ref", *([] if branch else ["--no-deref"]), head, commit)

    def _borrow(self, repository: Path) -> None:
        (repository / "objects" / "info").mkdir(parents=True, exist_ok=True)
        (repository / "objects" / "info" / "alternates").write_text(f"{self._config.hub / 'objects'}\n")

    def _require(self, commit: str) -> None:
        if not self._hub_has(commit):
            raise NoCommit(f"the hub has no commit {commit}")

    def _known(self) -> str:
        """The newest export that the hub has, else the start."""
        parents = self._history.parents
        if not parents:
            raise NoCommit("the work tree was not prepared")
        return next((c for c in reversed(parents) if self._hub_has(c)), parents[0])

    def _hub_has(self, commit: str) -> bool:
        try:
            self._run("--git-dir", str(self._config.hub), "cat-file", "-e", f"{commit}^{{commit}}")
        except GitFailed:
            return False
        return True

    def _tree_of(self, commit: str) -> str:
        return self._git("rev-parse", f"{commit}^{{tree}}")

    def _drop_old_bundles(self) -> None:
        bundles = sorted(self._config.state.glob("*.bundle"), key=lambda path: path.stat().st_mtime_ns)
        for old in bundles[:-_KEPT_BUNDLES]:
            old.unlink()

    def _mending(self, work: Callable[[], T]) -> T:
        """Does some work. Should it fail, once more with a repository made anew: the agent may have broken ours."""
        try:
            return work()
        except NoCommit:
            raise
        except (GitFailed, OSError):
            if not self._history.parents:
                raise
            self._rebuild()
            return work()

    def _rebuild(self) -> None:
        """Our repository again, from the hub and the history. Exports that the hub lacks are lost; files are not."""
        for folder in (self._config.work.parent, self._config.work):
            folder.mkdir(parents=True, exist_ok=True)
            _open_up(folder)
        _remove(self._config.state)
        with self._alone():
            self._run("init", "--quiet", "--bare", str(self._folder))
            self._borrow(self._folder)
            known = self._known()
            if not self._hub_has(self._history.reference):
                self._history.reference = known
            self._git("read-tree", self._history.reference)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One git operation at a time; a lock file that a killed one left is nobody's."""
        self._config.state.mkdir(parents=True, exist_ok=True)
        # For reading and writing: a pipe that somebody put there is opened without waiting for its other end.
        file = os.open(self._config.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            (self._folder / "index.lock").unlink(missing_ok=True)
            yield
        finally:
            os.close(file)

    def _git(self, *arguments: str, given: bytes | None = None) -> str:
        return self._run(*arguments, given=given, bare=False)

    def _run(self, *arguments: str, bare: bool = True, given: bytes | None = None) -> str:
        ended = self._spawn(arguments, bare=bare, given=given)
        if ended.returncode != 0:
            raise _failure(arguments[0], ended)
        return os.fsdecode(ended.stdout).rstrip("\n")

    def _spawn(
        self, arguments: Sequence[str], *, bare: bool, given: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs git. With `bare` it finds its repository itself, else it works on the work tree by our repository."""
        environment = {
            "PATH": SYSTEM_PATH,
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            **_IDENTITY,
        }
        if not bare:
            environment |= {"GIT_DIR": str(self._folder), "GIT_WORK_TREE": str(self._config.work)}
        return subprocess.run(
            ["git", *_QUIET, *arguments],
            cwd=self._config.state if bare else self._config.work,
            env=environment,
            # An empty input stands for none, so that git never waits for ours.
            input=given or b"",
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )


def _open_up(folder: Path) -> None:
    """Gives its owner, who is us, all rights to a folder."""
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)


def _remove(path: Path) -> None:
    """Deletes whatever is there, folders that were closed to us included."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    _open_up(path)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink():
                _open_up(inner)
    shutil.rmtree(path)


def _failure(command: str, ended: subprocess.CompletedProcess[bytes]) -> GitFailed:
    said = ended.stderr.decode(errors="replace").strip()[-1000:]
    return GitFailed(f"git {command} failed with {ended.returncode}: {said}")
