"""The durable engine on real dbos and SQLite: steps, children, stops, resumes."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from swarm.adapters.durable import client
from swarm.adapters.durable.database import connect
from swarm.adapters.durable.engine import DbosEngine
from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Nothing, Value
from swarm.domain.errors import (
    BudgetFault,
    CancelFault,
    InternalFault,
    OutageFault,
    SwarmError,
    UsageFault,
    WaitingFault,
)
from swarm.ports import Durable, Flow

RUN = "toy-run"


class Number(Value):
    n: int


class Word(Value):
    text: str


class Names(Value):
    names: tuple[str, ...]


async def increment(given: Number) -> Number:
    return Number(n=given.n + 1)


@asynccontextmanager
async def engine_on(folder: Path, flows: Mapping[str, Flow], gate: StopGate) -> AsyncIterator[DbosEngine]:
    engine = DbosEngine(folder, flows, gate, run=RUN)
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.close)


async def run(
    folder: Path, flows: Mapping[str, Flow], given: int = 0
) -> tuple[dict[str, Any] | None, SwarmError | None]:
    """One session on the run: its result, and why it stopped."""
    gate = StopGate()
    async with engine_on(folder, flows, gate) as engine, asyncio.timeout(20):
        result = await engine.run("goal", Number(n=given))
    return result, gate.reason


async def ended(folder: Path, flows: Mapping[str, Flow], given: int = 0) -> dict[str, Any]:
    result, reason = await run(folder, flows, given)
    assert reason is None
    assert result is not None
    return result


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(folder / "swarm.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


class Counting:
    """Work that counts how often each step really ran, and can fail."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.fail_at: dict[int, Exception] = {}

    async def work(self, given: Number) -> Number:
        self.ran.append(given.n)
        if given.n in self.fail_at:
            raise self.fail_at[given.n]
        return Number(n=given.n + 1)

    async def goal(self, durable: Durable, given: object) -> Number:
        number = Number.model_validate(given)
        for step in range(4):
            number = await durable.step(f"step:{step}", self.work, number)
        return number


async def test_a_run_returns_the_result_of_its_body_as_json(tmp_path: Path) -> None:
    assert await ended(tmp_path, {"goal": Counting().goal}, given=5) == {"n": 9}


async def test_a_run_that_ended_gives_its_result_again_and_runs_nothing(tmp_path: Path) -> None:
    counting = Counting()
    await ended(tmp_path, {"goal": counting.goal})
    assert await ended(tmp_path, {"goal": counting.goal}) == {"n": 4}
    assert counting.ran == [0, 1, 2, 3]


