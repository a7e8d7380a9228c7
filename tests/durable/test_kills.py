"""`kill -9` at random moments: nothing is lost, nothing is recorded twice, nothing happens in another order."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from swarm.adapters.journal import JournaledModel
from swarm.domain.conversation import ModelReply, ModelRequest

TOY = Path(__file__).parent / "toy_goal.py"
CHILDREN = 6
STEPS = 10
TOTALS = {f"child{c}": sum(c * 100 + s for s in range(STEPS)) for c in range(CHILDREN)}


class AppendingNowhere:
    async def complete(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("nothing is asked any more")


def toy(folder: Path, seconds: float, *stop_after: str) -> subprocess.Popen[str]:
    """The toy in a process of its own, begun; warnings are errors there too."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(TOY), str(folder), str(seconds), *stop_after],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the toy said at its end, and that it said nothing else."""
    try:
        out, err = process.communicate(timeout=40)
    finally:
        process.kill()
    assert err == ""
    said: dict[str, Any] = json.loads(out)
    return said


def storm(folder: Path, *, kills: int, seconds: float, chance: random.Random) -> tuple[dict[str, Any], int]:
    """Runs the toy to its end with up to so many kills; its last words, and the kills that hit it alive."""
    for hit in range(kills):
        with toy(folder, seconds) as process:
            try:
                process.wait(chance.uniform(0.05, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
            else:
                return finished(process), hit
    with toy(folder, seconds) as process:
        return finished(process), kills


def begun(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Per child, (process, step) of each time that a step began."""
    found: dict[str, list[tuple[str, int]]] = {}
    for line in (folder / "begun.log").read_text().splitlines():
        process, child, step = line.split()
        found.setdefault(child, []).append((process, int(step)))
    return found


def assert_only_what_was_under_way_ran_again(folder: Path) -> None:
    for child, ran in begun(folder).items():
        assert ran[0][1] == 0
        for (process, step), (next_process, next_step) in pairwise(ran):
            again = next_step == step and next_process != process
            assert again or next_step == step + 1, f"{child}: step {next_step} began after step {step}"
        assert ran[-1][1] == STEPS - 1


def assert_called_once_but_for_the_wire(folder: Path) -> None:
    """A call has its effect once, and once more only where a kill hit it before its answer was journalled."""
    effects = Counter((folder / "effects.log").read_text().splitlines())
    assert sorted(effects) == sorted(f"child{c} {s}" for c in range(CHILDREN) for s in range(STEPS))
    journal = JournaledModel(AppendingNowhere(), folder / "journal.jsonl")
    assert journal.duplicates() == 0
    assert journal.answered_calls() == CHILDREN * STEPS
    assert effects.total() - len(effects) <= journal.repeated_calls()
    tries = Counter((child, step) for child, ran in begun(folder).items() for _, step in ran)
    assert all(times <= tries[what.split()[0], int(what.split()[1])] for what, times in effects.items())


def assert_recorded_once(folder: Path) -> None:
    with sqlite3.connect(folder / "swarm.db") as database:
        rows = database.execute(
            "select workflow_uuid, function_name, count(*) from operation_outputs"
            " where function_name like 'append:%' group by 1, 2"
        ).fetchall()
        failed = database.execute("select count(*) from operation_outputs where error is not null").fetchone()
    database.close()
    assert len(rows) == CHILDREN * STEPS
    assert {count for _, _, count in rows} == {1}
    assert failed == (0,)


def assert_survived(folder: Path, *, kills: int, seconds: float, seed: int) -> int:
    ended, hit = storm(folder, kills=kills, seconds=seconds, chance=random.Random(seed))
    assert ended["reason"] == ""
    assert ended["result"]["totals"] == TOTALS
    assert_called_once_but_for_the_wire(folder)
    assert_only_what_was_under_way_ran_again(folder)
    assert_recorded_once(folder)
    for orders in folder.glob("order-*.log"):
        order = orders.read_text().split()
        assert order == ended["result"]["order"][: len(order)]
    return hit


def test_a_run_that_is_killed_three_times_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    assert assert_survived(tmp_path, kills=3, seconds=0.05, seed=20261120) == 3


def test_a_stopped_process_ends_quietly_and_the_next_goes_on_where_it_was(tmp_path: Path) -> None:
    with toy(tmp_path, 0.05, "0.3") as process:
        stopped = finished(process)
    assert stopped == {"result": None, "reason": "paused."}
    recorded = (tmp_path / "effects.log").read_text().splitlines()
    with toy(tmp_path, 0.05) as process:
        assert finished(process)["result"]["totals"] == TOTALS
    effects = (tmp_path / "effects.log").read_text().splitlines()
    assert 0 < len(recorded) < CHILDREN * STEPS
    assert len(effects) == CHILDREN * STEPS
    assert all(
        len({process for process, s in ran if s == step}) == 1
        for ran in begun(tmp_path).values()
        for _, step in ran
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_twenty_times_ends_like_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    assert assert_survived(tmp_path, kills=20, seconds=0.4, seed=seed) == 20
