"""The port's implementation: one call, made until it succeeds or asking again makes no sense."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from swarm.adapters.model import wire
from swarm.adapters.model.faults import (
    EndpointError,
    Garbage,
    Refused,
    Unreachable,
    asked_wait,
    describe,
    fault,
    passes,
    too_long,
)
from swarm.adapters.model.texts import storable
from swarm.config.prices import Price
from swarm.domain.conversation import ModelReply, ModelRequest

if TYPE_CHECKING:
    from swarm.adapters.model.endpoint import Endpoint

BASE_SECONDS = 0.5
LONGEST_SECONDS = 60.0
RETRIES_BEFORE_FIRST_ANSWER = 2


class OpenAIModel:
    """A chat model behind an OpenAI-compatible endpoint. Safe for concurrent calls, and from several event loops.

    `timeout` bounds one try in seconds, `retries` how often it is made again, `patience` the seconds waited between
    tries in all. `price_of` gives a model's price or None (then money counts as 0). `on_retry` hears one sentence for
    each retry. The clocks, `sleep` and `rng` (0 to 1) are for tests. Backoff is exponential with full jitter
    (Brooker, "Exponential Backoff And Jitter", AWS 2015); a server's own Retry-After is waited out instead.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout: float = 600.0,
        retries: int = 8,
        patience: float = 600.0,
        price_of: Callable[[str], Price | None] = lambda _: None,
        on_retry: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._url = base_url
        self._key = api_key
        self._timeout = timeout
        self._retries = retries
        self._patience = patience
        self._price_of = price_of
        self._on_retry = on_retry
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._dialects: dict[str, wire.Dialect] = {}
        self._answered = False
        self._endpoints: WeakKeyDictionary[asyncio.AbstractEventLoop, Endpoint] = WeakKeyDictionary()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer to one request. Raises ModelFault after the retries, ContextOverflow at once."""
        tries, waited = 0, 0.0
        while True:
            tries += 1
            try:
                return await self._in_its_dialect(request)
            except EndpointError as error:
                delay = self._delay(error, tries)
                if not self._go_on(error, tries, waited + delay):
                    raise fault(error, url=self._url, model=request.model, tries=tries) from error
                self._on_retry(
                    f"{request.task}, turn {request.turn}: {describe(error)}; again in {delay:.1f} s"
                )
            await self._sleep(delay)
            waited += delay

    async def list_models(self) -> tuple[str, ...]:
        """The names of the models that the endpoint offers. Raises ModelFault at the first failure."""
        try:
            data = await self._endpoint().models()
            listed = data.get("data")
            if not isinstance(listed, list):
                raise Garbage("JSON that lists no models")
        except EndpointError as error:
            raise fault(error, url=self._url, model="", tries=1) from error
        return tuple(
            storable(e["id"]) for e in listed if isinstance(e, dict) and isinstance(e.get("id"), str)
        )

    async def close(self) -> None:
        """Closes the connections of this event loop."""
        endpoint = self._endpoints.pop(asyncio.get_running_loop(), None)
        if endpoint is not None:
            await endpoint.close()

    def _endpoint(self) -> Endpoint:
        # A connection pool belongs to the loop it was first used in; the engine has one and the CLI another.
        loop = asyncio.get_running_loop()
        if loop not in self._endpoints:
            from swarm.adapters.model.endpoint import Endpoint  # noqa: PLC0415 - slow to import, see there

            self._endpoints[loop] = Endpoint(self._url, self._key, self._timeout)
        return self._endpoints[loop]

    async def _in_its_dialect(self, request: ModelRequest) -> ModelReply:
        """Asks, and once more for each thing that the endpoint turns out not to understand."""
        dialect = self._dialects.get(request.model, wire.Dialect())
        while True:
            try:
                reply = await self._once(request, dialect)
            except Refused as error:
                simpler = _simpler(error, request, dialect)
                if simpler is None:
                    raise
                dialect = simpler
            else:
                # Remembered only now that it helped: the refusal may have had another cause.
                self._dialects[request.model] = dialect
                return reply

    async def _once(self, request: ModelRequest, dialect: wire.Dialect) -> ModelReply:
        endpoint = self._endpoint()
        began = self._monotonic()
        data: dict[str, Any] = await endpoint.chat(wire.payload(request, dialect), wire.headers(request))
        self._answered = True
        return wire.reply(data, request, self._price_of(request.model), self._monotonic() - began)

    def _delay(self, error: EndpointError, tries: int) -> float:
        ceiling = min(LONGEST_SECONDS, BASE_SECONDS * 2.0 ** (tries - 1))
        asked = asked_wait(error, now=self._now())
        # Never sooner than asked, and not all agents in the same moment.
        return ceiling * self._rng() if asked is None else asked + min(1.0, ceiling) * self._rng()

    def _go_on(self, error: EndpointError, tries: int, waited: float) -> bool:
        retries = self._retries
        if isinstance(error, Unreachable) and not error.slow and not self._answered:
            # Nothing ever answered there: most likely the address is wrong, and waiting will not mend it.
            retries = min(retries, RETRIES_BEFORE_FIRST_ANSWER)
        return passes(error) and tries <= retries and waited <= self._patience


def _simpler(error: Refused, request: ModelRequest, dialect: wire.Dialect) -> wire.Dialect | None:
    """A dialect without what the endpoint seems not to understand; None where nothing is left to leave out."""
    if error.status not in {400, 422} or too_long(error):
        return None
    text = f"{error.message} {error.param}".lower()
    if dialect.limit_name in text and dialect.limit_name == "max_completion_tokens":
        return replace(dialect, limit_name="max_tokens")
    if request.response_schema is not None and dialect.response_format:
        return replace(dialect, response_format=False)
    return None
