"""The job table: a call with an id runs at most once, and asking again gives its recorded result."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

Reply = dict[str, Any]
DROPPED = "the result of this call was dropped to save memory; the call is not repeated"


@dataclass
class Job:
    """One call: `reply` once it is done, `waiting` the requests to answer then, as (channel number, request id)."""

    key: str
    reply: Reply | None = None
    waiting: list[tuple[int, object]] = field(default_factory=list)


class JobTable:
    """Jobs by key. Beyond `budget` bytes in all the oldest results are dropped; that they ran is not forgotten."""

    def __init__(self, budget: int = 64_000_000) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._budget = budget
        self._held = 0

    def get(self, key: str) -> Job | None:
        """The job of a key; None when it was never started."""
        return self._jobs.get(key)

    def add(self, key: str) -> Job:
        """A new job, recorded before it starts."""
        job = Job(key)
        self._jobs[key] = job
        return job

    def finish(self, job: Job, reply: Reply, size: int) -> None:
        """Records a result of about `size` bytes. A failed call is forgotten: nothing ran, it may be tried again."""
        if not reply["ok"]:
            del self._jobs[job.key]
            return
        job.reply = reply
        self._sizes[job.key] = size
        self._held += size
        while self._held > self._budget and len(self._sizes) > 1:
            oldest, freed = self._sizes.popitem(last=False)
            self._held -= freed
            self._jobs[oldest].reply = {"ok": False, "kind": "fault", "error": DROPPED}
