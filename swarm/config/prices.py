"""What models cost. Prices change, so every one carries the day on which it was valid."""

from __future__ import annotations

from pydantic import Field

from swarm.domain.base import Value
from swarm.domain.conversation import Usage

PER_TOKENS = 1_000_000


class Price(Value):
    """US dollars per million tokens, as listed on the day `dated`.

    `cached_input` is the price of input read from the provider's cache, `cache_write` of input written to it; None
    means that of other input. Tariffs for very long prompts, regions and batches are not represented.
    """

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)
    dated: str = ""

    def usd(self, usage: Usage, *, written: int = 0) -> float:
        """The price of a usage; `written` of its input tokens were written to the cache."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        written = min(written, usage.input_tokens - cached)
        plain = usage.input_tokens - cached - written
        total = plain * self.input + usage.output_tokens * self.output
        total += cached * (self.input if self.cached_input is None else self.cached_input)
        total += written * (self.input if self.cache_write is None else self.cache_write)
        return total / PER_TOKENS


# List prices as third parties reported them on the day they carry: no provider was asked. Who relies on a money budget
# sets their own. A name stands for itself alone: a dated snapshot of a model may cost something else.
DEFAULT_PRICES: dict[str, Price] = {
    "gpt-6.1-sol": Price(input=2.0, cached_input=0.1, cache_write=2.5, output=10.0, dated="2026-09-29"),
    "gpt-6.1-terra": Price(input=1.0, cached_input=0.05, cache_write=1.25, output=5.0, dated="2026-10-26"),
    "gpt-6-sol": Price(input=2.0, cached_input=0.2, cache_write=2.5, output=10.0, dated="2026-09-22"),
    "gpt-6-luna": Price(input=0.1, cached_input=0.01, cache_write=0.125, output=0.5, dated="2026-09-22"),
    "gpt-5.4": Price(input=2.5, cached_input=0.25, output=15.0, dated="2026-04-30"),
    "gpt-5.4-mini": Price(input=0.75, cached_input=0.075, output=4.5, dated="2026-04-30"),
    "gpt-5": Price(input=1.25, cached_input=0.125, output=10.0, dated="2025-08-07"),
    "gpt-5-mini": Price(input=0.25, cached_input=0.025, output=2.0, dated="2025-08-07"),
    "gpt-4.1": Price(input=2.0, cached_input=0.5, output=8.0, dated="2025-04-14"),
    "gpt-4.1-mini": Price(input=0.4, cached_input=0.1, output=1.6, dated="2025-04-14"),
}
