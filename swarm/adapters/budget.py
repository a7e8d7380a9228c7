"""The run's budget. Each call reserves what it may use before it is made, so that calls side by side don't overspend.

A call holds its estimated prompt and the whole output it may give. When the budget runs short it is given less output
(never less than a usual answer), then it waits for the calls under way to give back what they held and did not use;
only when nothing is under way and the rest is still too small has the budget been reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from swarm.config.prices import PER_TOKENS, Price
from swarm.domain.conversation import ModelReply, ModelRequest, Usage
from swarm.domain.errors import BudgetFault, UsageFault
from swarm.ports import Model

USUAL_OUTPUT = 4_000


@dataclass(frozen=True, eq=False)
class _Hold:
    tokens: int
    usd: float
    output: int


class BudgetedModel:
    """A model within a budget. `tokens` and `usd` bound the run (`usd` None: no money budget); `spent` was used before.

    `resume_command` is what a user types to go on (`swarm resume RUN`). Answers of the journal are counted by whoever
    passes `spent`, and never come here; one that does costs nothing.
    """

    def __init__(
        self,
        inner: Model,
        *,
        tokens: int,
        usd: float | None,
        spent: Usage,
        price_of: Callable[[str], Price | None],
        resume_command: str,
    ) -> None:
        self._inner = inner
        self._tokens = tokens
        self._usd = usd
        self._spent = spent
        self._price_of = price_of
        self._resume = resume_command
        self._holds: set[_Hold] = set()
        self._freed = asyncio.Event()

    @property
    def spent(self) -> Usage:
        """What the run used so far, earlier processes included."""
        return self._spent

    @property
    def reserved(self) -> int:
        """Tokens held by the calls under way."""
        return sum(hold.tokens for hold in self._holds)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The inner model's answer. Raises BudgetFault before a call that the budget has no room for."""
        hold = await self._reserve(request)
        try:
            reply = await self._inner.complete(request.model_copy(update={"max_output_tokens": hold.output}))
            if not reply.journalled:
                self._spent += reply.usage
            return reply
        finally:
            self._holds.discard(hold)
            self._freed.set()

    async def _reserve(self, request: ModelRequest) -> _Hold:
        while True:
            # Looking and taking happen without an await between them: no other call can come in.
            hold = self._fitting(request)
            if hold is not None:
                self._holds.add(hold)
                return hold
            if not self._holds:
                raise self._fault(request)
            self._freed.clear()
            await self._freed.wait()

    def _fitting(self, request: ModelRequest) -> _Hold | None:
        price = self._price(request)
        prompt = request.estimated_tokens
        output = min(request.max_output_tokens, self._room(prompt, price))
        if output < min(request.max_output_tokens, USUAL_OUTPUT):
            return None
        usd = _prompt_usd(price, prompt) + output * price.output / PER_TOKENS if price else 0.0
        return _Hold(tokens=prompt + output, usd=usd, output=output)

    def _room(self, prompt: int, price: Price | None) -> int:
        """The tokens of output that both budgets leave; negative where not even the prompt fits."""
        room = self._tokens - self._spent.tokens - self.reserved - prompt
        if self._usd is None or price is None or room < 0:
            return room
        money = (
            self._usd - self._spent.usd - sum(hold.usd for hold in self._holds) - _prompt_usd(price, prompt)
        )
        if money < 0:
            return -1
        return min(room, int(money * PER_TOKENS / price.output)) if price.output else room

    def _price(self, request: ModelRequest) -> Price | None:
        price = self._price_of(request.model)
        if price is None and self._usd is not None:
            raise UsageFault(
                f"A money budget needs a price, and none is known for {request.model}",
                where="budget_usd",
                remedy=f'Add [prices."{request.model}"] to swarm.toml, or use --budget-tokens.',
            )
        return price

    def _fault(self, request: ModelRequest) -> BudgetFault:
        needed = request.estimated_tokens + min(request.max_output_tokens, USUAL_OUTPUT)
        if self._spent.tokens + self.reserved + needed > self._tokens:
            what = (
                f"The token budget is reached: {self._spent.tokens:,} spent, {self.reserved:,} reserved by calls under"
                f" way, limit {self._tokens:,}; the next call needs about {needed:,}"
            )
            more = f"--budget-tokens {2 * self._tokens}"
        else:
            held = sum(hold.usd for hold in self._holds)
            what = (
                f"The money budget is reached: {self._spent.usd:.4f} USD spent, {held:.4f} reserved by calls under way,"
                f" limit {self._usd or 0.0:g}; the next call needs about {needed:,} tokens"
            )
            more = f"--budget-usd {2 * (self._usd or 0.0):g}"
        where = f"{request.task}, turn {request.turn}"
        return BudgetFault(
            what, option=more, where=where, remedy=f"Go on with a larger one: {self._resume} {more}"
        )


def _prompt_usd(price: Price | None, tokens: int) -> float:
    # The dearest that input can be: what of it the cache will serve is not known beforehand.
    return tokens * max(price.input, price.cache_write or 0.0) / PER_TOKENS if price else 0.0
