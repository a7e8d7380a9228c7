"""Imports an untrusted bundle: into a quarantine first, checked there, then moved in, then one ref.

The order makes every moment survivable: objects without a ref are invisible, a pack without its index does not exist
for git, and the ref comes last. The same bundle again finds its objects and sets the same ref.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.adapters.hub.bundle import Bundle, read_bundle
from swarm.adapters.hub.contents import read_contents
from swarm.adapters.hub.git import Answer, Bounds, Git
from swarm.adapters.hub.lock import WORK
from swarm.adapters.hub.policy import Change, check_changes, check_path_changes, read_changes
from swarm.domain.errors import BundleRefused, HubFault

_SECONDS = 300.0
# Above this, the pack is kept as one; below, its objects are stored loose (as git's own receive does): a run imports
# a small bundle per turn, and git slows down with every pack.
_LOOSE_OBJECTS = 200
# Trees may share subtrees, so that a few kilobytes list billions of files: git gets no room for such a list.
_READING = Bounds(seconds=_SECONDS, memory=500_000_000, output=64_000_000, fault=BundleRefused)
_CHANGES = (
    *("diff-tree", "--stdin", "-r", "-m", "-z", "--root", "--raw"),
    *("--no-abbrev", "--no-renames", "--no-commit-id", "--no-ext-diff", "--no-textconv"),
)
# Complaints that are about this machine and not about the pack.
_OURS = re.compile(
    r"No space left|Disk quota|Input/output error|Read-only file system|unable to (?:create|write)"
)


@dataclass(frozen=True)
class ImportLimits:
    """Bounds of one import, in bytes and counts. `memory` is what git may allocate while it reads the pack.

    `paths` is for the sum over the files that the commits add or change, each path counted: one file under a thousand
    names is sent once, and read a thousand times.
    """

    bundle: int = 256_000_000
    blob: int = 20_000_000
    paths: int = 200_000_000
    total: int = 2_000_000_000
    commits: int = 200
    memory: int = 3_000_000_000


class Quarantine:
    """The import of bundles into one hub. Raises BundleRefused for what came in, HubFault for the rest."""

    def __init__(self, folder: Path, git: Git, limits: ImportLimits) -> None:
        self._folder = folder
        self._git = git
        self._limits = limits

    def receive(self, data: bytes, *, ref: str, held: int) -> str:
        """Imports and sets `ref`; `held` is the descriptor of the hub's lock. Returns the tip."""
        bundle = read_bundle(data, limit=self._limits.bundle)
        self._check_prerequisites(bundle)
        with self._folder_for_import() as objects:
            inside = _Inside(self._git, self._folder / "objects", objects, held)
            inside.unpack(bundle, memory=self._limits.memory)
            self._check(inside, bundle.tip)
            _move(objects, self._folder / "objects")
        self._git.run("update-ref", ref, bundle.tip, holding=[held])
        return bundle.tip

    def _check_prerequisites(self, bundle: Bundle) -> None:
        asked = _lines(bundle.prerequisites)
        answer = self._git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", given=asked)
        for line in answer.text.splitlines():
            name, _, kind = line.partition(" ")
            if kind != "commit":
                raise BundleRefused(
                    f"The bundle builds on {name[:12]}, which is not a commit of the hub",
                    where=str(self._folder),
                    remedy="Restore the sandbox from its last checkpoint.",
                )

    @contextlib.contextmanager
    def _folder_for_import(self) -> Iterator[Path]:
        work = self._folder / WORK
        try:
            work.mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="import-", dir=work))
            (folder / "pack").mkdir()
        except OSError as fault:
            raise HubFault(f"The hub cannot be written: {fault.strerror}", where=str(self._folder)) from fault
        try:
            yield folder
        except OSError as fault:
            raise HubFault(
                f"The import could not be stored: {fault.strerror}", where=str(self._folder)
            ) from fault
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _check(self, inside: _Inside, tip: str) -> None:
        self._check_kind(inside, tip)
        objects = self._connected(inside, tip)
        self._check_sizes(inside, objects)
        commits = inside.run("rev-list", tip, "--not", "--all").text.split()
        if len(commits) > self._limits.commits:
            raise BundleRefused(f"The bundle brings {len(commits)} commits, more than {self._limits.commits}")
        for commit in commits:
            inside.run(
                "ls-tree", "-r", "-z", commit
            )  # printed as it goes: an endless list meets its bound here
        changes = read_changes(inside.run(*_CHANGES, given=_lines(commits)).out)
        check_path_changes(changes)
        self._check_path_sizes(inside, changes)
        links = {change.object for change in changes if change.is_link}
        check_changes(changes, targets=inside.blobs(sorted(links)))

    def _check_path_sizes(self, inside: _Inside, changes: Sequence[Change]) -> None:
        names = sorted({change.object for change in changes})
        answer = inside.run("cat-file", "--batch-check=%(objectsize)", given=_lines(names)).text
        sizes = dict(zip(names, map(int, answer.split()), strict=True))
        total = sum(sizes[change.object] for change in changes)
        if total > self._limits.paths:
            largest = max(changes, key=lambda change: sizes[change.object])
            raise BundleRefused(
                f"The changed files come to {total:,} bytes over {len(changes)} paths, more than the "
                f"{self._limits.paths:,} allowed; the largest is {largest.path.decode()}",
                remedy="Large files that a build makes belong in .gitignore; links and copies count as well.",
            )

    def _check_kind(self, inside: _Inside, tip: str) -> None:
        kind = inside.run("cat-file", "-t", tip, ok=(0, 128)).text
        if kind != "commit":
            raise BundleRefused(f"The bundle's tip {tip[:12]} is {kind or 'missing'}, not a commit")

    def _connected(self, inside: _Inside, tip: str) -> bytes:
        """The names of all new objects. Whatever no ref of the hub reaches is walked: nothing can be missing."""
        answer = inside.run("rev-list", "--objects", tip, "--not", "--all", ok=(0, 1, 128))
        if answer.code != 0:
            raise BundleRefused(f"The bundle is not complete: {_reason(answer)}", where=str(self._folder))
        return b"".join(line[:40] + b"\n" for line in answer.out.splitlines() if line)

    def _check_sizes(self, inside: _Inside, objects: bytes) -> None:
        sizes = inside.run("cat-file", "--batch-check=%(objectsize)", given=objects).text.split()
        largest, total = max(map(int, sizes), default=0), sum(map(int, sizes))
        if largest > self._limits.blob or total > self._limits.total:
            raise BundleRefused(
                f"The bundle unpacks to {total:,} bytes, the largest file {largest:,}: more than allowed",
                remedy="Large files that a build makes belong in .gitignore.",
            )


