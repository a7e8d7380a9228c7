"""The folders of all runs: records, reports, locks, and requests from other processes.

<root>/<run>/   swarm.db  hub.git/  journal.jsonl  events.jsonl  artifacts/  record.json  report.json  lock  request
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import ValidationError

from swarm.domain.base import Value
from swarm.domain.errors import OutageFault, UsageFault
from swarm.domain.events import Event
from swarm.domain.ids import slug
from swarm.domain.report import RunRecord, RunReport, RunStatus
from swarm.domain.storage import storage_fault

RECORD_FILE = "record.json"
REPORT_FILE = "report.json"
EVENTS_FILE = "events.jsonl"
LOCK_FILE = "lock"
REQUEST_FILE = "request"

LOCK_SECONDS = 0.3
"""How long `lock` tries: `locked` holds the lock for an instant when it looks."""

Request = Literal["cancel", "stop"]
V = TypeVar("V", bound=Value)

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
_FILLER_TEXT = """
a an and another as at build by can create develop for from generate implement in into is it let make me my new of on
our please should small simple some that the this to using want we which with write you your
"""
_FILLERS = frozenset(_FILLER_TEXT.split())
_SLUG_WORDS = 2
_SLUG_LENGTH = 28


class FileRunStore:
    """Implements ports.RunStore in a root folder, which is made when the first run is.

    `warn` hears of folders that cannot be read; the default writes to the log.
    """

    def __init__(self, root: Path, warn: Callable[[str], None] | None = None) -> None:
        self._root = root
        self._warn = warn or logging.getLogger(__name__).warning
        self._held: set[str] = set()

    def create(self, record: RunRecord) -> Path:
        """Makes a run's folder and record, both or neither; the folder's path."""
        path = self._root / record.run
        if not _ID.fullmatch(record.run):
            raise UsageFault(f"{record.run!r} is no run id: small letters, digits and hyphens")
        with self._translated():
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self._root / f".new-{record.run}-{secrets.token_hex(4)}"
            draft.mkdir(mode=0o700)
            try:
                (draft / "artifacts").mkdir()
                _write_atomically(draft / RECORD_FILE, _json(record))
                draft.rename(path)
            except OSError as error:
                shutil.rmtree(draft, ignore_errors=True)
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise UsageFault(f"Run {record.run} exists already", where=str(path)) from error
                raise
        return path

    def folder(self, run: str) -> Path:
        """The folder of a run (a unique prefix of its id will do); UsageFault names the nearest ids."""
        ids = self._ids()
        if run in ids:
            return self._root / run
        matches = [i for i in ids if run and i.startswith(run)]
        if len(matches) == 1:
            return self._root / matches[0]
        if matches:
            raise UsageFault(
                f"{run!r} fits several runs: {', '.join(matches[:5])}", remedy="Give more of the id."
            )
        near = difflib.get_close_matches(run, ids, n=3, cutoff=0.4)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "`swarm list` shows all runs."
        raise UsageFault(f"There is no run {run!r}", where=str(self._root), remedy=remedy)

    def record(self, run: str) -> RunRecord:
        """The record, with `interrupted` in place of `running` where no process holds the lock."""
        folder = self.folder(run)
        record = self._load(folder / RECORD_FILE, RunRecord)
        if record is None:
            raise UsageFault(
                f"Run {folder.name} has no record", where=str(folder), remedy="Remove its folder."
            )
        if record.status is RunStatus.RUNNING and not self.locked(folder.name):
            return record.model_copy(update={"status": RunStatus.INTERRUPTED})
        return record

    def save(self, record: RunRecord) -> None:
        """Replaces the record atomically."""
        with self._translated():
            _write_atomically(self._root / record.run / RECORD_FILE, _json(record))

    def report(self, run: str) -> RunReport | None:
        """The last report, None before there is one."""
        return self._load(self.folder(run) / REPORT_FILE, RunReport)

    def save_report(self, report: RunReport) -> None:
        """Writes the report atomically."""
        with self._translated():
            _write_atomically(self._root / report.run / REPORT_FILE, _json(report))

    def runs(self) -> tuple[RunRecord, ...]:
        """All records, newest first; unreadable folders are skipped with a warning."""
        records = []
        for run in self._ids():
            try:
                records.append(self.record(run))
            except (UsageFault, OutageFault) as fault:
                self._warn(f"Skipped {run}: {fault}")
        return tuple(sorted(records, key=lambda r: (r.started, r.run), reverse=True))

    def lock(self, run: str) -> Callable[[], None]:
        """Takes the run's exclusive lock and returns its release; UsageFault names the process that holds it.

        Requests that were meant for an earlier process are dropped.
        """
        folder = self.folder(run)
        with self._translated():
            file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _flock(file, LOCK_SECONDS):
            holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "another"
            os.close(file)
            raise UsageFault(
                f"Run {folder.name} is being worked on by process {holder}",
                remedy=f"Watch it with `swarm logs -f {folder.name}`, or stop it with `swarm cancel {folder.name}`.",
            )
        with self._translated():
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._held.add(folder.name)
        self.clear_request(folder.name)
        return self._release(folder.name, file)

    def locked(self, run: str) -> bool:
        """Whether a process works on the run."""
        try:
            file = os.open(self.folder(run) / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_fault(error, folder=str(self._root), free=-1) from error
        try:
            # Shared, so that two that look do not see each other.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(file)

    def request(self, run: str, what: Request) -> None:
        """Asks the process that works on a run to cancel it or to stop safely; it looks with `requested`."""
        with self._translated():
            _write_atomically(self.folder(run) / REQUEST_FILE, what.encode())

    def requested(self, run: str) -> Request | None:
        """What was asked of the process that works on a run, None for nothing."""
        try:
            text = (self.folder(run) / REQUEST_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_fault(error, folder=str(self._root), free=-1) from error
        return next((what for what in get_args(Request) if what == text), None)

    def clear_request(self, run: str) -> None:
        """Forgets what was asked."""
        with self._translated():
            (self.folder(run) / REQUEST_FILE).unlink(missing_ok=True)

    def events(self, run: str) -> tuple[Event, ...]:
        """The events so far; a line that a kill tore is left out, with a warning if it is not the last."""
        path = self.folder(run) / EVENTS_FILE
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise storage_fault(error, folder=str(path.parent), free=-1) from error
        return tuple(self._events_of(path, lines))

    def remove(self, run: str) -> None:
        """Deletes the folder; UsageFault while another process works on the run."""
        folder = self.folder(run)
        if folder.name not in self._held and self.locked(folder.name):
            raise UsageFault(
                f"Run {folder.name} is being worked on", remedy=f"First: swarm cancel {folder.name}"
            )
        with self._translated():
            # Renamed first: a run is there or gone, even when the deletion is cut short.
            doomed = self._root / f".gone-{folder.name}-{secrets.token_hex(4)}"
            folder.rename(doomed)
            shutil.rmtree(doomed)

    def _ids(self) -> list[str]:
        try:
            return sorted(p.name for p in self._root.iterdir() if _ID.fullmatch(p.name) and p.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_fault(error, folder=str(self._root), free=-1) from error

    def _load(self, path: Path, kind: type[V]) -> V | None:
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_fault(error, folder=str(path.parent), free=-1) from error
        except ValidationError as error:
            raise UsageFault(
                f"{path.name} cannot be read: {error.error_count()} problems, first: {error.errors()[0]['msg']}",
                where=str(path),
                remedy="It was written by another version of swarm, or edited.",
            ) from error

    def _events_of(self, path: Path, lines: list[bytes]) -> Iterator[Event]:
        for number, line in enumerate(lines, start=1):
            try:
                yield Event.model_validate_json(line)
            except ValidationError:
                if number < len(lines):
                    self._warn(f"Line {number} of {path} is no event; skipped")

    def _release(self, run: str, file: int) -> Callable[[], None]:
        def release() -> None:
            if run in self._held:
                self._held.discard(run)
                # Closing releases the lock. The file stays: deleting it would let two processes lock two files.
                os.close(file)

        return release

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_fault(error, folder=str(self._root), free=_free(self._root)) from error


def new_run_id(goal_text: str, now: float) -> str:
    """An id for a new run, like `url-shortener-7k3f`: the goal's first words of weight, and four random letters.

    `now` is seconds since the epoch; it goes into the random part.
    """
    words = [w for w in slug(goal_text, limit=400).split("-") if w and w not in _FILLERS]
    stem = "-".join(words[:_SLUG_WORDS])[:_SLUG_LENGTH].strip("-") or "run"
    noise = hashlib.sha256(f"{goal_text}\0{now}".encode() + secrets.token_bytes(8)).digest()
    return f"{stem}-{''.join(_ALPHABET[byte % 32] for byte in noise[:4])}"


def _json(value: Value) -> bytes:
    return value.model_dump_json(indent=2).encode() + b"\n"


def _write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file so that a reader, or a kill, finds the old or the new and never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        with suppress(OSError):  # the first failure is the one to tell
            draft.unlink(missing_ok=True)
        raise
    # Without this a power cut could undo the rename.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _flock(file: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _free(folder: Path) -> int:
    """Free bytes on the disk of a folder that may not exist yet; -1 when nobody can say."""
    for place in (folder, *folder.parents):
        with suppress(
            OSError
        ):  # not there, or not for us: its parent lies on the same disk, or nearly always
            return shutil.disk_usage(place).free
    return -1
