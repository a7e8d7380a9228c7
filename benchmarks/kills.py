"""Kills a recorded run at random moments with SIGKILL, resumes it, and compares the end with an undisturbed run.

    python benchmarks/kills.py [RECORDING] [--kills 20] [--containers 0] [--seed N] [--pace 0.02]

The recording's answers come from the file; sandboxes, commands, git and durability are real. `--containers N` kills, at
N of the moments, a running sandbox of the run as well. Printed at the end: kills, resumes, whether every tree equals
the undisturbed one, journalled calls answered twice (must be 0), calls on the wire that were made again, and containers
left (must be 0). Exit code 1 when one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "examples" / "recordings" / "url-shortener.jsonl"


@dataclass
class Tally:
    """What happened over all disturbed runs."""

    kills: int = 0
    container_kills: int = 0
    runs: int = 0
    resumes: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)


class Bench:
    """One state folder, one recording, one random source."""

    def __init__(self, recording: Path, folder: Path, *, seed: int, pace: float, longest: float) -> None:
        self.recording = recording
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - moments of kills, not secrets
        self.longest = longest
        header = json.loads(recording.read_text().split("\n", 1)[0])
        self.shape = [f"--{header['strategy']}"] if header.get("strategy", "auto") != "auto" else []
        self.shape += ["--agents", str(header.get("agents", 4))]
        (folder / "goal.md").write_text(header["goal"])
        self.env = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "SWARM_REPLAY_PACE": str(pace),
        }

    def swarm(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line in a session of its own, its output in a file."""
        log = (self.folder / "swarm.log").open("a")
        command = [sys.executable, "-m", "swarm", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log, text=True)

    def start(self, number: int) -> subprocess.Popen[str]:
        """A new run in a new repository."""
        target = self.folder / f"repository-{number}"
        subprocess.run(["git", "init", "-q", "-b", "main", str(target)], check=True)
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        moment = "2026-01-01T00:00:00Z"
        dated = {**os.environ, "GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
        commit = ["git", "-C", str(target), *identity, "commit", "-q", "--allow-empty", "-m", "Start"]
        subprocess.run(commit, check=True, env=dated)
        goal = f"@{self.folder / 'goal.md'}"
        source = f"replay:{self.recording}"
        return self.swarm("run", goal, "--repo", str(target), *self.shape, "--model", source, "--json")

    def newest(self) -> str:
        """The id of the newest run, empty while there is none."""
        records = (self.folder / "state/swarm/runs").glob("*/record.json")
        folders = sorted(records, key=lambda path: path.parent.stat().st_ctime)
        return folders[-1].parent.name if folders else ""

    def tree(self, run: str) -> str:
        """The tree that a run delivered."""
        report = json.loads((self.folder / "state/swarm/runs" / run / "report.json").read_text())
        command = ["git", "-C", report["repository"], "rev-parse", f"{report['branch']}^{{tree}}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def disturb(self, number: int, kills: int, containers: int, tally: Tally) -> None:
        """One run, killed until it has had its share of kills, then let to its end."""
        before = self.newest()
        process = self.start(number)
        tally.runs += 1
        while True:
            if tally.kills >= kills:
                process.wait()
            elif self._killed(process, tally, containers):
                run = self._wait_for_run(before)
                if run:
                    process = self.swarm("resume", run, "--json")
                    tally.resumes += 1
                else:
                    process = self.start(number + 1000 + tally.kills)
                continue
            if process.returncode not in {0, 3}:
                tally.problems.append(f"run {number} ended with exit code {process.returncode}")
            return

    def _wait_for_run(self, before: str) -> str:
        run = self.newest()
        return "" if run == before else run

    def _killed(self, process: subprocess.Popen[str], tally: Tally, containers: int) -> bool:
        try:
            process.wait(self.random.uniform(0.2, self.longest))
        except subprocess.TimeoutExpired:
            if tally.container_kills < containers:
                tally.container_kills += self._kill_container()
            process.send_signal(signal.SIGKILL)
            process.wait()
            tally.kills += 1
            return True
        return False

    def _kill_container(self) -> int:
        names = self.containers()
        if not names:
            return 0
        command = ["docker", "kill", self.random.choice(names)]
        return int(subprocess.run(command, capture_output=True, check=False).returncode == 0)

    def containers(self) -> list[str]:
        """The running sandboxes of this bench's runs."""
        runs = {path.name for path in (self.folder / "state/swarm/runs").glob("*")}
        command = ["docker", "ps", "-a", "--format", "{{.Names}}", "--filter", "label=swarm.run"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return [name for name in names if any(name.startswith(f"swarm-{run}-") for run in runs)]

    def journal(self, run: str) -> tuple[int, int]:
        """(calls answered more than once, calls asked more often than answered) in a run's journal."""
        answered: Counter[tuple[str, str, str]] = Counter()
        asked: Counter[tuple[str, str, str]] = Counter()
        for line in (self.folder / "state/swarm/runs" / run / "journal.jsonl").read_text().splitlines():
            entry = json.loads(line)
            key = (entry["workflow"], entry["step"], entry["fingerprint"])
            asked[key] += entry["kind"] == "asked"
            answered[key] += entry["kind"] == "answered"
        return sum(n > 1 for n in answered.values()), sum(max(0, n - 1) for n in asked.values())


def main() -> int:
    """Runs the bench and prints the tally."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--containers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--pace", type=float, default=0.02, help="share of the recorded latencies")
    parser.add_argument("--longest", type=float, default=6.0, help="seconds until a kill, at most")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swarm-kills-") as folder:
        bench = Bench(
            args.recording.absolute(), Path(folder), seed=args.seed, pace=args.pace, longest=args.longest
        )
        return report(bench, args.kills, args.containers, args.seed)


def report(bench: Bench, kills: int, containers: int, seed: int) -> int:
    """The undisturbed run, the disturbed ones, and what they show."""
    began = time.monotonic()
    if bench.start(0).wait() not in {0, 3}:
        print((bench.folder / "swarm.log").read_text()[-3000:])
        return 1
    expected = bench.tree(bench.newest())
    print(f"undisturbed: {time.monotonic() - began:.0f} s, tree {expected[:12]}; seed {seed}", flush=True)
    tally, duplicates = Tally(), 0
    runs: list[str] = []
    while tally.kills < kills:
        bench.disturb(len(runs) + 1, kills, containers, tally)
        run = bench.newest()
        runs.append(run)
        if tally.problems:
            break
        doubled, repeated = bench.journal(run)
        duplicates += doubled
        tally.repeated += repeated
        if bench.tree(run) != expected:
            tally.problems.append(f"run {run} delivered another tree")
        print(f"run {run}: {tally.kills} kills so far, {time.monotonic() - began:.0f} s", flush=True)
    left = bench.containers()
    print(
        f"kills {tally.kills} (containers {tally.container_kills}), runs {tally.runs}, resumes {tally.resumes}"
    )
    print(f"trees equal: {not tally.problems}; journalled calls answered twice: {duplicates}")
    print(f"calls on the wire made again: {tally.repeated}; containers left: {len(left)}")
    for problem in tally.problems:
        print(f"problem: {problem}\n{(bench.folder / 'swarm.log').read_text()[-3000:]}")
    return int(bool(tally.problems or duplicates or left))


if __name__ == "__main__":
    sys.exit(main())
