"""What a failed write means to the user: a pure rule, shared by everything that keeps state in files."""

from __future__ import annotations

import errno

from swarm.domain.errors import OutageFault, SwarmError, UsageFault

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def disk_full(error: OSError) -> bool:
    """Whether an operation failed for want of space (or quota)."""
    return error.errno in _FULL


def storage_fault(error: OSError, *, folder: str, free: int) -> SwarmError:
    """The fault for a failed file operation in `folder`; `free` is what its disk has left, in bytes, -1 unknown.

    A full disk and a failing one are outages (free some space and resume); a forbidden folder is bad input.
    """
    if disk_full(error):
        return OutageFault(
            f"The disk is full: {free} bytes are free",
            where=folder,
            remedy="Free some space, then `swarm resume`.",
        )
    if error.errno in _FORBIDDEN:
        return UsageFault(
            f"No permission to write: {error.strerror}",
            where=error.filename or folder,
            remedy="Give yourself access, or set XDG_STATE_HOME to a folder of yours.",
        )
    return OutageFault(f"A file operation failed: {error.strerror or error}", where=error.filename or folder)
