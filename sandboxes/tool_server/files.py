"""Files of the work tree: containment, reading, atomic writing."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from sandboxes.tool_server.config import Config

# Agents are told that the work tree is here; it is, except in the local fake.
_ADVERTISED_ROOT = Path("/work/repo")


class Refused(Exception):
    """A request that cannot be granted; the text says what would be right."""


class Unreadable(Refused):
    """Something is there, and it is no file that can be read."""


def locate(config: Config, path: str, *, writing: bool) -> Path:
    """The real path of a path that an agent gave: inside the work tree, or (to read) inside the scratch folder.

    Symbolic links are followed first, so that none leads out.
    """
    if not path or "\0" in path:
        raise Refused("'path' is empty or holds a zero byte: give a path such as src/app.py")
    given = Path(path)
    if given.is_absolute() and given.is_relative_to(_ADVERTISED_ROOT):
        given = given.relative_to(_ADVERTISED_ROOT)
    work = Path(os.path.realpath(config.work))
    try:
        real = Path(os.path.realpath(config.work / given))
    except OSError as error:
        raise Refused(f"'{path}' cannot be resolved: {error.strerror}") from error
    if real.is_relative_to(work):
        if writing and (work / ".git" in (real, *real.parents) or real == work):
            raise Refused(f"'{path}' is not a file of the project: write to files beside .git, not into it")
        return real
    if not writing and real.is_relative_to(os.path.realpath(config.tmp)):
        return real
    raise Refused(
        f"'{path}' is outside the work tree: give a path relative to the repository root, such as src/app.py"
    )


def inside(config: Config, real: Path) -> str:
    """How to name a real path to an agent: relative to the work tree where it is in it."""
    work = Path(os.path.realpath(config.work))
    return real.relative_to(work).as_posix() if real.is_relative_to(work) else str(real)


def read_bytes(path: Path, limit: int) -> bytes | None:
    """At most `limit` bytes of a regular file; None when there is none. Never waits for a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(f"'{path.name}' cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"'{path.name}' is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces a file's content as a whole, keeping its mode; makes its folders."""
    if path.is_dir():
        raise Refused(f"'{path.name}' is a folder: give the path of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(path)
        descriptor, temporary = tempfile.mkstemp(prefix=".swarm-", dir=path.parent)
    except OSError as error:
        raise Refused(f"'{path.name}' cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise Refused(f"'{path.name}' cannot be written: {error.strerror}") from error


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0o644
