"""Child workflows, and cancelling them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from support.durable_sessions import ENDLESS, RUN, Counting, Number, Sessions, endless_child, until

from swarm.adapters.durable import client
from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Nothing, Value
from swarm.domain.errors import (
    CancelFault,
    InternalFault,
    WaitingFault,
)
from swarm.ports import Durable, Flow


class Word(Value):
    text: str


class Names(Value):
    names: tuple[str, ...]


async def test_a_run_returns_the_result_of_its_body_as_json(sessions: Sessions) -> None:
    assert await sessions.ended({"goal": Counting().goal}, given=5) == {"n": 9}


async def test_a_run_that_ended_gives_its_result_again_and_runs_nothing(sessions: Sessions) -> None:
    counting = Counting()
    await sessions.ended({"goal": counting.goal})
    assert await sessions.ended({"goal": counting.goal}) == {"n": 4}
    assert counting.ran == [0, 1, 2, 3]


async def slow_child(durable: Durable, given: object) -> Number:
    number = Number.model_validate(given)
    for step in range(3):
        number = await durable.step(f"step:{step}", threaded, number)
    return number


async def threaded(given: Number) -> Number:
    await asyncio.to_thread(time.sleep, 0.1)
    return Number(n=given.n + 1)


async def test_sixteen_children_work_side_by_side(sessions: Sessions) -> None:
    async def goal(durable: Durable, given: object) -> Number:
        names = [f"child{number}" for number in range(16)]
        for number, name in enumerate(names):
            await durable.spawn(name, "child", Number(n=number))
        total = 0
        while names:
            first = await durable.wait_first(names)
            names.remove(first)
            total += (await durable.result(first, Number)).n
        return Number(n=total)

    began = time.monotonic()
    assert await sessions.ended({"goal": goal, "child": slow_child}) == {"n": sum(range(16)) + 16 * 3}
    # One after another would take 16 * 3 * 0.1 = 4.8 s in sleeps alone.
    assert time.monotonic() - began < 4


async def test_children_are_told_apart_by_their_workflow_ids(sessions: Sessions) -> None:
    async def child(durable: Durable, given: object) -> Word:
        return Word(text=durable.workflow)

    async def goal(durable: Durable, given: object) -> Names:
        await durable.spawn("task.api", "child", Nothing())
        await durable.spawn("task.api", "child", Nothing())
        word = await durable.result("task.api", Word)
        return Names(names=(durable.workflow, word.text))

    assert await sessions.ended({"goal": goal, "child": child}) == {"names": [RUN, f"{RUN}.task.api"]}


async def test_the_first_child_to_end_is_the_same_at_a_replay(sessions: Sessions) -> None:
    orders: list[list[str]] = []
    stop = True

    async def nap(given: Number) -> Number:
        await asyncio.sleep(given.n / 5 if stop else 0)
        return given

    async def stops(given: Nothing) -> Nothing:
        if stop:
            raise WaitingFault("once")
        return given

    async def child(durable: Durable, given: object) -> Number:
        return await durable.step("nap", nap, Number.model_validate(given))

    async def goal(durable: Durable, given: object) -> Names:
        names = ["a", "b", "c"]
        for name, seconds in zip(names, (3, 1, 2), strict=True):
            await durable.spawn(name, "child", Number(n=seconds))
        order: list[str] = []
        orders.append(order)
        while names:
            order.append(await durable.wait_first(names))
            names.remove(order[-1])
        await durable.step("stop", stops, Nothing())
        return Names(names=tuple(order))

    flows: dict[str, Flow] = {"goal": goal, "child": child}
    await sessions.run(flows)
    stop = False
    assert await sessions.ended(flows) == {"names": ["b", "c", "a"]}
    assert orders == [["b", "c", "a"], ["b", "c", "a"]]


async def test_waiting_for_a_child_that_was_not_spawned_is_an_internal_fault(sessions: Sessions) -> None:
    async def goal(durable: Durable, given: object) -> Word:
        return Word(text=await durable.wait_first(["ghost"]))

    _, reason = await sessions.run({"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "'ghost'" in str(reason)


async def test_cancelling_ends_the_run_and_its_children_for_good(sessions: Sessions) -> None:
    gate = StopGate()
    async with sessions.engine(ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await engine.cancel()
        assert await asyncio.wait_for(running, 3) is None
    assert isinstance(gate.reason, CancelFault)
    assert sessions.rows("select status from workflow_status") == [("CANCELLED",), ("CANCELLED",)]
    result, reason = await sessions.run(ENDLESS)
    assert result is None
    assert isinstance(reason, CancelFault)


async def test_a_cancel_from_outside_ends_the_process_at_work(sessions: Sessions, tmp_path: Path) -> None:
    gate = StopGate()
    async with sessions.engine(ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await asyncio.to_thread(client.cancel, tmp_path, RUN)
        assert await asyncio.wait_for(running, 3) is None
    assert isinstance(gate.reason, CancelFault)


async def test_a_child_that_was_cancelled_alone_surfaces_as_a_cancel_fault_in_its_parent(
    sessions: Sessions,
    tmp_path: Path,
) -> None:
    gate = StopGate()

    async def goal(durable: Durable, given: object) -> Word:
        await durable.spawn("child", "child", Nothing())
        first = await durable.wait_first(["child"])
        try:
            await durable.result(first, Nothing)
        except CancelFault as fault:
            return Word(text=str(fault))
        return Word(text="not cancelled")

    async with sessions.engine({"goal": goal, "child": endless_child}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await asyncio.to_thread(client.cancel, tmp_path, f"{RUN}.child")
        result = await asyncio.wait_for(running, 5)
    assert gate.reason is None
    assert result == {"text": f"The workflow {RUN}.child was cancelled."}
