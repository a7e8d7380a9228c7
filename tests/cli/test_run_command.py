"""`swarm run`, `plan`, `resume`, `demo`: exit codes, documents, goals, options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.fake_backend import RUN, FakeBackend, make_events, make_record, make_report
from typer.testing import CliRunner, Result

from swarm.cli.main import create_app
from swarm.config.schemas import schema
from swarm.domain.errors import (
    BudgetFault,
    CancelFault,
    EnvironmentFault,
    InternalFault,
    InterruptFault,
    ModelFault,
    PlanFault,
    SwarmError,
    UsageFault,
    WaitingFault,
)
from swarm.domain.goal import Limits, Strategy
from swarm.domain.report import RunStatus
from swarm.domain.requests import ResumeOverrides

EXIT_CODES = {
    RunStatus.ACCEPTED: 0,
    RunStatus.FAILED: 1,
    RunStatus.REJECTED: 3,
    RunStatus.WAITING: 4,
    RunStatus.BUDGET: 5,
    RunStatus.FAULT: 6,
    RunStatus.PLAN_FAILED: 7,
    RunStatus.CANCELLED: 8,
    RunStatus.INTERRUPTED: 130,
}
FAULTS: list[tuple[SwarmError, int]] = [
    (WaitingFault("paused"), 4),
    (BudgetFault("the budget is used up"), 5),
    (ModelFault("the endpoint does not answer"), 6),
    (PlanFault("no valid plan", problems=("tasks a and b both own x.py",)), 7),
    (CancelFault("cancelled"), 8),
    (InterruptFault("interrupted"), 130),
    (InternalFault("a look-up found nothing"), 1),
]


def invoke(fake: FakeBackend, *args: str, text: str | None = None, interactive: bool = False) -> Result:
    app = create_app(lambda: fake, interactive=lambda: interactive)
    return CliRunner().invoke(app, list(args), input=text)


def document(result: Result, name: str) -> dict[str, Any]:
    """The one document on standard output, checked against its schema; json.loads refuses a second one."""
    value = json.loads(result.stdout)
    jsonschema.validate(value, schema(name))
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(("status", "code"), EXIT_CODES.items())
def test_each_status_has_its_documented_exit_code(status: RunStatus, code: int) -> None:
    assert invoke(FakeBackend(status=status), "run", "a shop").exit_code == code


def test_the_table_of_exit_codes_leaves_no_end_of_a_run_out() -> None:
    assert set(EXIT_CODES) == set(RunStatus) - {RunStatus.RUNNING}


@pytest.mark.parametrize("status", EXIT_CODES)
def test_json_is_exactly_one_valid_report_whatever_the_status(status: RunStatus) -> None:
    result = invoke(FakeBackend(status=status), "run", "a shop", "--json")

    report = document(result, "report")
    assert (report["status"], report["exit_code"]) == (status.value, result.exit_code)


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=lambda v: type(v).__name__)
def test_a_fault_after_the_start_still_gives_one_report_and_its_exit_code(
    fault: SwarmError, code: int
) -> None:
    result = invoke(FakeBackend(error=fault), "run", "a shop", "--json")

    report = document(result, "report")
    assert (result.exit_code, report["exit_code"]) == (code, code)
    assert any(fault.what in p for p in report["problems"])
    assert [t["task"] for t in report["tasks"]] == ["plan", "store", "web"]


def test_an_unexpected_error_after_the_start_gives_a_report_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    result = invoke(FakeBackend(error=ZeroDivisionError("oh")), "run", "a shop", "--json")

    assert result.exit_code == 1
    assert document(result, "report")["status"] == "internal-error"


@pytest.mark.parametrize("refusal", [UsageFault("no such base"), EnvironmentFault("no engine")])
def test_what_fails_before_the_start_is_a_sentence_on_stderr_and_nothing_on_stdout(
    refusal: SwarmError,
) -> None:
    result = invoke(FakeBackend(refusal=refusal), "run", "a shop", "--json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert refusal.what in result.stderr


def test_a_lock_held_by_another_process_is_bad_input_and_no_report() -> None:
    fake = FakeBackend(error=UsageFault("Process 7 works on it"))

    result = invoke(fake, "run", "a shop", "--json")

    assert (result.exit_code, result.stdout) == (2, "")


def test_the_goal_may_be_text() -> None:
    fake = FakeBackend()
    invoke(fake, "run", "  a shop ")
    assert fake.requests[0].goal_text == "a shop"


def test_the_goal_may_come_from_standard_input() -> None:
    fake = FakeBackend()
    invoke(fake, "run", "-", text="a shop\nwith a cart\n")
    assert fake.requests[0].goal_text == "a shop\nwith a cart"


def test_the_goal_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "goal.md").write_text("a shop für alle\n", encoding="utf-8")
    fake = FakeBackend()
    invoke(fake, "run", f"@{tmp_path / 'goal.md'}")
    assert fake.requests[0].goal_text == "a shop für alle"


@pytest.mark.parametrize("goal", ["", "   ", "-", "@", "@missing.md", "@/"])
def test_a_goal_that_is_empty_or_missing_starts_nothing(goal: str) -> None:
    fake = FakeBackend()

    result = invoke(fake, "run", goal, text="  \n")

    assert (result.exit_code, result.stdout, fake.requests) == (2, "", [])
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_goal_file_that_is_not_text_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "goal.bin").write_bytes(b"\xff\xfe\x00")
    result = invoke(FakeBackend(), "run", f"@{tmp_path / 'goal.bin'}")
    assert (result.exit_code, "UTF-8" in result.stderr) == (2, True)


def test_options_reach_the_request() -> None:
    fake = FakeBackend()

    invoke(
        fake, "run", "a shop", "--repo", "../shop", "--base", "v1", "--plan", "p.yaml", "--agents", "3", "--solo",
        "--budget-usd", "1.5", "--budget-tokens", "1000", "--threshold", "80", "--rounds", "2", "--model",
        "replay:r.jsonl", "--record", "out.jsonl", "--profile", "python", "--trust-repo", "--approve",
    )  # fmt: skip

    request = fake.requests[0]
    assert (request.repo, request.new_folder, request.base, request.plan) == ("../shop", "", "v1", "p.yaml")
    assert (request.agents, request.strategy, request.threshold, request.rounds) == (3, Strategy.SOLO, 80, 2)
    assert (request.budget_usd, request.budget_tokens) == (1.5, 1000)
    assert (request.model, request.record, request.profile) == ("replay:r.jsonl", "out.jsonl", "python")
    assert request.trust_repo
    assert request.approve


def test_what_is_not_given_is_left_to_the_settings() -> None:
    fake = FakeBackend()

    invoke(fake, "run", "a shop")

    request = fake.requests[0]
    assert {request.agents, request.strategy, request.threshold, request.rounds, request.model} == {None}


@pytest.mark.parametrize(
    "bad",
    [
        ("--solo", "--swarm"), ("--agents", "0"), ("--threshold", "101"), ("--rounds", "-1"), ("--budget-usd", "0"),
        ("--budget-usd", "nan"), ("--budget-usd", "inf"), ("--budget-tokens", "0"), ("--budget-tokens", "many"),
        ("--nonsense",),
    ],
)  # fmt: skip
def test_bad_options_are_one_sentence_and_start_nothing(bad: tuple[str, ...]) -> None:
    fake = FakeBackend()

    result = invoke(fake, "run", "a shop", *bad)

    assert (result.exit_code, fake.requests) == (2, [])
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_new_repository_is_named_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-shop-with-a-cart").mkdir()

    result = invoke(FakeBackend(), "run", "A shop with a cart, and more")

    assert str(tmp_path / "a-shop-with-a-cart-2") in result.stdout


def test_the_budget_is_shown_before_and_the_estimate_with_the_plan() -> None:
    lines = invoke(FakeBackend(), "run", "a shop").stdout.splitlines()

    budget = next(i for i, line in enumerate(lines) if "at most 8.00M tokens" in line)
    estimate = next(i for i, line in enumerate(lines) if "estimate 250.0k tokens" in line)
    first_agent = next(i for i, line in enumerate(lines) if "task started" in line)
    assert budget < estimate < first_agent


def test_without_a_terminal_progress_is_plain_lines_with_the_time() -> None:
    lines = invoke(FakeBackend(), "run", "a shop").stdout.splitlines()

    written = next(line for line in lines if "task started" in line)
    assert written.split()[1] == "store"
    assert len(written.split()[0].split(":")) == 3


def test_the_end_says_how_to_look_try_and_apply_with_quoted_paths() -> None:
    out = invoke(FakeBackend(), "run", "a shop").stdout

    assert f"swarm diff {RUN}" in out
    assert f"git -C '/home/ada/my shop' worktree add '/home/ada/my shop-{RUN}' swarm/{RUN}" in out
    assert f"swarm apply {RUN}" in out


def test_a_run_that_can_go_on_says_how() -> None:
    assert f"swarm resume {RUN}" in invoke(FakeBackend(status=RunStatus.FAULT), "run", "a shop").stdout


def test_a_fault_is_said_once_and_without_a_traceback() -> None:
    result = invoke(FakeBackend(error=ModelFault("the endpoint does not answer")), "run", "a shop")

    assert result.output.count("the endpoint does not answer") == 1
    assert "Traceback" not in result.output


def test_plan_problems_are_shown_one_a_line() -> None:
    fault = PlanFault("No valid plan came", problems=("a and b both own x.py", "c depends on nothing known"))

    result = invoke(FakeBackend(error=fault), "plan", "a shop")

    assert result.exit_code == 7
    assert result.stderr.splitlines()[-2:] == ["  - a and b both own x.py", "  - c depends on nothing known"]


def test_plan_prints_yaml_alone_on_standard_output() -> None:
    result = invoke(FakeBackend(), "plan", "a shop")
    assert yaml.safe_load(result.stdout)["strategy"] == "solo"


def test_plan_prints_json_when_asked() -> None:
    assert json.loads(invoke(FakeBackend(), "plan", "a shop", "--json").stdout)["strategy"] == "solo"


def test_plan_writes_a_file_and_never_over_one(tmp_path: Path) -> None:
    target = tmp_path / "plan.yaml"

    first = invoke(FakeBackend(), "plan", "a shop", "--out", str(target))
    target.write_text("edited by hand")
    again = FakeBackend()
    second = invoke(again, "plan", "a shop", "--out", str(target))

    assert (first.exit_code, first.stdout) == (0, "")
    assert (second.exit_code, again.requests) == (2, [])
    assert target.read_text() == "edited by hand"


def test_resume_raises_the_limits_and_carries_the_run() -> None:
    fake = FakeBackend()
    fake.store.create(make_record(status=RunStatus.BUDGET))

    result = invoke(fake, "resume", RUN[:6], "--budget-tokens", "9000", "--budget-usd", "2", "--agents", "2")

    assert result.exit_code == 0
    assert fake.resumed == [ResumeOverrides(budget_tokens=9000, budget_usd=2, agents=2)]


def test_a_resume_shows_the_run_from_where_it_stood() -> None:
    fake = FakeBackend()
    fake.store.create(make_record(status=RunStatus.FAULT))
    fake.store.logs[RUN] = list(make_events())

    assert "so far: 1 of 2 tasks done, 2.0k tokens" in invoke(fake, "resume", RUN).stdout


@pytest.mark.parametrize("status", [RunStatus.ACCEPTED, RunStatus.CANCELLED, RunStatus.PLAN_FAILED])
def test_a_run_that_has_ended_is_not_resumed(status: RunStatus) -> None:
    fake = FakeBackend()
    fake.store.create(make_record(status=status))

    result = invoke(fake, "resume", RUN)

    assert (result.exit_code, fake.resumed) == (2, [])
    assert status.value in result.stderr


def test_a_run_that_a_process_works_on_is_not_resumed() -> None:
    fake = FakeBackend()
    fake.store.create(make_record())
    fake.store.lock(RUN)

    result = invoke(fake, "resume", RUN)

    assert (result.exit_code, fake.resumed) == (2, [])
    assert f"swarm logs {RUN} -f" in result.stderr


def test_the_demo_ends_with_what_the_service_answered() -> None:
    lines = invoke(FakeBackend(), "demo").stdout.splitlines()
    heading = "the built service, started in a sandbox and used:"
    assert lines[-3:] == [heading, "POST /links -> 201", "GET /abc -> 302"]


def test_the_demo_says_that_its_numbers_are_the_recordings() -> None:
    sentence = "tokens as recorded; nothing was spent"
    assert sentence in invoke(FakeBackend(), "demo").stdout
    assert sentence not in invoke(FakeBackend(), "run", "a shop").stdout


def test_models_that_differ_are_named_by_tier_before_the_start_and_one_model_once() -> None:
    differing = FakeBackend(tiers={"coder": "small", "judge": "large"})

    several = invoke(differing, "run", "a shop").stdout
    one = invoke(FakeBackend(), "run", "a shop").stdout

    assert "models: planner m-1, coder small, premium m-1, judge large;" in several
    assert "; model m-1;" in one


def test_the_end_lists_the_marks_and_the_findings_with_the_worst_first() -> None:
    lines = invoke(FakeBackend(status=RunStatus.REJECTED), "run", "a shop").stdout.splitlines()

    assert "marks    code quality 4, code organisation 4, tests 4, security 4 (each of 5)" in [
        line.rstrip() for line in lines
    ]
    found = [line.split()[0] for line in lines if "→" in line]
    assert found == ["blocker", "minor"]
    assert any("shop/store.py:3  no limit → add one" in line for line in lines)


def test_a_run_that_was_not_accepted_says_how_to_go_on_from_its_branch() -> None:
    out = invoke(FakeBackend(status=RunStatus.REJECTED), "run", "a shop").stdout

    assert f"swarm diff {RUN}" in out
    assert f"--repo '/home/ada/my shop' --base swarm/{RUN}" in out
    assert "swarm show" not in out


def test_the_demo_with_json_keeps_standard_output_to_the_report() -> None:
    result = invoke(FakeBackend(), "demo", "--json")
    assert document(result, "report")["status"] == "accepted"
    assert "GET /abc -> 302" in result.stderr


def test_an_unknown_demo_names_those_that_exist() -> None:
    result = invoke(FakeBackend(), "demo", "nothing")
    assert (result.exit_code, "url-shortener" in result.stderr) == (2, True)


def test_the_defaults_named_in_the_help_are_those_of_the_domain() -> None:
    text = " ".join(invoke(FakeBackend(), "run", "--help").stdout.replace("│", " ").split())
    assert f"(default {Limits().threshold})" in text
    assert f"(default {Limits().rounds})" in text


def test_a_stopped_report_without_tasks_is_completed_from_the_events() -> None:
    fake = FakeBackend()
    fake.store.create(make_record(status=RunStatus.FAULT))
    fake.store.save_report(make_report(status=RunStatus.FAULT).model_copy(update={"tasks": ()}))
    invoke(fake, "resume", RUN)  # fills the log with events
    fake.store.save_report(make_report(status=RunStatus.FAULT).model_copy(update={"tasks": ()}))

    report = document(invoke(fake, "show", RUN, "--json"), "report")

    assert report["tasks"][0]["usage"]["cached_tokens"] == 300
