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
from swarm.adapters.journal import JournaledModel
from swarm.domain.base import Value
from swarm.domain.conversation import Message, ModelReply, ModelRequest
from swarm.domain.errors import WaitingFault
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


def write(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


class AppendingModel:
    """A model whose answers have an effect in the world: a line in `effects.log`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    async def complete(self, request: ModelRequest) -> ModelReply:
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: ModelRequest) -> ModelReply:
        time.sleep(self._seconds * (0.5 + request.turn * 3 % 10 / 10))
        write(self._folder / "effects.log", f"{request.task} {request.turn}")
        return ModelReply(content=str(request.turn))


class Toy:
    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._model = JournaledModel(AppendingModel(folder, seconds), folder / "journal.jsonl")

    def _write(self, name: str, line: str) -> None:
        write(self._folder / name, line)

    async def _work(self, given: Numbered) -> Numbered:
        task = f"child{given.child}"
        self._write("begun.log", f"{os.getpid()} {task} {given.step}")
        reply = await self._model.complete(
            ModelRequest(
                workflow=f"toy.{task}",
                step=f"append:{given.step}",
                role="coder",
                task=task,
                turn=given.step,
                model="toy",
                messages=(Message(role="user", content=task),),
            )
        )
        total = given.total + given.child * 100 + int(reply.content)
        return Numbered(child=given.child, step=given.step + 1, total=total)

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


async def main(folder: Path, seconds: float, stop_after: float | None) -> None:
    toy = Toy(folder, seconds)
    gate = StopGate()
    engine = DbosEngine(folder, {"goal": toy.goal, "child": toy.child}, gate, run="toy")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if stop_after is not None:
        asyncio.get_running_loop().call_later(stop_after, gate.stop, WaitingFault("paused"))
    result = await engine.run("goal", Numbered(child=0))
    await asyncio.to_thread(engine.close)
    sys.stdout.write(json.dumps({"result": result, "reason": str(gate.reason or "")}) + "\n")


if __name__ == "__main__":
    asyncio.run(
        main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else None)
    )
