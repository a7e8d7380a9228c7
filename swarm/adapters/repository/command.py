"""One git command in the user's repository, through GitPython, with its faults translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.domain.errors import EnvironmentFault, HubFault

ANY = range(256)
"""All exit codes, where the caller looks at them."""

_SECONDS = 600.0
_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
)


@dataclass(frozen=True)
class Answer:
    """The end of a git command. Bytes that are not UTF-8 are escapes in the texts."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The output without the end of line."""
        return self.out.strip()

    @property
    def listed(self) -> tuple[str, ...]:
        """The file names that git indents with a tab under its complaint."""
        return tuple(line.strip() for line in self.err.splitlines() if line.startswith("\t"))

    @property
    def complaint(self) -> str:
        """The line that says what went wrong."""
        lines = [line.strip() for line in f"{self.err}\n{self.out}".splitlines() if line.strip()]
        faults = [line for line in lines if line.startswith(("fatal:", "error:"))]
        said = (faults or lines or [f"exit code {self.code}"])[0]
        return said.removeprefix("fatal: ").removeprefix("error: ")


def quietly(
    where: Path,
    *arguments: str,
    ok: Sequence[int] = (0,),
    settings: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Answer:
    """A command for which the user's hooks, fsmonitor and maintenance do not run."""
    options = [part for pair in (*_QUIET, *settings) for part in ("-c", pair)]
    return as_user(where, *options, *arguments, ok=ok, env=env)


def as_user(
    where: Path, *arguments: str, ok: Sequence[int] = (0,), env: Mapping[str, str] | None = None
) -> Answer:
    """A command as the user would type it in that folder; HubFault with git's complaint for an end not in `ok`."""
    # GitPython starts git when it is imported, and that takes a quarter of a second.
    try:
        from git import Git  # noqa: PLC0415 - see above
        from git.exc import GitCommandError, GitCommandNotFound  # noqa: PLC0415 - see above
    except ImportError as fault:
        remedy = "Install git 2.38 or newer (apt-get install git)."
        raise EnvironmentFault("git was not found", remedy=remedy) from fault
    try:
        code, out, err = Git(str(where)).execute(
            ["git", *arguments],
            with_extended_output=True,
            with_exceptions=False,
            strip_newline_in_stdout=False,
            kill_after_timeout=_SECONDS,
            env={"GIT_TERMINAL_PROMPT": "0", **(env or {})},
        )
    except (GitCommandNotFound, GitCommandError, OSError) as fault:
        raise HubFault(f"git could not be run: {fault}", where=str(where)) from fault
    answer = Answer(code, _text(out), _text(err))
    if code not in ok:
        command = next((part for part in arguments if part != "-c" and "=" not in part), "")
        raise HubFault(f"git {command} failed: {answer.complaint}", where=str(where))
    return answer


def split(out: str) -> tuple[str, ...]:
    """The parts of an output with `-z`."""
    return tuple(part for part in out.split("\0") if part)


def some(paths: Sequence[str], *, limit: int = 5) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(paths[:limit]) + more


def _text(out: str | bytes) -> str:
    text = out.decode("utf-8", "surrogateescape") if isinstance(out, bytes) else out
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
