"""Independent tasks against a scripted model with set latencies: how much time is not the model's.

    python benchmarks/load/agents.py [--agents 1,4,8] [--turns 10] [--turn-seconds 2]

Sandboxes, git, gates, merges and durability are real; the model is a server that waits and answers from a script. For
each number of agents (one task each) it prints the wall clock, its ratio to the critical path of the latencies
(planning, the turns of one task, the judge), the overhead of orchestration per turn (from one answer of the model to
the next request, tool calls included), and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from swarm.adapters.fakes.script import ANY, Part, says
from swarm.adapters.fakes.server import ModelServer
from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shape:
    """The latencies of a run, in seconds, and its size."""

    agents: int
    turns: int
    turn: float
    plan: float
    judge: float

    @property
    def critical(self) -> float:
        """The least that the latencies alone take."""
        return self.plan + self.turns * self.turn + self.judge


def blueprint(tasks: int) -> str:
    """Independent modules, each large enough to be worth an agent."""
    files = [
        {
            "path": f"part{n}/core{n}.py",
            "purpose": f"Part {n}.",
            "lines": 600,
            "tests": [f"tests/test_core{n}.py"],
            "symbols": [{"name": f"value{n}", "kind": "function", "signature": f"def value{n}() -> int"}],
        }
        for n in range(tasks)
    ]
    return json.dumps(
        {"summary": "Independent parts.", "files": files, "acceptance": ["python -m pytest -q"]}
    )


class Turns:
    """Answers for coders, and when each request came and left, by task."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._lock = threading.Lock()
        self.arrivals: dict[str, list[float]] = defaultdict(list)

    def coder(self, request: ModelRequest) -> ModelReply:
        """Writes the module and its test, then small notes, and finishes in the last turn."""
        with self._lock:
            self.arrivals[request.task].append(time.monotonic())
        number = "".join(c for c in request.task if c.isdigit()) or "0"
        if request.turn == 1:
            module = f"def value{number}() -> int:\n    return {number}\n"
            test = f"from part{number}.core{number} import value{number}\n\n\ndef test_value() -> None:\n"
            test += f"    assert value{number}() == {number}\n"
            return _calls(
                ("write_file", {"path": f"part{number}/core{number}.py", "content": module}),
                ("write_file", {"path": f"tests/test_core{number}.py", "content": test}),
            )
        if request.turn >= self._shape.turns:
            return _calls(("finish", {"report": "done"}))
        text = f"note {request.turn}\n"
        return _calls(("write_file", {"path": f"part{number}/note{request.turn}.txt", "content": text}))

    def latency(self, request: ModelRequest) -> float:
        """Seconds before the answer to a request."""
        return {"planner": self._shape.plan, "judge": self._shape.judge}.get(request.role, self._shape.turn)

    def overheads(self) -> list[float]:
        """Seconds between an answer and the next request of the same task."""
        gaps = []
        for times in self.arrivals.values():
            gaps += [after - before - self._shape.turn for before, after in pairwise(times)]
        return gaps


def _calls(*calls: tuple[str, dict[str, str]]) -> ModelReply:
    made = tuple(
        ToolCall(id=f"c{n}", name=name, arguments=json.dumps(a)) for n, (name, a) in enumerate(calls)
    )
    return ModelReply(tool_calls=made, finish_reason="tool_calls")


def run(shape: Shape) -> str:
    """One run, as a row of the table."""
    turns = Turns(shape)
    verdict = json.dumps(
        {k: {"score": 5} for k in ("code_quality", "code_organisation", "tests", "security")}
    )
    script: dict[tuple[str, str], Part] = {
        ("planner", ANY): [says(blueprint(shape.agents))],
        ("coder", ANY): turns.coder,
        ("solo", ANY): turns.coder,
        ("judge", ANY): [says(verdict)],
    }
    with (
        tempfile.TemporaryDirectory(prefix="swarm-load-") as name,
        ModelServer(script, latency=turns.latency) as server,
    ):
        began = time.monotonic()
        report, peak = _swarm(Path(name), server.url, shape)
        wall = time.monotonic() - began
    gaps = sorted(turns.overheads())
    p95 = gaps[int(0.95 * (len(gaps) - 1))] if gaps else 0.0
    median = statistics.median(gaps) if gaps else 0.0
    built = len([t for t in report["tasks"] if t["role"] in {"coder", "solo"}])
    inside = sum(report["phases"].values())
    return (
        f"{shape.agents:>6} {built:>6} {report['status']:>9} {wall:8.1f} {inside:8.1f} {inside / shape.critical:8.2f}"
        f" {median * 1000:8.0f} {p95 * 1000:8.0f} {peak:8.0f}"
    )


def _swarm(folder: Path, url: str, shape: Shape) -> tuple[dict[str, Any], float]:
    env = {
        **os.environ,
        "OPENAI_BASE_URL": url,
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    mode = "--swarm" if shape.agents > 1 else "--solo"
    command = [
        sys.executable,
        "-m",
        "swarm",
        "run",
        "Build independent parts.",
        mode,
        "--model",
        "scripted",
        "--json",
    ]
    command += ["--agents", str(shape.agents)]
    timed = (
        ["/usr/bin/time", "-f", "%M", "-o", str(folder / "memory")] if Path("/usr/bin/time").exists() else []
    )
    done = subprocess.run(
        [*timed, *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if not done.stdout:
        sys.exit(done.stderr[-3000:])
    memory = (folder / "memory").read_text().split() if timed else ["0"]
    return json.loads(done.stdout), float(memory[-1]) / 1024


def main() -> None:
    """Prints a row for each number of agents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", default="1,4,8")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--turn-seconds", type=float, default=2.0)
    parser.add_argument("--plan-seconds", type=float, default=5.0)
    parser.add_argument("--judge-seconds", type=float, default=5.0)
    args = parser.parse_args()
    titles = ("tasks", "status", "wall s", "phases s", "÷ path", "ms/turn", "p95 ms", "MB")
    print(f"{'agents':>6} {titles[0]:>6} {titles[1]:>9} " + " ".join(f"{title:>8}" for title in titles[2:]))
    for agents in map(int, args.agents.split(",")):
        shape = Shape(agents, args.turns, args.turn_seconds, args.plan_seconds, args.judge_seconds)
        print(run(shape), flush=True)


if __name__ == "__main__":
    main()
