"""Sessions on one durable run: what a process that starts, works on it and ends would do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from swarm.adapters.durable.engine import DbosEngine
from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Nothing, Value
from swarm.domain.errors import SwarmError
from swarm.ports import Durable, Flow

RUN = "toy-run"


class Number(Value):
    """The input of every goal of these tests, and much of what goes through steps."""

    n: int


class Sessions:
    """Opens the engine on one folder, again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def engine(self, flows: Mapping[str, Flow], gate: StopGate) -> AsyncIterator[DbosEngine]:
        engine = DbosEngine(self._folder, flows, gate, run=RUN)
        try:
            yield engine
        finally:
            await asyncio.to_thread(engine.close)

    async def run(
        self, flows: Mapping[str, Flow], given: int = 0
    ) -> tuple[dict[str, Any] | None, SwarmError | None]:
        """One session: the run's result, and why it stopped."""
        gate = StopGate()
        async with self.engine(flows, gate) as engine, asyncio.timeout(20):
            result = await engine.run("goal", Number(n=given))
        return result, gate.reason

    async def ended(self, flows: Mapping[str, Flow], given: int = 0) -> dict[str, Any]:
        """The last session: the run's result."""
        result, reason = await self.run(flows, given)
        assert reason is None
        assert result is not None
        return result

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the run's database says."""
        database = sqlite3.connect(self._folder / "swarm.db")
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
