"""An HTTP server that speaks Chat Completions from a script, with real sockets, latencies and faults.

It reads what a client sent and not what a test knows: a request's place comes from the `X-Swarm-*` headers that the
adapter sends. Standard library only; it listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from email.message import Message as HttpHeaders
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from swarm.adapters.fakes.model import estimated_usage
from swarm.adapters.fakes.script import Drop, Fault, Garbage, Hang, HttpError, Part, Script
from swarm.domain.conversation import Message, ModelReply, ModelRequest, ToolCall, ToolSpec
from swarm.domain.errors import InternalFault


class ModelServer:
    """A context manager: starts on a free port, stops at the end. `url` is its base URL.

    `latency` is seconds before an answer, or a function of the request. `api_key`, when set, is the only one that it
    accepts; `rejects` are top-level fields of a body that it answers with 400, as older servers do. `received` holds
    the bodies of the chat requests in the order of arrival (`first_arrival` is set by the first), and `busiest` the
    most that were under way at once.
    """

    def __init__(
        self,
        script: Mapping[tuple[str, str], Part] | Script,
        *,
        latency: float | Callable[[ModelRequest], float] = 0.0,
        api_key: str = "",
        models: tuple[str, ...] = ("scripted",),
        rejects: tuple[str, ...] = (),
        port: int = 0,
    ) -> None:
        self.script = script if isinstance(script, Script) else Script(script)
        self.latency = latency
        self.api_key = api_key
        self.models = models
        self.rejects = rejects
        self.received: list[dict[str, Any]] = []
        self.first_arrival = threading.Event()
        self.busiest = 0
        self.stopping = threading.Event()
        self._under_way = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, with /v1."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def arrived(self, body: dict[str, Any]) -> None:
        """Counts a chat request in."""
        with self._lock:
            self.received.append(body)
            self.first_arrival.set()
            self._under_way += 1
            self.busiest = max(self.busiest, self._under_way)

    def left(self) -> None:
        """Counts it out."""
        with self._lock:
            self._under_way -= 1

    def seconds(self, request: ModelRequest) -> float:
        """How long this request's answer takes."""
        return self.latency(request) if callable(self.latency) else self.latency


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of what is tested: their broken connections are no news."""


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_ChatHandler):
        model_server = server

    return Handler


class _ChatHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave as two writes: without this the second waits 40 ms for the client's delayed ACK.
    disable_nagle_algorithm = True
    model_server: ModelServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing: a test's output is the test's."""

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if self.path.rstrip("/") == "/v1/models":
            listed = [{"id": name, "object": "model"} for name in self.model_server.models]
            self._send(200, {"object": "list", "data": listed})
        else:
            self._send_text(404, "not found")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            return
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._send_text(404, "not found")
            return
        body = json.loads(raw)
        self.model_server.arrived(body)
        try:
            self._chat(body)
        finally:
            self.model_server.left()

    def _allowed(self) -> bool:
        key = self.model_server.api_key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self._send_fault(HttpError(401, "Incorrect API key provided", code="invalid_api_key"))
            return False
        return True

    def _chat(self, body: dict[str, Any]) -> None:
        unknown = next((name for name in self.model_server.rejects if name in body), None)
        if unknown is not None:
            self._send_fault(
                HttpError(400, f"Unsupported parameter: '{unknown}'", "unsupported_parameter", unknown)
            )
            return
        try:
            request = request_of(body, self.headers)
            line = self.model_server.script.next(request)
        except InternalFault as error:
            # Loud, and not repeated by the client: the test's script is wrong.
            self._send_fault(HttpError(400, str(error), code="no_script"))
            return
        self.model_server.stopping.wait(self.model_server.seconds(request))
        if isinstance(line, ModelReply):
            self._send(200, completion(request, line))
        else:
            self._send_fault(line)

    def _send_fault(self, fault: Fault) -> None:
        match fault:
            case HttpError():
                error = {
                    "message": fault.message,
                    "type": "injected",
                    "code": fault.code,
                    "param": fault.param,
                }
                self._send(fault.status, {"error": error}, fault.headers)
            case Garbage():
                self._send_text(200, fault.body)
            case Hang():
                self.model_server.stopping.wait(fault.seconds)
                self._break()
            case Drop():
                self._break()

    def _break(self) -> None:
        # With a linger of 0 the kernel sends a reset, as a crashing server's does.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, document: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._send_text(status, json.dumps(document), "application/json", headers)

    def _send_text(
        self, status: int, text: str, kind: str = "text/html", headers: Mapping[str, str] | None = None
    ) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def request_of(body: Mapping[str, Any], headers: HttpHeaders) -> ModelRequest:
    """The request behind a body, with its place from the headers."""
    role, task = headers.get("X-Swarm-Role") or "", headers.get("X-Swarm-Task") or ""
    turn = int(headers.get("X-Swarm-Turn") or 0)
    return ModelRequest(
        workflow="",
        step="",
        role=role,
        task=task,
        turn=turn,
        model=str(body["model"]),
        messages=tuple(_message(message) for message in body["messages"]),
        tools=tuple(ToolSpec.model_validate(tool["function"]) for tool in body.get("tools") or ()),
    )


def _message(wire: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(id=c["id"], **c["function"]) for c in wire.get("tool_calls") or ())
    return Message(
        role=wire["role"],
        content=wire.get("content") or "",
        tool_calls=calls,
        tool_call_id=wire.get("tool_call_id") or "",
    )


def completion(request: ModelRequest, reply: ModelReply) -> dict[str, Any]:
    """The body of an answer."""
    usage = reply.usage if reply.usage.calls else estimated_usage(request, reply)
    message: dict[str, Any] = {"role": "assistant", "content": reply.content or None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in reply.tool_calls
        ]
    return {
        "id": f"chatcmpl-{request.fingerprint}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
    }
