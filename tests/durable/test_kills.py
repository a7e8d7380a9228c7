"""`kill -9` at random moments: nothing is lost, nothing is recorded twice, nothing happens in another order."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parent / "toy_goal.py"
CHILDREN = 6
STEPS = 10
TOTALS = {f"child{c}": sum(c * 100 + s for s in range(STEPS)) for c in range(CHILDREN)}


def storm(folder: Path, *, kills: int, seconds: float, chance: random.Random) -> tuple[dict[str, Any], int]:
    """Runs the toy to its end with up to so many kills; its last line of output, and the kills that hit it alive."""
    hit = 0
    while True:
        with subprocess.Popen(
            [sys.executable, "-W", "error", str(TOY), str(folder), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if hit < kills:
                try:
                    process.wait(chance.uniform(0.05, 0.6))
                except subprocess.TimeoutExpired:
                    process.kill()
                    hit += 1
                    continue
            out, err = process.communicate(timeout=60)
            assert err == ""
            return json.loads(out), hit


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
    effects = (folder / "effects.log").read_text().splitlines()
    assert sorted(effects) == sorted(f"effect child{c} {s}" for c in range(CHILDREN) for s in range(STEPS))
    assert_only_what_was_under_way_ran_again(folder)
    assert_recorded_once(folder)
    for orders in folder.glob("order-*.log"):
        order = orders.read_text().split()
        assert order == ended["result"]["order"][: len(order)]
    return hit


def test_a_run_that_is_killed_three_times_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    assert assert_survived(tmp_path, kills=3, seconds=0.05, seed=20261120) == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_twenty_times_ends_like_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    assert assert_survived(tmp_path, kills=20, seconds=0.4, seed=seed) == 20
