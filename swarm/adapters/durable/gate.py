"""The gate before every step: open while the run goes on, shut for good once it is to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn

from swarm.domain.errors import SwarmError

POLL_SECONDS = 0.02
"""How often the loop looks whether another thread, or a signal handler, stopped the run."""


class Passage:
    """One step's way through the gate: counted from `enter` to `leave`, or to the end of its block."""

    def __init__(self, gate: StopGate) -> None:
        self._gate = gate
        self._inside = False

    async def enter(self) -> None:
        """Waits for the gate; from then on the step counts as under way. Never returns once the run stops."""
        await self._gate.enter()
        # No await between the gate and the count: `drained` runs on the same loop and can see no gap.
        self._inside = True
        self._gate.count(1)

    def leave(self) -> None:
        """The step is over, recorded or given up; a second call does nothing."""
        if self._inside:
            self._inside = False
            self._gate.count(-1)


class StopGate:
    """Implements ports.Gate, and counts the steps under way so that the host can wait for them.

    `stop` may be called from any thread and from signal handlers; all else belongs to the event loop.
    """

    def __init__(self) -> None:
        self._reason: SwarmError | None = None
        # Re-entrant, because a signal handler may interrupt `stop` on the same thread.
        self._lock = threading.RLock()
        self._under_way = 0
        self._parked: set[asyncio.Future[None]] = set()
        self._passage: ContextVar[Passage | None] = ContextVar("passage", default=None)

    @property
    def reason(self) -> SwarmError | None:
        """Why the run stops; None while it goes on."""
        return self._reason

    @property
    def under_way(self) -> int:
        """How many steps have begun and not ended."""
        return self._under_way

    def stop(self, reason: SwarmError) -> None:
        """Asks the run to stop: steps under way finish, none begins. The first reason stays."""
        with self._lock:
            if self._reason is None:
                self._reason = reason

    async def enter(self) -> None:
        """Returns at once while the run goes on; never returns once it stops."""
        if self._reason is not None:
            await self.park()

    async def park(self) -> NoReturn:
        """Never returns; a step that parks no longer counts as under way. Only cancellation ends it."""
        passage = self._passage.get()
        if passage is not None:
            passage.leave()
        forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Held here, or a parked task and its future would only know each other and could be collected.
        self._parked.add(forever)
        forever.add_done_callback(self._parked.discard)
        await forever
        raise AssertionError("a parked step went on")

    @contextmanager
    def passage(self) -> Iterator[Passage]:
        """The passage of one step, counted until the block ends: put the checkpoint inside the block."""
        passage = Passage(self)
        token = self._passage.set(passage)
        try:
            yield passage
        finally:
            self._passage.reset(token)
            passage.leave()

    def count(self, change: int) -> None:
        """For `Passage`: changes the number of steps under way."""
        self._under_way += change

    async def stopped(self) -> None:
        """Returns when the run is to stop."""
        while self._reason is None:  # noqa: ASYNC110 - a signal handler may stop the run, and may not touch a loop
            await asyncio.sleep(POLL_SECONDS)

    async def drained(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - False is an answer, no error
        """Waits until no step is under way, `timeout` seconds at most (None: for as long as it takes).

        False when steps were still under way at the end of the time. Meaningful once the run is stopping.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self._under_way:
            if deadline is not None and loop.time() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True
