"""The cost model: the arithmetic that decides between one agent and several."""

from __future__ import annotations

from swarm.domain.goal import Strategy
from swarm.planning.cost import PRICES, Part, Prices, estimate, makespan

NONE: frozenset[int] = frozenset()


def test_independent_work_is_spread_over_the_agents() -> None:
    assert makespan([4, 4, 4, 4], [NONE] * 4, 4) == 4
    assert makespan([4, 4, 4, 4], [NONE] * 4, 2) == 8
    assert makespan([4, 4, 4, 4], [NONE] * 4, 1) == 16


def test_a_chain_takes_its_sum_however_many_agents_there_are() -> None:
    assert makespan([3, 2, 1], [NONE, frozenset({0}), frozenset({1})], 8) == 6


def test_the_longest_remaining_path_goes_first() -> None:
    # In the order given, one agent would do the two short ones first and the chain would end at 7.
    assert makespan([1, 1, 3, 3], [NONE, NONE, NONE, frozenset({2})], 2) == 6


def test_graham_bounds_the_makespan() -> None:
    work = [5.0, 3.0, 8.0, 2.0, 7.0, 4.0]
    after = [NONE, frozenset({0}), NONE, frozenset({1}), NONE, frozenset({2})]
    longest = 12.0
    for agents in range(1, 6):
        bound = sum(work) / agents + (1 - 1 / agents) * longest
        assert max(longest, sum(work) / agents) <= makespan(work, after, agents) <= bound


def test_one_part_is_solo_and_pays_no_overhead_and_no_context() -> None:
    solo = estimate([Part(400, context=50)], 4)
    assert (solo.strategy, solo.work, solo.context) == (Strategy.SOLO, PRICES.turns(400), 0)


def test_context_is_priced_by_alpha() -> None:
    prices = Prices(alpha=0.5)
    bare = estimate([Part(400), Part(400)], 2, prices)
    told = estimate([Part(400), Part(400, context=100)], 2, prices)
    assert told.cost - bare.cost == 50
    assert told.work == bare.work
    assert told.tokens > bare.tokens


def test_context_costs_something_as_long_as_nobody_has_measured_otherwise() -> None:
    bare, told = estimate([Part(400)] * 2, 2), estimate([Part(400, context=500)] * 2, 2)
    assert told.cost > bare.cost


def test_on_long_goals_several_agents_take_fewer_tokens_and_on_short_ones_more() -> None:
    assert estimate([Part(1000)] * 4, 4).tokens < estimate([Part(4000)], 4).tokens
    assert estimate([Part(30)] * 4, 4).tokens > estimate([Part(120)], 4).tokens


def test_tokens_are_the_sum_of_prompts_that_grow_each_turn() -> None:
    prices = Prices(fixed_turns=2, lines_per_turn=10, prompt_tokens=100, tokens_per_line=3, turn_tokens=20)
    # 4 turns: prompts of 130, 180, 230 and 280 (100, context 10 x 3, growth 10 x 3 + 20 a turn), and 60 of output.
    assert prices.tokens(20, 10) == 130 + 180 + 230 + 280 + 60
