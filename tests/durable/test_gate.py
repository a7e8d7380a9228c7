"""The gate before every step."""

from __future__ import annotations

import asyncio
import gc
import threading

from swarm.adapters.durable.gate import StopGate
from swarm.domain.errors import BudgetFault, WaitingFault


async def parked(gate: StopGate) -> asyncio.Task[None]:
    task = asyncio.create_task(gate.enter())
    await asyncio.sleep(0.01)
    assert not task.done()
    return task


async def drop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def test_an_open_gate_lets_steps_in_at_once() -> None:
    await asyncio.wait_for(StopGate().enter(), 0.1)


async def test_a_stopped_gate_lets_nobody_in() -> None:
    gate = StopGate()
    gate.stop(WaitingFault("paused"))
    await drop(await parked(gate))


def test_the_first_reason_stays() -> None:
    gate = StopGate()
    first = WaitingFault("paused")
    gate.stop(first)
    gate.stop(BudgetFault("budget"))
    assert gate.reason is first


async def test_a_stop_in_another_thread_is_noticed() -> None:
    gate = StopGate()
    threading.Timer(0.05, gate.stop, args=(WaitingFault("paused"),)).start()
    await asyncio.wait_for(gate.stopped(), 2)


async def test_a_step_counts_from_its_entry_to_the_end_of_its_block() -> None:
    gate = StopGate()
    with gate.passage() as passage:
        assert gate.under_way == 0
        await passage.enter()
        assert gate.under_way == 1
    assert gate.under_way == 0


async def test_draining_waits_for_the_steps_under_way() -> None:
    gate = StopGate()

    async def step() -> None:
        with gate.passage() as passage:
            await passage.enter()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(step())
    await asyncio.sleep(0.01)
    gate.stop(WaitingFault("paused"))
    assert await gate.drained(timeout=0.01) is False
    assert await gate.drained(timeout=2) is True
    assert task.done()


async def test_a_step_that_parks_no_longer_counts() -> None:
    gate = StopGate()

    async def step() -> None:
        with gate.passage() as passage:
            await passage.enter()
            gate.stop(WaitingFault("paused"))
            await gate.enter()

    task = asyncio.create_task(step())
    await asyncio.sleep(0.01)
    assert await gate.drained(timeout=0) is True
    await drop(task)
    assert gate.under_way == 0


async def test_a_step_that_is_cancelled_no_longer_counts() -> None:
    gate = StopGate()

    async def step() -> None:
        with gate.passage() as passage:
            await passage.enter()
            await asyncio.sleep(60)

    task = asyncio.create_task(step())
    await asyncio.sleep(0.01)
    await drop(task)
    assert gate.under_way == 0


async def test_a_parked_task_that_nobody_holds_is_not_collected() -> None:
    gate = StopGate()
    gate.stop(WaitingFault("paused"))
    task = await parked(gate)
    name = task.get_name()
    del task
    gc.collect()
    (left,) = [t for t in asyncio.all_tasks() if t.get_name() == name]
    await drop(left)
