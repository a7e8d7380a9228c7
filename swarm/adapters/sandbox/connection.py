"""The conversation with a tool server: one stream, several calls in flight, each answered by its id.

The tool server speaks newline-delimited JSON. A stream that ends, because the container died or the engine let go,
fails every call that waits and every later one, at once.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Overdue
from typing import Any, Protocol

from swarm.domain.errors import SandboxBroken, SandboxFault

Reply = dict[str, Any]
_HANDSHAKE_SECONDS = 10.0
# The tool server answers with a few megabytes at most.
_LINE_BYTES = 64_000_000


class Stream(Protocol):
    """A two-way stream of bytes. OSError when it is broken."""

    def send(self, data: bytes, seconds: float) -> None:
        """Sends all of it; TimeoutError when the other side does not take it in that time."""
        ...

    def receive(self) -> bytes:
        """The next bytes, waiting for them; empty at the end of the stream."""
        ...

    def close(self) -> None:
        """Ends it; a `receive` under way returns empty."""
        ...


class Connection:
    """A client of one tool server. `explain` says why a stream ended: SandboxGone when the container is dead."""

    def __init__(self, stream: Stream, name: str, explain: Callable[[], SandboxFault]) -> None:
        self._stream = stream
        self._name = name
        self._explain = explain
        # Several clients may talk to one container: a foreign answer must not look like one of ours.
        self._prefix = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._pending: dict[str, Future[Reply]] = {}
        self._fault: SandboxFault | None = None
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._reader = threading.Thread(target=self._read, name=f"sandbox {name}", daemon=True)
        self._reader.start()

    def handshake(self) -> None:
        """Ends a line that a predecessor left half sent, and sees that the tool server answers. SandboxFault if not."""
        nonce = uuid.uuid4().hex
        if self.ask("ping", _HANDSHAKE_SECONDS, {"nonce": nonce}, lead=b"\n").get("nonce") != nonce:
            raise SandboxFault("the tool server answered the handshake wrongly", where=self._name)

    def ask(
        self, operation: str, seconds: float, arguments: Mapping[str, object], *, lead: bytes = b""
    ) -> Reply:
        """The result of one operation; `seconds` bounds the whole exchange.

        SandboxBroken when the tool server says that it cannot do it; SandboxGone or SandboxFault when it says nothing.
        """
        identity = f"{self._prefix}-{next(self._numbers)}"
        future: Future[Reply] = Future()
        with self._guard:
            if self._fault is not None:
                raise _copy(self._fault)
            self._pending[identity] = future
        line = json.dumps({"id": identity, "op": operation, **arguments}).encode() + b"\n"
        try:
            self._send(lead + line, seconds)
            reply = future.result(seconds)
        except Overdue as error:
            raise SandboxFault(
                f"the tool server did not answer '{operation}' within {seconds:g} s",
                where=self._name,
                remedy="Look at the load of this machine, then resume the run.",
            ) from error
        finally:
            with self._guard:
                self._pending.pop(identity, None)
        if not reply.get("ok"):
            raise SandboxBroken(
                f"{operation} failed: {reply.get('error', 'no reason given')}", where=self._name
            )
        result = reply["result"]
        return result if isinstance(result, dict) else {}

    def close(self) -> None:
        """Lets go. Calls under way fail; the tool server and its commands go on."""
        self._fail(SandboxFault("the connection was closed by this process", where=self._name))
        self._stream.close()

    def _send(self, data: bytes, seconds: float) -> None:
        try:
            with self._sending:
                self._stream.send(data, seconds)
        except TimeoutError:
            # A line that was sent in part would spoil the next one: this connection is of no more use.
            self._stream.close()
            raise
        except OSError:
            # The reader sees the end of the stream too, and knows how to explain it: the answer comes from there.
            self._stream.close()

    def _read(self) -> None:
        rest = bytearray()
        try:
            while data := self._stream.receive():
                first, *lines = data.split(b"\n")
                rest += first
                for line in lines:
                    self._deliver(bytes(rest))
                    rest = bytearray(line)
                if len(rest) > _LINE_BYTES:
                    self._fail(SandboxFault("the tool server sent a line without end", where=self._name))
                    break
        except OSError:
            # A broken stream is an ended one; why it broke is explained below.
            rest.clear()
        self._stream.close()
        with self._guard:
            known = self._fault
        if known is None:
            self._fail(self._explain())

    def _deliver(self, line: bytes) -> None:
        try:
            reply = clean(json.loads(line))
        except (ValueError, RecursionError):
            return  # the tail of a line whose beginning went to a predecessor
        if isinstance(reply, dict):
            with self._guard:
                future = self._pending.pop(str(reply.get("id")), None)
            if future is not None:
                future.set_result(reply)

    def _fail(self, fault: SandboxFault) -> None:
        with self._guard:
            if self._fault is None:
                self._fault = fault
            waiting, self._pending = self._pending, {}
        for future in waiting.values():
            future.set_exception(_copy(self._fault))


def clean(value: Any) -> Any:
    """A JSON value whose texts are valid Unicode: the lone surrogates of a strange file name are written as escapes.

    Nothing behind this border could store or send them.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, dict):
        return {clean(key): clean(one) for key, one in value.items()}
    return value


def _copy(fault: SandboxFault) -> SandboxFault:
    """An exception of its own for each thread that raises it."""
    return type(fault)(fault.what, where=fault.where, remedy=fault.remedy)
