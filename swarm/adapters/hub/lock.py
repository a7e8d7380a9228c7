"""Who writes to a hub, so that what a killed process left can be told from what a living one needs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from swarm.domain.errors import HubFault

WORK = "swarm-work"
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05


class HubLock:
    """A shared lock for each writer. The first one to find the hub at rest clears away the leftovers of the dead.

    Git commands inherit the descriptor: one that outlives a killed orchestrator for a moment still counts as alive.
    The file lies beside the hub and not in it: sandboxes see the hub's folder, and whoever can open a file, even to
    read it, can lock it.
    """

    def __init__(self, folder: Path, *, wait: float = _WAIT_SECONDS) -> None:
        self._folder = folder
        self._file = folder.with_name(f"{folder.name}.lock")
        self._wait = wait
        self._swept = False
        self._sweeping = threading.Lock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[int]:
        """Holds the lock, as an open descriptor. HubFault when another process keeps it for too long."""
        self.sweep()
        with self._open() as held:
            self._share(held)
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

    def _share(self, held: int) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                if time.monotonic() > deadline:
                    raise HubFault(
                        f"Another process has kept the hub locked for {self._wait:g} s",
                        where=str(self._file),
                        remedy="End the process that holds this file, then resume the run.",
                    ) from fault
                time.sleep(_POLL_SECONDS)
            else:
                return

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        if not self._folder.is_dir():
            raise HubFault("The hub cannot be written: there is none", where=str(self._folder))
        try:
            held = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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
                path.unlink(missing_ok=True)
