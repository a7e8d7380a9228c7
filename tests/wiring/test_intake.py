"""What is refused before a run exists, and what a run takes with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from swarm.adapters.state import FileRunStore
from swarm.config.settings import Settings, load_settings
from swarm.domain.errors import EnvironmentFault, UsageFault
from swarm.domain.goal import Strategy
from swarm.domain.requests import RunRequest
from swarm.wiring.intake import make_record, planning_settings, run_settings

HEADER = {
    "schema_version": 1, "kind": "header", "goal": "Build a thing.", "model": "m", "command": "swarm run ...",
    "recorded_at": "2026-01-01",
}  # fmt: skip
PLAN = """\
schema_version: 1
goal: Build a thing.
strategy: swarm
tasks:
- {id: a, title: A, description: A., owns: [a.py], tests: [python -m pytest -q]}
- {id: b, title: B, description: B., owns: [b.py], tests: [python -m pytest -q]}
acceptance: [python -m pytest -q]
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "SWARM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    # No engine answers there: what is refused must be refused before anyone asks it.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    path = tmp_path / "recording.jsonl"
    path.write_text(json.dumps(HEADER) + "\n")
    return f"replay:{path}"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    (path / "swarm.toml").write_text('base_url = "http://127.0.0.1:9/v1"\nprofile = "python"\n')
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "-C", str(path), "add", "."], check=True)
    subprocess.run(["git", "-C", str(path), *identity, "commit", "-qm", "start"], check=True)
    return path


def settings() -> Settings:
    return load_settings()


def refused(request: RunRequest, fault: type[Exception] = UsageFault) -> str:
    told: list[str] = []
    store = FileRunStore(settings().state_dir / "runs")
    with pytest.raises(fault) as caught:
        make_record(settings(), request, store, told.append)
    assert store.runs() == ()
    assert "\n".join(told).count("New repository") == 0
    return str(caught.value)


def test_an_empty_plan_file_is_refused(tmp_path: Path, recording: str) -> None:
    (tmp_path / "empty.yaml").write_text("\n")
    assert "empty" in refused(RunRequest(goal_text="x", plan="empty.yaml", model=recording))


def test_a_flag_that_contradicts_the_plan_is_refused(tmp_path: Path, recording: str) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    request = RunRequest(goal_text="x", plan="plan.yaml", strategy=Strategy.SOLO, model=recording)
    assert "The plan says swarm, the command line --solo" in refused(request)


def test_a_plan_for_other_words_is_told(tmp_path: Path, recording: str) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    told: list[str] = []
    request = RunRequest(goal_text="write a poem", plan="plan.yaml", model=recording)
    with pytest.raises(UsageFault, match="another goal"):
        make_record(settings(), request, FileRunStore(tmp_path / "runs"), told.append)
    assert any("another wording" in line for line in told)


def test_a_recording_of_another_goal_is_refused_before_a_run_exists(recording: str) -> None:
    assert "another goal" in refused(RunRequest(goal_text="Something else.", model=recording))


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "goal.md").write_text("hello\n")
    assert "goal.md" in refused(RunRequest(goal_text="x", model=f"replay:{tmp_path / 'goal.md'}"))


def test_a_state_folder_that_cannot_be_written_leaves_no_repository_behind(
    tmp_path: Path, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nope")
    before = set(tmp_path.iterdir())
    request = RunRequest(goal_text="Build a thing.", model=recording)
    with pytest.raises(UsageFault, match="can't be written"):
        make_record(settings(), request, FileRunStore(tmp_path / "runs"), lambda _: None)
    assert {p for p in tmp_path.iterdir() if p.name != "config"} == before


def test_without_an_engine_nothing_is_made(tmp_path: Path, recording: str) -> None:
    before = set(tmp_path.iterdir())
    refused(RunRequest(goal_text="Build a thing.", model=recording), EnvironmentFault)
    assert {p for p in tmp_path.iterdir() if p.name not in {"state", "config"}} == before


def test_a_recording_that_exists_is_not_written_over(tmp_path: Path, recording: str) -> None:
    (tmp_path / "old.jsonl").write_text("x")
    request = RunRequest(goal_text="Build a thing.", model=recording, record="old.jsonl")
    assert "exists already" in refused(request)


def test_an_unknown_endpoint_of_the_repository_is_used_only_when_it_is_trusted(target: Path) -> None:
    request = RunRequest(goal_text="x", repo=str(target))
    assert "127.0.0.1:9" not in planning_settings(settings(), request).base_url
    trusted = request.model_copy(update={"trust_repo": True})
    assert planning_settings(settings(), trusted).base_url == "http://127.0.0.1:9/v1"


def test_a_run_keeps_what_a_trusted_repository_set(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.wiring.intake.ensure_image", lambda *_: "image:tag")
    request = RunRequest(goal_text="x", repo=str(target), trust_repo=True)
    record = make_record(settings(), request, FileRunStore(tmp_path / "runs"), lambda _: None)
    assert run_settings(settings(), record).base_url == "http://127.0.0.1:9/v1"


def test_a_resume_without_an_endpoint_of_its_own_uses_that_of_the_start(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.wiring.intake.ensure_image", lambda *_: "image:tag")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:7/v1")
    record = make_record(
        settings(),
        RunRequest(goal_text="x", repo=str(target)),
        FileRunStore(tmp_path / "runs"),
        lambda _: None,
    )
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert run_settings(settings(), record).base_url == "http://127.0.0.1:7/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8/v1")
    assert run_settings(settings(), record).base_url == "http://127.0.0.1:8/v1"
