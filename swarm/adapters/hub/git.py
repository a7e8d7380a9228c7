"""Runs git on the hub with nothing inherited: no user or system settings, no hooks, no helpers, no network.

What agents made is data to these commands. Everything through which git starts other programs (hooks, fsmonitor,
filters, merge and diff drivers, text conversion, lazy fetch, transports) is off here and not merely unused.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarm.domain.errors import EnvironmentFault, HubFault

QUICK_SECONDS = 120.0
LONG_SECONDS = 1_800.0
FILE_BYTES = 2_000_000
"""The largest file that is read or compared: larger ones hold data, which nobody here looks at."""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
}

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.attributesFile=/dev/null",
    "core.useReplaceRefs=false",
    "safe.bareRepository=explicit",
    "gc.auto=0",
    "maintenance.auto=false",
)

_HUB = (
    # Git from 2.43 on reads attributes from HEAD in a bare repository; the empty tree has none.
    "attr.tree=4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    # Shortened ids stand in conflict markers and diffs: their length must not depend on how full the hub is.
    "core.abbrev=16",
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=10000",
    "core.logAllRefUpdates=false",
    # Above it a file is data: diffs do not show it, and packs are read without holding it in memory.
    f"core.bigFileThreshold={FILE_BYTES}",
    "merge.conflictStyle=diff3",
    "transfer.fsckObjects=false",  # the import checks with --strict; a user's old history may carry warnings
    "protocol.version=2",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
)


@dataclass(frozen=True)
class Answer:
    """The end of a git command: exit code, standard output (`cut` at its bound?), and standard error as text."""

    code: int
    out: bytes
    err: str
    cut: bool = False

    @property
    def text(self) -> str:
        """The output as text without the end of line."""
        return self.out.decode("utf-8", "replace").rstrip("\n")


@dataclass(frozen=True)
class Bounds:
    """What a command may take: seconds of wall clock, bytes that it allocates, bytes of output; None is no bound.

    `fault` is what passing one of them raises: for what a stranger sent, that is the stranger's fault. With `cut` too
    much output raises nothing: its beginning is the answer.
    """

    seconds: float = QUICK_SECONDS
    memory: int | None = None
    output: int | None = None
    fault: type[HubFault] = HubFault
    cut: bool = False


_QUICK = Bounds()


class Git:
    """Git on one bare repository. `run` raises HubFault with git's first line for any unexpected end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(
        self,
        *arguments: str,
        given: bytes = b"",
        ok: Sequence[int] = (0,),
        env: Mapping[str, str] | None = None,
        bounds: Bounds = _QUICK,
        holding: Sequence[int] = (),
    ) -> Answer:
        """Runs one command to its end.

        A descriptor in `holding` is kept, and its lock with it: a command that outlives a killed orchestrator still
        holds it.
        """
        command = [_program(), f"--git-dir={self._folder}", *settings(*_SAFE, *_HUB), *arguments]
        everything = {**environment(), **(env or {})}
        try:
            answer = _execute(command, everything, given=given, bounds=bounds, holding=holding)
        except subprocess.TimeoutExpired as fault:
            raise bounds.fault(
                f"git {arguments[0]} took longer than {bounds.seconds:.0f} s and was stopped",
                where=str(self._folder),
                remedy="If it happens again, the disk is slow or the repository is very large.",
            ) from fault
        except OSError as fault:
            raise HubFault(
                f"git {arguments[0]} could not be run: {fault}", where=str(self._folder)
            ) from fault
        if bounds.cut and answer.code == -signal.SIGXFSZ:
            return replace(answer, cut=True)
        if _passed(answer, bounds):
            raise bounds.fault(f"git {arguments[0]} would take more memory or space than it is given")
        if answer.code not in ok:
            raise HubFault(f"git {arguments[0]} failed: {first_line(answer)}", where=str(self._folder))
        return answer


def settings(*pairs: str) -> tuple[str, ...]:
    """Settings as options of git itself."""
    return tuple(part for pair in pairs for part in ("-c", pair))


def environment() -> dict[str, str]:
    """The whole environment of a command: what is above, and a PATH that finds git and sh."""
    return {**_ENVIRONMENT, "PATH": f"{Path(_program()).parent}:/usr/bin:/bin"}


def upload_pack() -> str:
    """The shell command that serves a fetch from the user's repository.

    Git clears `-c` settings at the border to another repository, so they are said again. The repository was opened by
    the user, whose own list of safe directories isn't read here, hence `safe.directory`. The one program that
    settings could start there (`uploadpack.packObjectsHook`) git reads from system and user settings only.
    """
    extra = ("safe.directory=*", "uploadpack.allowAnySHA1InWant=true")
    return shlex.join([_program(), "--no-replace-objects", *settings(*_SAFE, *extra), "upload-pack"])


def version() -> tuple[int, int]:
    """Git's version; EnvironmentFault where it can't be told."""
    answer = _execute([_program(), "version"], environment())
    numbers = answer.text.removeprefix("git version ").split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (IndexError, ValueError) as fault:
        said = f"git does not tell its version: {answer.text!r}"
        raise EnvironmentFault(said, remedy="Install git 2.38 or newer.") from fault


def first_line(answer: Answer) -> str:
    """The first line that git complained with, its exit code where it said nothing."""
    lines = [line.strip() for line in answer.err.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "")
    return said or f"exit code {answer.code}"


def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise EnvironmentFault("git was not found", remedy="Install git 2.38 or newer (apt-get install git).")
    return found


def _passed(answer: Answer, bounds: Bounds) -> bool:
    """Whether a bound other than that on time ended the command."""
    no_memory = bounds.memory is not None and "out of memory" in answer.err.lower()
    return no_memory or (bounds.output is not None and answer.code == -signal.SIGXFSZ)


def _execute(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    given: bytes = b"",
    bounds: Bounds = _QUICK,
    holding: Sequence[int] = (),
) -> Answer:
    """Runs a command in a session of its own, so that Ctrl-C doesn't cut it and a time-out ends its children too."""
    # An output with a bound goes to a file, where the system can hold git to it.
    with contextlib.nullcontext() if bounds.output is None else tempfile.TemporaryFile() as kept:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=kept or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd="/",
            start_new_session=True,
            pass_fds=tuple(holding),
        )
        with process, _ended(process):
            # Private memory only: the packs of a large repository are mapped, and cost nothing.
            _limit(process.pid, resource.RLIMIT_DATA, bounds.memory)
            _limit(process.pid, resource.RLIMIT_FSIZE, bounds.output)
            out, err = process.communicate(given, timeout=bounds.seconds)
        if kept is not None:
            kept.seek(0)
            out = kept.read()
    return Answer(process.returncode, out, err.decode("utf-8", "replace"))


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


def _limit(pid: int, what: int, most: int | None) -> None:
    if most is not None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, what, (most, most))
