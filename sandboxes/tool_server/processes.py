"""Starting commands and being sure that nothing of them is left.

Each command runs under a worker that is a subreaper: whatever a descendant does (`setsid`, double fork), its orphans
come to the worker, which freezes and kills them all. A process that is stopped cannot fork, so a fork bomb loses.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_KILL_SECONDS = 10.0
_KILL_PAUSE_SECONDS = 0.002
_DRAIN_SECONDS = 2.0
_BLOCK = 65_536
_libc = ctypes.CDLL(None, use_errno=True)

# PID 1 gets a signal from inside only where it has a handler; an ordinary process has to ignore them.
IGNORED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def become_subreaper() -> None:
    """Orphans among the descendants of this process become its children."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def become_worker() -> None:
    """A subreaper that does not outlive the server."""
    become_subreaper()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def set_dumpable(on: bool) -> None:
    """Off: commands, which have the same user id, can neither trace this process nor open its files."""
    _libc.prctl(_PR_SET_DUMPABLE, int(on), 0, 0, 0)


def ignore_signals() -> None:
    """Signals from inside do not end this process."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


def ended_children() -> list[int]:
    """Children that ended and are not reaped yet; they stay as they are."""
    ended: list[int] = []
    with suppress(ChildProcessError):
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            ended.append(found.si_pid)
    return ended


def reap(keep: Sequence[int] = ()) -> None:
    """Reaps every ended child until one of `keep` is next, whose status belongs to somebody else."""
    while ended := ended_children():
        if ended[0] in keep:
            return
        with suppress(ChildProcessError):
            os.waitpid(ended[0], 0)


def has_children() -> bool:
    """Whether there is any child, ended or not."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(root: int, spared: frozenset[int] = frozenset()) -> list[int]:
    """Living descendants of a process, without the `spared` ones and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            # The name in parentheses may hold anything; what follows the last one is regular.
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry.name))
    found: list[int] = []
    todo = [root]
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), []) if pid not in spared]
        found += fresh
        todo += fresh
    return found


def kill_descendants(spared: frozenset[int] = frozenset()) -> int:
    """Stops, then kills every descendant of this process, until there is none; how many there were at first."""
    if not has_children():
        return 0
    first: int | None = None
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        living = descendants(os.getpid(), spared)
        first = len(living) if first is None else first
        if not living:
            break
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in living:
                with suppress(OSError):
                    os.kill(pid, number)
        time.sleep(_KILL_PAUSE_SECONDS)
        reap(keep=tuple(spared))
    reap(keep=tuple(spared))
    return first or 0


@dataclass
class Capture:
    """Output as it comes: the first and the last `limit / 2` bytes, the count of all, and optionally a file of it."""

    limit: int
    spill: Path | None = None
    spill_limit: int = 8_000_000
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, data: bytes) -> None:
        """Takes the next piece."""
        if self.spill is not None and self.size < self.spill_limit:
            # Scratch may be full; the output that the reply carries does not depend on it.
            with suppress(OSError), self.spill.open("ab") as file:
                file.write(data[: self.spill_limit - self.size])
        self.size += len(data)
        room = max(0, self.limit // 2 - len(self.head))
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > self.limit:
            del self.tail[: -(self.limit // 2)]

    @property
    def cut(self) -> bool:
        """Whether the middle is left out."""
        return self.size > self.limit

    def text(self) -> str:
        """What was kept, with one line in place of what was not."""
        if not self.cut:
            return (self.head + self.tail).decode(errors="replace")
        tail = self.tail[-(self.limit // 2) :]
        left_out = self.size - len(self.head) - len(tail)
        start, end = self.head.decode(errors="replace"), tail.decode(errors="replace")
        return f"{start}\n[... {left_out} bytes left out ...]\n{end}"


@dataclass(frozen=True)
class Ended:
    """How a command ended; `leftovers` is how many of its processes were still there and had to be killed."""

    exit_code: int
    timed_out: bool
    leftovers: int
    seconds: float


def shell(command: str, environment: Mapping[str, str]) -> list[str]:
    """A login shell that keeps our PATH in front (/etc/profile resets it), then a plain shell for the command.

    By its full path, because the PATH of a command may lead to a `bash` of the agent's.
    """
    return [
        "/bin/bash",
        "-lc",
        'PATH="$0:$PATH"; exec /bin/bash -c "$1"',
        environment.get("PATH", ""),
        command,
    ]


def execute(
    argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout: float, capture: Capture
) -> Ended:
    """Runs a command to its end or its time-out, kills all that is left of it. Call it in a worker, not in the server.

    Exit code 124 stands for a time-out, 128 + n for an end by signal n. OSError when nothing can be started.
    """
    started = time.monotonic()
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_become_command,  # noqa: PLW1509 - a worker has one thread
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for above
    output = process.stdout.fileno()
    timed_out = not _pump(process, output, wake_reader, started + timeout, capture)
    code = 0 if timed_out else process.wait()
    leftovers = kill_descendants()
    _drain(output, capture)
    process.stdout.close()
    process.wait()
    exit_code = 124 if timed_out else (code if code >= 0 else 128 - code)
    return Ended(exit_code, timed_out, 0 if timed_out else leftovers, time.monotonic() - started)


def _become_command() -> None:
    """What a command starts with: default signals, and the first place in the queue of the out-of-memory killer."""
    for number in (*IGNORED, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    set_dumpable(True)
    # Without it /proc/self belongs to root. A kernel without the file has no such choice to make.
    with suppress(OSError), Path("/proc/self/oom_score_adj").open("w") as file:
        file.write("1000")


def _pump(
    process: subprocess.Popen[bytes], output: int, wake: int, deadline: float, capture: Capture
) -> bool:
    """Takes output until the command ends (True) or its time is over (False). Held-open pipes do not delay the end."""
    os.set_blocking(output, False)
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            reap(keep=(process.pid,))
            if process.pid in ended_children():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(left):
                if key.fd == wake:
                    os.read(wake, _BLOCK)
                elif not _take(output, capture):
                    selector.unregister(output)


def _take(output: int, capture: Capture) -> bool:
    """One piece of output; False at its end."""
    try:
        data = os.read(output, _BLOCK)
    except BlockingIOError:
        return True
    capture.add(data)
    return bool(data)


def _drain(output: int, capture: Capture) -> None:
    """What is still in the pipe. Every writer is dead; one in an uninterruptible sleep must not hold us up."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            if not _take(output, capture):
                return
