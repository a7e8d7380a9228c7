"""The tool server as a process, spoken to directly over its pipes: what no well-behaved client would do to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from support.benches import ROOT

from sandboxes.tool_server.jobs import DROPPED, JobTable
from sandboxes.tool_server.processes import Capture


class Pipes:
    """A tool server on standard input and output."""

    def __init__(self, folder: Path, *options: str) -> None:
        (folder / "tmp").mkdir()
        (folder / "repo").mkdir()
        places = ["--work", str(folder / "repo"), "--hub", str(folder), "--tmp", str(folder / "tmp")]
        server = str(ROOT / "sandboxes" / "tool_server")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", server, *places, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input: IO[bytes] = self.process.stdin
        self.output: IO[bytes] = self.process.stdout

    def say(self, data: bytes) -> None:
        self.input.write(data)
        self.input.flush()

    def hear(self) -> dict[str, Any]:
        return dict(json.loads(self.output.readline()))

    def ask(self, **request: object) -> dict[str, Any]:
        self.say(json.dumps({"id": 1, **request}).encode() + b"\n")
        return self.hear()


@pytest.fixture
def pipes(tmp_path: Path) -> Iterator[Pipes]:
    made = Pipes(tmp_path)
    with made.process:
        yield made
        made.process.kill()


@pytest.mark.parametrize(
    "line", [b"not json", b"[]", b'"text"', b"{}", b'{"id": 1}', b'{"op": "ping"}', b"\xff\xfe", b"[" * 5000]
)
def test_a_line_that_is_no_request_gets_an_error_and_the_next_one_its_answer(
    pipes: Pipes, line: bytes
) -> None:
    pipes.say(line + b"\n")
    assert pipes.hear()["ok"] is False
    assert pipes.ask(op="ping", nonce="n") == {"id": 1, "ok": True, "result": {"nonce": "n"}}


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "no-such-operation"},
        {"op": "read"},
        {"op": "read", "path": "a", "limit": "many"},
        {"op": "write", "path": "a", "data": "%"},
        {"op": "run", "command": "true", "timeout": "soon"},
        {"op": "run", "command": "true", "env": 7},
        {"op": "tool"},
        {"op": "commit", "message": "before prepare"},
        {"op": ["unhashable"]},
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_survived(
    pipes: Pipes, request_: dict[str, object]
) -> None:
    assert pipes.ask(**request_)["ok"] is False
    assert pipes.ask(op="ping")["ok"] is True


def test_a_tool_call_that_makes_no_sense_is_the_agents_error(pipes: Pipes) -> None:
    reply = pipes.ask(op="tool", name=["run"], arguments={"command": "true"})
    assert reply["result"]["ok"] is False
    assert "there is no tool" in reply["result"]["text"]


def test_a_failed_call_is_not_recorded_and_can_be_made_again(pipes: Pipes, tmp_path: Path) -> None:
    (tmp_path / "repo" / "folder").mkdir()
    assert pipes.ask(op="write", path="folder", data="", call="w")["ok"] is False
    (tmp_path / "repo" / "folder").rmdir()
    assert pipes.ask(op="write", path="folder", data="", call="w")["ok"] is True


def test_signals_from_inside_are_ignored(pipes: Pipes) -> None:
    assert pipes.ask(op="ping")["ok"]
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGALRM,
        signal.SIGUSR1,
    ):
        os.kill(pipes.process.pid, number)
    assert pipes.ask(op="ping")["ok"]


def test_a_command_starts_with_default_signals(pipes: Pipes) -> None:
    result = pipes.ask(
        op="run", command="trap; sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -INT $$'; echo $?"
    )
    assert result["result"]["output"].split("\n")[-3:] == ["143", "130", ""]


def test_without_anybody_at_its_pipes_it_ends(pipes: Pipes) -> None:
    pipes.input.close()
    assert pipes.process.wait(10) == 0


def test_a_client_that_reads_nothing_holds_up_nothing_but_itself(tmp_path: Path) -> None:
    pipes = Pipes(tmp_path, "--socket", str(tmp_path / "s"))
    with pipes.process:
        while not (tmp_path / "s").exists():
            time.sleep(0.01)
        (tmp_path / "repo" / "big").write_bytes(b"x" * 3_000_000)
        with socket.socket(socket.AF_UNIX) as lazy, socket.socket(socket.AF_UNIX) as keen:
            lazy.connect(str(tmp_path / "s"))
            keen.connect(str(tmp_path / "s"))
            for _ in range(5):
                lazy.sendall(b'{"id": 1, "op": "read", "path": "big", "limit": 3000000}\n')
            keen.sendall(b'{"id": 2, "op": "ping", "nonce": "n"}\n')
            assert b'"nonce": "n"' in keen.recv(1000)
            with lazy.makefile("rb") as late:
                assert [len(late.readline()) > 4_000_000 for _ in range(5)] == [True] * 5
        pipes.process.kill()


def test_it_ends_when_nobody_has_asked_for_its_time(tmp_path: Path) -> None:
    pipes = Pipes(tmp_path, "--ttl", "0.5")
    with pipes.process:
        assert pipes.process.wait(10) == 75


def test_a_worker_killed_from_inside_is_an_answer_and_no_hang(pipes: Pipes) -> None:
    # $PPID of the login shell is the worker, which execs nothing itself.
    result = pipes.ask(op="run", command="setsid sleep 300 & kill -9 $PPID; sleep 300", timeout=30)
    assert result["result"]["exit_code"] == 137
    assert "ended its own supervisor" in result["result"]["output"]
    assert pipes.ask(op="ping")["ok"]


def test_the_job_table_drops_old_results_and_still_knows_that_they_ran() -> None:
    table = JobTable(budget=100)
    for number in range(3):
        job = table.add(str(number))
        table.finish(job, {"ok": True, "result": number}, 60)
    oldest, newest = table.get("0"), table.get("2")
    assert oldest is not None
    assert oldest.reply is not None
    assert oldest.reply["error"] == DROPPED
    assert newest is not None
    assert newest.reply == {"ok": True, "result": 2}


@pytest.mark.parametrize("sizes", [[5], [1000], [10] * 500, [3, 4000, 3]])
def test_a_capture_keeps_both_ends_and_counts_all(sizes: list[int]) -> None:
    data = bytes(i % 26 + 97 for i in range(sum(sizes)))
    capture, rest = Capture(100), data
    for size in sizes:
        capture.add(rest[:size])
        rest = rest[size:]
    assert capture.size == len(data)
    if len(data) <= 100:
        assert capture.text() == data.decode()
        return
    start, middle, end = capture.text().split("\n")
    assert (start, end) == (data[:50].decode(), data[-50:].decode())
    assert middle == f"[... {len(data) - 100} bytes left out ...]"
