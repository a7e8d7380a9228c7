"""The whole path from a goal to a branch, with everything real but the model and the container engine."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from support.world import World, finish, turn, write

from swarm.domain.goal import Limits
from swarm.domain.merging import MergeHow
from swarm.domain.report import RunStatus, TaskStatus

PLAN = """\
schema_version: 1
goal: Build two small modules.
summary: Two modules that know nothing of each other.
strategy: swarm
tasks:
- id: alpha
  role: coder
  title: The alpha module
  description: Write alpha.py.
  owns: [alpha.py, tests/test_alpha.py]
  provides: []
  tests: [python -m pytest -q tests/test_alpha.py]
- id: beta
  role: coder
  title: The beta module
  description: Write beta.py.
  owns: [beta.py, tests/test_beta.py]
  tests: [python -m pytest -q tests/test_beta.py]
acceptance: [python -m pytest -q]
"""


TEST = "from {name} import {name}\n\n\ndef test_{name}() -> None:\n    assert {name}() == {value}\n"


def module(name: str, value: int, *, broken: bool = False) -> Any:
    shown = value + 1 if broken else value
    return turn(
        write(f"{name}.py", f"def {name}() -> int:\n    return {shown}\n"),
        write(f"tests/test_{name}.py", TEST.format(name=name, value=value)),
        finish(),
    )


def verdict(mark: int, *findings: dict[str, Any]) -> Any:
    criterion = {"score": mark, "reason": "as it is"}
    names = ("code_quality", "code_organisation", "tests", "security")
    text = json.dumps({**dict.fromkeys(names, criterion), "findings": list(findings), "summary": "seen"})
    from swarm.adapters.fakes.script import says

    return says(text)


def git(world: World, *arguments: str) -> str:
    command = ["git", "-C", str(world.repository.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def with_notes(name: str, value: int) -> Any:
    base = module(name, value)
    shared = write("notes.py", f"def note_{name}() -> str:\n    return {name!r}\n")
    return base.model_copy(update={"tool_calls": (*turn(shared).tool_calls, *base.tool_calls)})


def branch_files(world: World, branch: str) -> list[str]:
    return git(world, "ls-tree", "-r", "--name-only", branch).split()


async def test_a_goal_becomes_a_branch_with_one_merge_commit_per_task(world: World) -> None:
    script = {
        ("coder", "alpha"): [module("alpha", 1)],
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(4)],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.ACCEPTED
    assert outcome.score == 80
    assert {"alpha.py", "beta.py", "tests/test_alpha.py"} <= set(branch_files(world, outcome.branch))
    merges = git(world, "log", "--merges", "--format=%s", outcome.branch).splitlines()
    assert sorted(merges) == ["merge alpha: The alpha module", "merge beta: The beta module"]


async def test_a_failed_gate_goes_back_to_the_same_agent(world: World) -> None:
    script = {
        ("coder", "alpha"): [module("alpha", 1, broken=True), module("alpha", 1)],
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(5)],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.ACCEPTED
    last = next(r for r in world.model.requests if r.task == "alpha" and r.turn == 2)
    assert "Not accepted" in last.messages[-1].content
    assert "assert 2 == 1" in last.messages[-1].content


async def test_finish_without_a_change_is_nudged_then_tried_afresh_then_fails_by_name(world: World) -> None:
    idle = [turn(finish("all done")) for _ in range(6)]
    script = {
        ("coder", "alpha"): idle,
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(5)],
        ("fixer", "fix-1"): [turn(("read_file", {"path": "beta.py"})), *[turn(finish("nothing to do"))] * 3],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    alpha = next(t for t in outcome.tasks if t.task == "alpha")
    assert (alpha.status, alpha.attempts) == (TaskStatus.FAILED, 2)
    assert any("task alpha failed" in problem for problem in outcome.problems)
    assert "beta.py" in branch_files(world, outcome.branch)


async def test_a_container_that_dies_costs_its_agent_no_work(world: World) -> None:
    half = turn(
        write("alpha.py", "def alpha() -> int:\n    return 1\n"), write("notes/untracked.txt", "kept")
    )
    rest = turn(write("tests/test_alpha.py", TEST.format(name="alpha", value=1)), finish())

    def killed(request: Any) -> Any:
        if request.turn == 2:
            world.sandboxes.kill("swarm-test-run-alpha-1")
        return [half, rest][request.turn - 1]

    script: Any = {
        ("coder", "alpha"): killed,
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(5)],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.ACCEPTED
    assert "notes/untracked.txt" in branch_files(world, outcome.branch)
    assert world.heard.of("sandbox.recreated")


async def test_a_real_conflict_goes_to_the_integrator_and_both_sides_survive(world: World) -> None:
    merged = "def note_alpha() -> str:\n    return 'alpha'\n\n\ndef note_beta() -> str:\n    return 'beta'\n"
    resolve = [turn(write("notes.py", merged), finish("kept both"))]
    script = {
        ("coder", "alpha"): [with_notes("alpha", 1)],
        ("coder", "beta"): [with_notes("beta", 2)],
        ("integrator", "integrate-alpha"): resolve,
        ("integrator", "integrate-beta"): resolve,
        ("judge", "round-0"): [verdict(5)],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.ACCEPTED
    assert sorted(m.how for m in outcome.merges) == [MergeHow.CLEAN, MergeHow.INTEGRATOR]
    text = git(world, "show", f"{outcome.branch}:notes.py")
    assert "note_alpha" in text
    assert "note_beta" in text


async def test_a_resolution_that_loses_a_side_is_rejected_with_the_finding(world: World) -> None:
    lossy = turn(write("notes.py", "def note_alpha() -> str:\n    return 'alpha'\n"), finish("took alpha"))
    merged = "def note_alpha() -> str:\n    return 'alpha'\n\n\ndef note_beta() -> str:\n    return 'beta'\n"
    resolve = [lossy, turn(write("notes.py", merged), finish("kept both"))]
    script = {
        ("coder", "alpha"): [with_notes("alpha", 1)],
        ("coder", "beta"): [with_notes("beta", 2)],
        ("integrator", "integrate-alpha"): resolve,
        ("integrator", "integrate-beta"): resolve,
        ("judge", "round-0"): [verdict(5)],
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.ACCEPTED
    second = next(r for r in world.model.requests if r.role == "integrator" and r.turn == 2)
    assert "note_beta" in second.messages[-1].content


async def test_failing_checks_cap_the_score_and_the_fixer_mends_them(world: World) -> None:
    plan = PLAN.replace(
        "acceptance: [python -m pytest -q]", "acceptance: [python -m pytest -q, test -f NOTES.md]"
    )
    script = {
        ("coder", "alpha"): [module("alpha", 1)],
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(5)],
        ("fixer", "fix-1"): [turn(write("NOTES.md", "# Notes\n"), finish("wrote the notes"))],
        ("judge", "round-1"): [verdict(5)],
    }
    outcome = await world.run(world.goal(plan=plan), script)
    assert [(r.number, r.score) for r in outcome.rounds] == [(0, 69), (1, 100)]
    assert outcome.status is RunStatus.ACCEPTED
    assert "NOTES.md" in branch_files(world, outcome.branch)


async def test_a_round_that_lowers_the_score_is_rolled_back(world: World) -> None:
    script = {
        ("coder", "alpha"): [module("alpha", 1)],
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [verdict(3)],
        ("fixer", "fix-1"): [turn(write("WORSE.md", "worse\n"), finish())],
        ("judge", "round-1"): [verdict(2)],
    }
    outcome = await world.run(world.goal(plan=PLAN, limits=Limits(rounds=1)), script)
    assert outcome.status is RunStatus.REJECTED
    assert [r.rolled_back for r in outcome.rounds] == [False, True]
    assert outcome.score == 60
    assert "WORSE.md" not in branch_files(world, outcome.branch)


async def test_a_planner_without_a_valid_blueprint_ends_the_run_with_the_errors(world: World) -> None:
    from swarm.adapters.fakes.script import says

    outcome = await world.run(world.goal(), {("planner", "plan"): [says("I would rather not.")] * 3})
    assert outcome.status is RunStatus.PLAN_FAILED
    assert outcome.problems
    assert len(world.model.requests) == 3


@pytest.mark.parametrize("text", ["", "   "])
async def test_a_judge_without_a_verdict_leaves_the_result_unaccepted(world: World, text: str) -> None:
    from swarm.adapters.fakes.script import says

    script = {
        ("coder", "alpha"): [module("alpha", 1)],
        ("coder", "beta"): [module("beta", 2)],
        ("judge", "round-0"): [says(text)] * 3,
    }
    outcome = await world.run(world.goal(plan=PLAN), script)
    assert outcome.status is RunStatus.REJECTED
    assert outcome.score is None
    assert "alpha.py" in branch_files(world, outcome.branch)