@dataclass(frozen=True)
class _Inside:
    """Git that writes to the quarantine and reads both it and the hub."""

    git: Git
    hub_objects: Path
    objects: Path
    held: int

    def run(
        self, *arguments: str, given: bytes = b"", ok: Sequence[int] = (0,), bounds: Bounds = _READING
    ) -> Answer:
        env = {
            "GIT_OBJECT_DIRECTORY": str(self.objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{_quoted(str(self.hub_objects))}"',
        }
        return self.git.run(*arguments, given=given, ok=ok, env=env, bounds=bounds, holding=[self.held])

    def unpack(self, bundle: Bundle, *, memory: int) -> None:
        """Reads the pack. Strict: format, paths (`.git` in any spelling, `..`), links between objects, .gitmodules."""
        if bundle.objects <= _LOOSE_OBJECTS:
            command = ["unpack-objects", "--strict", "-q"]
        else:
            command = ["index-pack", "--strict", "--fix-thin", "--stdin"]
        bounds = Bounds(seconds=_SECONDS, memory=memory, fault=BundleRefused)
        answer = self.run(*command, given=bundle.pack, ok=range(-64, 256), bounds=bounds)
        if answer.code < 0 or _OURS.search(answer.err):
            raise HubFault(f"git could not store the pack: {_reason(answer)}", where=str(self.objects))
        if answer.code != 0:
            raise BundleRefused(f"git refused the pack: {_reason(answer)}")

    def blobs(self, names: Sequence[str]) -> dict[str, bytes]:
        out = self.run("cat-file", "--batch", given=_lines(names)).out
        return read_contents(out, {name: name for name in names})


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"')


def _reason(answer: Answer) -> str:
    """Git's words. What it found in an object comes before the general ones."""
    lines = [line.strip() for line in answer.err.splitlines() if line.strip()]
    return "; ".join(lines[:3])[:400] or f"exit code {answer.code}"


def _move(source: Path, target: Path) -> None:
    """Moves objects in. An object that the hub has by that name is the same object. An index comes after its pack."""
    for found in sorted(source.rglob("*"), key=lambda path: (path.suffix == ".idx", str(path))):
        if not found.is_file() or found.name.startswith("tmp_"):
            continue
        place = target / found.relative_to(source)
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            place.parent.chmod(0o755)  # sandboxes read the hub as another user
        if not place.exists():
            os.replace(found, place)  # noqa: PTH105 - says that it replaces: another thread may have brought it meanwhile
