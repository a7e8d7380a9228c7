"""A goal of six children with ten steps each, run in a process of its own so that tests can kill it at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from swarm.adapters.durable.engine import DbosEngine
from swarm.adapters.durable.gate import StopGate
from swarm.domain.base import Value
from swarm.ports import Durable

CHILDREN = 6
STEPS = 10


class Numbered(Value):
    child: int
    step: int = 0
    total: int = 0


class Summary(Value):
    order: tuple[str, ...]
    totals: dict[str, int]


class Toy:
    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._done = self._read_done()

    def _read_done(self) -> set[str]:
        path = self._folder / "effects.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line.removeprefix("effect ") for line in lines if line.startswith("effect ")}

    def _write(self, name: str, line: str) -> None:
        file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    def _effect(self, given: Numbered) -> Numbered:
        what = f"child{given.child} {given.step}"
        self._write("begun.log", f"{os.getpid()} {what}")
        if what not in self._done:
            time.sleep(self._seconds * (0.5 + (given.child * 7 + given.step * 3) % 10 / 10))
            self._write("effects.log", f"effect {what}")
        return Numbered(child=given.child, step=given.step + 1, total=given.total + given.child * 100 + given.step)

    async def _work(self, given: Numbered) -> Numbered:
        return await asyncio.to_thread(self._effect, given)

    async def child(self, durable: Durable, given: object) -> Numbered:
        state = Numbered.model_validate(given)
        for number in range(STEPS):
            state = await durable.step(f"append:{number}", self._work, state)
        return state

    async def goal(self, durable: Durable, given: object) -> Summary:
        left = [f"child{number}" for number in range(CHILDREN)]
        for number, name in enumerate(left):
            await durable.spawn(name, "child", Numbered(child=number))
        order: list[str] = []
        totals: dict[str, int] = {}
        while left:
            first = await durable.wait_first(left)
            left.remove(first)
            order.append(first)
            self._write(f"order-{os.getpid()}.log", first)
            totals[first] = (await durable.result(first, Numbered)).total
        return Summary(order=tuple(order), totals=dict(sorted(totals.items())))


async def main(folder: Path, seconds: float) -> None:
    toy = Toy(folder, seconds)
    gate = StopGate()
    engine = DbosEngine(folder, {"goal": toy.goal, "child": toy.child}, gate, run="toy")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    result = await engine.run("goal", Numbered(child=0))
    await asyncio.to_thread(engine.close)
    sys.stdout.write(json.dumps({"result": result, "reason": str(gate.reason or "")}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
