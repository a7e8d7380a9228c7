"""`ports.Durable` on dbos: what the body of one workflow awaits."""

from __future__ import annotations

import asyncio
import functools
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync, error
from pydantic import BaseModel, TypeAdapter

from swarm.adapters.durable.faults import Faults
from swarm.adapters.durable.gate import StopGate
from swarm.adapters.durable.store import Artifacts
from swarm.domain.base import Value
from swarm.domain.errors import CancelFault, InternalFault

A = TypeVar("A", bound=Value)
R = TypeVar("R", bound=Value)

POLL_SECONDS = 0.1
"""How often the database is asked whether a child ended."""

Start = Callable[[Any], Coroutine[Any, Any, Any]]
"""A registered dbos workflow: takes the packed input, returns the packed result."""


@dataclass(frozen=True)
class Fittings:
    """What all bodies of a run share."""

    gate: StopGate
    faults: Faults
    artifacts: Artifacts
    flows: Mapping[str, Start]


class DbosDurable:
    """Implements ports.Durable for one execution of one workflow body.

    Step ids are drawn in the order of the calls, so a body awaits one thing at a time: a second call while one is
    awaited is an InternalFault, and so is a step's name used twice.
    """

    def __init__(self, workflow: str, fittings: Fittings) -> None:
        self._workflow = workflow
        self._gate = fittings.gate
        self._faults = fittings.faults
        self._artifacts = fittings.artifacts
        self._flows = fittings.flows
        self._names: set[str] = set()
        self._children: dict[str, WorkflowHandleAsync[Any]] = {}
        self._awaited = ""

    @property
    def workflow(self) -> str:
        """The id of the workflow that runs: the run's id, or `<run>.<child>`."""
        return self._workflow

    async def step(self, name: str, work: Callable[[A], Awaitable[R]], given: A) -> R:
        """Runs work once and records its result; at a replay gives the record.

        The value returned is always read back from its JSON form, so that a body sees the same at a replay.
        """
        kind = result_type(work)
        self._claim(name)
        with self._alone(f"step {name}"), self._gate.passage() as passage:

            async def attempt() -> Any:
                await passage.enter()
                try:
                    result = await work(given)
                    return await self._packed(result)
                except Exception as failure:  # noqa: BLE001 - whatever it is, it must not reach dbos's record
                    self._faults.stop(failure, f"{self._workflow}, step {name}")
                    await self._gate.park()

            recorded = await DBOS.run_step_async({"name": name}, attempt)
        return kind.validate_python(await self._unpacked(recorded))

    async def spawn(self, child: str, flow: str, given: Value) -> None:
        """Starts the child workflow `<workflow>.<child>`; again with the same name does nothing."""
        if child in self._children:
            return
        start = self._flows.get(flow)
        if start is None:
            raise InternalFault(f"No flow named {flow!r} is registered", where=self._workflow)
        with self._alone(f"spawn of {child}"):
            packed = await self._packed(given)
            with SetWorkflowID(f"{self._workflow}.{child}"):
                handle = await DBOS.start_workflow_async(start, packed)
        self._children[child] = handle

    async def wait_first(self, children: Sequence[str]) -> str:
        """The name of the child that ended first among these; the same one at every replay.

        Among children that end within one poll of the database, the first is any of them.
        """
        if not children:
            raise InternalFault("wait_first of no children would wait for ever", where=self._workflow)
        with self._alone("wait_first"):
            return await self._first([self._child(name) for name in dict.fromkeys(children)])

    async def result(self, child: str, kind: type[R]) -> R:
        """The result of a child, waiting for it; CancelFault when it was cancelled."""
        handle = self._child(child)
        with self._alone(f"result of {child}"):
            # dbos itself would look once a second; after this wait its own look finds the result at once.
            await self._first([handle])
            try:
                packed = await DBOS.get_result_async(handle.workflow_id)
            except error.DBOSAwaitedWorkflowCancelledError as cancelled:
                raise CancelFault(f"The workflow {handle.workflow_id} was cancelled") from cancelled
        return TypeAdapter[R](kind).validate_python(await self._unpacked(packed))

    async def wait_event(self, topic: str, *, seconds: float) -> str | None:
        """A message sent to this workflow from outside, or None after that time."""
        with self._alone(f"event {topic}"):
            message = await DBOS.recv_async(topic, timeout_seconds=seconds)
        return None if message is None else str(message)

    async def publish(self, key: str, value: Value) -> None:
        """Sets a value that readers outside can see (`client.published`)."""
        with self._alone(f"publish {key}"):
            await DBOS.set_event_async(key, await self._packed(value))

    async def sleep(self, seconds: float) -> None:
        """Waits, durably: a resume waits for what is left."""
        with self._alone("sleep"):
            await DBOS.sleep_async(seconds)

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise InternalFault(f"The step name {name!r} is used twice", where=self._workflow)
        self._names.add(name)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        if self._awaited:
            raise InternalFault(
                f"{what} began while {self._awaited} was awaited",
                where=self._workflow,
                remedy="A body awaits one thing at a time: use a child workflow for each branch.",
            )
        self._awaited = what
        try:
            yield
        finally:
            self._awaited = ""

    def _child(self, name: str) -> WorkflowHandleAsync[Any]:
        handle = self._children.get(name)
        if handle is None:
            raise InternalFault(f"No child named {name!r} was spawned", where=self._workflow)
        return handle

    async def _first(self, handles: list[WorkflowHandleAsync[Any]]) -> str:
        ended = await DBOS.wait_first_async(handles, polling_interval_sec=POLL_SECONDS)
        return ended.workflow_id.removeprefix(f"{self._workflow}.")

    async def _packed(self, value: BaseModel) -> Any:
        return await asyncio.to_thread(lambda: self._artifacts.pack(value.model_dump(mode="json")))

    async def _unpacked(self, packed: Any) -> Any:
        return await asyncio.to_thread(self._artifacts.unpack, packed)


def result_type(work: Callable[..., Awaitable[R]]) -> TypeAdapter[R]:
    """What validates a record of `work`, from its return annotation; InternalFault where there is none."""
    function: Any = work
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__") and not hasattr(function, "__func__"):
        # An object that can be called: its annotations are those of its class's __call__.
        function = type(function).__call__
    try:
        kind = typing.get_type_hints(function).get("return")
    except NameError as failure:
        raise InternalFault(f"The annotations of {function!r} cannot be read: {failure}") from failure
    if kind is None:
        raise InternalFault(f"{function!r} has no return annotation, so its record could not be read back")
    return _adapter(kind)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Building one takes milliseconds for large models, and a run has thousands of steps."""
    return TypeAdapter(kind)
