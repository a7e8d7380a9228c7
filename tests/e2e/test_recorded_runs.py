"""The recorded run of the demo, played whole: only the answers of the model come from the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "examples" / "recordings" / "url-shortener.jsonl"

pytestmark = pytest.mark.docker


class Shell:
    """The command line with state and configuration of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "SWARM_REPLAY_PACE": "0.01",
        }
        header = json.loads(RECORDING.read_text().split("\n", 1)[0])
        self.shape = ("--swarm", "--agents", str(header["agents"]))
        (folder / "goal.md").write_text(header["goal"])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "swarm", *arguments],
            cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run_arguments(self) -> tuple[str, ...]:
        return ("run", "@goal.md", *self.shape, "--model", f"replay:{RECORDING}", "--json")

    def newest(self) -> str:
        found = list((self.folder / "state" / "swarm" / "runs").glob("*/record.json"))
        return found[0].parent.name if found else ""

    def answered_twice(self, run: str) -> int:
        lines = (self.folder / "state" / "swarm" / "runs" / run / "journal.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        keys = Counter(
            (e["workflow"], e["step"], e["fingerprint"]) for e in entries if e["kind"] == "answered"
        )
        return sum(n > 1 for n in keys.values())


def tree(report: dict[str, Any]) -> str:
    command = ["git", "-C", report["repository"], "rev-parse", f"{report['branch']}^{{tree}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def containers(run: str) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=swarm.run={run}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    shell = Shell(tmp_path_factory.mktemp("undisturbed"))
    out, err = (process := shell.start(*shell.run_arguments())).communicate(timeout=600)
    assert process.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_the_recorded_run_is_accepted_and_its_report_fits_the_schema(undisturbed: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "contracts" / "report.schema.json").read_text())
    jsonschema.validate(undisturbed, schema)
    assert undisturbed["status"] == "accepted"
    assert undisturbed["score"] >= undisturbed["threshold"]


def test_the_recorded_run_is_a_swarm_with_one_merge_per_task(undisturbed: dict[str, Any]) -> None:
    built = [t["task"] for t in undisturbed["tasks"] if t["role"] in {"coder", "test-writer"}]
    assert len(built) >= 3
    assert sorted(m["task"] for m in undisturbed["merges"]) == sorted(built)


def test_the_recording_still_fits_what_the_program_asks(undisturbed: dict[str, Any]) -> None:
    turns = sum(t["turns"] for t in undisturbed["tasks"])
    assert undisturbed["replay_drift"] <= turns // 2


def test_a_run_leaves_no_container(undisturbed: dict[str, Any]) -> None:
    assert containers(undisturbed["run"]) == []


def test_three_kills_and_a_dead_container_change_neither_the_tree_nor_the_calls(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    shell = Shell(tmp_path)
    process = shell.start(*shell.run_arguments())
    for kill, seconds in enumerate((4.0, 6.0, 5.0)):
        time.sleep(seconds)
        run = shell.newest()
        alive = containers(run) if run else []
        if kill == 1 and alive:
            subprocess.run(["docker", "kill", alive[0]], capture_output=True, check=False)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = (
            shell.start("resume", shell.newest(), "--json") if run else shell.start(*shell.run_arguments())
        )
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert tree(report) == tree(undisturbed)
    assert shell.answered_twice(report["run"]) == 0
    assert containers(report["run"]) == []
