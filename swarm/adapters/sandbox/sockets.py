"""Streams over sockets: the engine's attach stream, with its frames, and a plain one."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress

_BLOCK = 262_144
_HEADER = 8
_STDOUT = 1
_STDERR = 2
_LARGEST_FRAME = 64 * 1024**2
_COMPLAINTS = 4000


class SocketStream:
    """A connected socket, which it owns."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected

    def send(self, data: bytes, seconds: float) -> None:
        """Sends all of it; TimeoutError when the other side does not take it in that time."""
        deadline = time.monotonic() + seconds
        rest = memoryview(data)
        while rest:
            waiter = select.poll()
            waiter.register(self._descriptor(), select.POLLOUT)
            if not waiter.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError("the other side takes no data")
            try:
                rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                continue

    def receive(self) -> bytes:
        """The next bytes; empty at the end, also when another thread closed it."""
        return self._socket.recv(_BLOCK)

    def close(self) -> None:
        """Ends it; a `receive` under way returns empty."""
        # close() alone would leave a thread that waits in recv() waiting for ever. The other side may be first.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _descriptor(self) -> int:
        number = self._socket.fileno()
        if number < 0:
            raise BrokenPipeError("the connection is closed")
        return number


class AttachStream(SocketStream):
    """The engine's attach stream: an 8-byte header (which stream, length) before each piece of output.

    The tool server's standard error is kept apart: it speaks there only when it breaks.
    """

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        self._buffer = b""
        self._complaints = b""

    @property
    def complaints(self) -> str:
        """The end of what came over standard error."""
        return self._complaints.decode(errors="replace").strip()

    def receive(self) -> bytes:
        """The next bytes of standard output; ConnectionError when the frames make no sense."""
        while True:
            frame = self._frame()
            if frame is None:
                data = super().receive()
                if not data:
                    return b""
                self._buffer += data
            elif frame[0] == _STDERR:
                self._complaints = (self._complaints + frame[1])[-_COMPLAINTS:]
            elif frame[1]:
                return frame[1]

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame of the buffer, None when more has to come first."""
        if len(self._buffer) < _HEADER:
            return None
        kind, size = self._buffer[0], int.from_bytes(self._buffer[4:_HEADER], "big")
        if kind > _STDERR or self._buffer[1:4] != b"\0\0\0" or size > _LARGEST_FRAME:
            raise ConnectionError("the engine's stream is out of step")
        if len(self._buffer) < _HEADER + size:
            return None
        payload = self._buffer[_HEADER : _HEADER + size]
        self._buffer = self._buffer[_HEADER + size :]
        return kind, payload
