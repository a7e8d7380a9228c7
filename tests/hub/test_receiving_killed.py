"""`kill -9` at any moment of an import: the hub stays whole, and the import can be done again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.stranger import Agent, git

from swarm.adapters.hub import BareHub

REF = "refs/swarm/tasks/one"
# Imports again and again into fresh hubs' worth of refs, so that the kill hits any stage.
PROGRAM = """
import sys
from pathlib import Path
from swarm.adapters.hub import BareHub
hub, bundles = BareHub(Path(sys.argv[1])), [Path(p).read_bytes() for p in sys.argv[2:]]
print("ready", flush=True)
for bundle in bundles:
    hub.receive(bundle, ref="refs/swarm/tasks/one")
"""


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("many", [0, 300], ids=["loose", "pack"])
def test_an_import_killed_anywhere_leaves_the_hub_whole(
    hub: BareHub, agent: Agent, tmp_path: Path, many: int, rounds: int
) -> None:
    chance = random.Random(many + rounds)
    seen = set()
    for number in range(rounds):
        tips, paths = _work(agent, tmp_path, number, many)
        _killed_after(chance.uniform(0.0, 0.12), hub.path, paths)
        git(hub.path, "fsck", "--connectivity-only", "--no-dangling")
        seen.add(hub.ref(REF))
        again = BareHub(hub.path)
        for tip, path in zip(tips, paths, strict=True):
            assert again.receive(path.read_bytes(), ref=REF) == tip
        assert not [p for p in hub.path.glob("swarm-work/**/*") if p.is_file()]
        assert not list(hub.path.glob("**/refs/**/*.lock"))
    git(hub.path, "fsck", "--strict", "--no-dangling")
    assert len(seen) > 1


def _work(agent: Agent, folder: Path, number: int, many: int) -> tuple[list[str], list[Path]]:
    """Bundles of three commits, one on the other."""
    tips, paths = [], []
    for part in range(3):
        before = agent.git("rev-parse", "HEAD")
        files = {f"{number}/{part}/{n}": f"{number} {part} {n}\n" for n in range(many or 5)}
        tips.append(agent.commit(files))
        paths.append(folder / f"{number}-{part}.bundle")
        paths[-1].write_bytes(agent.bundle(tips[-1], without=[before]))
    return tips, paths


def _killed_after(seconds: float, hub: Path, bundles: list[Path]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(hub), *map(str, bundles)]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
