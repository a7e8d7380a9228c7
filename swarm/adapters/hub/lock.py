"""Who writes to a hub, so that what a killed process left can be told from what a living one needs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from swarm.domain.errors import HubFault

WORK = "swarm-work"
_LOCK = "swarm.lock"


class HubLock:
    """A shared lock for each writer. The first one to find the hub at rest clears away the leftovers of the dead.

    Git commands inherit the descriptor: one that outlives a killed orchestrator for a moment still counts as alive.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = False
        self._sweeping = threading.Lock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[int]:
        """Holds the lock, as an open descriptor."""
        self.sweep()
        with self._open() as held:
            fcntl.flock(held, fcntl.LOCK_SH)
            yield held

    def sweep(self) -> None:
        """Removes leftovers once per process, unless another one is writing now."""
        with self._sweeping:
            if self._swept:
                return
            with self._open() as held:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                self._remove_leftovers()
            self._swept = True

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        try:
            held = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as fault:
            raise HubFault(f"The hub cannot be written: {fault.strerror}", where=str(self._folder)) from fault
        try:
            yield held
        finally:
            os.close(held)

    def _remove_leftovers(self) -> None:
        """Quarantines, half-written packs, and lock files that git itself would respect forever."""
        shutil.rmtree(self._folder / WORK, ignore_errors=True)
        for pattern in ("objects/pack/tmp_*", "*.lock", "refs/**/*.lock"):
            for path in self._folder.glob(pattern):
                if path.name != _LOCK:
                    path.unlink(missing_ok=True)
