"""A model that follows a script, behind the port: for tests of everything above it. No network, no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from swarm.adapters.fakes.script import Drop, Fault, Garbage, Hang, HttpError, Part, Script
from swarm.domain.conversation import ModelReply, ModelRequest, Usage
from swarm.domain.errors import ContextOverflow, ModelFault

WHERE = "the scripted model"


class ScriptedModel:
    """Answers by a script and keeps the `requests` it got, in order.

    A fault of the script is what the real adapter makes of it after its retries: HttpError, Drop and a Hang that ends
    are a ModelFault (ContextOverflow for the code `context_length_exceeded`); Garbage is a reply with that text and no
    tool call. Replies without a usage get an estimated one, so that budgets and reports have something to count.
    """

    def __init__(
        self,
        script: Mapping[tuple[str, str], Part] | Script,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._script = script if isinstance(script, Script) else Script(script)
        self._sleep = sleep
        self.requests: list[ModelRequest] = []

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The script's answer."""
        self.requests.append(request)
        line = self._script.next(request)
        if isinstance(line, Hang):
            await self._sleep(line.seconds)
        if isinstance(line, Garbage):
            line = ModelReply(content=line.body)
        if isinstance(line, ModelReply):
            return (
                line
                if line.usage.calls
                else line.model_copy(update={"usage": estimated_usage(request, line)})
            )
        raise _fault(line)


def estimated_usage(request: ModelRequest, reply: ModelReply) -> Usage:
    """A plausible usage: about 3 characters a token, everything but the newest message from the cache."""
    chars = len(reply.content) + sum(len(call.arguments) for call in reply.tool_calls)
    prompt = max(1, request.estimated_tokens)
    fresh = len(request.messages[-1].content) // 3 if request.messages else 0
    cached = max(0, prompt - fresh) if request.turn > 1 else 0
    return Usage(
        calls=1, input_tokens=prompt, cached_tokens=cached, output_tokens=max(1, chars // 3), estimated=True
    )


def _fault(line: Fault) -> ModelFault:
    if isinstance(line, HttpError):
        kind = ContextOverflow if line.code == "context_length_exceeded" else ModelFault
        return kind(
            f"The model endpoint failed with HTTP {line.status}: {line.message}",
            status=line.status,
            where=WHERE,
        )
    reason = "the connection broke" if isinstance(line, Drop) else "no answer in time"
    return ModelFault(f"The model endpoint did not answer: {reason}", where=WHERE, remedy="Resume the run.")
