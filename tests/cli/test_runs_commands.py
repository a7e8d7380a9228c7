"""Commands on existing runs, on the machine, and the error boundary."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console
from rich.table import Table
from support.fake_backend import RUN, FakeBackend, make_event, make_events, make_record, make_report
from typer.testing import CliRunner, Result

from swarm import __version__
from swarm.cli.backend import Backend, backend, backend_without_file
from swarm.cli.main import create_app
from swarm.cli.render import run_table, task_table
from swarm.cli.session import PIPE_WIDTH
from swarm.cli.text import moment
from swarm.config.schemas import schema
from swarm.domain.errors import UsageFault
from swarm.domain.report import RunStatus, TaskReport, TaskStatus

OTHER = "blog-20261119-9f9f"
COMMANDS = (
    ("run",), ("plan",), ("resume",), ("list",), ("show",), ("logs",), ("diff",), ("cancel",), ("pause",),
    ("apply",), ("clean",), ("doctor",), ("sandbox",), ("sandbox", "build"), ("sandbox", "shell"), ("demo",),
    ("version",), (),
)  # fmt: skip


@pytest.fixture
def fake() -> FakeBackend:
    made = FakeBackend()
    made.store.create(make_record(status=RunStatus.ACCEPTED))
    made.store.save_report(make_report())
    made.store.logs[RUN] = list(make_events())
    made.store.create(make_record(OTHER, text="a blog", status=RunStatus.FAULT))
    return made


def invoke(fake: FakeBackend, *args: str, text: str = "", interactive: bool = False) -> Result:
    return CliRunner().invoke(
        create_app(lambda: fake, interactive=lambda: interactive), list(args), input=text
    )


def printed(table: Table, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue().splitlines()


def document(result: Result, name: str) -> dict[str, Any]:
    value = json.loads(result.stdout)
    jsonschema.validate(value, schema(name))
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "swarm")
def test_every_help_has_an_example(command: tuple[str, ...]) -> None:
    result = invoke(FakeBackend(), *command, "--help")
    assert result.exit_code == 0
    assert f"Example: swarm {' '.join(command)}".strip() in " ".join(result.stdout.split())


def test_the_list_of_commands_that_the_help_test_walks_is_whole() -> None:
    from typer.main import get_command

    names = set(getattr(get_command(create_app()), "commands", {}))
    assert names == {c[0] for c in COMMANDS if c}


@pytest.mark.parametrize("command", ["show", "logs", "diff", "cancel", "pause", "apply", "clean", "resume"])
def test_an_unknown_run_names_the_nearest_and_exits_2(fake: FakeBackend, command: str) -> None:
    result = invoke(fake, command, "shop-20261120-1a2c")

    assert (result.exit_code, result.stdout, fake.done) == (2, "", [])
    assert RUN in result.stderr


def test_list_shows_each_run_on_one_line(fake: FakeBackend) -> None:
    lines = invoke(fake, "list").stdout.splitlines()

    assert [line.split()[:2] for line in lines[1:]] == [[RUN, "accepted"], [OTHER, "stopped-by-fault"]]


def test_a_long_list_keeps_to_one_line_a_run_at_80_columns_and_in_a_pipe() -> None:
    long = make_record(
        text="a goal of many words " * 9, repository=f"/home/{'ada' * 60}/shop", status=RunStatus.FAULT
    )

    narrow, piped = printed(run_table([(long, None)]), 80), printed(run_table([(long, None)]), PIPE_WIDTH)

    assert len(narrow) == len(piped) == 2
    assert narrow[1].split()[:2] == [RUN, "stopped-by-fault"]
    assert narrow[1].count("…") == 2
    assert long.goal.repository in piped[1]
    assert moment(long.started) in narrow[1]


def test_tasks_keep_to_one_line_each_at_80_columns() -> None:
    task = TaskReport(task="t" * 40, role="coder", status=TaskStatus.FAILED, why="because " * 9)
    assert len(printed(task_table([task], width=80), 80)) == 2


def test_a_time_is_shown_in_the_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert moment("2026-11-20T11:10:33+00:00") == "11-20 12:10"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_tasks_of_a_killed_run_are_interrupted_and_keep_their_time(fake: FakeBackend) -> None:
    events = make_events(OTHER)
    fake.store.logs[OTHER] = list(events[:-2])
    fake.store.save(make_record(OTHER, status=RunStatus.INTERRUPTED))

    rows = {line.split()[0]: line.split() for line in invoke(fake, "show", OTHER).stdout.splitlines() if line}

    assert rows["plan"][:3] == ["plan", "planner", "done"]
    assert rows["store"][:3] == ["store", "coder", "interrupted"]
    assert rows["store"][5] == "2.0s"
    assert rows["web"][2] == "waiting"


def test_one_resume_is_said_in_the_singular(fake: FakeBackend) -> None:
    fake.store.save_report(make_report().model_copy(update={"resumes": 1, "repeated_calls": 1}))
    assert "1 resume (1 call repeated)" in invoke(fake, "show", RUN).stdout


def test_list_as_json_holds_the_records(fake: FakeBackend) -> None:
    found = document(invoke(fake, "list", "--json"), "run-list")
    assert [r["run"] for r in found["runs"]] == [RUN, OTHER]


def test_an_empty_list_says_how_to_begin() -> None:
    assert "swarm run" in invoke(FakeBackend(), "list").stdout


def test_show_as_json_is_the_report_of_the_run(fake: FakeBackend) -> None:
    assert document(invoke(fake, "show", RUN[:5], "--json"), "report") == make_report().model_dump(
        mode="json"
    )


def test_show_of_a_run_without_a_report_tells_what_the_events_say(fake: FakeBackend) -> None:
    fake.store.logs[OTHER] = list(make_events(OTHER))

    found = document(invoke(fake, "show", OTHER, "--json"), "report")

    assert (found["status"], found["exit_code"]) == ("stopped-by-fault", 6)
    assert [(t["task"], t["status"]) for t in found["tasks"]] == [
        ("plan", "done"),
        ("store", "done"),
        ("web", "waiting"),
    ]
    assert (found["totals"]["input_tokens"], found["totals"]["calls"]) == (1800, 2)
    assert found["next_step"] == f"swarm resume {OTHER}"


def test_show_of_a_resumed_run_tells_where_it_stands_now(fake: FakeBackend) -> None:
    fake.store.save(make_record(status=RunStatus.RUNNING))
    fake.store.save_report(make_report(status=RunStatus.FAULT))
    fake.store.lock(RUN)

    assert document(invoke(fake, "show", RUN, "--json"), "report")["status"] == "running"


def test_logs_show_all_events_with_date_and_task(fake: FakeBackend) -> None:
    lines = invoke(fake, "logs", RUN).stdout.splitlines()

    assert len(lines) == len(make_events())
    assert "store" in lines[6].split()


def test_logs_of_one_task_leave_the_others_out(fake: FakeBackend) -> None:
    found = document(invoke(fake, "logs", RUN, "--task", "Store", "--json"), "event-list")
    assert {e["task"] for e in found["events"]} == {"store"}


def test_an_unknown_task_names_the_nearest(fake: FakeBackend) -> None:
    result = invoke(fake, "logs", RUN, "--task", "stoer")
    assert (result.exit_code, "store" in result.stderr) == (2, True)


def test_following_a_run_that_has_ended_ends_at_once(fake: FakeBackend) -> None:
    assert invoke(fake, "logs", RUN, "-f").exit_code == 0


def test_following_shows_what_comes_until_the_run_lets_go(fake: FakeBackend) -> None:
    release = fake.store.lock(RUN)

    def goes_on() -> None:
        fake.store.logs[RUN].append(make_event("branch.delivered", text="swarm/x"))
        release()

    timer = threading.Timer(0.2, goes_on)
    timer.start()
    lines = invoke(fake, "logs", RUN, "-f", "--json").stdout.splitlines()
    timer.join()

    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == [e.kind for e in make_events()] + ["branch.delivered"]


def test_escape_sequences_of_others_do_not_reach_the_log(fake: FakeBackend) -> None:
    fake.store.logs[RUN].append(make_event("warning", text="\x1b[31mred\x1b]0;title\x07 \u202eevil\r\nnext"))

    last = invoke(fake, "logs", RUN).stdout.splitlines()[-1]

    assert last.endswith("warning: red evil next")


def test_a_diff_in_a_pipe_is_as_it_is(fake: FakeBackend) -> None:
    out = invoke(fake, "diff", RUN, "--task", "store").stdout
    assert out == fake.diff(RUN, "store")


def test_a_diff_as_json_names_run_and_task(fake: FakeBackend) -> None:
    found = document(invoke(fake, "diff", RUN, "--json"), "diff")
    assert (found["run"], found["task"]) == (RUN, "")


@pytest.mark.parametrize("command", ["cancel", "pause"])
def test_cancel_and_pause_take_the_beginning_of_an_id(fake: FakeBackend, command: str) -> None:
    result = invoke(fake, command, "shop", "--json")
    assert document(result, "done")["run"] == RUN
    assert fake.done == [f"{command} {RUN}"]


def test_apply_shows_the_change_and_asks(fake: FakeBackend) -> None:
    result = invoke(fake, "apply", RUN, text="y\n", interactive=True)

    question = f"Merge swarm/{RUN} (accepted, 80 of 100) into main of /home/ada/my shop?"
    assert result.stdout.index("shop/cart.py") < result.stdout.index(question)
    assert fake.done == [f"apply {RUN} True"]


def test_apply_changes_nothing_after_a_no(fake: FakeBackend) -> None:
    assert invoke(fake, "apply", RUN, text="n\n", interactive=True).exit_code == 0
    assert fake.done == []


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_apply_without_a_terminal_needs_yes(fake: FakeBackend, extra: tuple[str, ...]) -> None:
    result = invoke(fake, "apply", RUN, *extra, interactive=bool(extra))
    assert (result.exit_code, fake.done) == (2, [])
    assert "--yes" in result.stderr


def test_apply_with_yes_does_not_ask(fake: FakeBackend) -> None:
    assert document(invoke(fake, "apply", RUN, "--yes", "--json"), "done")["lines"] == [
        "Merged swarm/x into main."
    ]


def test_apply_of_a_result_that_was_not_accepted_says_so(fake: FakeBackend) -> None:
    fake.store.save_report(make_report(status=RunStatus.REJECTED))
    result = invoke(fake, "apply", RUN, text="n\n", interactive=True)
    assert f"Merge swarm/{RUN} (not accepted, 80 of 100) into main" in result.stdout


def test_apply_asks_nothing_where_it_is_merged_already(fake: FakeBackend) -> None:
    fake.merged = True

    result = invoke(fake, "apply", RUN, interactive=True)

    assert (result.exit_code, fake.done) == (0, [])
    assert result.stdout == f"main of /home/ada/my shop holds swarm/{RUN} already.\n"


def test_apply_asks_nothing_where_the_repository_is_not_ready(fake: FakeBackend) -> None:
    fake.refusal = UsageFault("The work tree has changes that are not committed: a.py")

    result = invoke(fake, "apply", RUN, text="y\n", interactive=True)

    assert (result.exit_code, result.stdout, fake.done) == (2, "", [])


def test_clean_of_one_run_does_not_ask(fake: FakeBackend) -> None:
    assert invoke(fake, "clean", OTHER).exit_code == 0
    assert fake.done == [f"clean {OTHER}"]


def test_clean_of_all_does_not_drop_what_could_go_on_without_a_yes(fake: FakeBackend) -> None:
    result = invoke(fake, "clean")
    assert (result.exit_code, fake.done) == (2, [])
    assert OTHER in result.stderr


@pytest.mark.parametrize(("answer", "left"), [("y\n", set()), ("n\n", {OTHER})])
def test_clean_of_all_does_what_was_answered(fake: FakeBackend, answer: str, left: set[str]) -> None:
    fake.merged = True

    assert invoke(fake, "clean", text=answer, interactive=True).exit_code == 0

    assert set(fake.store.records) == left


def test_clean_of_all_with_yes_takes_all_that_nobody_works_on(fake: FakeBackend) -> None:
    working = "cart-20261120-7777"
    fake.store.create(make_record(working))
    fake.store.lock(working)

    assert invoke(fake, "clean", "--yes").exit_code == 0

    assert set(fake.store.records) == {working}


@pytest.mark.parametrize("run", [(), (RUN,)])
def test_a_result_that_is_not_merged_is_named_and_wants_a_word(
    fake: FakeBackend, run: tuple[str, ...]
) -> None:
    fake.store.remove(OTHER)

    alone = invoke(fake, "clean", *run)
    refused = invoke(fake, "clean", *run, text="n\n", interactive=True)
    assert (alone.exit_code, refused.exit_code, fake.done) == (2, 0, [])
    assert f"1 run has a result that is not merged yet: {RUN}. Its branch stays" in alone.stderr

    agreed = invoke(fake, "clean", *run, text="y\n", interactive=True)
    assert (agreed.exit_code, set(fake.store.records)) == (0, set())


def test_clean_of_all_needs_no_yes_where_all_have_ended_and_are_merged(fake: FakeBackend) -> None:
    fake.store.remove(OTHER)
    fake.merged = True
    assert invoke(fake, "clean").exit_code == 0
    assert fake.done == ["clean None"]


@pytest.mark.parametrize(("missing", "code"), [((), 0), (("engine",), 2), (("colour",), 0)])
def test_doctor_fails_on_what_is_essential_only(missing: tuple[str, ...], code: int) -> None:
    fake = FakeBackend(missing=missing)
    assert invoke(fake, "doctor").exit_code == code
    result = invoke(fake, "doctor", "--json")
    assert (result.exit_code, document(result, "health")["ok"]) == (code, code == 0)


def test_doctor_names_the_remedy_of_what_is_missing_and_no_other() -> None:
    out = invoke(FakeBackend(missing=("engine",)), "doctor").stdout
    assert ("install the engine" in out, "install the key" in out) == (True, False)


def test_settings_that_cannot_be_used_are_a_row_of_doctor_and_hide_no_other() -> None:
    def typo() -> Backend:
        raise UsageFault("There is no setting 'agnets'", where="swarm.toml")

    app = create_app(typo, make_bare_backend=FakeBackend)
    result = CliRunner().invoke(app, ["doctor"])

    assert result.exit_code == 2
    rows = result.stdout.splitlines()
    assert "no setting 'agnets'" in next(r for r in rows if "settings" in r)
    assert any("the engine" in r for r in rows)
    assert CliRunner().invoke(app, ["list"]).exit_code == 2


@pytest.mark.parametrize("agents", ["", "none"])
def test_the_backend_without_settings_is_there_whatever_is_wrong_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agents: str
) -> None:
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "swarm.toml").write_text("agnets = 3\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SWARM_AGENTS", agents)

    with pytest.raises(UsageFault, match="agnets"):
        backend()
    assert backend_without_file().store.runs() == ()


def test_building_a_sandbox_prints_the_tag_alone_on_standard_output() -> None:
    result = invoke(FakeBackend(), "sandbox", "build")
    assert (result.stdout, result.stderr) == ("swarm-sandbox-python:abc\n", "step 1 of 1\n")


def test_a_shell_is_opened_in_place_of_the_command(fake: FakeBackend) -> None:
    opened: list[list[str]] = []
    app = create_app(lambda: fake, interactive=lambda: True, exec=opened.append)

    CliRunner().invoke(app, ["sandbox", "shell", "shop", "store"])

    assert opened == [["docker", "exec", "-it", f"swarm-{RUN}-store-1", "bash"]]


def test_a_shell_without_a_terminal_is_refused(fake: FakeBackend) -> None:
    assert invoke(fake, "sandbox", "shell", RUN, "store").exit_code == 2


@pytest.mark.parametrize("args", [("--version",), ("version",)])
def test_the_version_is_printed(args: tuple[str, ...]) -> None:
    assert invoke(FakeBackend(), *args).stdout == f"swarm {__version__}\n"


def test_no_command_shows_the_help_and_is_a_usage_error() -> None:
    result = invoke(FakeBackend())
    assert (result.exit_code, "Usage: swarm" in result.stdout) == (2, True)


def test_a_mistyped_command_is_one_sentence_with_a_suggestion() -> None:
    result = invoke(FakeBackend(), "rn")
    assert result.exit_code == 2
    assert result.stderr == "swarm: No such command 'rn'. Did you mean 'run'? See: swarm --help\n"


class _Broken:
    def __call__(self) -> Backend:
        raise ZeroDivisionError("division by zero\nand more")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    yield tmp_path
    tmp_path.chmod(0o700)


def test_an_unexpected_error_is_one_sentence_with_the_path_of_the_log(state: Path) -> None:
    result = CliRunner().invoke(create_app(_Broken()), ["list"])

    log = state / "swarm" / "errors.log"
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert str(log) in result.stderr
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("args", [["--debug", "list"], ["list", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(state: Path, args: list[str]) -> None:
    result = CliRunner().invoke(create_app(_Broken()), args)
    assert (result.exit_code, "Traceback" in result.stderr) == (1, True)


def test_a_log_that_cannot_be_written_is_said(state: Path) -> None:
    (state / "swarm").write_text("in the way")
    result = CliRunner().invoke(create_app(_Broken()), ["list"])
    assert (result.exit_code, "could not be written" in result.stderr) == (1, True)


def test_a_keyboard_interrupt_outside_a_run_exits_130() -> None:
    def interrupted() -> Backend:
        raise KeyboardInterrupt

    result = CliRunner().invoke(create_app(interrupted), ["list"])
    assert (result.exit_code, result.output) == (130, "swarm: interrupted.\n")
