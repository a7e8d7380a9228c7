"""What an agent's commits may hold beyond what git itself accepts. Pure: differences in, a refusal or nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from swarm.domain.errors import BundleRefused

_LINK = "120000"
_SUBMODULE = "160000"
_NAME_BYTES = 255
_PATH_BYTES = 1_024


@dataclass(frozen=True)
class Change:
    """One entry that a commit adds or changes: its new mode and object."""

    path: bytes
    mode: str
    object: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link now."""
        return self.mode == _LINK


def read_changes(raw: bytes) -> tuple[Change, ...]:
    """Reads `git diff-tree -z --raw`; deletions are left out."""
    fields = iter(raw.split(b"\0"))
    changes = []
    for about in fields:
        if about:
            _, mode, _, name, status = about.decode().split(" ")
            path = next(fields)
            if status != "D":
                changes.append(Change(path, mode, name))
    return tuple(changes)


def check_path_changes(changes: tuple[Change, ...]) -> None:
    """Refuses submodules, and paths that would mislead a terminal or a file system."""
    for change in changes:
        _check_path(change.path)
        if change.mode == _SUBMODULE or change.path == b".gitmodules":
            raise BundleRefused(
                f"The work adds or changes a submodule at {change.path.decode()}",
                remedy="Commit the files themselves.",
            )


def check_changes(changes: tuple[Change, ...], *, targets: Mapping[str, bytes]) -> None:
    """Refuses symbolic links that leave the tree or enter `.git`; `targets` are their texts by object."""
    for change in changes:
        if change.is_link:
            reason = link_fault(change.path, targets[change.object])
            if reason:
                raise BundleRefused(
                    f"The symbolic link {change.path.decode()} {reason}",
                    remedy="Link relative paths inside the repository.",
                )


def link_fault(path: bytes, target: bytes) -> str:
    """What is wrong with a link; empty when nothing is.

    Only leading `..` are let through. The folder of a link is a real one, so climbing from there is what it seems; a
    `..` after a name could climb out of another link's target, which no look at the text alone can tell.
    """
    if (
        not target
        or target.startswith(b"/")
        or b"\0" in target
        or b"\\" in target
        or len(target) > _PATH_BYTES
    ):
        return "does not have a relative path of the repository as its target"
    parts = [part for part in target.split(b"/") if part not in {b"", b"."}]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == b"..":
        climbs += 1
    if climbs > path.count(b"/"):
        return "leaves the repository"
    if b".." in parts[climbs:]:
        return "climbs after it descends, which may leave the repository"
    if any(part.lower().rstrip(b". ") in {b".git", b"git~1"} for part in parts):
        return "points into .git"
    return ""


def _check_path(path: bytes) -> None:
    try:
        text = path.decode()
    except UnicodeDecodeError as fault:
        raise BundleRefused(f"The path {path!r} is not UTF-8") from fault
    if not text.isprintable() or "\\" in text:
        raise BundleRefused(f"The path {text!r} has characters that do not belong in a path")
    if len(path) > _PATH_BYTES or any(len(part.encode()) > _NAME_BYTES for part in PurePosixPath(text).parts):
        raise BundleRefused(f"The path {text[:80]!r}… is too long")
