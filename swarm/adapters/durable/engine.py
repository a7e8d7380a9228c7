"""Runs one run's workflows on dbos, from its folder, until they end or the gate stops them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync, error

from swarm.adapters.durable.body import DbosDurable, Fittings, Start
from swarm.adapters.durable.database import (
    APPLICATION_VERSION,
    POLL_SECONDS,
    configuration,
    redirected_logging,
)
from swarm.adapters.durable.faults import Faults
from swarm.adapters.durable.gate import StopGate
from swarm.adapters.durable.store import Artifacts
from swarm.domain.base import Value
from swarm.domain.errors import CancelFault, InternalFault, SwarmError, UsageFault
from swarm.ports import Flow

QUEUE = "swarm"
"""Where interrupted workflows wait to be taken up; dbos's own queue is only looked at once a second."""

LIVING = ["PENDING", "ENQUEUED"]
CLOSE_SECONDS = 1.0

_in_use = threading.Lock()
"""dbos is one per process, so engines are too."""


class DbosEngine:
    """The durable engine of one run; use it from one event loop, and hold the run's lock meanwhile.

    `folder` is the run's folder, `flows` the bodies by name (the same names at every resume), `run` the id of its
    main workflow. `drain_seconds` bounds how long steps under way may go on after a stop; None waits for them.
    """

    def __init__(
        self,
        folder: Path,
        flows: Mapping[str, Flow],
        gate: StopGate,
        *,
        run: str,
        drain_seconds: float | None = None,
    ) -> None:
        self._folder = folder
        self._bodies = flows
        self._gate = gate
        self._run = run
        self._drain_seconds = drain_seconds
        self._faults = Faults(folder, gate)
        self._artifacts = Artifacts(folder / "artifacts")
        self._flows: dict[str, Start] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._resources: ExitStack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, flow: str, given: Value) -> dict[str, Any] | None:
        """Starts the run, or takes it up where it was; its result as JSON.

        None once the gate's reason is set: the run was stopped, stays in the database, and can be resumed (unless
        the reason is a CancelFault). `given` counts at the first start only. UsageFault for a run of another version.
        """
        try:
            await self._launch()
            await self._begin(flow, given)
            return await self._outcome()
        except SwarmError:
            raise
        except Exception as failure:  # noqa: BLE001 - dbos or the database failed: the host sees our reason for it
            self._faults.stop(failure, self._run)
            return None

    async def cancel(self) -> None:
        """Ends the run for good, with its children; `run` then returns None, and the reason is a CancelFault."""
        await self._launch()
        if await DBOS.get_workflow_status_async(self._run) is not None:
            await DBOS.cancel_workflow_async(self._run, cancel_children=True)
        self._gate.stop(CancelFault(f"The run {self._run} was cancelled"))
        self._interrupt()

    def close(self) -> None:
        """Lets go of the database, within two seconds; what is still under way runs again at the next resume.

        Blocks: call it in a thread (`await asyncio.to_thread(engine.close)`), or after the loop has ended.
        """
        if self._resources is None or self._loop is None:
            return
        resources, self._resources = self._resources, None
        with resources:
            if self._loop.is_running():
                unwound = asyncio.run_coroutine_threadsafe(self._let_go(), self._loop)
                # When called on the loop itself, the tasks unwind after this returns.
                concurrent.futures.wait([unwound], timeout=0 if _on(self._loop) else CLOSE_SECONDS)
            # A daemon, so that not even a hanging database keeps the process from ending.
            closing = threading.Thread(target=_destroy, name="durable-close", daemon=True)
            closing.start()
            closing.join(CLOSE_SECONDS)

    async def _let_go(self) -> None:
        # dbos gave the loop its own threads; the host's next `to_thread` must not find them shut.
        self._interrupt()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_SECONDS)

    async def _launch(self) -> None:
        """Starts dbos, once. Blocks the loop for a moment on purpose: dbos takes workflows up on the loop it sees."""
        if self._resources is not None:
            return
        if not self._folder.is_dir():
            raise UsageFault("The run's folder is gone", where=str(self._folder))
        if not _in_use.acquire(blocking=False):
            raise InternalFault(
                "A second durable engine in one process", remedy="Close the first one before."
            )
        with ExitStack() as stack:
            stack.callback(_in_use.release)
            stack.enter_context(redirected_logging(self._folder))
            with ExitStack() as failed:
                failed.callback(_destroy)
                DBOS(config=configuration(self._folder, self._run))
                self._flows.update(
                    {name: self._registered(name, body) for name, body in self._bodies.items()}
                )
                DBOS.launch()
                await DBOS.register_queue_async(QUEUE, polling_interval_sec=POLL_SECONDS)
                failed.pop_all()
            self._loop = asyncio.get_running_loop()
            self._resources = stack.pop_all()

    def _registered(self, name: str, body: Flow) -> Start:
        async def workflow(packed: Any) -> Any:
            return await self._execute(body, packed)

        return DBOS.workflow(name=name, max_recovery_attempts=None)(workflow)

    async def _execute(self, body: Flow, packed: Any) -> Any:
        """One execution of a body. Only a result or dbos's own control flow leaves it: after a failure it parks."""
        if self._resources is None:
            # Taken from the queue at the very moment of closing: it stays for the next process.
            raise asyncio.CancelledError
        self._own_task()
        workflow = str(DBOS.workflow_id)
        fittings = Fittings(self._gate, self._faults, self._artifacts, self._flows)
        try:
            given = await asyncio.to_thread(self._artifacts.unpack, packed)
            result = await body(DbosDurable(workflow, fittings), given)
            return await asyncio.to_thread(lambda: self._artifacts.pack(result.model_dump(mode="json")))
        except Exception as failure:  # noqa: BLE001 - dbos would record it as the end of the workflow
            self._faults.stop(failure, workflow)
            await self._gate.park()

    def _own_task(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _interrupt(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _begin(self, flow: str, given: Value) -> None:
        status = await DBOS.get_workflow_status_async(self._run)
        if status is None:
            packed = await asyncio.to_thread(lambda: self._artifacts.pack(given.model_dump(mode="json")))
            with SetWorkflowID(self._run):
                await DBOS.start_workflow_async(self._flow(flow), packed)
        elif status.status in LIVING:
            await self._take_up()

    def _flow(self, name: str) -> Start:
        if name not in self._flows:
            raise InternalFault(f"No flow named {name!r} is registered", where=self._run)
        return self._flows[name]

    async def _take_up(self) -> None:
        """Hands every unfinished workflow of this folder to this process: the run's lock says that no other has it."""
        left = await DBOS.list_workflows_async(status=LIVING, load_input=False, load_output=False)
        for workflow in left:
            if workflow.app_version != APPLICATION_VERSION or workflow.name not in self._flows:
                raise UsageFault(
                    f"The run was begun by another version of swarm ({workflow.app_version}, {workflow.name})",
                    where=self._run,
                    remedy="Resume it with that version, or start it anew.",
                )
        await DBOS.resume_workflows_async([w.workflow_id for w in left], queue_name=QUEUE)

    async def _outcome(self) -> dict[str, Any] | None:
        ended = asyncio.create_task(self._ended())
        stopped = asyncio.create_task(self._gate.stopped())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._gate.drained(self._drain_seconds)
                # The last step may have been the end of the run: give that one look at the database.
                await asyncio.wait({ended}, timeout=2 * POLL_SECONDS)
            return ended.result() if ended.done() else None
        finally:
            ended.cancel()
            stopped.cancel()

    async def _ended(self) -> dict[str, Any] | None:
        """The result once there is one; None when the run was cancelled, here or by another process."""
        handle: WorkflowHandleAsync[Any] = await DBOS.retrieve_workflow_async(
            self._run, existing_workflow=False
        )
        # The handle's own get_result would also serialise what it gets, and a cancellation is no JSON.
        await DBOS.wait_first_async([handle], polling_interval_sec=POLL_SECONDS)
        try:
            packed = await DBOS.get_result_async(self._run)
        except error.DBOSAwaitedWorkflowCancelledError:
            self._gate.stop(CancelFault(f"The run {self._run} was cancelled"))
            self._interrupt()
            return None
        result = await asyncio.to_thread(self._artifacts.unpack, packed)
        return cast("dict[str, Any]", result)


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True)


def _on(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
