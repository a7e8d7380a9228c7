"""The folders of all runs."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.adapters.state import FileRunStore, new_run_id
from swarm.domain.errors import OutageFault, UsageFault
from swarm.domain.goal import Goal
from swarm.domain.report import RunRecord, RunReport, RunStatus
from swarm.domain.storage import storage_fault


def record(
    run: str, *, started: str = "2026-11-20T10:00:00+00:00", status: RunStatus = RunStatus.RUNNING
) -> RunRecord:
    goal = Goal(run=run, text="Build it", repository="/r", base="b", image="i")
    return RunRecord(run=run, goal=goal, status=status, started=started)


@pytest.fixture
def store(tmp_path: Path) -> FileRunStore:
    return FileRunStore(tmp_path / "runs")


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of the only run, until its input ends."""
    code = (
        "import sys; from pathlib import Path; from swarm.adapters.state import FileRunStore\n"
        "FileRunStore(Path(sys.argv[1])).lock(sys.argv[2]); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.parent), folder.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_created_run_is_read_back_whole(store: FileRunStore) -> None:
    folder = store.create(record("api-aaaa", status=RunStatus.WAITING))
    assert folder == store.folder("api-aaaa")
    assert (folder / "artifacts").is_dir()
    assert store.record("api-aaaa") == record("api-aaaa", status=RunStatus.WAITING)


def test_a_run_folder_is_for_its_owner_only(store: FileRunStore) -> None:
    assert store.create(record("api-aaaa")).stat().st_mode & 0o777 == 0o700


def test_creating_a_run_twice_is_refused_and_changes_nothing(store: FileRunStore) -> None:
    store.create(record("api-aaaa", status=RunStatus.ACCEPTED))
    with pytest.raises(UsageFault, match="exists already"):
        store.create(record("api-aaaa"))
    assert store.record("api-aaaa").status is RunStatus.ACCEPTED
    assert [p.name for p in store.folder("api-aaaa").parent.iterdir()] == ["api-aaaa"]


@pytest.mark.parametrize("bad", ["", "../up", "a/b", ".hidden", "Upper"])
def test_an_id_that_is_no_folder_name_is_refused(store: FileRunStore, bad: str) -> None:
    with pytest.raises(UsageFault):
        store.create(record(bad))
    with pytest.raises(UsageFault):
        store.folder(bad)


def test_a_unique_prefix_names_a_run(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    store.create(record("shop-bbbb"))
    assert store.folder("sh").name == "shop-bbbb"
    assert store.record("api").run == "api-aaaa"


def test_a_whole_id_wins_over_longer_ones_that_begin_with_it(store: FileRunStore) -> None:
    store.create(record("api"))
    store.create(record("api-aaaa"))
    assert store.folder("api").name == "api"


def test_a_prefix_of_several_runs_is_refused_with_their_ids(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    store.create(record("api-bbbb"))
    with pytest.raises(UsageFault, match="api-aaaa, api-bbbb"):
        store.folder("api")


def test_an_unknown_id_is_refused_with_the_nearest_ones(store: FileRunStore) -> None:
    store.create(record("url-shortener-7k3f"))
    with pytest.raises(UsageFault, match=r"Did you mean url-shortener-7k3f\?"):
        store.folder("url-shortner-7k3f")


def test_an_unknown_id_without_any_runs_is_refused(store: FileRunStore) -> None:
    with pytest.raises(UsageFault, match="swarm list"):
        store.folder("x")


def test_a_running_run_that_nobody_works_on_is_interrupted(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    assert store.record("api-aaaa").status is RunStatus.INTERRUPTED
    release = store.lock("api-aaaa")
    assert store.record("api-aaaa").status is RunStatus.RUNNING
    release()
    assert store.record("api-aaaa").status is RunStatus.INTERRUPTED


def test_runs_are_listed_newest_first(store: FileRunStore) -> None:
    store.create(record("old-aaaa", started="2026-11-19T10:00:00+00:00"))
    store.create(record("new-bbbb", started="2026-11-20T10:00:00+00:00"))
    assert [r.run for r in store.runs()] == ["new-bbbb", "old-aaaa"]


def test_an_unreadable_folder_is_skipped_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    store = FileRunStore(tmp_path, warnings.append)
    store.create(record("good-aaaa"))
    store.create(record("bad-bbbb"))
    (tmp_path / "bad-bbbb" / "record.json").write_text('{"run": ')
    (tmp_path / "empty-cccc").mkdir()
    assert [r.run for r in store.runs()] == ["good-aaaa"]
    assert len(warnings) == 2
    assert "bad-bbbb" in warnings[0]
    assert "empty-cccc" in warnings[1]


def test_no_runs_yet_is_an_empty_list(store: FileRunStore) -> None:
    assert store.runs() == ()


def test_the_report_is_none_before_there_is_one_and_then_the_last(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    assert store.report("api-aaaa") is None
    report = RunReport(
        run="api-aaaa", status=RunStatus.ACCEPTED, exit_code=0, goal="Build it", repository="/r"
    )
    store.save_report(report.model_copy(update={"score": 10}))
    store.save_report(report)
    assert store.report("api-aaaa") == report


def test_saving_leaves_no_drafts_behind(store: FileRunStore) -> None:
    folder = store.create(record("api-aaaa"))
    store.save(record("api-aaaa", status=RunStatus.BUDGET))
    assert sorted(p.name for p in folder.iterdir()) == ["artifacts", "record.json"]
    assert store.record("api-aaaa").status is RunStatus.BUDGET


def test_a_second_lock_is_refused_with_the_process_that_holds_it(store: FileRunStore) -> None:
    folder = store.create(record("api-aaaa"))
    process = holder(folder)
    try:
        assert store.locked("api-aaaa")
        with pytest.raises(UsageFault, match=f"being worked on by process {process.pid}"):
            store.lock("api-aaaa")
    finally:
        ended(process)


def test_a_killed_process_leaves_no_lock_behind(store: FileRunStore) -> None:
    ended(holder(store.create(record("api-aaaa"))))
    assert not store.locked("api-aaaa")
    store.lock("api-aaaa")()


def test_a_lock_is_exclusive_within_one_process_too(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    release = store.lock("api-aaaa")
    with pytest.raises(UsageFault, match=f"process {os.getpid()}"):
        store.lock("api-aaaa")
    release()
    release()
    store.lock("api-aaaa")()


def test_locks_of_different_runs_do_not_touch_each_other(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    store.create(record("shop-bbbb"))
    releases = [store.lock("api-aaaa"), store.lock("shop-bbbb")]
    for release in releases:
        release()


def test_a_request_reaches_the_process_at_work(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    assert store.requested("api-aaaa") is None
    store.request("api-aaaa", "stop")
    assert store.requested("api-aaaa") == "stop"
    store.request("api-aaaa", "cancel")
    assert store.requested("api-aaaa") == "cancel"
    store.clear_request("api-aaaa")
    assert store.requested("api-aaaa") is None


def test_a_request_to_an_earlier_process_does_not_stop_the_next(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    store.request("api-aaaa", "stop")
    release = store.lock("api-aaaa")
    assert store.requested("api-aaaa") is None
    release()


def test_events_are_read_without_the_torn_last_line(store: FileRunStore) -> None:
    folder = store.create(record("api-aaaa"))
    assert store.events("api-aaaa") == ()
    line = '{"at": 1.0, "kind": "run.started", "run": "api-aaaa"}\n'
    (folder / "events.jsonl").write_text(line + line + line[:20])
    assert [e.kind for e in store.events("api-aaaa")] == ["run.started", "run.started"]


def test_a_damaged_event_in_the_middle_is_skipped_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    store = FileRunStore(tmp_path, warnings.append)
    folder = store.create(record("api-aaaa"))
    line = '{"at": 1.0, "kind": "run.started", "run": "api-aaaa"}\n'
    (folder / "events.jsonl").write_text(line + "garbage\n" + line)
    assert len(store.events("api-aaaa")) == 2
    assert "Line 2" in warnings[0]


def test_a_removed_run_is_gone(store: FileRunStore) -> None:
    folder = store.create(record("api-aaaa"))
    (folder / "hub.git").mkdir()
    (folder / "hub.git" / "object").write_text("x")
    (folder / "hub.git" / "object").chmod(0o444)
    store.remove("api-aaaa")
    assert list(folder.parent.iterdir()) == []


def test_a_run_that_another_process_works_on_is_not_removed(store: FileRunStore) -> None:
    process = holder(store.create(record("api-aaaa")))
    try:
        with pytest.raises(UsageFault, match="being worked on"):
            store.remove("api-aaaa")
    finally:
        ended(process)
    assert store.folder("api-aaaa").is_dir()


def test_who_holds_the_lock_may_remove_the_run(store: FileRunStore) -> None:
    store.create(record("api-aaaa"))
    release = store.lock("api-aaaa")
    store.remove("api-aaaa")
    release()
    assert store.runs() == ()


def test_a_full_disk_is_an_outage_that_names_the_folder_and_what_is_free() -> None:
    fault = storage_fault(OSError(errno.ENOSPC, "No space left on device"), folder="/state", free=4096)
    assert isinstance(fault, OutageFault)
    assert "4096 bytes" in str(fault)
    assert "/state" in str(fault)


def test_a_forbidden_folder_is_bad_input() -> None:
    fault = storage_fault(
        PermissionError(errno.EACCES, "Permission denied", "/state/x"), folder="/state", free=1
    )
    assert isinstance(fault, UsageFault)
    assert "/state/x" in str(fault)


def test_a_root_that_is_no_folder_is_told_and_not_raised_raw(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OutageFault, match="runs"):
        FileRunStore(tmp_path / "runs").create(record("api-aaaa"))


@pytest.mark.parametrize(
    ("goal", "stem"),
    [
        ("Build a URL shortener with click counts", "url-shortener"),
        ("fix the login bug", "fix-login"),
        ("Bitte", "bitte"),
        ("a the of", "run"),
        ("日本語", "run"),
        ("x" * 300, "x" * 28),
    ],
)
def test_a_run_id_begins_with_the_words_of_weight(goal: str, stem: str) -> None:
    assert re.fullmatch(re.escape(stem) + r"-[a-z2-7]{4}", new_run_id(goal, 1.0))


def test_run_ids_of_the_same_goal_differ() -> None:
    assert len({new_run_id("Build a shop", 1.0) for _ in range(50)}) > 45
