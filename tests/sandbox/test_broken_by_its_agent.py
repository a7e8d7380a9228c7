"""What an agent does to its own sandbox: the tool server mends it, or the fault is the agent's and not an outage."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.benches import ROOT, Bench, HubFolder
from support.benches import output as sh

from swarm.adapters.sandbox.connection import Connection
from swarm.adapters.sandbox.remote import RemoteSandbox
from swarm.adapters.sandbox.sockets import SocketStream
from swarm.domain.conversation import ToolCall
from swarm.domain.errors import BundleRefused, SandboxBroken, SandboxFault
from swarm.domain.sandbox import Command

BREAKAGES = [
    "rm -rf ../.swarm",
    "rm -rf ../.swarm; touch ../.swarm",
    "rm -rf ../.swarm; ln -s /nowhere ../.swarm",
    "chmod 000 ../.swarm/git ../.swarm",
    "rm ../.swarm/lock; mkfifo ../.swarm/lock; rm -rf ../.swarm/git/objects",
    "echo nonsense > ../.swarm/git/config; echo nonsense > ../.swarm/git/index",
    "rm ../.swarm/git/objects/info/alternates",
]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_tool_server_without_its_files_makes_them_anew(bench: Bench, breakage: str) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    first = bench.hub.receive(sandbox.commit("first"))
    sandbox.run(Command(command=breakage))
    sandbox.write("b", b"2")
    second = bench.hub.receive(sandbox.commit("second"))
    assert bench.hub.files(second) == sorted([*bench.hub.files(first), "b"])
    assert sandbox.commit("nothing new") == b""
    sandbox.run(Command(command=breakage))
    sandbox.restore(first)
    assert sandbox.read("b") is None
    assert sandbox.commit("nothing new since the restore") == b""
    sandbox.run(Command(command=breakage))
    listed = sandbox.tool("list", ToolCall(id="list", name="list_files", arguments="{}"))
    assert listed.ok
    assert "src/app.py" in listed.text


def test_an_export_that_was_lost_with_the_files_is_made_again(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.write("a", b"1")
    assert sandbox.commit("lost")
    sandbox.run(Command(command=BREAKAGES[0]))
    assert "a" in bench.hub.files(bench.hub.receive(sandbox.commit("again")))


def test_what_cannot_be_mended_is_the_agents_fault(bench: Bench) -> None:
    sandbox = bench.open()
    sh(sandbox, "cd ..; mv repo elsewhere; touch repo")
    with pytest.raises(SandboxBroken, match="commit failed"):
        sandbox.commit("m")


@pytest.mark.parametrize("made", ["mkfifo report", "mkdir report", "ln -s report report"])
def test_what_is_no_file_is_read_as_an_absent_one(bench: Bench, made: str) -> None:
    sandbox = bench.open()
    sh(sandbox, made)
    assert sandbox.read("report") is None


def test_a_name_that_is_not_utf_8_comes_as_valid_text(bench: Bench) -> None:
    sandbox = bench.open()
    sh(sandbox, "touch $'x\\xff.py'")
    result = sandbox.tool("list", ToolCall(id="list", name="list_files", arguments="{}"))
    assert "x\\udcff.py" in result.text
    assert result.model_dump_json()


def test_programs_of_the_agents_are_not_run_in_place_of_ours(tmp_path: Path, hub: HubFolder) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in ("git", "bash", "rg"):
        (planted / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\nexit 1\n")
        (planted / name).chmod(0o755)
    with _server(tmp_path, hub, path=f"{planted}:/usr/bin:/bin") as process:
        assert _ask(process, op="prepare", commit=hub.base)["ok"]
        assert _ask(process, op="commit", message="m")["ok"]
        assert _ask(process, op="run", command="echo hello")["result"]["output"] == "hello\n"
        _ask(process, op="tool", name="search", arguments='{"pattern": "x"}')
        process.kill()
    assert list(tmp_path.glob("ran-*")) == []


def _server(folder: Path, hub: HubFolder, *, path: str) -> subprocess.Popen[bytes]:
    (folder / "box" / "tmp").mkdir(parents=True)
    places = ["--work", str(folder / "box/repo"), "--hub", str(hub.path), "--tmp", str(folder / "box/tmp")]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(ROOT / "sandboxes" / "tool_server"), *places],
        env={"PATH": path, "HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _ask(process: subprocess.Popen[bytes], **request: object) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"id": 1, **request}).encode() + b"\n")
    process.stdin.flush()
    return dict(json.loads(process.stdout.readline()))


class Scripted:
    """A tool server that answers every request with what `replies` has for its operation."""

    def __init__(self, end: socket.socket, replies: dict[str, dict[str, Any]]) -> None:
        self._end = end
        self._replies = replies
        self.asked: list[str] = []

    def serve(self) -> None:
        with self._end, self._end.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append(request["op"])
                reply = {"id": request["id"], **self._replies[request["op"]]}
                self._end.sendall(json.dumps(reply).encode() + b"\n")


@pytest.fixture
def replies() -> dict[str, dict[str, Any]]:
    return {"commit": {"ok": True, "result": {"commit": "c", "known": "k", "skipped": ""}}}


@pytest.fixture
def scripted(replies: dict[str, dict[str, Any]]) -> Iterator[tuple[RemoteSandbox, Scripted]]:
    ours, theirs = socket.socketpair()
    server = Scripted(theirs, replies)
    thread = threading.Thread(target=server.serve)
    thread.start()
    connection = Connection(SocketStream(ours), "box", lambda: SandboxFault("it ended"))
    yield RemoteSandbox("box", connection, created=True, bundle_limit=2_560_000), server
    connection.close()
    thread.join()


def test_a_bundle_that_announces_terabytes_is_refused_at_its_first_piece(
    scripted: tuple[RemoteSandbox, Scripted], replies: dict[str, dict[str, Any]]
) -> None:
    sandbox, server = scripted
    replies["bundle"] = {"ok": True, "result": {"data": "AAAA", "size": 8 * 10**12}}
    with pytest.raises(BundleRefused, match=r"8,000,000,000,000 bytes.*gitignore"):
        sandbox.commit("m")
    assert server.asked == ["commit", "bundle"]


def test_a_bundle_that_grows_past_the_limit_is_refused(
    scripted: tuple[RemoteSandbox, Scripted], replies: dict[str, dict[str, Any]]
) -> None:
    sandbox, server = scripted
    piece = base64.b64encode(bytes(300_000)).decode()
    replies["bundle"] = {"ok": True, "result": {"data": piece, "size": 2_500_000}}
    with pytest.raises(BundleRefused, match="2,700,000 bytes"):
        sandbox.commit("m")
    assert server.asked.count("bundle") == 9
