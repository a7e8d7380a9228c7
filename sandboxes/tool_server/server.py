"""The loop of the tool server: requests in, replies out, one worker process for each call that may take a while.

It has a single thread and forks: a worker can run out of memory, hang or be killed by the commands it runs, and the
server goes on. Where nothing can be started (the limit of processes is reached) the reply says so.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sandboxes.tool_server import operations, processes
from sandboxes.tool_server.config import Config, parse
from sandboxes.tool_server.jobs import Job, JobTable, Reply

_BLOCK = 262_144
_MAX_LINE = 64_000_000
_GRACE_SECONDS = 30.0
_TICK_SECONDS = 5.0
_TTL_EXIT = 75
_KILLED_EXIT = 137


@dataclass
class Channel:
    """A client's pair of descriptors, with what has arrived of a line and what is still to be sent."""

    number: int
    reader: int
    writer: int
    incoming: bytearray = field(default_factory=bytearray)
    outgoing: bytearray = field(default_factory=bytearray)


@dataclass
class Worker:
    """A process that works on a job, and what it has replied so far."""

    pid: int
    reader: int
    job: Job
    deadline: float
    started: float
    output: bytearray = field(default_factory=bytearray)


class Server:
    """Answers requests until nobody has asked anything for `config.ttl` seconds."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._jobs = JobTable()
        self._channels: dict[int, Channel] = {}
        self._workers: dict[int, Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._last_request = time.monotonic()
        self._numbers = 0

    def serve(self) -> None:
        """Listens on the unix socket of the configuration, or talks over standard input and output."""
        wake_reader, wake_writer = os.pipe()
        os.set_blocking(wake_reader, False)
        os.set_blocking(wake_writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        self._watch(wake_reader, lambda: _empty(wake_reader))
        if self._config.socket:
            self._listen(self._config.socket)
        else:
            # Copies, so that nothing a worker prints by mistake can look like a reply.
            reader, writer = os.dup(0), os.dup(1)
            os.dup2(2, 1)
            self._open(reader, writer)
        while time.monotonic() - self._last_request < self._config.ttl:
            for key, _ in self._selector.select(min(_TICK_SECONDS, self._config.ttl)):
                key.data()
            self._mind_children()
        os._exit(_TTL_EXIT)

    def _watch(self, descriptor: int, then: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, then)

    def _listen(self, path: str) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(16)

        def accept() -> None:
            connection, _ = listener.accept()
            descriptor = connection.detach()
            self._open(descriptor, descriptor)

        self._watch(listener.fileno(), accept)

    def _open(self, reader: int, writer: int) -> None:
        self._numbers += 1
        channel = Channel(self._numbers, reader, writer)
        self._channels[channel.number] = channel
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._watch(reader, lambda: self._receive(channel))

    def _close(self, channel: Channel) -> None:
        if self._channels.pop(channel.number, None) is None:
            return
        if not self._config.socket:
            # Standard input and output are the only way to this server: nobody can reach it any more.
            os._exit(0)
        for descriptor in {channel.reader, channel.writer}:
            with suppress(KeyError, ValueError):
                self._selector.unregister(descriptor)
            os.close(descriptor)

    def _receive(self, channel: Channel) -> None:
        if channel.number not in self._channels:
            return
        try:
            data = os.read(channel.reader, _BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(channel)
            return
        channel.incoming += data
        if b"\n" not in data:
            if len(channel.incoming) > _MAX_LINE:
                channel.incoming.clear()
            return
        *lines, rest = bytes(channel.incoming).split(b"\n")
        channel.incoming = bytearray(rest)
        for line in lines:
            if line.strip():
                self._take(channel, line)

    def _take(self, channel: Channel, line: bytes) -> None:
        self._last_request = time.monotonic()
        try:
            request = json.loads(line)
            identity, operation = request["id"], str(request["op"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            # A client that died in the middle of a line leaves a piece of one: its successor must not suffer for it.
            self._send(channel, None, {"ok": False, "kind": "usage", "error": f"not a request: {error!r}"})
            return
        key = f"{operation}:{request['call']}" if request.get("call") else ""
        job = self._jobs.get(key) if key else None
        if job is None:
            job = self._jobs.add(key) if key else Job("")
            job.waiting.append((channel.number, identity))
            self._start(job, request)
        elif job.reply is not None:
            self._send(channel, identity, job.reply)
        else:
            job.waiting.append((channel.number, identity))

    def _start(self, job: Job, request: dict[str, Any]) -> None:
        if operations.is_quick(request):
            self._finish(job, operations.perform(self._config, request))
            return
        try:
            self._fork(job, request, operations.seconds(request))
        except OSError as error:
            self._finish(job, operations.nothing_starts(request, error))
        except (ValueError, TypeError) as error:
            self._finish(job, {"ok": False, "kind": "usage", "error": f"not a time-out: {error}"})

    def _fork(self, job: Job, request: dict[str, Any], seconds: float) -> None:
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid == 0:
            self._forget_channels()
            _work(self._config, request, writer)
        os.close(writer)
        os.set_blocking(reader, False)
        now = time.monotonic()
        worker = Worker(pid, reader, job, now + seconds + _GRACE_SECONDS, now)
        self._workers[pid] = worker
        self._watch(reader, lambda: self._collect(worker, request))

    def _forget_channels(self) -> None:
        """In a worker: a client has to see the end of the stream when the server dies, whoever else still lives."""
        for channel in self._channels.values():
            for descriptor in {channel.reader, channel.writer}:
                os.close(descriptor)

    def _collect(self, worker: Worker, request: dict[str, Any]) -> None:
        try:
            data = os.read(worker.reader, _BLOCK)
        except BlockingIOError:
            return
        if data:
            worker.output += data
            return
        self._selector.unregister(worker.reader)
        os.close(worker.reader)
        with suppress(ChildProcessError):
            os.waitpid(worker.pid, 0)
        del self._workers[worker.pid]
        try:
            reply = json.loads(worker.output)
        except ValueError:
            # It was killed: by the commands it ran, or for want of memory. What they started is ours to stop.
            processes.kill_descendants(frozenset(self._workers))
            reply = operations.was_killed(request, _KILLED_EXIT, time.monotonic() - worker.started)
        operations.remember(self._config, reply)
        self._finish(worker.job, reply)

    def _mind_children(self) -> None:
        """Reaps orphans, and ends workers that are long past their time."""
        processes.reap(keep=tuple(self._workers))
        now = time.monotonic()
        for worker in self._workers.values():
            if now > worker.deadline:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)

    def _finish(self, job: Job, reply: Reply) -> None:
        if job.key:
            self._jobs.finish(job, reply, len(json.dumps(reply)))
        waiting, job.waiting = job.waiting, []
        for number, identity in waiting:
            channel = self._channels.get(number)
            if channel is not None:
                self._send(channel, identity, reply)

    def _send(self, channel: Channel, identity: object, reply: Reply) -> None:
        idle = not channel.outgoing
        channel.outgoing += json.dumps({**_clean(reply), "id": identity}).encode() + b"\n"
        if idle:
            self._flush(channel)

    def _flush(self, channel: Channel) -> None:
        """Sends what the client takes now; the rest follows when it takes more, and nobody else waits for it."""
        if channel.number not in self._channels:
            return
        try:
            while channel.outgoing:
                sent = os.write(channel.writer, channel.outgoing[:_BLOCK])
                del channel.outgoing[:sent]
        except BlockingIOError:
            self._await_room(channel)
            return
        except OSError:
            self._close(channel)
            return
        self._have_room(channel)

    def _await_room(self, channel: Channel) -> None:
        if channel.writer == channel.reader:
            self._selector.modify(
                channel.reader,
                selectors.EVENT_READ | selectors.EVENT_WRITE,
                lambda: self._both_ways(channel),
            )
        elif channel.writer not in self._selector.get_map():
            self._selector.register(channel.writer, selectors.EVENT_WRITE, lambda: self._flush(channel))

    def _have_room(self, channel: Channel) -> None:
        if channel.writer == channel.reader:
            self._selector.modify(channel.reader, selectors.EVENT_READ, lambda: self._receive(channel))
        elif channel.writer in self._selector.get_map():
            self._selector.unregister(channel.writer)

    def _both_ways(self, channel: Channel) -> None:
        self._flush(channel)
        self._receive(channel)


def _clean(value: Any) -> Any:
    """The same with escapes for lone surrogates, which a file name that is not UTF-8 has: no client could take them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return value


def _empty(descriptor: int) -> None:
    with suppress(BlockingIOError):
        os.read(descriptor, _BLOCK)


def _work(config: Config, request: dict[str, Any], writer: int) -> None:
    """The life of a worker: does one operation, replies, and leaves nothing behind. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        processes.become_worker()
        reply = json.dumps(operations.perform(config, request)).encode()
        processes.kill_descendants()
        # The pipe ends with the process: whoever reads its end need not wait for the exit.
        while reply:
            reply = reply[os.write(writer, reply) :]
        code = 0
    finally:
        os._exit(code)


def main(arguments: list[str]) -> None:
    """Prepares the process and serves. Ends by its own time-out, or with its container."""
    config = parse(arguments)
    processes.ignore_signals()
    processes.become_subreaper()
    processes.set_dumpable(False)
    config.work.parent.mkdir(parents=True, exist_ok=True)
    config.state.mkdir(exist_ok=True)
    gc.freeze()
    Server(config).serve()
