"""Steps and bodies on real dbos and SQLite: what is recorded, what a stop leaves, what a resume finds."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from support.durable_sessions import Counting, Number, Sessions

from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Nothing, Value
from swarm.domain.errors import (
    BudgetFault,
    InternalFault,
    OutageFault,
    UsageFault,
    WaitingFault,
)
from swarm.ports import Durable, Flow


class Word(Value):
    text: str


async def increment(given: Number) -> Number:
    return Number(n=given.n + 1)


async def test_a_stop_fault_in_a_step_stops_the_run_which_resumes_at_that_step(sessions: Sessions) -> None:
    counting = Counting()
    counting.fail_at[2] = BudgetFault("the budget is reached")
    result, reason = await sessions.run({"goal": counting.goal})
    assert result is None
    assert isinstance(reason, BudgetFault)
    counting.fail_at.clear()
    assert await sessions.ended({"goal": counting.goal}) == {"n": 4}
    assert counting.ran == [0, 1, 2, 2, 3]


async def test_a_failing_step_is_never_recorded(sessions: Sessions) -> None:
    counting = Counting()
    counting.fail_at[1] = ValueError("a bug")
    await sessions.run({"goal": counting.goal})
    recorded = sessions.rows("select function_name, error from operation_outputs order by function_id")
    assert recorded == [("step:0", None)]
    assert sessions.rows("select status from workflow_status") == [("PENDING",)]


async def test_a_body_never_sees_a_failure_of_a_step(sessions: Sessions) -> None:
    counting = Counting()
    counting.fail_at[0] = ValueError("a bug")

    async def goal(durable: Durable, given: object) -> Number:
        try:
            return await durable.step("fails", counting.work, Number(n=0))
        except Exception:  # noqa: BLE001 - whatever a body might catch
            return Number(n=-1)

    result, reason = await sessions.run({"goal": goal})
    assert result is None
    assert isinstance(reason, InternalFault)


async def test_an_unexpected_exception_in_a_step_is_an_internal_fault_with_its_traceback_kept(
    sessions: Sessions,
    tmp_path: Path,
) -> None:
    counting = Counting()
    counting.fail_at[1] = ValueError("a bug with sk-abcdefghijklmnop in it")
    _, reason = await sessions.run({"goal": counting.goal})
    assert isinstance(reason, InternalFault)
    assert "ValueError" in str(reason)
    assert "step:1" in reason.where
    kept = (tmp_path / "internal-error.txt").read_text()
    assert "Traceback" in kept
    assert "in work" in kept
    assert "sk-abc" not in kept


async def test_bad_surroundings_in_the_middle_of_a_run_are_an_outage_that_can_be_resumed(
    sessions: Sessions,
) -> None:
    counting = Counting()
    counting.fail_at[1] = UsageFault("No permission to write")
    _, reason = await sessions.run({"goal": counting.goal})
    assert isinstance(reason, OutageFault)
    counting.fail_at.clear()
    assert await sessions.ended({"goal": counting.goal}) == {"n": 4}


async def test_an_exception_in_a_body_stops_the_run_which_can_still_be_resumed(sessions: Sessions) -> None:
    broken = True

    async def goal(durable: Durable, given: object) -> Number:
        number = await durable.step("first", increment, Number(n=1))
        if broken:
            raise KeyError("body")
        return number

    result, reason = await sessions.run({"goal": goal})
    assert result is None
    assert isinstance(reason, InternalFault)
    broken = False
    assert await sessions.ended({"goal": goal}) == {"n": 2}


async def test_a_step_name_used_twice_is_an_internal_fault(sessions: Sessions) -> None:
    async def goal(durable: Durable, given: object) -> Number:
        await durable.step("same", increment, Number(n=1))
        return await durable.step("same", increment, Number(n=2))

    _, reason = await sessions.run({"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "'same' is used twice" in str(reason)


async def test_two_steps_at_once_in_one_body_are_an_internal_fault(sessions: Sessions) -> None:
    async def goal(durable: Durable, given: object) -> Number:
        one = durable.step("one", increment, Number(n=1))
        two = durable.step("two", increment, Number(n=1))
        results = await asyncio.gather(one, two)
        return results[0]

    _, reason = await sessions.run({"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "one thing at a time" in str(reason)


async def test_a_stop_from_another_thread_lets_the_step_under_way_finish_and_begins_none(
    sessions: Sessions,
) -> None:
    gate = StopGate()
    ran: list[int] = []

    async def slow(given: Number) -> Number:
        ran.append(given.n)
        if given.n == 1 and gate.reason is None:
            threading.Thread(target=gate.stop, args=(WaitingFault("paused"),)).start()
            await asyncio.to_thread(time.sleep, 0.3)
        return Number(n=given.n + 1)

    async def goal(durable: Durable, given: object) -> Number:
        number = Number(n=0)
        for step in range(4):
            number = await durable.step(f"step:{step}", slow, number)
        return number

    async with sessions.engine({"goal": goal}, gate) as engine:
        assert await engine.run("goal", Number(n=0)) is None
    assert ran == [0, 1]
    assert sessions.rows("select count(*) from operation_outputs") == [(2,)]
    assert await sessions.ended({"goal": goal}) == {"n": 4}
    assert ran == [0, 1, 2, 3]


async def test_work_that_parks_at_the_gate_does_not_keep_the_run_from_stopping(sessions: Sessions) -> None:
    gate = StopGate()

    async def work(given: Number) -> Number:
        gate.stop(WaitingFault("paused"))
        await gate.enter()
        return given

    async def goal(durable: Durable, given: object) -> Number:
        return await durable.step("parks", work, Number(n=0))

    async with sessions.engine({"goal": goal}, gate) as engine:
        assert await asyncio.wait_for(engine.run("goal", Number(n=0)), 5) is None


class Works:
    async def method(self, given: Number) -> Number:
        return Number(n=given.n * 2)

    async def __call__(self, given: Number) -> Word:
        return Word(text=str(given.n))


async def either(given: Number) -> Number | Word:
    return Word(text="odd") if given.n % 2 else given


async def scaled(factor: int, given: Number) -> Number:
    return Number(n=given.n * factor)


async def test_records_are_read_back_by_the_return_annotation_of_the_work(sessions: Sessions) -> None:
    seen: list[list[Value]] = []
    stop = True

    async def fails_once(given: Nothing) -> Nothing:
        if stop:
            raise WaitingFault("once")
        return given

    async def goal(durable: Durable, given: object) -> Nothing:
        found: list[Value] = [
            await durable.step("method", Works().method, Number(n=2)),
            await durable.step("callable", Works(), Number(n=3)),
            await durable.step("either", either, Number(n=5)),
            await durable.step("or", either, Number(n=6)),
            await durable.step("partial", partial(scaled, 3), Number(n=7)),
        ]
        seen.append(found)
        await durable.step("stop", fails_once, Nothing())
        return Nothing()

    await sessions.run({"goal": goal})
    stop = False
    await sessions.ended({"goal": goal})
    assert seen[0] == [Number(n=4), Word(text="3"), Word(text="odd"), Number(n=6), Number(n=21)]
    assert seen[1] == seen[0]


async def test_work_without_a_return_annotation_is_refused_before_it_runs(sessions: Sessions) -> None:
    ran: list[Number] = []

    async def goal(durable: Durable, given: object) -> Number:
        work: Any = ran.append
        result: Number = await durable.step("bare", work, Number(n=1))
        return result

    _, reason = await sessions.run({"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "no return annotation" in str(reason)
    assert ran == []


async def test_large_results_lie_outside_the_database_and_come_back_whole(
    sessions: Sessions, tmp_path: Path
) -> None:
    text = "é" * 1_000_000
    stop = True

    async def large(given: Nothing) -> Word:
        return Word(text=text)

    async def check(given: Word) -> Number:
        if stop:
            raise WaitingFault("once")
        return Number(n=len(given.text))

    async def child(durable: Durable, given: object) -> Word:
        return Word.model_validate(given)

    async def goal(durable: Durable, given: object) -> Number:
        word = await durable.step("large", large, Nothing())
        await durable.spawn("echo", "child", word)
        word = await durable.result("echo", Word)
        return await durable.step("check", check, word)

    flows: dict[str, Flow] = {"goal": goal, "child": child}
    await sessions.run(flows)
    stop = False
    assert await sessions.ended(flows) == {"n": 1_000_000}
    assert (tmp_path / "swarm.db").stat().st_size < 1_000_000
    assert len(list((tmp_path / "artifacts").iterdir())) == 1


async def test_a_missing_artifact_stops_the_run_with_its_path(sessions: Sessions, tmp_path: Path) -> None:
    async def large(given: Nothing) -> Word:
        return Word(text="x" * 1_000_000)

    async def stops(given: Nothing) -> Nothing:
        raise WaitingFault("once")

    async def goal(durable: Durable, given: object) -> Nothing:
        await durable.step("large", large, Nothing())
        return await durable.step("stop", stops, Nothing())

    await sessions.run({"goal": goal})
    (artifact,) = (tmp_path / "artifacts").iterdir()
    artifact.unlink()
    _, reason = await sessions.run({"goal": goal})
    assert isinstance(reason, InternalFault)
    assert str(artifact) in str(reason)
