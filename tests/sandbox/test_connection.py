"""The conversation with a tool server, with a socket pair in place of one."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from swarm.adapters.sandbox.connection import Connection
from swarm.adapters.sandbox.sockets import AttachStream, SocketStream
from swarm.domain.errors import SandboxBroken, SandboxFault, SandboxGone


class Peer:
    """The other end: reads requests as lines and answers as it is told."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._file = end.makefile("rb")

    def request(self) -> dict[str, Any]:
        line = self._file.readline()
        return dict(json.loads(line)) if line.strip() else self.request()

    def send(self, data: bytes) -> None:
        self._end.sendall(data)

    def answer(self, request: dict[str, Any], **result: object) -> None:
        self.send(json.dumps({"id": request["id"], "ok": True, "result": result}).encode() + b"\n")

    def hang_up(self) -> None:
        self._file.close()
        self._end.close()


Pair = tuple[Connection, Peer]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    peer = Peer(theirs)
    connection = Connection(SocketStream(ours), "box", lambda: SandboxGone("it died", where="box"))
    yield connection, peer
    connection.close()
    peer.hang_up()


@pytest.fixture
def ask(pair: Pair) -> Iterator[Callable[..., Any]]:
    with ThreadPoolExecutor(4) as threads:
        yield lambda operation, seconds=10.0: threads.submit(pair[0].ask, operation, seconds, {})


def test_answers_find_their_calls_in_any_order(pair: Pair, ask: Callable[..., Any]) -> None:
    peer = pair[1]
    first, second = ask("one"), ask("two")
    requests = sorted((peer.request(), peer.request()), key=lambda r: str(r["op"]))
    peer.answer(requests[1], number=2)
    assert second.result() == {"number": 2}
    peer.answer(requests[0], number=1)
    assert first.result() == {"number": 1}


def test_pieces_of_lines_foreign_answers_and_noise_are_passed_over(
    pair: Pair, ask: Callable[..., Any]
) -> None:
    peer = pair[1]
    waiting = ask("one")
    request = peer.request()
    peer.send(b'ail of a line"}\n{"id": "somebody-else", "ok": true, "result": {}}\n[1]\n\n')
    whole = json.dumps({"id": request["id"], "ok": True, "result": {"a": 1}}).encode() + b"\n"
    peer.send(whole[:20])
    time.sleep(0.05)
    peer.send(whole[20:])
    assert waiting.result() == {"a": 1}


def test_a_refusal_becomes_a_fault_with_its_reason(pair: Pair, ask: Callable[..., Any]) -> None:
    waiting = ask("restore")
    peer = pair[1]
    peer.send(
        json.dumps({"id": peer.request()["id"], "ok": False, "error": "no such commit"}).encode() + b"\n"
    )
    with pytest.raises(SandboxBroken, match=r"restore failed: no such commit \(box\)"):
        waiting.result()


def test_the_end_of_the_stream_fails_waiting_and_later_calls_with_its_cause(
    pair: Pair, ask: Callable[..., Any]
) -> None:
    connection, peer = pair
    waiting = [ask("one"), ask("two")]
    peer.request(), peer.request()
    peer.hang_up()
    for one in waiting:
        with pytest.raises(SandboxGone, match="it died"):
            one.result()
    with pytest.raises(SandboxGone, match="it died"):
        connection.ask("three", 1, {})


def test_texts_of_an_answer_are_valid_unicode(pair: Pair, ask: Callable[..., Any]) -> None:
    waiting = ask("one")
    pair[1].answer(pair[1].request(), text="x\udcff", data={"\udc80": ["\ud800"]})
    assert waiting.result() == {"text": "x\\udcff", "data": {"\\udc80": ["\\ud800"]}}


def test_nesting_without_end_does_not_end_the_reading(pair: Pair, ask: Callable[..., Any]) -> None:
    waiting = ask("one")
    request = pair[1].request()
    pair[1].send(b"[" * 100_000 + b"\n")
    pair[1].answer(request, a=1)
    assert waiting.result() == {"a": 1}


def test_a_line_without_end_is_not_held_in_memory(pair: Pair, ask: Callable[..., Any]) -> None:
    waiting = ask("one", 60.0)
    pair[1].request()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # when it hangs up
        for _ in range(100):
            pair[1].send(b"x" * 1_000_000)
    with pytest.raises(SandboxFault, match="a line without end"):
        waiting.result()


def test_silence_ends_in_a_fault_and_not_in_waiting(pair: Pair) -> None:
    with pytest.raises(SandboxFault, match=r"did not answer 'ping' within 0\.2 s"):
        pair[0].ask("ping", 0.2, {})


def test_a_peer_that_takes_no_data_ends_in_a_fault(pair: Pair) -> None:
    with pytest.raises(SandboxFault, match="did not answer 'write'"):
        pair[0].ask("write", 0.3, {"data": "x" * 5_000_000})


def test_a_handshake_ends_the_line_that_a_predecessor_left(pair: Pair) -> None:
    connection, peer = pair
    with ThreadPoolExecutor(1) as threads:
        shaking = threads.submit(connection.handshake)
        assert peer._file.readline() == b"\n"
        request = peer.request()
        peer.answer(request, nonce=request["nonce"])
        shaking.result()


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def test_frames_are_put_together_and_complaints_kept_apart() -> None:
    ours, theirs = socket.socketpair()
    stream = AttachStream(ours)
    data = frame(1, b"one ") + frame(2, b"a traceback") + frame(1, b"") + frame(1, b"two")
    with theirs:
        for byte in data:
            theirs.sendall(bytes([byte]))
    assert stream.receive() + stream.receive() == b"one two"
    assert stream.receive() == b""
    assert stream.complaints == "a traceback"
    stream.close()


def test_a_stream_out_of_step_is_a_broken_one() -> None:
    ours, theirs = socket.socketpair()
    stream = AttachStream(ours)
    with theirs:
        theirs.sendall(b'{"id": "no frame at all"}')
        with pytest.raises(ConnectionError, match="out of step"):
            stream.receive()
    stream.close()
