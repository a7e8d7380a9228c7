"""The port `Hub`: a bare repository that only this room writes to.

Agents read it (mounted read-only, cloned with shared objects); what they make comes in by `receive` alone. Nothing is
ever checked out of it on the host.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from swarm.adapters.hub.contents import read_contents, read_sizes
from swarm.adapters.hub.git import FILE_BYTES, LONG_SECONDS, Bounds, Git, upload_pack, version
from swarm.adapters.hub.lock import WORK, HubLock
from swarm.adapters.hub.merged import read_conflict
from swarm.adapters.hub.quarantine import ImportLimits, Quarantine
from swarm.adapters.hub.writing import write_commit, write_tree
from swarm.domain.errors import EnvironmentFault, HubFault
from swarm.domain.merging import MARKER_SIZE, Conflict, Merged

BASE_REF = "refs/swarm/base"
_READ_BYTES = 200_000_000
_DIFF_BYTES = 20_000_000
_MERGE_BYTES = 64_000_000
# What agents make can ask for far more than it takes to send: git gets no more than this.
_MEMORY = 3_000_000_000
_DIFFING = Bounds(memory=_MEMORY, output=_DIFF_BYTES, cut=True)
_MERGING = Bounds(memory=_MEMORY, output=_MERGE_BYTES)

_OLDEST_GIT = (2, 38)
_ID = re.compile(r"[0-9a-f]{40}")
# The highest place that git reads attributes from. Those of the tree can't make a conflict look clean (merge=union),
# hide a file from a diff, or change bytes.
_ATTRIBUTES = f"""\
* !merge !diff !filter !working-tree-encoding !ident !text !eol !crlf !whitespace
* conflict-marker-size={MARKER_SIZE}
"""
# Sandboxes share its objects while they live, so nothing is packed away; a delivery asks for a commit by id.
_SETTINGS = """\
[core]
\thooksPath = /dev/null
\tsymlinks = false
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[uploadpack]
\tallowAnySHA1InWant = true
"""

log = logging.getLogger(__name__)


class BareHub:
    """A hub in `path`. Calls may come from several threads, and several processes may read."""

    def __init__(self, path: Path, *, limits: ImportLimits | None = None) -> None:
        self._path = path.absolute()
        self._git = Git(self._path)
        self._lock = HubLock(self._path)
        self._quarantine = Quarantine(self._path, self._git, limits or ImportLimits())

    @property
    def path(self) -> Path:
        """Its folder on the host."""
        return self._path

    def create(self) -> None:
        """Makes it beside its place and moves it there, so that a half-made one is never taken for whole."""
        if (self._path / "HEAD").exists():
            self._lock.sweep()
            return
        found = version()
        if found < _OLDEST_GIT:
            raise EnvironmentFault(
                f"git {found[0]}.{found[1]} is too old", remedy="Install git 2.38 or newer."
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for old in self._path.parent.glob(f".{self._path.name}-new-*"):
                shutil.rmtree(old, ignore_errors=True)
            self._make(Path(tempfile.mkdtemp(prefix=f".{self._path.name}-new-", dir=self._path.parent)))
        except OSError as fault:
            raise HubFault(f"The hub could not be made: {fault.strerror}", where=str(self._path)) from fault

    def _make(self, fresh: Path) -> None:
        form = ("--bare", "--shared=0644", "--template=", "--object-format=sha1", "--initial-branch=main")
        Git(fresh).run("init", "--quiet", *form, str(fresh))
        with (fresh / "config").open("a") as config:
            config.write(_SETTINGS)
        (fresh / "info").mkdir(exist_ok=True)
        (fresh / "info" / "attributes").write_text(_ATTRIBUTES)
        for path in (fresh, fresh / "info"):
            path.chmod(0o755)  # sandboxes read it as another user
        (fresh / "info" / "attributes").chmod(0o644)
        fresh.rename(self._path)

    def mirror(self, repository: Path, commit: str) -> None:
        """Fetches a commit with its history as `refs/swarm/base`; nothing for an empty `commit`.

        The repository's settings are the user's or a stranger's: its server side runs with the ones that start
        programs switched off, and its replace refs are not followed.
        """
        if not commit or self.ref(BASE_REF) == _full(commit):
            return
        with self._lock.writing() as held:
            self._git.run(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow",
                f"--upload-pack={upload_pack()}", "--", str(repository.absolute()), f"+{commit}:{BASE_REF}",
                bounds=Bounds(seconds=LONG_SECONDS), holding=[held],
            )  # fmt: skip

    def commit_files(self, files: Mapping[str, str | None], *, parent: str, message: str) -> str:
        """A commit on `parent` (empty: a root commit) with these texts written, None deleting; same input, same id."""
        parents = [_full(parent)] if parent else []
        with self._working() as (held, work):
            tree = write_tree(self._git, files, parent=parent, work=work, held=held)
            return write_commit(self._git, tree, parents=parents, message=message, held=held)

    def commit_tree(self, tree: str, *, parents: Sequence[str], message: str) -> str:
        """A commit of an existing tree; same input, same id."""
        with self._lock.writing() as held:
            parents = [_full(parent) for parent in parents]
            return write_commit(self._git, _full(tree), parents=parents, message=message, held=held)

    def tree(self, commit: str) -> str:
        """The tree id of a commit."""
        return self._git.run("rev-parse", "--verify", f"{_full(commit)}^{{tree}}").text

    def paths(self, commit: str) -> tuple[str, ...]:
        """All file paths at a commit, sorted; submodules are none. A name that is not UTF-8 is shown with escapes."""
        listed = self._git.run("ls-tree", "-r", "-z", "--full-tree", _full(commit)).out
        entries = (entry.partition("\t") for entry in _decoded(listed).split("\0") if entry)
        return tuple(sorted(path for about, _, path in entries if about.split(" ")[1] == "blob"))

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit or tree; None when there is none, or one larger than `FILE_BYTES`."""
        return self.read_many(commit, [path]).get(path)

    def read_many(self, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
        """Several files at once; absent ones are left out.

        So are, with a warning in the log, those larger than `FILE_BYTES` and whatever passes 200 MB in all: few bytes
        of an agent's can unpack to any size under any number of paths.
        """
        sizes = self._sizes(commit, paths)
        left, chosen = _READ_BYTES, {}
        for path, size in sizes.items():
            if size <= min(FILE_BYTES, left):
                left -= size
                chosen[path] = f"{commit}:{path}"
        if len(chosen) < len(sizes):
            large = [path for path in sizes if path not in chosen]
            log.warning("%d files of %s are too large to read: %s", len(large), commit[:12], large[:5])
        return read_contents(self._cat("contents", list(chosen.values())), chosen)

    def _sizes(self, commit: str, paths: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of those paths that are files."""
        names = {path: f"{commit}:{path}" for path in paths}
        # The tree is asked for first: without it "missing" would say nothing about the files.
        out = self._cat("info", [f"{_full(commit)}^{{tree}}", *names.values()])
        header, _, rest = out.partition(b"\n")
        if header.endswith(b" missing"):
            raise HubFault(f"The hub has no commit {commit}", where=str(self._path))
        return read_sizes(rest, names)

    def _cat(self, what: str, names: Sequence[str]) -> bytes:
        asked = "".join(f"{what} {name}\0" for name in names).encode("utf-8", "surrogateescape")
        # Beside the contents, each answer has a line that repeats the name or tells kind and size.
        bounds = Bounds(memory=_MEMORY, output=_READ_BYTES + len(asked) + 100 * len(names))
        return self._git.run("cat-file", "--batch-command", "-z", given=asked, bounds=bounds).out

    def changed(self, base: str, commit: str) -> tuple[tuple[str, str], ...]:
        """(status letter, path) of each file that differs; a rename is a deletion and an addition."""
        answer = self._git.run(
            "diff-tree", "-r", "-z", "--no-renames", "--name-status", _full(base), _full(commit)
        )
        fields = _decoded(answer.out).split("\0")
        return tuple(zip(fields[:-1:2], fields[1::2], strict=True))

    def diff(self, base: str, commit: str, *, paths: Sequence[str] = (), stat: bool = False) -> str:
        """A unified diff, or its summary; beyond 20 MB it is cut, and its last line says so.

        Files above `FILE_BYTES` count as binary ones, which are not shown.
        """
        form = ("--stat=120",) if stat else ("-p",)
        only = ("--", *paths) if paths else ()
        safe = ("--no-ext-diff", "--no-textconv", "--no-color", "-M")
        command = ("diff-tree", "-r", *safe, *form, _full(base), _full(commit), *only)
        answer = self._git.run(*command, bounds=_DIFFING)
        text = answer.out.decode("utf-8", "replace")
        return (
            f"{text}\n[the diff is cut here: it is longer than {_DIFF_BYTES:,} bytes]\n"
            if answer.cut
            else text
        )

    def merge(self, ours: str, theirs: str, *, message: str) -> Merged | Conflict:
        """Merges in memory; the merge commit has both parents."""
        with self._lock.writing() as held:
            options = ("--write-tree", "-z", _full(ours), _full(theirs))
            answer = self._git.run("merge-tree", *options, ok=(0, 1), bounds=_MERGING, holding=[held])
            if not answer.out:  # bad input ends with 1 too, and without a tree
                raise HubFault(f"git merge-tree failed: {answer.err.strip()[:300]}", where=str(self._path))
            if answer.code == 1:
                return read_conflict(answer.out, ours=ours, theirs=theirs)
            tree = answer.out.split(b"\0")[0].decode()
            parents = [ours, theirs]
            return Merged(
                commit=write_commit(self._git, tree, parents=parents, message=message, held=held), tree=tree
            )

    def merge_base(self, ours: str, theirs: str) -> str:
        """The best common ancestor; empty when there is none."""
        return self._git.run("merge-base", _full(ours), _full(theirs), ok=(0, 1)).text

    def receive(self, bundle: bytes, *, ref: str) -> str:
        """Imports an untrusted bundle through a quarantine, checks it, sets `ref` to its tip, and returns the tip."""
        _check_ref(ref)
        with self._lock.writing() as held:
            return self._quarantine.receive(bundle, ref=ref, held=held)

    def ref(self, name: str) -> str:
        """The commit of a ref; empty when there is none."""
        _check_ref(name)
        return self._git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", ok=(0, 1)).text

    def set_ref(self, name: str, commit: str) -> None:
        """Points a ref at a commit, whatever it was."""
        _check_ref(name)
        with self._lock.writing() as held:
            self._git.run("update-ref", name, _full(commit), holding=[held])

    @contextlib.contextmanager
    def _working(self) -> Iterator[tuple[int, Path]]:
        with self._lock.writing() as held:
            work = self._path / WORK
            try:
                work.mkdir(exist_ok=True)
                yield held, work
            except OSError as fault:
                raise HubFault(
                    f"The hub cannot be written: {fault.strerror}", where=str(self._path)
                ) from fault


def _decoded(out: bytes) -> str:
    return out.decode("utf-8", "backslashreplace")


def _full(name: str) -> str:
    """An object id in full. Anything else could be an option, a range or a look-up in an index."""
    if not _ID.fullmatch(name):
        raise HubFault(f"{name!r} is not a full commit id")
    return name


def _check_ref(name: str) -> None:
    if not name.startswith("refs/"):
        raise HubFault(f"{name!r} is not a ref of the hub", remedy="Refs begin with refs/.")
