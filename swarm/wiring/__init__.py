"""The composition root: it builds everything once, and carries the use cases behind the commands."""

from swarm.wiring.backend import Backend

__all__ = ["Backend"]
