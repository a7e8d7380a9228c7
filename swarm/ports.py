"""The seams: one small Protocol per outside system.

Model calls are async. Sandbox, hub, repository and store are sync and are called from threads; nothing exists in
both forms. Adapters translate their vendor's errors into `swarm.domain.errors` and raise nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from swarm.domain.base import Value
from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall
from swarm.domain.errors import SwarmError
from swarm.domain.events import Event
from swarm.domain.merging import Conflict, Merged
from swarm.domain.report import RunRecord, RunReport
from swarm.domain.sandbox import Command, CommandResult, SandboxSpec, ToolResult

A = TypeVar("A", bound=Value)
R = TypeVar("R", bound=Value)


class Model(Protocol):
    """A chat model. Raises ModelFault after its retries, ContextOverflow, BudgetFault, ReplayFault."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer to one request."""
        ...


class Sandbox(Protocol):
    """A living container with a work tree at `/work/repo`. Every call raises SandboxGone when it has died."""

    @property
    def name(self) -> str:
        """The container's name, which is its identity."""
        ...

    @property
    def created(self) -> bool:
        """Whether it was made by this `open` (fresh files) and not attached to."""
        ...

    def tool(self, call_id: str, call: ToolCall) -> ToolResult:
        """Runs an agent's tool call. The same `call_id` again gives the recorded result and runs nothing."""
        ...

    def run(self, command: Command, *, call_id: str = "") -> CommandResult:
        """Runs a command in the work tree; with a `call_id`, at most once per container."""
        ...

    def read(self, path: str, *, limit: int = 1_000_000) -> bytes | None:
        """A file of the work tree (relative) or an absolute path; None when there is none."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Writes a file, making its folders."""
        ...

    def commit(self, message: str, *, call_id: str = "") -> bytes:
        """Commits the whole work tree (tracked and untracked, not ignored) beside HEAD and returns a git bundle.

        The bundle holds what the hub lacks, with one ref `refs/swarm/out`; empty bytes when the tree equals the
        commit that the sandbox started from or was last exported as.
        """
        ...

    def restore(self, commit: str) -> None:
        """Makes the work tree equal to a commit of the hub, ignored files apart, keeping the base for later exports."""
        ...

    def close(self) -> None:
        """Lets go of the container without stopping it."""
        ...


class Sandboxes(Protocol):
    """The container engine."""

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Attaches to the running container of that name, or creates it (replacing a dead one), clones, runs set-up."""
        ...

    def remove(self, name: str) -> None:
        """Stops and deletes a container; nothing happens where there is none."""
        ...

    def of_run(self, run: str) -> tuple[str, ...]:
        """The names of a run's containers, running or not."""
        ...


