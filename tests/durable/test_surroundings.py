"""What is around the bodies: messages, the terminal, the disk, closing."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from pathlib import Path

import pytest
from support.durable_sessions import ENDLESS, RUN, Counting, Number, Sessions, until

from swarm.adapters.durable import client
from swarm.adapters.durable.database import connect
from swarm.adapters.durable.engine import DbosEngine
from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Nothing, Value
from swarm.domain.errors import (
    InternalFault,
    OutageFault,
    UsageFault,
    WaitingFault,
)
from swarm.ports import Durable


class Names(Value):
    names: tuple[str, ...]


async def hears(durable: Durable, given: object) -> Names:
    first = await durable.wait_event("approval", seconds=20)
    second = await durable.wait_event("approval", seconds=0.1)
    return Names(names=(str(first), str(second)))


async def test_a_message_from_another_process_reaches_the_waiting_body(
    sessions: Sessions, tmp_path: Path
) -> None:
    gate = StopGate()
    async with sessions.engine({"goal": hears}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(client.send, tmp_path, RUN, "approval", "yes")
        assert await asyncio.wait_for(running, 5) == {"names": ["yes", "None"]}


async def test_a_message_waits_for_the_run_to_be_resumed(sessions: Sessions, tmp_path: Path) -> None:
    gate = StopGate()
    async with sessions.engine({"goal": hears}, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await asyncio.sleep(0.3)
        gate.stop(WaitingFault("wants an approval"))
        assert await asyncio.wait_for(running, 3) is None
    client.send(tmp_path, RUN, "approval", "later")
    assert await sessions.ended({"goal": hears}) == {"names": ["later", "None"]}


def test_a_message_to_a_run_that_has_not_begun_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="has not begun"):
        client.send(tmp_path, RUN, "approval", "yes")


async def test_what_a_body_publishes_can_be_read_from_outside(sessions: Sessions, tmp_path: Path) -> None:
    async def goal(durable: Durable, given: object) -> Nothing:
        await durable.publish("progress", Number(n=1))
        await durable.sleep(0.05)
        await durable.publish("progress", Number(n=2))
        return Nothing()

    await sessions.ended({"goal": goal})
    assert client.published(tmp_path, RUN, "progress") == {"n": 2}
    assert client.published(tmp_path, RUN, "other") is None


async def test_the_engine_says_nothing_on_the_terminal(
    sessions: Sessions, capfd: pytest.CaptureFixture[str]
) -> None:
    counting = Counting()
    counting.fail_at[2] = ValueError("a bug")
    await sessions.run({"goal": counting.goal})
    counting.fail_at.clear()
    await sessions.ended({"goal": counting.goal})
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


async def test_threads_still_work_for_the_host_after_closing(sessions: Sessions) -> None:
    await sessions.ended({"goal": Counting().goal})
    assert await asyncio.to_thread(lambda: 7) == 7


async def test_steps_that_do_not_end_are_given_up_after_the_time_to_drain(tmp_path: Path) -> None:
    gate = StopGate()
    engine = DbosEngine(tmp_path, ENDLESS, gate, run=RUN, drain_seconds=0.2)
    running = asyncio.create_task(engine.run("goal", Number(n=0)))
    await until(lambda: gate.under_way == 1)
    gate.stop(WaitingFault("paused"))
    assert await asyncio.wait_for(running, 3) is None
    await asyncio.to_thread(engine.close)


async def test_a_second_engine_in_one_process_is_an_internal_fault(
    sessions: Sessions, tmp_path: Path
) -> None:
    gate = StopGate()
    (tmp_path / "other").mkdir()
    async with sessions.engine(ENDLESS, gate) as engine:
        running = asyncio.create_task(engine.run("goal", Number(n=0)))
        await until(lambda: gate.under_way == 1)
        with pytest.raises(InternalFault, match="second durable engine"):
            await DbosEngine(tmp_path / "other", ENDLESS, StopGate(), run="other").run("goal", Number(n=0))
        running.cancel()
        await asyncio.wait({running})


async def test_a_run_of_another_version_is_refused_and_left_alone(sessions: Sessions, tmp_path: Path) -> None:
    counting = Counting()
    counting.fail_at[2] = WaitingFault("once")
    await sessions.run({"goal": counting.goal})
    with sqlite3.connect(tmp_path / "swarm.db") as database:
        database.execute("update workflow_status set application_version = 'swarm-0'")
    database.close()
    with pytest.raises(UsageFault, match="another version of swarm"):
        await sessions.run({"goal": counting.goal})
    assert sessions.rows("select status from workflow_status") == [("PENDING",)]


async def test_a_database_that_fails_in_the_middle_is_an_outage(sessions: Sessions, tmp_path: Path) -> None:
    async def breaks(given: Nothing) -> Nothing:
        with sqlite3.connect(tmp_path / "swarm.db") as database:
            database.execute("drop table operation_outputs")
        database.close()
        return given

    async def goal(durable: Durable, given: object) -> Nothing:
        return await durable.step("breaks", breaks, Nothing())

    result, reason = await sessions.run({"goal": goal})
    assert result is None
    assert isinstance(reason, OutageFault)
    assert str(tmp_path) in str(reason)


async def test_a_full_disk_in_any_step_is_an_outage_that_says_how_much_is_free(sessions: Sessions) -> None:
    counting = Counting()
    counting.fail_at[1] = OSError(errno.ENOSPC, "No space left on device")
    _, reason = await sessions.run({"goal": counting.goal})
    assert isinstance(reason, OutageFault)
    assert "bytes are free" in str(reason)


async def test_a_run_whose_folder_is_gone_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="folder is gone"):
        await Sessions(tmp_path / "gone").run({"goal": Counting().goal})


async def test_the_database_is_in_wal_mode_with_normal_synchronisation(
    sessions: Sessions, tmp_path: Path
) -> None:
    await sessions.ended({"goal": Counting().goal})
    assert sessions.rows("pragma journal_mode") == [("wal",)]
    connection = connect(tmp_path / "swarm.db")
    assert connection.execute("pragma synchronous").fetchone() == (1,)
    connection.close()


async def test_everything_recorded_is_plain_json(sessions: Sessions) -> None:
    await sessions.ended({"goal": Counting().goal})
    for table in ("operation_outputs", "workflow_status"):
        assert sessions.rows(f"select distinct serialization from {table}") == [("swarm_json",)]
    (output,) = sessions.rows("select output from operation_outputs where function_name = 'step:0'")
    assert output == ('{"schema_version": 1, "value": {"n": 1}}',)
