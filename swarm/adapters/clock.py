"""The system's clock."""

from __future__ import annotations

import time


class SystemClock:
    """Implements ports.Clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()
