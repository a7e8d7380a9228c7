"""What stands on the other side of the hub in these tests: ordinary git, and an agent that may mean harm."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

EXPORT = "refs/swarm/out"
_ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Someone",
    "GIT_AUTHOR_EMAIL": "someone@example.org",
    "GIT_COMMITTER_NAME": "Someone",
    "GIT_COMMITTER_EMAIL": "someone@example.org",
    "GIT_AUTHOR_DATE": "@1700000000 +0000",
    "GIT_COMMITTER_DATE": "@1700000000 +0000",
}


def run_git(where: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Ordinary git with no settings but the repository's."""
    done = subprocess.run(
        ["git", *arguments], cwd=where, input=given, env=_ENV, capture_output=True, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr.decode()}"
    return done.stdout


def git(where: Path, *arguments: str, given: bytes = b"") -> str:
    """Its output as text."""
    return run_git(where, *arguments, given=given).decode().strip()


def new_repository(where: Path, files: dict[str, str]) -> str:
    """A repository with one commit of these files on `main`; the commit."""
    where.mkdir(parents=True)
    git(where, "init", "-q", "-b", "main")
    for path, text in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(text)
    git(where, "add", "-A")
    git(where, "commit", "-q", "--allow-empty", "-m", "first")
    return git(where, "rev-parse", "HEAD")


class Agent:
    """A clone of a hub at a commit, as a sandbox has it, with every means of git to make a bundle."""

    def __init__(self, hub: Path, folder: Path, commit: str) -> None:
        self.folder = folder
        self.base = commit
        subprocess.run(
            ["git", "clone", "-q", "--shared", "--no-checkout", str(hub), str(folder)],
            env=_ENV, capture_output=True, check=True,
        )  # fmt: skip
        git(folder, "checkout", "-q", "--detach", commit)

    def git(self, *arguments: str, given: bytes = b"") -> str:
        return git(self.folder, *arguments, given=given)

    def commit(self, files: dict[str, str]) -> str:
        """A commit with these files written."""
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", "work")
        return self.git("rev-parse", "HEAD")

    def blob(self, text: str) -> str:
        return self.git("hash-object", "-w", "--stdin", given=text.encode())

    def tree(self, *entries: tuple[str, str, str, str]) -> str:
        """A tree of (mode, kind, object, name), whatever they are; git's own checks are not asked."""
        raw = b"".join(
            f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(value) for mode, _, value, name in entries
        )
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=raw)

    def commit_of(self, tree: str, *parents: str) -> str:
        chain = [part for parent in parents or (self.base,) for part in ("-p", parent)]
        return self.git("commit-tree", tree, *chain, "-m", "work")

    def bundle(self, tip: str, *, without: Sequence[str] | None = None, ref: str = EXPORT) -> bytes:
        """A bundle as git makes it, of one ref, without what `without` reaches (the base if not said)."""
        self.git("update-ref", ref, tip)
        path = self.folder.parent / f"{self.folder.name}.bundle"
        excluded = [f"^{commit}" for commit in (without if without is not None else [self.base])]
        self.git("bundle", "create", "-q", str(path), ref, *excluded)
        return path.read_bytes()

    def pack(self, *objects: str) -> bytes:
        """A pack of exactly these objects."""
        asked = "".join(f"{name}\n" for name in objects).encode()
        return run_git(self.folder, "pack-objects", "-q", "--stdout", "--no-reuse-delta", given=asked)

    def handmade(self, tip: str, *objects: str, prerequisites: Sequence[str] | None = None) -> bytes:
        """A bundle with a header of one's own and exactly these objects."""
        lines = [f"-{name}" for name in (prerequisites if prerequisites is not None else [self.base])]
        header = "\n".join(["# v2 git bundle", *lines, f"{tip} {EXPORT}", "", ""])
        return header.encode() + self.pack(*objects)
