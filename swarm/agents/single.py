"""The single calls, planner and judge: one question, one structured answer, and the exact problems sent back."""

from __future__ import annotations

import json
from typing import Any

from swarm.agents.services import Services
from swarm.domain.base import Value
from swarm.domain.conversation import Message, ModelReply, ModelRequest


class AskGiven(Value):
    """A question. `place` is its task in events and recordings; `turn` counts the corrections, from 1.

    `response_schema` is JSON text, so that it is stored as it is.
    """

    role: str
    place: str
    turn: int
    messages: tuple[Message, ...]
    response_schema: str


class Answered(Value):
    """The answer and how long it took."""

    reply: ModelReply
    seconds: float = 0.0


class SingleActivities:
    """The step behind planner and judge."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ask(self, given: AskGiven) -> Answered:
        """Calls the model of the role."""
        services = self._services
        began = services.clock.monotonic()
        schema: dict[str, Any] = json.loads(given.response_schema)
        request = ModelRequest(
            workflow=f"{services.run}/{given.place}",
            step=f"{given.role}:{given.turn}",
            role=given.role,
            task=given.place,
            turn=given.turn,
            model=services.models[given.role],
            messages=given.messages,
            response_schema=schema,
            max_output_tokens=services.max_output_tokens,
        )
        reply = await services.model.complete(request)
        seconds = services.clock.monotonic() - began
        services.say(
            "model.called",
            task=given.place,
            text=f"{given.role} answered",
            role=given.role,
            turn=given.turn,
            tokens_in=reply.usage.input_tokens,
            tokens_out=reply.usage.output_tokens,
            cached=reply.usage.cached_tokens,
            usd=reply.usage.usd,
            seconds=round(seconds, 3),
            drift=reply.drift,
        )
        return Answered(reply=reply, seconds=seconds)


def corrected(
    messages: tuple[Message, ...], reply: ModelReply, problems: tuple[str, ...]
) -> tuple[Message, ...]:
    """The conversation with an answer and what is wrong with it, verbatim, at its end."""
    listing = "\n".join(f"- {problem}" for problem in problems)
    text = f"That answer can't be used. Problems, exactly:\n{listing}\n\nAnswer again, whole, with all of them mended."
    return (*messages, reply.as_message(), Message(role="user", content=text))
