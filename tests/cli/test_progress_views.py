"""What the events fold into, and how the live view and the plain lines show it."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console
from support.fake_backend import make_event, make_events, make_record

from swarm.cli.live import LiveView, depth, screen
from swarm.cli.plain import PlainView, line
from swarm.cli.progress import PHASES, Progress, TaskProgress, fold
from swarm.cli.text import describe, duration, money, one_line, safe, tokens
from swarm.domain.goal import Limits
from swarm.domain.requests import folder_name


def drawn(
    progress: Progress, *, width: int, height: int = 40, limits: Limits | None = None, now: float = 1075.0
) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    record = make_record(text="a shop with [red]brackets[/red]", limits=limits)
    console.print(screen(record, progress, width=width, height=height, now=now))
    return out.getvalue().splitlines()


def test_the_plan_gives_the_tasks_in_its_order_with_what_they_wait_for() -> None:
    tasks = fold(make_events()).tasks
    assert [(t.id, t.after) for t in tasks.values()] == [("store", ()), ("web", ("store",))]


def test_turns_add_up_for_the_task_and_with_the_planner_for_the_run() -> None:
    progress = fold(make_events())
    assert progress.tasks["store"].usage.tokens == 1000
    assert progress.usage.tokens == 2000
    assert progress.usage.usd == pytest.approx(0.02)


def test_a_merge_by_the_integrator_counts_as_one_with_conflicts() -> None:
    progress = fold([make_event("merge.done", task="web", how="integrator")], fold(make_events()))
    assert (progress.merges, progress.conflicts, progress.tasks["web"].state) == (2, 1, "merged")


def test_a_new_round_of_review_forgets_the_checks_of_the_old_tree() -> None:
    failed = fold([make_event("check.done", name="tests", passed=False)])
    assert failed.checks == {"tests": False}
    assert fold([make_event("phase.started", phase="review")], failed).checks == {}


def test_every_score_is_kept_in_order() -> None:
    events = [make_event("verdict.ready", score=s, threshold=70) for s in (60, 75)]
    assert fold(events).scores == (60, 75)


def test_data_of_an_unexpected_kind_do_not_break_the_view() -> None:
    events = [make_event("task.turn", task="x", turn="one", tokens_in=None, usd="free")]
    assert fold(events).tasks["x"].turn == 0


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    progress = fold([make_event("task.tool", task="web", tool="run", target="x" * 300)], fold(make_events()))
    table = [row for row in drawn(progress, width=width) if "store" in row or "web" in row]
    assert table
    assert max(len(row) for row in drawn(progress, width=width)) <= width


def test_a_wide_terminal_shows_all_columns_and_a_narrow_one_the_state() -> None:
    wide = "\n".join(drawn(fold(make_events()), width=120))
    narrow = "\n".join(drawn(fold(make_events()), width=40))
    for name in ("task", "role", "state", "turn", "last action", "tokens", "money"):
        assert name in wide
    assert "merged" in narrow
    assert "money" not in narrow


def test_dependents_stand_below_what_they_wait_for() -> None:
    rows = drawn(fold(make_events()), width=120)
    assert next(r for r in rows if "web" in r).startswith("└ web")
    assert "after store" in next(r for r in rows if "web" in r)


def test_depth_is_that_of_the_longest_chain_and_a_cycle_ends() -> None:
    chain = {
        "a": TaskProgress("a"),
        "b": TaskProgress("b", after=("a",)),
        "c": TaskProgress("c", after=("a", "b")),
    }
    assert depth(chain) == {"a": 0, "b": 1, "c": 2}
    assert set(depth({"a": TaskProgress("a", after=("b",)), "b": TaskProgress("b", after=("a",))})) == {
        "a",
        "b",
    }


def test_a_low_terminal_shows_the_tasks_at_work_and_counts_the_rest() -> None:
    tasks = {f"t{i}": TaskProgress(f"t{i}", state="done") for i in range(30)}
    tasks["t17"] = TaskProgress("t17", state="running")
    rows = drawn(Progress(tasks=tasks), width=80, height=16)
    assert len(rows) <= 16
    assert any("t17" in r for r in rows)
    assert any("… and" in r for r in rows)


def test_score_checks_and_budget_are_on_the_screen() -> None:
    events = [
        make_event("check.done", name="tests", passed=True),
        make_event("verdict.ready", score=60, threshold=70),
        make_event("verdict.ready", score=75, threshold=70),
    ]
    text = "\n".join(drawn(fold(events, fold(make_events())), width=120, limits=Limits(tokens=4000, usd=2.0)))
    assert "✓ tests" in text
    assert "score 60 → 75 (needs 70)" in text
    assert "2.0k of 4.0k tokens (50%), $0.0200 of $2.00, 1m15s" in text


def test_the_estimate_and_why_stand_under_the_phases() -> None:
    events = make_events()
    planning = [e.kind for e in events].index("plan.estimated") + 1

    assert drawn(fold(events[:planning]), width=100)[2] == "planning takes about 6.0k tokens"
    assert drawn(fold(events), width=100)[2] == "estimate 250.0k tokens; swarm: two tasks beat one"


def test_the_planner_has_a_row_with_its_time_until_there_is_a_plan() -> None:
    events = make_events()
    planning = [e.kind for e in events].index("plan.estimated") + 1

    row = next(r for r in drawn(fold(events[:planning]), width=100, now=1047.0) if "planner" in r)

    assert row.split()[:4] == ["plan", "planner", "running", "45.0s"]
    assert not any("planner" in r for r in drawn(fold(events), width=100))


def test_the_judge_has_a_row_from_the_checks_to_the_verdict() -> None:
    checked = fold(
        [
            make_event("phase.started", phase="review", at=1010.0),
            make_event("check.done", name="tests", passed=True, at=1015.0),
        ],
        fold(make_events()),
    )
    judged = fold([make_event("verdict.ready", score=60, threshold=70, at=1050.0)], checked)

    row = next(r for r in drawn(checked, width=100, now=1030.0) if "judge" in r)
    assert row.split()[:4] == ["round-0", "judge", "running", "15.0s"]
    assert not any("judge" in r for r in drawn(judged, width=100))


def test_gates_of_a_fixer_call_no_judge_and_the_verdict_ends_the_fixer() -> None:
    gates = fold(
        [
            make_event("phase.started", phase="review"),
            make_event("verdict.ready", score=60, threshold=70),
            make_event("task.turn", task="fix-1", role="fixer", turn=1),
            make_event("check.done", name="tests", passed=False),
            make_event("task.turn", task="fix-1", role="fixer", turn=2),
        ]
    )
    ended = fold([make_event("verdict.ready", score=75, threshold=70)], gates)

    assert gates.under_way == ()
    assert (gates.tasks["fix-1"].state, ended.tasks["fix-1"].state) == ("running", "done")


def test_every_phase_that_is_shown_is_one_that_a_run_goes_through() -> None:
    assert PHASES == ("prepare", "plan", "scaffold", "build", "review", "deliver")


def test_a_resumed_view_goes_on_from_the_sessions_before() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, height=30, force_terminal=True)
    seen = fold(make_events())
    view = LiveView(console, clock=lambda: 9000.0)

    view.start(make_record(), seen)
    view.on_event(make_event("run.resumed", text="resume 1", at=9000.5))
    view.on_event(make_event("task.turn", task="web", turn=1, tokens_in=500, tokens_out=0, at=9000.5))
    view.stop()

    last = out.getvalue().rsplit("phases", 1)[-1]
    worked = seen.last - seen.started
    assert "used 2.5k of" in last
    assert "✓ plan" in last
    assert "merges 1" in last
    assert f", {duration(worked)}" in last


def test_a_resumed_run_in_a_pipe_says_how_far_it_had_come() -> None:
    out = io.StringIO()
    PlainView(out).start(make_record(), fold(make_events()))
    assert "so far: 1 of 2 tasks done, 2.0k tokens, $0.0200" in out.getvalue()


def test_the_time_of_a_task_leaves_the_pause_between_sessions_out() -> None:
    events = [
        make_event("task.started", task="web", at=1000.0),
        make_event("task.turn", task="web", turn=1, at=1010.0),
        make_event("run.resumed", at=5000.0),
        make_event("task.turn", task="web", turn=2, at=5004.0),
    ]
    progress = fold(events)
    assert progress.tasks["web"].seconds == pytest.approx(14.0)
    assert progress.seconds(5004.0) == pytest.approx(14.0)


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    ready = make_event("plan.ready", text="solo: 1 tasks, 11 contracts", strategy="solo", tasks=[{"id": "a"}])
    assert describe(ready) == "plan: solo: 1 task, 11 contracts"


def test_markup_in_a_goal_is_text() -> None:
    assert "[red]brackets[/red]" in "\n".join(drawn(Progress(), width=100))


def test_the_live_view_takes_events_from_several_threads_and_leaves_the_last_state() -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, width=100, height=30, force_terminal=True), clock=lambda: 1000.0)
    view.start(make_record(), Progress())

    def tell() -> None:
        for event in make_events():
            view.on_event(event)

    workers = [threading.Thread(target=tell, daemon=True) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    view.notice("finishing")
    view.stop()

    last = out.getvalue().rsplit("phases", 1)[-1]
    assert "used 8.0k of" in last
    assert "finishing" in last
    assert out.getvalue().rstrip().endswith("\x1b[?25h")


def test_plain_lines_leave_out_what_repeats_each_turn() -> None:
    out = io.StringIO()
    view = PlainView(out)
    for event in make_events():
        view.on_event(event)
    assert ("write_file" in out.getvalue() or "turn 1" in out.getvalue(), "planner" in out.getvalue()) == (
        True,
        False,
    )


def test_a_plain_line_has_one_line_whatever_the_text() -> None:
    assert "\n" not in line(make_event("warning", text="one\ntwo\x1b[2J"))


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("\x1b[2Jclear", "clear"),
        ("\x1b]0;title\x07x", "x"),
        ("a\rb", "ab"),
        ("\x9b31mred", "31mred"),
        ("a\u202eb", "ab"),
    ],
)
def test_texts_of_others_lose_what_acts_on_a_terminal(hostile: str, kept: str) -> None:
    assert safe(hostile) == kept


def test_a_cut_line_ends_in_an_ellipsis_and_keeps_the_limit() -> None:
    assert one_line("a  long\ttext", 6) == "a lon…"


def test_numbers_read_well() -> None:
    assert [tokens(n) for n in (999, 1000, 999_949, 999_950, 1_250_000)] == [
        "999",
        "1.0k",
        "999.9k",
        "1.00M",
        "1.25M",
    ]
    assert [duration(s) for s in (4.25, 59.9, 60, 187, 3720)] == ["4.2s", "59.9s", "1m00s", "3m07s", "1h02m"]


def test_money_without_a_price_is_a_dash_and_never_zero() -> None:
    assert [money(0.0, used=100), money(0.0, used=0), money(0.0123), money(12.5)] == [
        "-",
        "$0",
        "$0.0123",
        "$12.50",
    ]


def test_the_folder_of_a_new_repository_is_the_first_free_name() -> None:
    taken = {"a-url-shortener-with-click", "a-url-shortener-with-click-2"}
    assert folder_name("A URL shortener, with click counts", taken=taken.__contains__) == (
        "a-url-shortener-with-click-3"
    )
    assert folder_name("日本語", taken=lambda _: False) == "swarm-project"
