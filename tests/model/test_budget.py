from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.model_fixtures import MakeRequest

from swarm.adapters.budget import BudgetedModel
from swarm.config.prices import Price
from swarm.domain.conversation import ModelReply, ModelRequest, Usage
from swarm.domain.errors import BudgetFault, ModelFault, UsageFault

DEAR = Price(input=1_000_000.0, output=1_000_000.0)  # a dollar a token


class Spender:
    """Uses the whole estimated prompt and what `output` says; counts what it was granted."""

    def __init__(
        self, output: Callable[[int], int] = lambda granted: granted, price: Price | None = None
    ) -> None:
        self.output = output
        self.price = price
        self.granted: list[int] = []
        self.used = 0
        self.most_at_once = 0
        self.under_way = 0

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.granted.append(request.max_output_tokens)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.001 * len(self.granted))
        self.under_way -= 1
        output = min(self.output(request.max_output_tokens), request.max_output_tokens)
        usage = Usage(calls=1, input_tokens=request.estimated_tokens, output_tokens=output)
        self.used += usage.tokens
        return ModelReply(
            usage=usage.model_copy(update={"usd": self.price.usd(usage) if self.price else 0.0})
        )


class Broken:
    async def complete(self, request: ModelRequest) -> ModelReply:
        raise ModelFault("down")


def budget(
    inner: Spender | Broken,
    tokens: int,
    *,
    limit_usd: float | None = None,
    price: Price | None = None,
    **spent: float,
) -> BudgetedModel:
    return BudgetedModel(
        inner,
        tokens=tokens,
        usd=limit_usd,
        spent=Usage.model_validate(spent),
        price_of=lambda _: price,
        resume_command="swarm resume r1",
    )


async def call_until_refused(model: BudgetedModel, request: ModelRequest, workers: int) -> list[BudgetFault]:
    async def work() -> BudgetFault:
        while True:
            try:
                await model.complete(request)
            except BudgetFault as fault:
                return fault

    return list(await asyncio.gather(*(work() for _ in range(workers))))


@pytest.mark.parametrize("limit", [30_000, 50_001, 99_999, 200_000])
async def test_eight_calls_at_once_never_overspend(make_request: MakeRequest, limit: int) -> None:
    inner = Spender()
    faults = await call_until_refused(
        budget(inner, limit), make_request("x" * 3_000, max_output_tokens=9_000), 8
    )
    assert len(faults) == 8
    assert limit - 6_000 < inner.used <= limit


async def test_eight_calls_at_once_never_overspend_money(make_request: MakeRequest) -> None:
    inner = Spender(price=DEAR)
    model = budget(inner, 10**9, limit_usd=60_000.0, price=DEAR)
    await call_until_refused(model, make_request("x" * 3_000, max_output_tokens=9_000), 8)
    assert 54_000 < model.spent.usd <= 60_000


async def test_a_full_budget_lets_calls_run_side_by_side_with_their_whole_output(
    make_request: MakeRequest,
) -> None:
    inner = Spender(output=lambda _: 10)
    model = budget(inner, 1_000_000)
    await asyncio.gather(*(model.complete(make_request(max_output_tokens=16_000)) for _ in range(8)))
    assert inner.most_at_once == 8
    assert set(inner.granted) == {16_000}


async def test_near_the_end_a_call_is_granted_less_output(make_request: MakeRequest) -> None:
    inner = Spender(output=lambda _: 10)
    await budget(inner, 10_000).complete(make_request("x" * 3_000, max_output_tokens=16_000))
    assert 8_900 < inner.granted[0] < 9_000


async def test_a_call_waits_for_what_others_hold_and_do_not_use(make_request: MakeRequest) -> None:
    inner = Spender(output=lambda _: 10)
    model = budget(inner, 21_000)
    await asyncio.gather(*(model.complete(make_request(max_output_tokens=16_000)) for _ in range(8)))
    assert len(inner.granted) == 8
    assert inner.most_at_once < 8


async def test_what_was_spent_before_counts(make_request: MakeRequest) -> None:
    inner = Spender()
    with pytest.raises(BudgetFault):
        await budget(inner, 100_000, input_tokens=99_000).complete(make_request())
    assert inner.granted == []


async def test_a_reached_token_budget_is_a_sentence_with_the_command_to_go_on(
    make_request: MakeRequest,
) -> None:
    with pytest.raises(BudgetFault) as raised:
        await budget(Spender(), 50_000, input_tokens=40_000, output_tokens=9_000).complete(make_request())
    text = str(raised.value)
    assert "49,000 spent, 0 reserved by calls under way, limit 50,000" in text
    assert "swarm resume r1 --budget-tokens 100000" in text


async def test_a_reached_money_budget_is_a_sentence_with_the_command_to_go_on(
    make_request: MakeRequest,
) -> None:
    with pytest.raises(BudgetFault) as raised:
        await budget(Spender(), 10**9, limit_usd=5.0, price=Price(input=1.0, output=10.0), usd=4.99).complete(
            make_request()
        )
    assert "4.9900 USD spent, 0.0000 reserved by calls under way, limit 5;" in str(raised.value)
    assert "swarm resume r1 --budget-usd 10" in str(raised.value)


async def test_a_failed_call_gives_back_what_it_held(make_request: MakeRequest) -> None:
    model = budget(Broken(), 50_000)
    for _ in range(10):
        with pytest.raises(ModelFault):
            await model.complete(make_request(max_output_tokens=16_000))
    assert (model.reserved, model.spent) == (0, Usage())


async def test_a_cancelled_call_gives_back_what_it_held(make_request: MakeRequest) -> None:
    class Hanging(Spender):
        async def complete(self, request: ModelRequest) -> ModelReply:
            await asyncio.Event().wait()
            raise AssertionError

    model = budget(Hanging(), 50_000)
    call = asyncio.create_task(model.complete(make_request()))
    await asyncio.sleep(0)
    assert model.reserved > 0
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert model.reserved == 0


async def test_a_journalled_answer_costs_nothing(make_request: MakeRequest) -> None:
    class Journal(Spender):
        async def complete(self, request: ModelRequest) -> ModelReply:
            return (await super().complete(request)).model_copy(update={"journalled": True})

    model = budget(Journal(), 50_000)
    await model.complete(make_request())
    assert model.spent == Usage()


async def test_money_without_a_price_is_refused(make_request: MakeRequest) -> None:
    with pytest.raises(UsageFault, match="none is known for scripted"):
        await budget(Spender(), 10**9, limit_usd=5.0).complete(make_request())
