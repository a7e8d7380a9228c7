"""The plan as YAML: there and back, and every problem with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swarm.domain.blueprint import Blueprint
from swarm.domain.goal import Brief, Strategy
from swarm.domain.plan import Plan, Role, SharedFile, Task
from swarm.planning.blueprint import parse_blueprint
from swarm.planning.partition import make_plan
from swarm.planning.planfile import plan_from_yaml, plan_to_yaml

MINIMAL = """\
goal: g
strategy: Swarm
tasks:
  - id: 1
    title: one
    description: d
    owns: [a.py]
  - id: Test_Writer
    role: Test_Writer
    title: two
    description: d
    owns: [b.py]
    depends_on: ["1"]
    soft_depends_on:
"""


@pytest.mark.parametrize("strategy", [Strategy.SWARM, Strategy.SOLO])
def test_a_real_plan_comes_back_equal(strategy: Strategy) -> None:
    blueprint = parse_blueprint(Path(__file__).with_name("url_shortener.json").read_text(encoding="utf-8"))
    assert isinstance(blueprint, Blueprint)
    plan = make_plan("A goal\nof two lines", blueprint, Brief(base="0"), agents=4, strategy=strategy)
    assert plan_from_yaml(plan_to_yaml(plan), "plan.yaml") == plan


@example("", "next line \x85 mark", "1")
@example("bom \ufeff", "separators \u2028 and \u2029\r\n", "null")
@given(
    st.text(),
    st.text(),
    st.sampled_from(["1", "null", "~", "on", "1e3", "- x", "a: b", "#", " x ", "\t", "a\n\nb\n"]),
)
def test_any_text_comes_back_equal(goal: str, content: str, word: str) -> None:
    task = Task(id="1", title=word, description=f"{content}\n{word}", owns=(word,), tests=(word, goal))
    shared = SharedFile(path="x", content=content)
    plan = Plan(goal=goal, summary=word, strategy=Strategy.SOLO, tasks=(task,), shared=(shared,))
    assert plan_from_yaml(plan_to_yaml(plan), "plan.yaml") == plan


def test_descriptions_are_blocks_and_the_head_says_how_to_use_the_file() -> None:
    task = Task(id="a", title="t", description="First.\n\nSecond: line.", owns=("a.py",))
    text = plan_to_yaml(Plan(goal="g", strategy=Strategy.SOLO, tasks=(task,)))
    assert text.startswith("# A plan of swarm.")
    assert "--plan" in text
    assert "    description: |-\n      First.\n\n      Second: line.\n" in text


def test_ids_are_normalised_wherever_they_stand() -> None:
    plan = plan_from_yaml(MINIMAL, "plan.yaml")
    assert isinstance(plan, Plan)
    assert [t.id for t in plan.tasks] == ["1", "test-writer"]
    assert plan.tasks[1].role is Role.TEST_WRITER
    assert plan.tasks[1].depends_on == ("1",)
    assert plan.strategy is Strategy.SWARM


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            MINIMAL.replace("title: two", "titel: two"),
            "plan.yaml:10: tasks[1].titel: Extra inputs are not permitted.",
        ),
        (MINIMAL.replace("    title: two\n", ""), "plan.yaml:8: tasks[1].title: Field required."),
        (MINIMAL.replace("[b.py]", "b.py"), "plan.yaml:12: tasks[1].owns: Input should be a valid tuple."),
        (MINIMAL.replace("role: Test_Writer", "role: boss"), "plan.yaml:9: tasks[1].role: Input should be"),
        (MINIMAL.replace("[a.py]", "[a.py"), "plan.yaml:8: not YAML: "),
        (MINIMAL.replace("    title: two", "    id: two"), "plan.yaml:10: the key `id` stands twice."),
        ("- a\n- b\n", "plan.yaml: a plan is a mapping with goal, strategy, tasks and so on."),
        ("", "plan.yaml: a plan is a mapping"),
        ("a: \x00", "plan.yaml: not YAML: unreadable characters."),
        ("a: &x [1]\nb: !!python/object:os.system [x]\n", "plan.yaml:2: not YAML: "),
    ],
)
def test_problems_carry_file_line_and_field(text: str, problem: str) -> None:
    found = plan_from_yaml(text, "plan.yaml")
    assert isinstance(found, tuple)
    assert any(p.startswith(problem) for p in found), found
