"""What a way of cutting the work costs: T(P) = W(P) + α·C(P), and the tokens that it takes.

W is the critical path in agent turns: the parts on the agents there are, simulated, plus what a swarm adds in series.
C are the contract lines that cross into parts. Every constant is a guess to be calibrated from finished runs, and
stands here once.

Turns of a part: FIXED + lines / LINES_PER_TURN. Tokens of a part of t turns: the prompt is sent again each turn and
grows by what was written and read, so input = t·(PROMPT + contract lines·TOKENS_PER_LINE) + GROWTH·t·(t−1)/2, and
output = lines·TOKENS_PER_LINE. Input grows like t²: on long goals a swarm can be cheaper than one agent, on short
ones never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from swarm.domain.goal import Strategy
from swarm.domain.plan import Estimate


@dataclass(frozen=True)
class Prices:
    """The constants of the cost model."""

    fixed_turns: float = 3.0
    """Turns that each agent spends whatever its task: looking around, running the tests, finishing."""
    lines_per_turn: float = 40.0
    """Lines that an agent writes in a turn, over a whole task."""
    swarm_turns: float = 6.0
    """Turns that a swarm adds in series: the scaffold, the last gate, mending what doesn't fit together."""
    part_turns: float = 0.75
    """Turns that each further part adds: its sandbox, its gate, its merge."""
    alpha: float = 0.02
    """The price of context: turns per contract line that crosses into a part."""
    margin: float = 0.1
    """The share of the solo time that a swarm must save to be worth its risk."""
    prompt_tokens: int = 4_000
    """Tokens of the skill, the tools and the goal."""
    tokens_per_line: int = 12
    """Tokens of a line of code or contract."""
    turn_tokens: int = 400
    """Tokens that tool results add to the prompt in a turn, beside what the agent wrote."""

    def turns(self, lines: int) -> float:
        """Turns of one agent for so many lines."""
        return self.fixed_turns + lines / self.lines_per_turn

    def tokens(self, lines: int, context: int) -> int:
        """Input and output tokens of one agent for so many lines, reading so many contract lines."""
        turns = self.turns(lines)
        growth = self.lines_per_turn * self.tokens_per_line + self.turn_tokens
        prompt = self.prompt_tokens + context * self.tokens_per_line
        return round(turns * prompt + growth * turns * (turns - 1) / 2 + lines * self.tokens_per_line)


PRICES = Prices()


@dataclass(frozen=True)
class Part:
    """Work for one agent, as the cost model sees it: `after` are the parts that have to be merged before it starts."""

    lines: int
    context: int = 0
    after: frozenset[int] = field(default_factory=frozenset)


def makespan(work: Sequence[float], after: Sequence[frozenset[int]], agents: int) -> float:
    """The end of the last part on so many agents, longest remaining path first; parts come after their predecessors."""
    tail = _tails(work, after)
    ends: dict[int, float] = {}
    free = [0.0] * max(1, agents)
    waiting = set(range(len(work)))
    while waiting:
        ready = {i: max((ends[j] for j in after[i]), default=0.0) for i in waiting if after[i] <= ends.keys()}
        agent = min(range(len(free)), key=lambda a: free[a])
        soonest = max(free[agent], min(ready.values()))
        chosen = min((i for i in ready if ready[i] <= soonest), key=lambda i: (-tail[i], i))
        ends[chosen] = free[agent] = soonest + work[chosen]
        waiting.remove(chosen)
    return max(ends.values(), default=0.0)


def _tails(work: Sequence[float], after: Sequence[frozenset[int]]) -> Mapping[int, float]:
    """The longest path from each part to the end."""
    tail: dict[int, float] = {}
    while len(tail) < len(work):
        for i in range(len(work)):
            followers = [j for j in range(len(work)) if i in after[j]]
            if i not in tail and all(j in tail for j in followers):
                tail[i] = work[i] + max((tail[j] for j in followers), default=0.0)
    return tail


def estimate(parts: Sequence[Part], agents: int, prices: Prices = PRICES) -> Estimate:
    """The estimate of a cut; one part is solo."""
    swarm = len(parts) > 1
    extra = prices.swarm_turns + prices.part_turns * len(parts) if swarm else 0.0
    work = makespan([prices.turns(p.lines) for p in parts], [p.after for p in parts], agents) + extra
    context = sum(p.context for p in parts) if swarm else 0
    return Estimate(
        strategy=Strategy.SWARM if swarm else Strategy.SOLO,
        parts=len(parts),
        work=round(work, 2),
        context=context,
        cost=round(work + prices.alpha * context, 2),
        tokens=sum(prices.tokens(p.lines, p.context) for p in parts),
    )
