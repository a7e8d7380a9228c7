"""Living sandboxes of this process, and the work in progress they hold.

A container can die at any moment, and so can this process. The rule that makes both cheap: a work tree is always
`checkpoint + the calls since`, the checkpoint is a commit of the hub, and every call has an id under which it runs at
most once in a container.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from swarm.agents.values import PlacedCall
from swarm.domain.errors import SandboxBroken, SandboxGone
from swarm.domain.events import Event
from swarm.domain.sandbox import SandboxSpec
from swarm.ports import Clock, Events, Hub, Sandbox, Sandboxes

T = TypeVar("T")
RECREATIONS = 3


class Workspaces:
    """Opens, revives and saves sandboxes. Its methods are async and do their work in threads."""

    def __init__(self, sandboxes: Sandboxes, hub: Hub, events: Events, clock: Clock) -> None:
        self._sandboxes = sandboxes
        self._hub = hub
        self._events = events
        self._clock = clock
        self._open: dict[str, Sandbox] = {}
        self._made: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    async def use(self, spec: SandboxSpec, task: str, checkpoint: str, work: Callable[[Sandbox], T]) -> T:
        """Runs `work` on the sandbox, again from `checkpoint` in a new container each time it died under it."""
        return await asyncio.to_thread(self._use, spec, task, checkpoint, work)

    def _use(self, spec: SandboxSpec, task: str, checkpoint: str, work: Callable[[Sandbox], T]) -> T:
        with self._lock(spec.name):
            for _ in range(RECREATIONS):
                try:
                    return work(self._ensure(spec.model_copy(update={"commit": checkpoint}), task))
                except SandboxGone:
                    self._forget(spec.name)
        raise SandboxBroken(
            f"the sandbox died {RECREATIONS} times under the same calls; are they within its memory?",
            where=spec.name,
        )

    async def save(
        self, spec: SandboxSpec, task: str, turn: int, checkpoint: str, calls: tuple[PlacedCall, ...]
    ) -> str:
        """Makes the work tree durable: a commit of the hub. In a re-created container the unsaved calls run again."""

        def work(sandbox: Sandbox) -> bytes:
            for placed in calls:  # recorded results in a living container, run anew in a re-created one
                sandbox.tool(placed.id, placed.call)
            return sandbox.commit(
                f"{task}: work in progress, turn {turn}", call_id=f"{spec.name}:save:{turn}"
            )

        bundle = await self.use(spec, task, checkpoint, work)
        if not bundle:
            return checkpoint
        return await asyncio.to_thread(self._hub.receive, bundle, ref=f"refs/swarm/wip/{spec.name}/{turn}")

    async def place(self, spec: SandboxSpec, task: str, commit: str) -> None:
        """Makes the work tree equal to a commit: for a sandbox that is used for one piece of work after another."""
        try:
            await self.use(spec, task, commit, lambda sandbox: sandbox.restore(commit))
        except SandboxBroken:  # by whoever worked there before: a new one starts at the commit
            await self.remove(spec.name)
            await self.use(spec, task, commit, lambda sandbox: sandbox.restore(commit))

    async def fresh(self, spec: SandboxSpec, task: str, work: Callable[[Sandbox], T]) -> T:
        """Runs `work` in a container made for it and removed after it."""

        def whole() -> T:
            self._remove(spec.name)
            try:
                return self._use(spec, task, spec.commit, work)
            finally:
                self._remove(spec.name)

        return await asyncio.to_thread(whole)

    async def remove(self, name: str) -> None:
        """Removes a sandbox for good."""
        await asyncio.to_thread(self._remove, name)

    async def remove_run(self, run: str) -> tuple[str, ...]:
        """Removes every sandbox of a run and returns their names."""
        names = await asyncio.to_thread(self._sandboxes.of_run, run)
        for name in names:
            await self.remove(name)
        return names

    def _ensure(self, spec: SandboxSpec, task: str) -> Sandbox:
        sandbox = self._open.get(spec.name)
        if sandbox is None:
            sandbox = self._sandboxes.open(spec)
            self._open[spec.name] = sandbox
            self._announce(spec, task, sandbox.created)
        return sandbox

    def _announce(self, spec: SandboxSpec, task: str, created: bool) -> None:
        kind = "sandbox.attached"
        if created:
            kind = "sandbox.recreated" if spec.name in self._made else "sandbox.created"
        self._made.add(spec.name)
        event = Event.model_validate(
            {"at": self._clock.now(), "kind": kind, "run": spec.run, "task": task, "text": spec.name}
        )
        self._events.publish(event)

    def _forget(self, name: str) -> None:
        sandbox = self._open.pop(name, None)
        if sandbox is not None:
            sandbox.close()

    def _remove(self, name: str) -> None:
        self._forget(name)
        self._sandboxes.remove(name)

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())