async def test_a_stop_fault_in_a_step_stops_the_run_which_resumes_at_that_step(tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[2] = BudgetFault("the budget is reached")
    result, reason = await run(tmp_path, {"goal": counting.goal})
    assert result is None
    assert isinstance(reason, BudgetFault)
    counting.fail_at.clear()
    assert await ended(tmp_path, {"goal": counting.goal}) == {"n": 4}
    assert counting.ran == [0, 1, 2, 2, 3]


async def test_a_failing_step_is_never_recorded(tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[1] = ValueError("a bug")
    await run(tmp_path, {"goal": counting.goal})
    recorded = rows(tmp_path, "select function_name, error from operation_outputs order by function_id")
    assert recorded == [("step:0", None)]
    assert rows(tmp_path, "select status from workflow_status") == [("PENDING",)]


async def test_a_body_never_sees_a_failure_of_a_step(tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[0] = ValueError("a bug")

    async def goal(durable: Durable, given: object) -> Number:
        try:
            return await durable.step("fails", counting.work, Number(n=0))
        except ValueError:
            return Number(n=-1)

    result, reason = await run(tmp_path, {"goal": goal})
    assert result is None
    assert isinstance(reason, InternalFault)


async def test_an_unexpected_exception_in_a_step_is_an_internal_fault_with_its_traceback_kept(
    tmp_path: Path,
) -> None:
    counting = Counting()
    counting.fail_at[1] = ValueError("a bug with sk-abcdefghijklmnop in it")
    _, reason = await run(tmp_path, {"goal": counting.goal})
    assert isinstance(reason, InternalFault)
    assert "ValueError" in str(reason)
    assert "step:1" in reason.where
    kept = (tmp_path / "internal-error.txt").read_text()
    assert "Traceback" in kept
    assert "in work" in kept
    assert "sk-abc" not in kept


async def test_bad_surroundings_in_the_middle_of_a_run_are_an_outage_that_can_be_resumed(
    tmp_path: Path,
) -> None:
    counting = Counting()
    counting.fail_at[1] = UsageFault("No permission to write")
    _, reason = await run(tmp_path, {"goal": counting.goal})
    assert isinstance(reason, OutageFault)
    counting.fail_at.clear()
    assert await ended(tmp_path, {"goal": counting.goal}) == {"n": 4}


async def test_an_exception_in_a_body_stops_the_run_which_can_still_be_resumed(tmp_path: Path) -> None:
    broken = True

    async def goal(durable: Durable, given: object) -> Number:
        number = await durable.step("first", increment, Number(n=1))
        if broken:
            raise KeyError("body")
        return number

    result, reason = await run(tmp_path, {"goal": goal})
    assert result is None
    assert isinstance(reason, InternalFault)
    broken = False
    assert await ended(tmp_path, {"goal": goal}) == {"n": 2}


async def test_a_step_name_used_twice_is_an_internal_fault(tmp_path: Path) -> None:
    async def goal(durable: Durable, given: object) -> Number:
        await durable.step("same", increment, Number(n=1))
        return await durable.step("same", increment, Number(n=2))

    _, reason = await run(tmp_path, {"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "'same' is used twice" in str(reason)


async def test_two_steps_at_once_in_one_body_are_an_internal_fault(tmp_path: Path) -> None:
    async def goal(durable: Durable, given: object) -> Number:
        one = durable.step("one", increment, Number(n=1))
        two = durable.step("two", increment, Number(n=1))
        results = await asyncio.gather(one, two)
        return results[0]

    _, reason = await run(tmp_path, {"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "one thing at a time" in str(reason)


async def test_a_stop_from_another_thread_lets_the_step_under_way_finish_and_begins_none(
    tmp_path: Path,
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

    async with engine_on(tmp_path, {"goal": goal}, gate) as engine:
        assert await engine.run("goal", Number(n=0)) is None
    assert ran == [0, 1]
    assert rows(tmp_path, "select count(*) from operation_outputs") == [(2,)]
    assert await ended(tmp_path, {"goal": goal}) == {"n": 4}
    assert ran == [0, 1, 2, 3]


async def test_work_that_parks_at_the_gate_does_not_keep_the_run_from_stopping(tmp_path: Path) -> None:
    gate = StopGate()

    async def work(given: Number) -> Number:
        gate.stop(WaitingFault("paused"))
        await gate.enter()
        return given

    async def goal(durable: Durable, given: object) -> Number:
        return await durable.step("parks", work, Number(n=0))

    async with engine_on(tmp_path, {"goal": goal}, gate) as engine:
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


async def test_records_are_read_back_by_the_return_annotation_of_the_work(tmp_path: Path) -> None:
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

    await run(tmp_path, {"goal": goal})
    stop = False
    await ended(tmp_path, {"goal": goal})
    assert seen[0] == [Number(n=4), Word(text="3"), Word(text="odd"), Number(n=6), Number(n=21)]
    assert seen[1] == seen[0]


async def test_work_without_a_return_annotation_is_refused_before_it_runs(tmp_path: Path) -> None:
    ran: list[Number] = []

    async def goal(durable: Durable, given: object) -> Number:
        work: Any = ran.append
        result: Number = await durable.step("bare", work, Number(n=1))
        return result

    _, reason = await run(tmp_path, {"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "no return annotation" in str(reason)
    assert ran == []


async def test_large_results_lie_outside_the_database_and_come_back_whole(tmp_path: Path) -> None:
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
    await run(tmp_path, flows)
    stop = False
    assert await ended(tmp_path, flows) == {"n": 1_000_000}
    assert (tmp_path / "swarm.db").stat().st_size < 1_000_000
    assert len(list((tmp_path / "artifacts").iterdir())) == 1


async def test_a_missing_artifact_stops_the_run_with_its_path(tmp_path: Path) -> None:
    async def large(given: Nothing) -> Word:
        return Word(text="x" * 1_000_000)

    async def stops(given: Nothing) -> Nothing:
        raise WaitingFault("once")

    async def goal(durable: Durable, given: object) -> Nothing:
        await durable.step("large", large, Nothing())
        return await durable.step("stop", stops, Nothing())

    await run(tmp_path, {"goal": goal})
    (artifact,) = (tmp_path / "artifacts").iterdir()
    artifact.unlink()
    _, reason = await run(tmp_path, {"goal": goal})
    assert isinstance(reason, InternalFault)
    assert str(artifact) in str(reason)


async def slow_child(durable: Durable, given: object) -> Number:
    number = Number.model_validate(given)
    for step in range(3):
        number = await durable.step(f"step:{step}", threaded, number)
    return number


async def threaded(given: Number) -> Number:
    await asyncio.to_thread(time.sleep, 0.1)
    return Number(n=given.n + 1)


async def test_sixteen_children_work_side_by_side(tmp_path: Path) -> None:
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
    assert await ended(tmp_path, {"goal": goal, "child": slow_child}) == {"n": sum(range(16)) + 16 * 3}
    # One after another would take 16 * 3 * 0.1 = 4.8 s in sleeps alone.
    assert time.monotonic() - began < 4


async def test_children_are_told_apart_by_their_workflow_ids(tmp_path: Path) -> None:
    async def child(durable: Durable, given: object) -> Word:
        return Word(text=durable.workflow)

    async def goal(durable: Durable, given: object) -> Names:
        await durable.spawn("task.api", "child", Nothing())
        await durable.spawn("task.api", "child", Nothing())
        word = await durable.result("task.api", Word)
        return Names(names=(durable.workflow, word.text))

    assert await ended(tmp_path, {"goal": goal, "child": child}) == {"names": [RUN, f"{RUN}.task.api"]}


async def test_the_first_child_to_end_is_the_same_at_a_replay(tmp_path: Path) -> None:
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
    await run(tmp_path, flows)
    stop = False
    assert await ended(tmp_path, flows) == {"names": ["b", "c", "a"]}
    assert orders == [["b", "c", "a"], ["b", "c", "a"]]


async def test_waiting_for_a_child_that_was_not_spawned_is_an_internal_fault(tmp_path: Path) -> None:
    async def goal(durable: Durable, given: object) -> Word:
        return Word(text=await durable.wait_first(["ghost"]))

    _, reason = await run(tmp_path, {"goal": goal})
    assert isinstance(reason, InternalFault)
    assert "'ghost'" in str(reason)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - what happens is a count in the gate, which has no event
            await asyncio.sleep(0.01)


async def endless(given: Nothing) -> Nothing:
    await asyncio.sleep(3600)
    return given


async def endless_child(durable: Durable, given: object) -> Nothing:
    return await durable.step("endless", endless, Nothing())


async def parent_of_endless(durable: Durable, given: object) -> Nothing:
    await durable.spawn("child", "child", Nothing())
    return await durable.result("child", Nothing)


ENDLESS: dict[str, Flow] = {"goal": parent_of_endless, "child": endless_child}


async def test_cancelling_ends_the_run_and_its_children_for_good(tmp_path: Path) -> None:
    gate = StopGate()
    async with engine_on(tmp_path, ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await engine.cancel()
        assert await asyncio.wait_for(running, 3) is None
    assert isinstance(gate.reason, CancelFault)
    assert rows(tmp_path, "select status from workflow_status") == [("CANCELLED",), ("CANCELLED",)]
    result, reason = await run(tmp_path, ENDLESS)
    assert result is None
    assert isinstance(reason, CancelFault)


async def test_a_cancel_from_outside_ends_the_process_at_work(tmp_path: Path) -> None:
    gate = StopGate()
    async with engine_on(tmp_path, ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await asyncio.to_thread(client.cancel, tmp_path, RUN)
        assert await asyncio.wait_for(running, 3) is None
    assert isinstance(gate.reason, CancelFault)


async def test_a_child_that_was_cancelled_alone_surfaces_as_a_cancel_fault_in_its_parent(
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

    async with engine_on(tmp_path, {"goal": goal, "child": endless_child}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        await asyncio.to_thread(client.cancel, tmp_path, f"{RUN}.child")
        result = await asyncio.wait_for(running, 5)
    assert gate.reason is None
    assert result == {"text": f"The workflow {RUN}.child was cancelled."}


async def hears(durable: Durable, given: object) -> Names:
    first = await durable.wait_event("approval", seconds=20)
    second = await durable.wait_event("approval", seconds=0.1)
    return Names(names=(str(first), str(second)))


async def test_a_message_from_another_process_reaches_the_waiting_body(tmp_path: Path) -> None:
    gate = StopGate()
    async with engine_on(tmp_path, {"goal": hears}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(client.send, tmp_path, RUN, "approval", "yes")
        assert await asyncio.wait_for(running, 5) == {"names": ["yes", "None"]}


async def test_a_message_waits_for_the_run_to_be_resumed(tmp_path: Path) -> None:
    gate = StopGate()
    async with engine_on(tmp_path, {"goal": hears}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await asyncio.sleep(0.3)
        gate.stop(WaitingFault("wants an approval"))
        assert await asyncio.wait_for(running, 3) is None
    client.send(tmp_path, RUN, "approval", "later")
    assert await ended(tmp_path, {"goal": hears}) == {"names": ["later", "None"]}


def test_a_message_to_a_run_that_has_not_begun_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="has not begun"):
        client.send(tmp_path, RUN, "approval", "yes")


async def test_what_a_body_publishes_can_be_read_from_outside(tmp_path: Path) -> None:
    async def goal(durable: Durable, given: object) -> Nothing:
        await durable.publish("progress", Number(n=1))
        await durable.sleep(0.05)
        await durable.publish("progress", Number(n=2))
        return Nothing()

    await ended(tmp_path, {"goal": goal})
    assert client.published(tmp_path, RUN, "progress") == {"n": 2}
    assert client.published(tmp_path, RUN, "other") is None


async def test_the_engine_says_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    counting = Counting()
    counting.fail_at[2] = ValueError("a bug")
    await run(tmp_path, {"goal": counting.goal})
    counting.fail_at.clear()
    await ended(tmp_path, {"goal": counting.goal})
    assert capfd.readouterr() == ("", "")


async def test_closing_takes_under_two_seconds_however_long_a_step_takes(tmp_path: Path) -> None:
    gate = StopGate()
    engine = DbosEngine(tmp_path, ENDLESS, gate, run=RUN)
    running = asyncio.create_task(engine.run("goal", Number(n=0)))
    await until(lambda: gate.under_way == 1)
    began = time.monotonic()
    await asyncio.to_thread(engine.close)
    await asyncio.to_thread(engine.close)
    assert time.monotonic() - began < 2
    running.cancel()
    await asyncio.wait({running})


async def test_threads_still_work_for_the_host_after_closing(tmp_path: Path) -> None:
    await ended(tmp_path, {"goal": Counting().goal})
    assert await asyncio.to_thread(lambda: 7) == 7


async def test_steps_that_do_not_end_are_given_up_after_the_time_to_drain(tmp_path: Path) -> None:
    gate = StopGate()
    engine = DbosEngine(tmp_path, ENDLESS, gate, run=RUN, drain_seconds=0.2)
    running = asyncio.create_task(engine.run("goal", Number(n=0)))
    await until(lambda: gate.under_way == 1)
    gate.stop(WaitingFault("paused"))
    assert await asyncio.wait_for(running, 3) is None
    await asyncio.to_thread(engine.close)


async def test_a_second_engine_in_one_process_is_an_internal_fault(tmp_path: Path) -> None:
    gate = StopGate()
    (tmp_path / "other").mkdir()
    async with engine_on(tmp_path, ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        with pytest.raises(InternalFault, match="second durable engine"):
            await DbosEngine(tmp_path / "other", ENDLESS, StopGate(), run="other").run("goal", Number(n=0))
        running.cancel()
        await asyncio.wait({running})


async def test_a_run_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[2] = WaitingFault("once")
    await run(tmp_path, {"goal": counting.goal})
    with sqlite3.connect(tmp_path / "swarm.db") as database:
        database.execute("update workflow_status set application_version = 'swarm-0'")
    database.close()
    with pytest.raises(UsageFault, match="another version of swarm"):
        await run(tmp_path, {"goal": counting.goal})
    assert rows(tmp_path, "select status from workflow_status") == [("PENDING",)]


async def test_a_database_that_fails_in_the_middle_is_an_outage(tmp_path: Path) -> None:
    async def breaks(given: Nothing) -> Nothing:
        with sqlite3.connect(tmp_path / "swarm.db") as database:
            database.execute("drop table operation_outputs")
        database.close()
        return given

    async def goal(durable: Durable, given: object) -> Nothing:
        return await durable.step("breaks", breaks, Nothing())

    result, reason = await run(tmp_path, {"goal": goal})
    assert result is None
    assert isinstance(reason, OutageFault)
    assert str(tmp_path) in str(reason)


async def test_a_full_disk_in_any_step_is_an_outage_that_says_how_much_is_free(tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[1] = OSError(errno.ENOSPC, "No space left on device")
    _, reason = await run(tmp_path, {"goal": counting.goal})
    assert isinstance(reason, OutageFault)
    assert "bytes are free" in str(reason)


async def test_a_run_whose_folder_is_gone_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="folder is gone"):
        await run(tmp_path / "gone", {"goal": Counting().goal})


async def test_the_database_is_in_wal_mode_with_normal_synchronisation(tmp_path: Path) -> None:
    await ended(tmp_path, {"goal": Counting().goal})
    assert rows(tmp_path, "pragma journal_mode") == [("wal",)]
    connection = connect(tmp_path / "swarm.db")
    assert connection.execute("pragma synchronous").fetchone() == (1,)
    connection.close()


async def test_everything_recorded_is_plain_json(tmp_path: Path) -> None:
    await ended(tmp_path, {"goal": Counting().goal})
    formats = rows(
        tmp_path,
        "select serialization from operation_outputs union select serialization from workflow_status",
    )
    assert formats == [("swarm_json",)]
    (output,) = rows(tmp_path, "select output from operation_outputs where function_name = 'step:0'")
    assert output == ('{"schema_version": 1, "value": {"n": 1}}',)
