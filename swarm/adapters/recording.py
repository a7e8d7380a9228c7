"""Recordings: a real model's answers in a file, and a model that gives them again.

JSON Lines: a header, then one entry for each answered call. An answer is found by its place in the run (role, task,
turn). A request that differs from the recorded one at that place is drift: counted, and answered all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pydantic import ValidationError

from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall
from swarm.domain.errors import OutageFault, ReplayFault, UsageFault
from swarm.domain.recording import RECORDING_VERSION, RecordingEntry, RecordingHeader
from swarm.ports import Model

Place = tuple[str, str, int]


@dataclass(frozen=True)
class Recording:
    """A recording that was read. `size` is the bytes of its whole lines: what follows was cut off by a kill."""

    header: RecordingHeader
    entries: tuple[RecordingEntry, ...]
    size: int


def read_recording(path: Path) -> Recording:
    """Reads a recording. UsageFault where there is none, ReplayFault with file and line where it can't be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageFault(f"The recording can't be read: {error.strerror}", where=str(path)) from error
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines:
        raise ReplayFault("The recording is empty", where=str(path), remedy="Record it with --record.")
    header = _header(lines[0], path)
    entries = tuple(_entry(line, number, path, header) for number, line in enumerate(lines[1:], start=2))
    return Recording(header=header, entries=entries, size=len(whole))


def _header(line: bytes, path: Path) -> RecordingHeader:
    try:
        fields = json.loads(line)
        version = fields["schema_version"]
        if version != RECORDING_VERSION:
            raise ReplayFault(
                f"The recording has schema version {version}, and this program reads {RECORDING_VERSION}",
                where=str(path),
                remedy=f"Record it anew: {fields.get('command') or 'swarm run ... --record FILE'}",
            )
        return RecordingHeader.model_validate(fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ReplayFault(
            "The file is no recording: its first line is no header",
            where=f"{path}:1",
            remedy="Make one with --record.",
        ) from error


def _entry(line: bytes, number: int, path: Path, header: RecordingHeader) -> RecordingEntry:
    try:
        return RecordingEntry.model_validate_json(line)
    except ValidationError as error:
        raise ReplayFault(
            "A line of the recording can't be read", where=f"{path}:{number}", remedy=anew(header)
        ) from error


def anew(header: RecordingHeader) -> str:
    """What to do about a recording that does not fit."""
    return f"Record it anew: {header.command}"


class RecordingModel:
    """Passes calls on and appends each answer to a file, with `redact` applied to every text of it.

    The file must not exist, unless the run is being resumed: then it is gone on with. A call that was recorded but
    whose answer the run lost (killed between the two) gets its recorded answer and is not made again; so no place of
    the file contradicts what the run went on with.
    """

    def __init__(
        self,
        inner: Model,
        path: Path,
        header: RecordingHeader,
        redact: Callable[[str], str],
        *,
        resume: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._path = path
        self._redact = redact
        self._monotonic = monotonic
        self._entries: dict[Place, list[RecordingEntry]] = {}
        if path.exists() and path.stat().st_size and not (resume and self._torn_at_birth()):
            self._go_on(header, resume=resume)
        else:
            clean = {"goal": redact(header.goal), "command": redact(header.command)}
            self._append(header.model_copy(update=clean).model_dump_json())

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The inner model's answer, once it is safely in the file."""
        known = self._entries.get(_place(request), [])
        lost = next((e for e in known if e.fingerprint == request.fingerprint), None)
        if lost is not None:
            return lost.reply
        began = self._monotonic()
        reply = await self._inner.complete(request)
        entry = RecordingEntry(
            role=request.role,
            task=request.task,
            turn=request.turn,
            fingerprint=request.fingerprint,
            reply=redacted(reply, self._redact),
            seconds=round(self._monotonic() - began, 3),
        )
        self._append(entry.model_dump_json())
        self._entries.setdefault(_place(request), []).append(entry)
        return reply

    def _torn_at_birth(self) -> bool:
        if b"\n" in self._path.read_bytes():
            return False
        self._path.unlink()
        return True

    def _go_on(self, header: RecordingHeader, *, resume: bool) -> None:
        if not resume:
            raise UsageFault(
                "The file to record to exists",
                where=str(self._path),
                remedy="Remove it, or name another one.",
            )
        recording = read_recording(self._path)
        if recording.header.goal != self._redact(header.goal):
            raise UsageFault("The file to record to holds a recording of another goal", where=str(self._path))
        if recording.size < self._path.stat().st_size:
            os.truncate(self._path, recording.size)
        for entry in recording.entries:
            self._entries.setdefault(_place(entry), []).append(entry)

    def _append(self, line: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                _write_whole(file, line.encode() + b"\n")
        except OSError as error:
            raise OutageFault(
                f"The recording can't be written: {error.strerror}",
                where=str(self._path),
                remedy="Is the disk full?",
            ) from error


def _write_whole(file: FileIO, line: bytes) -> None:
    """One write for one line, so that a kill tears at most the last one; a line that did not fit is taken back."""
    start = file.seek(0, os.SEEK_END)
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        # The first error is the one to tell, whatever taking the line back brings.
        with contextlib.suppress(OSError):
            file.truncate(start)
        raise


class ReplayModel:
    """Answers from a recording; nothing leaves the machine.

    `goal` is the text of the goal that is run, `pace` how much of its recorded latency an answer takes (0 none, 1 all).
    Raises ReplayFault where the recording is of another goal or has no answer; the remedy is the command that records
    it anew.
    """

    def __init__(
        self,
        path: Path,
        *,
        goal: str | None = None,
        pace: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._pace = pace
        self._sleep = sleep
        self._drifted: set[Place] = set()
        recording = read_recording(path)
        self.header = recording.header
        self._entries: dict[Place, list[RecordingEntry]] = {}
        for entry in recording.entries:
            self._entries.setdefault(_place(entry), []).append(entry)
        if goal is not None and goal.split() != self.header.goal.split():
            raise ReplayFault(
                "The recording is of another goal",
                where=f"{path}: {self.header.goal[:80]!r}",
                remedy=anew(self.header),
            )

    @property
    def drift(self) -> int:
        """How many places were answered although their request was not the recorded one."""
        return len(self._drifted)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer recorded at the request's place, with `drift` set where the request differs."""
        entry = _best(self._entries.get(_place(request), []), request)
        if entry is None:
            raise ReplayFault(
                f"The recording has no answer for {request.role} of {request.task}, turn {request.turn}",
                where=str(self._path),
                remedy=anew(self.header),
            )
        if self._pace:
            await self._sleep(entry.seconds * self._pace)
        drift = entry.fingerprint != request.fingerprint
        if drift:
            self._drifted.add(_place(request))
        return entry.reply.model_copy(update={"drift": drift})


def _place(of: ModelRequest | RecordingEntry) -> Place:
    return (of.role, of.task, of.turn)


def _best(entries: Sequence[RecordingEntry], request: ModelRequest) -> RecordingEntry | None:
    same = [entry for entry in entries if entry.fingerprint == request.fingerprint]
    return next(reversed(same or entries), None)


def redacted(reply: ModelReply, redact: Callable[[str], str]) -> ModelReply:
    """The reply with every text of it redacted."""
    calls = tuple(ToolCall(id=c.id, name=c.name, arguments=redact(c.arguments)) for c in reply.tool_calls)
    return reply.model_copy(update={"content": redact(reply.content), "tool_calls": calls})
