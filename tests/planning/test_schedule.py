"""When tasks start, are merged, or are lost."""

from __future__ import annotations

import pytest

from swarm.domain.errors import InternalFault
from swarm.domain.goal import Strategy
from swarm.domain.plan import Plan, Task
from swarm.planning.schedule import doomed, may_merge, ready, remaining


def task(name: str, size: int, hard: tuple[str, ...] = (), soft: tuple[str, ...] = ()) -> Task:
    return Task(
        id=name, title=name, description="", owns=(name,), size=size, depends_on=hard, soft_depends_on=soft
    )


PLAN = Plan(
    goal="g",
    strategy=Strategy.SWARM,
    tasks=(
        task("small", 10),
        task("large", 90),
        task("base", 20),
        task("service", 80, soft=("base",)),
        task("wiring", 30, hard=("service", "large")),
        task("tests", 5, soft=("wiring",)),
    ),
)


def test_the_longest_remaining_path_starts_first() -> None:
    assert remaining(PLAN) == {
        "small": 10,
        "large": 125,
        "base": 135,
        "service": 115,
        "wiring": 35,
        "tests": 5,
    }
    assert ready(PLAN, (), (), ()) == ("base", "large", "service", "small", "tests")


def test_soft_dependencies_hold_back_the_merge_and_not_the_start() -> None:
    assert "service" in ready(PLAN, (), (), ())
    assert not may_merge(PLAN, "service", frozenset())
    assert may_merge(PLAN, "service", frozenset({"base"}))


def test_hard_dependencies_hold_back_the_start() -> None:
    started = frozenset({"base", "large", "service", "small", "tests"})
    assert ready(PLAN, frozenset({"base", "large"}), started, ()) == ()
    assert ready(PLAN, frozenset({"base", "large", "service"}), started, ()) == ("wiring",)


def test_what_was_started_merged_or_failed_does_not_start_again() -> None:
    assert ready(PLAN, {"base"}, {"large"}, {"small"}) == ("service", "tests")


def test_a_failure_dooms_what_comes_after_over_hard_and_soft_dependencies() -> None:
    assert doomed(PLAN, {"base"}) == ("service", "wiring", "tests")
    assert doomed(PLAN, {"small"}) == ()
    assert ready(PLAN, (), (), {"base"}) == ("large", "small")


def test_a_plan_that_was_never_validated_is_refused() -> None:
    cyclic = PLAN.model_copy(update={"tasks": (task("a", 1, hard=("b",)), task("b", 1, soft=("a",)))})
    with pytest.raises(InternalFault, match="cycle"):
        ready(cyclic, (), (), ())
    with pytest.raises(InternalFault, match="unknown"):
        ready(PLAN.model_copy(update={"tasks": (task("a", 1, hard=("b",)),)}), (), (), ())