class Hub(Protocol):
    """A run's bare repository. Commits are full ids. Raises HubFault."""

    @property
    def path(self) -> Path:
        """Its folder on the host."""
        ...

    def create(self) -> None:
        """Makes it, with safe settings and attributes; does nothing where it exists."""
        ...

    def mirror(self, repository: Path, commit: str) -> None:
        """Fetches a commit with its history from the user's repository."""
        ...

    def commit_files(self, files: Mapping[str, str | None], *, parent: str, message: str) -> str:
        """A commit on `parent` (empty: a root commit) with these texts written, None deleting; same input, same id."""
        ...

    def commit_tree(self, tree: str, *, parents: Sequence[str], message: str) -> str:
        """A commit of an existing tree; same input, same id."""
        ...

    def tree(self, commit: str) -> str:
        """The tree id of a commit."""
        ...

    def paths(self, commit: str) -> tuple[str, ...]:
        """All file paths at a commit, sorted."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit or tree; None when there is none."""
        ...

    def read_many(self, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
        """Several files at once (one process); absent ones are left out."""
        ...

    def changed(self, base: str, commit: str) -> tuple[tuple[str, str], ...]:
        """(status letter, path) of each file that differs."""
        ...

    def diff(self, base: str, commit: str, *, paths: Sequence[str] = (), stat: bool = False) -> str:
        """A unified diff, or its summary."""
        ...

    def merge(self, ours: str, theirs: str, *, message: str) -> Merged | Conflict:
        """Merges in memory; the merge commit has both parents."""
        ...

    def merge_base(self, ours: str, theirs: str) -> str:
        """The best common ancestor; empty when there is none."""
        ...

    def receive(self, bundle: bytes, *, ref: str) -> str:
        """Imports an untrusted bundle through a quarantine, checks it, sets `ref` to its tip, and returns the tip."""
        ...

    def ref(self, name: str) -> str:
        """The commit of a ref; empty when there is none."""
        ...

    def set_ref(self, name: str, commit: str) -> None:
        """Points a ref at a commit, whatever it was."""
        ...


class Repository(Protocol):
    """The user's own repository: read it, and give it one branch at the end. Raises UsageFault or HubFault."""

    def resolve(self, base: str) -> str:
        """The commit id of a base (empty: HEAD)."""
        ...

    def uncommitted(self) -> tuple[str, ...]:
        """Paths with uncommitted work, which a run does not include."""
        ...

    def deliver(self, hub: Path, commit: str, branch: str, *, replaces: str = "") -> None:
        """Brings a commit from the hub and points `branch` at it; never the checked-out branch, never the work tree.

        A branch that exists is moved forward, or when it stands at `replaces`; UsageFault otherwise.
        """
        ...


class Events(Protocol):
    """Where happenings go."""

    def publish(self, event: Event) -> None:
        """Records one; never raises for a listener's fault."""
        ...


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...


class Gate(Protocol):
    """What lets steps begin, or parks them when the run is to stop."""

    @property
    def reason(self) -> SwarmError | None:
        """Why the run stops; None while it goes on."""
        ...

    def stop(self, reason: SwarmError) -> None:
        """Asks the run to stop: steps under way finish, none begins. The first reason stays."""
        ...

    async def enter(self) -> None:
        """Returns at once while the run goes on; never returns once it stops."""
        ...


class Durable(Protocol):
    """The durable engine as a workflow body sees it. Bodies await nothing else.

    Names are unique in a workflow. A step that raises does not record its error: the run stops, resumable
    (StopFault) or as a bug (anything else), and the step runs again at the next resume.
    """

    @property
    def workflow(self) -> str:
        """The id of the workflow that runs: the run's id, or `<run>.<child>`."""
        ...

    async def step(self, name: str, work: Callable[[A], Awaitable[R]], given: A) -> R:
        """Runs work once and records its result; at a replay gives the record. `work` has annotated types."""
        ...

    async def spawn(self, child: str, flow: str, given: Value) -> None:
        """Starts a child workflow of a registered flow; again with the same name does nothing."""
        ...

    async def wait_first(self, children: Sequence[str]) -> str:
        """The name of the child that ended first among these; the same one at every replay."""
        ...

    async def result(self, child: str, kind: type[R]) -> R:
        """The result of a child, waiting for it."""
        ...

    async def wait_event(self, topic: str, *, seconds: float) -> str | None:
        """A message sent to this workflow from outside, or None after that time."""
        ...

    async def publish(self, key: str, value: Value) -> None:
        """Sets a value that readers outside can see."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits, durably."""
        ...


Flow = Callable[[Durable, "object"], Awaitable[Value]]
"""A workflow body: `async def body(durable, given: JSON) -> Value`; registered by name in the wiring."""


class RunStore(Protocol):
    """The folders of all runs, `$XDG_STATE_HOME/swarm/runs/<run>/`. Raises UsageFault for unknown ids, OutageFault."""

    def create(self, record: RunRecord) -> Path:
        """Makes a run's folder and record; the folder's path."""
        ...

    def folder(self, run: str) -> Path:
        """The folder of a run (a unique prefix of its id will do); UsageFault names the nearest ids."""
        ...

    def record(self, run: str) -> RunRecord:
        """The record, with `interrupted` in place of `running` where no process holds the lock."""
        ...

    def save(self, record: RunRecord) -> None:
        """Replaces the record atomically."""
        ...

    def report(self, run: str) -> RunReport | None:
        """The last report, None before there is one."""
        ...

    def save_report(self, report: RunReport) -> None:
        """Writes the report atomically."""
        ...

    def runs(self) -> tuple[RunRecord, ...]:
        """All records, newest first; unreadable folders are skipped with a warning event."""
        ...

    def lock(self, run: str) -> Callable[[], None]:
        """Takes the run's exclusive lock and returns its release; UsageFault names the process that holds it."""
        ...

    def locked(self, run: str) -> bool:
        """Whether a process works on the run."""
        ...

    def events(self, run: str) -> tuple[Event, ...]:
        """The events so far."""
        ...

    def remove(self, run: str) -> None:
        """Deletes the folder."""
        ...
