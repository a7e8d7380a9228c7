"""What has left the work tree so far: the one thing that cannot be found again when an agent deletes our files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class History:
    """`parents` are the start and every export since, `reference` the commit that the work tree was last equal to.

    It lives in the memory of the server, which no command can change: files would belong to the agent's user. A
    worker has a copy as of its start, and what it makes of that comes back with its reply.
    """

    parents: tuple[str, ...] = ()
    reference: str = ""
