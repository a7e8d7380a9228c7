"""A durable engine that remembers nothing: steps run as they come. For tests, examples and `swarm plan`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from swarm.domain.base import Value
from swarm.domain.errors import InternalFault
from swarm.ports import A, Flow, Gate, R


class DirectDurable:
    """Implements `ports.Durable` in memory, with the real one's rules on names; what a step raises goes through."""

    def __init__(self, workflow: str, flows: Mapping[str, Flow], gate: Gate | None = None) -> None:
        self._workflow = workflow
        self._flows = flows
        self._gate = gate
        self._names: set[str] = set()
        self._children: dict[str, asyncio.Task[Value]] = {}
        self._ended: list[str] = []
        self.published: dict[str, Value] = {}
        self.inbox: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    @property
    def workflow(self) -> str:
        """The id of the workflow."""
        return self._workflow

    async def step(self, name: str, work: Callable[[A], Awaitable[R]], given: A) -> R:
        """Runs work; a name used twice is an error, as in the real engine."""
        if name in self._names:
            raise InternalFault(f"the step name {name!r} is used twice", where=self._workflow)
        self._names.add(name)
        if self._gate is not None and self._gate.reason is not None:
            raise self._gate.reason
        result = await work(given)
        return type(result).model_validate(result.model_dump(mode="json"))

    async def spawn(self, child: str, flow: str, given: Value) -> None:
        """Starts a child in this event loop."""
        if child in self._children:
            return
        durable = DirectDurable(f"{self._workflow}.{child}", self._flows, self._gate)
        body = self._flows[flow](durable, given.model_dump(mode="json"))
        task = asyncio.ensure_future(body)
        task.add_done_callback(lambda _: self._ended.append(child))
        self._children[child] = task

    async def wait_first(self, children: Sequence[str]) -> str:
        """The child that ended first."""
        await asyncio.wait([self._children[c] for c in children], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
        return next(c for c in self._ended if c in children)

    async def result(self, child: str, kind: type[R]) -> R:
        """A child's result, or what it raised."""
        return kind.model_validate((await self._children[child]).model_dump(mode="json"))

    async def wait_event(self, topic: str, *, seconds: float) -> str | None:
        """A message put into `inbox`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    name, text = await self.inbox.get()
                    if name == topic:
                        return text
        except TimeoutError:
            return None

    async def publish(self, key: str, value: Value) -> None:
        """Keeps it in `published`."""
        self.published[key] = value

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)
