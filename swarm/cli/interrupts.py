"""Ctrl-C: the first stops safely, the second at once. A termination signal is like the first."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

FINISHING = (
    "Finishing the calls under way; Ctrl-C again to stop now. Either way, go on with: swarm resume {run}"
)
INTERRUPTED = 130
_SHOW_CURSOR = b"\x1b[?25h\x1b[0m\r\n"


@contextmanager
def stops_safely(run: str, interrupt: asyncio.Event, notice: Callable[[str], None]) -> Iterator[None]:
    """While this is open, signals set `interrupt`; must be entered in the main thread, inside the event loop."""
    loop = asyncio.get_running_loop()
    terminal = _terminal_state()
    asked = False

    def first() -> None:
        interrupt.set()
        notice(FINISHING.format(run=run))

    def handle(number: int, _frame: FrameType | None) -> None:
        # A handler of Python's own and not the loop's: the second Ctrl-C must work while the loop is blocked.
        nonlocal asked
        if asked and number == signal.SIGINT:
            _restore(terminal)
            os._exit(INTERRUPTED)
        if not asked:
            asked = True
            # The view's lock may be held by the code that this handler interrupts: the loop tells it.
            loop.call_soon_threadsafe(first)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _terminal_state() -> list[Any] | None:
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None


def _restore(state: list[Any] | None) -> None:
    # Straight to the descriptors: rich may hold its lock, and nothing runs after this.
    for descriptor in (1, 2):
        if os.isatty(descriptor):
            os.write(descriptor, _SHOW_CURSOR)
            break
    if state is not None:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, state)
