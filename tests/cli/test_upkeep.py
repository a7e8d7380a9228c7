"""What is done to runs from outside, on real folders and repositories."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_backend import make_record, make_report
from support.stranger import git, new_repository

from swarm.adapters.state import FileRunStore
from swarm.config.settings import load_settings
from swarm.domain.report import RunStatus
from swarm.wiring import Backend
from swarm.wiring.upkeep import clean, newest_of, unapplied

ENDED, STOPPED, WORKING = "ended-2222", "stopped-3333", "working-4444"
NAMES = (
    "swarm-shop-1a2b-api-1", "swarm-shop-1a2b-api-2", "swarm-shop-1a2b-api-10", "swarm-shop-1a2b-api-tests-1",
    "swarm-shop-1a2b-integration", "swarm-shop-1a2b-integration-check-0",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FileRunStore:
    return FileRunStore(tmp_path / "runs")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("api", "swarm-shop-1a2b-api-10"),
        ("api-tests", "swarm-shop-1a2b-api-tests-1"),
        ("integration", "swarm-shop-1a2b-integration"),
        ("ap", ""),
        ("tests", ""),
        ("a.i", ""),
    ],
)
def test_a_shell_opens_in_the_last_attempt_of_that_very_task(task: str, name: str) -> None:
    assert newest_of(task, NAMES, run="shop-1a2b") == name


def test_a_branch_waits_to_be_applied_until_it_is_merged(
    store: FileRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    where = tmp_path / "shop"
    new_repository(where, {"a.py": "1\n"})
    git(where, "checkout", "-q", "-b", f"swarm/{ENDED}")
    git(where, "commit", "-q", "--allow-empty", "-m", "work")
    git(where, "checkout", "-q", "main")
    store.create(make_record(ENDED, status=RunStatus.ACCEPTED, repository=str(where)))
    before_the_report = unapplied(store, ENDED)
    store.save_report(make_report(ENDED).model_copy(update={"repository": str(where)}))
    delivered = unapplied(store, ENDED)
    git(where, "merge", "-q", "--ff-only", f"swarm/{ENDED}")

    assert (before_the_report, delivered, unapplied(store, ENDED)) == (False, True, False)


def test_a_result_whose_repository_is_gone_can_not_be_lost(store: FileRunStore, tmp_path: Path) -> None:
    store.create(make_record(ENDED, status=RunStatus.ACCEPTED))
    store.save_report(make_report(ENDED).model_copy(update={"repository": str(tmp_path / "gone")}))
    assert not unapplied(store, ENDED)


@pytest.mark.docker
@pytest.mark.parametrize(("resumable", "left"), [(False, {STOPPED, WORKING}), (True, {WORKING})])
def test_clean_takes_what_ended_and_what_could_go_on_only_when_told(
    store: FileRunStore, resumable: bool, left: set[str]
) -> None:
    store.create(make_record(ENDED, status=RunStatus.ACCEPTED))
    store.create(make_record(STOPPED, status=RunStatus.FAULT))
    store.create(make_record(WORKING))
    release = store.lock(WORKING)
    try:
        clean(store, None, resumable=resumable)
        assert {r.run for r in store.runs()} == left
    finally:
        release()


@pytest.mark.docker
def test_clean_takes_a_stopped_run_that_is_named(store: FileRunStore) -> None:
    store.create(make_record(STOPPED, status=RunStatus.FAULT))
    assert clean(store, STOPPED) == (f"Removed {STOPPED}: its folder and 0 sandboxes",)
    assert store.runs() == ()


def test_the_models_of_a_run_are_those_of_the_settings_unless_it_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SWARM_CODER_MODEL", "small")
    backend = Backend(load_settings({"state_dir": tmp_path / "state"}))
    where = str(tmp_path / "shop")
    base = new_repository(Path(where), {"a.py": "1\n"})
    record = make_record(model="", repository=where)
    record = record.model_copy(update={"goal": record.goal.model_copy(update={"base": base})})

    by_tier = backend.models(record)
    assert (set(by_tier), by_tier["coder"]) == ({"planner", "coder", "premium", "judge"}, "small")
    assert set(backend.models(record.model_copy(update={"model": "one"})).values()) == {"one"}
