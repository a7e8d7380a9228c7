from __future__ import annotations

import re

import pytest

from swarm.config.prices import DEFAULT_PRICES, Price
from swarm.domain.conversation import Usage


def test_cached_input_costs_its_own_price() -> None:
    price = Price(input=2.0, cached_input=0.5, output=8.0)
    usage = Usage(input_tokens=1_000_000, cached_tokens=600_000, output_tokens=500_000)
    assert price.usd(usage) == pytest.approx(0.4 * 2.0 + 0.6 * 0.5 + 0.5 * 8.0)


def test_input_written_to_the_cache_costs_its_own_price() -> None:
    price = Price(input=2.0, cached_input=0.5, cache_write=3.0, output=8.0)
    usage = Usage(input_tokens=1_000_000, cached_tokens=600_000)
    assert price.usd(usage, written=100_000) == pytest.approx(0.3 * 2.0 + 0.6 * 0.5 + 0.1 * 3.0)


def test_without_a_price_of_their_own_cached_tokens_cost_what_input_costs() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=1_000_000)
    assert Price(input=2.0, output=8.0).usd(usage) == pytest.approx(2.0)


def test_every_shipped_price_is_dated() -> None:
    assert [name for name, p in DEFAULT_PRICES.items() if not re.fullmatch(r"\d{4}-\d\d-\d\d", p.dated)] == []
