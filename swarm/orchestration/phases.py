"""Seconds per phase, durably."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from swarm.agents.services import Services
from swarm.domain.base import Nothing
from swarm.orchestration.values import Moment
from swarm.ports import Durable

T = TypeVar("T")


class Phases:
    """Times each phase by two recorded moments, so that a replay reports the same seconds."""

    def __init__(self, services: Services, durable: Durable) -> None:
        self._services = services
        self._durable = durable
        self._phase = ""
        self.seconds: dict[str, float] = {}

    async def time(self, phase: str, work: Awaitable[T]) -> T:
        """Awaits the work of a phase and notes its seconds."""
        self._phase = phase
        began = await self._durable.step(f"phase:{phase}:start", self._start, Nothing())
        result = await work
        self._phase = phase
        ended = await self._durable.step(f"phase:{phase}:end", self._end, Nothing())
        self.seconds[phase] = round(max(0.0, ended.at - began.at), 3)
        return result

    async def _start(self, _: Nothing) -> Moment:
        self._services.say("phase.started", text=self._phase, phase=self._phase)
        return Moment(at=self._services.elapsed())

    async def _end(self, _: Nothing) -> Moment:
        self._services.say("phase.finished", text=self._phase, phase=self._phase)
        return Moment(at=self._services.elapsed())
