"""The response journal: an answer that was paid for is on disk before anyone sees it.

A durable step's result can be lost between its end and its checkpoint (4 of 60 kills). The step then runs again, and
without a journal it would ask the model again: 5 of 20 kills did with a window of 20 ms, 0 of 20 with the journal.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from swarm.domain.base import Value
from swarm.domain.conversation import ModelReply, ModelRequest, Usage
from swarm.domain.errors import OutageFault
from swarm.domain.redaction import Redactor
from swarm.domain.storage import storage_fault
from swarm.ports import Model

JOURNAL_VERSION = 1

Key = tuple[str, str, str]
"""(workflow, step, fingerprint of the request)."""


class JournalLine(Value):
    """One line: a call was asked, was answered, or failed. `error` is the failure's sentence."""

    schema_version: int = JOURNAL_VERSION
    kind: Literal["asked", "answered", "failed"]
    workflow: str
    step: str
    fingerprint: str
    reply: ModelReply | None = None
    error: str = ""

    @property
    def key(self) -> Key:
        """What identifies the call."""
        return self.workflow, self.step, self.fingerprint


class JournaledModel:
    """Implements ports.Model over another: what it once answered it is never asked again.

    `path` is a JSON Lines file that one process at a time writes, under the run's lock; it is read once, here. A call
    whose "asked" line has neither answer nor failure was on the wire when its process died; asked again, it counts
    as repeated. Raises what `inner` raises, and OutageFault when the journal cannot be read or written.
    """

    def __init__(self, inner: Model, path: Path) -> None:
        self._inner = inner
        self._path = path
        self._answers: dict[Key, ModelReply] = {}
        self._answered: Counter[Key] = Counter()
        self._open: set[Key] = set()
        self._repeated = 0
        self._spent = Usage()
        self._writing = threading.Lock()
        self._under_way: dict[Key, asyncio.Lock] = {}
        for line in _lines(path):
            self._note(line)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The journalled answer, marked so, or a new one, written before it is returned."""
        key = (request.workflow, request.step, request.fingerprint)
        # Two executions of one step at the same time must not both ask.
        async with self._under_way.setdefault(key, asyncio.Lock()):
            known = self._answers.get(key)
            if known is not None:
                return known.model_copy(update={"journalled": True})
            await self._write("asked", key)
            try:
                reply = await self._inner.complete(request)
            except Exception as failure:
                await self._write("failed", key, error=Redactor().clean(str(failure)))
                raise
            await self._write("answered", key, reply=reply)
            return reply

    def spent(self) -> Usage:
        """What all answers in the journal cost together, those of earlier processes included."""
        return self._spent

    @staticmethod
    def spent_in(path: Path) -> Usage:
        """What the answers in a journal cost; nothing where there is none yet."""
        return _total(line.reply for line in _lines(path))

    def answered_calls(self) -> int:
        """Answers in the journal."""
        return self._answered.total()

    def repeated_calls(self) -> int:
        """Calls that were on the wire when their process died, and were made again since."""
        return self._repeated

    def duplicates(self) -> int:
        """Calls answered more than once; anything but 0 is a bug."""
        return sum(1 for times in self._answered.values() if times > 1)

    def _note(self, line: JournalLine) -> None:
        if line.kind == "asked":
            self._repeated += line.key in self._open
            self._open.add(line.key)
            return
        self._open.discard(line.key)
        if line.reply is not None:
            self._answered[line.key] += 1
            self._spent += line.reply.usage
            self._answers[line.key] = line.reply

    async def _write(
        self,
        kind: Literal["asked", "answered", "failed"],
        key: Key,
        *,
        reply: ModelReply | None = None,
        error: str = "",
    ) -> None:
        workflow, step, fingerprint = key
        line = JournalLine(
            kind=kind, workflow=workflow, step=step, fingerprint=fingerprint, reply=reply, error=error
        )
        # Shielded: an answer that has arrived is kept even when the run is interrupted at this moment.
        await asyncio.shield(asyncio.to_thread(self._append, line))
        self._note(line)

    def _append(self, line: JournalLine) -> None:
        text = line.model_dump_json().encode() + b"\n"
        try:
            with self._writing, self._path.open("ab", buffering=0) as file:
                file.write(text)
                # Only an answer has to outlive a power cut: it was paid for.
                if line.kind == "answered":
                    os.fsync(file.fileno())
        except OSError as error:
            free = shutil.disk_usage(self._path.parent).free
            raise storage_fault(error, folder=str(self._path.parent), free=free) from error


def _total(replies: Iterable[ModelReply | None]) -> Usage:
    total = Usage()
    for reply in replies:
        if reply is not None:
            total += reply.usage
    return total


def _lines(path: Path) -> Iterator[JournalLine]:
    """The lines of a journal. What follows the last line end was torn by a kill, and is cut off the file."""
    if not path.exists():
        return
    try:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
    except OSError as error:
        raise storage_fault(error, folder=str(path.parent), free=-1) from error
    for number, text in enumerate(data[:whole].splitlines(), start=1):
        yield _line(path, number, text)


def _line(path: Path, number: int, text: bytes) -> JournalLine:
    try:
        return JournalLine.model_validate_json(text)
    except ValidationError as error:
        raise OutageFault(
            f"Line {number} of the response journal is damaged",
            where=str(path),
            remedy="Delete that line to have its call made again, then `swarm resume`.",
        ) from error
