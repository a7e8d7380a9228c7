"""Makes trees and commits in the hub. The same input gives the same id, so a step that runs twice makes nothing new."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from swarm.adapters.hub.git import Git, first_line
from swarm.domain.errors import HubFault

_NAME = "swarm"
_MAIL = "swarm@localhost"
_ROOT_TIME = 1_600_000_000
# An agent may date its commits as it likes; git stops at 2099.
_LAST_TIME = 4_000_000_000
_FILE = "100644"
_MODES_KEPT = {"100644", "100755"}


def write_commit(git: Git, tree: str, *, parents: Sequence[str], message: str, held: int) -> str:
    """A commit of a tree by a fixed identity, one second after its youngest parent."""
    at = _time_after(git, parents)
    env = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", _NAME), ("EMAIL", _MAIL), ("DATE", f"@{at} +0000"))
    }
    options = [part for parent in dict.fromkeys(parents) for part in ("-p", parent)]
    text = message.replace("\0", "").strip() + "\n"
    given = text.encode("utf-8", "backslashreplace")
    return git.run("commit-tree", tree, *options, "-F", "-", given=given, env=env, holding=[held]).text


def write_tree(git: Git, files: Mapping[str, str | None], *, parent: str, work: Path, held: int) -> str:
    """The tree of `parent` (empty: no files) with texts written and None deleting; a file's mode stays."""
    with tempfile.TemporaryDirectory(dir=work, prefix="tree-") as folder:
        objects = _write_blobs(git, files, Path(folder), held)
        modes = _modes(git, parent, tuple(objects)) if parent else {}
        env = {"GIT_INDEX_FILE": f"{folder}/index"}
        git.run("read-tree", *([parent] if parent else ["--empty"]), env=env)
        # Deletions first: a folder may take the place of a file.
        lines = [f"0 {'0' * 40}\t{path}" for path, text in files.items() if text is None]
        lines += [f"{modes.get(path, _FILE)} {name}\t{path}" for path, name in objects.items()]
        written = git.run("update-index", "-z", "--index-info", given=_joined(lines), env=env)
        if written.err:  # a path outside the tree is only warned about, and left out
            raise HubFault(f"git did not take a path: {first_line(written)}")
        tree = git.run("write-tree", env=env, holding=[held]).text
    if parent:
        _check_deletions(git, files, parent, tree)
    return tree


def _check_deletions(git: Git, files: Mapping[str, str | None], parent: str, tree: str) -> None:
    """A file written where a folder is (or below a file) would take what is there with it, unasked."""
    gone = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=D", parent, tree)
    asked = {path.encode() for path, text in files.items() if text is None}
    lost = sorted(path for path in gone.out.split(b"\0") if path and path not in asked)
    if lost:
        raise HubFault(
            f"Writing these files would delete {lost[0].decode('utf-8', 'replace')}, which nobody asked for"
        )


def _time_after(git: Git, parents: Sequence[str]) -> int:
    if not parents:
        return _ROOT_TIME
    answer = git.run("rev-list", "--no-walk=unsorted", "--no-commit-header", "--format=%ct", *parents)
    return min(max(int(line) for line in answer.text.split()) + 1, _LAST_TIME)


def _write_blobs(git: Git, files: Mapping[str, str | None], folder: Path, held: int) -> dict[str, str]:
    """Object names by path, in one process: git reads numbered files, never one named by the caller."""
    texts = [(path, text) for path, text in files.items() if text is not None]
    for number, (path, text) in enumerate(texts):
        try:
            (folder / str(number)).write_bytes(text.encode())
        except UnicodeEncodeError as fault:
            raise HubFault(f"The text of {path} is not valid Unicode: {fault.reason}") from fault
    asked = "".join(f"{folder}/{number}\n" for number in range(len(texts))).encode()
    names = git.run(
        "hash-object", "-w", "--no-filters", "--stdin-paths", given=asked, holding=[held]
    ).text.split()
    return {path: name for (path, _), name in zip(texts, names, strict=True)}


def _modes(git: Git, parent: str, paths: Sequence[str]) -> dict[str, str]:
    """Modes of the files there are. A link or submodule that is overwritten becomes a plain file."""
    if not paths:
        return {}
    listed = git.run("ls-tree", "-z", "--full-tree", parent, "--", *paths).out.decode(
        "utf-8", "backslashreplace"
    )
    found = {}
    for line in listed.split("\0"):
        about, tab, path = line.partition("\t")
        mode = about.split(" ")[0]
        if tab and mode in _MODES_KEPT:
            found[path] = mode
    return found


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")
