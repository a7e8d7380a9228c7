"""What a request can ask for, and the reply to it, whatever happens."""

from __future__ import annotations

import base64
import errno
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandboxes.tool_server import editing, tools
from sandboxes.tool_server.arguments import parse_arguments
from sandboxes.tool_server.config import Config
from sandboxes.tool_server.editing import Outcome
from sandboxes.tool_server.files import Refused, Unreadable, locate, read_bytes, write_bytes
from sandboxes.tool_server.jobs import Reply
from sandboxes.tool_server.processes import Capture, execute, shell
from sandboxes.tool_server.repository import GIT_SECONDS, GitFailed, Repository

Request = Mapping[str, Any]
_RUN_OUTPUT_LIMIT = 200_000
_NO_PROCESS = "no process could be started: the sandbox is at its limit of processes or memory"
_KILLED = (
    "the command ended its own supervisor (kill -9 -1?) or ran out of memory; all its processes were stopped"
)

TOOLS: dict[str, Callable[..., Outcome]] = {
    "read_file": editing.read_file,
    "write_file": editing.write_file,
    "edit_file": editing.edit_file,
    "list_files": tools.list_files,
    "search": tools.search,
    "run": tools.run,
}
_REMEMBERED = frozenset({"prepare", "commit", "restore"})
_QUICK_TOOLS = frozenset({"read_file", "write_file", "edit_file"})


def perform(config: Config, request: Request) -> Reply:
    """Does one operation. A fault of any kind becomes a reply: the server lives on."""
    try:
        reply = _fine(_OPERATIONS[str(request["op"])](config, request))
    except Refused as refused:
        return {"ok": False, "kind": "usage", "error": str(refused)}
    except GitFailed as failed:
        return {"ok": False, "kind": "fault", "error": str(failed)}
    except Exception as error:  # noqa: BLE001 - the boundary of the server: it answers and never dies of a request
        return {"ok": False, "kind": "fault", "error": f"{type(error).__name__}: {error}"}
    if request["op"] in _REMEMBERED:
        reply["history"] = [config.history.parents, config.history.reference]
    return reply


def remember(config: Config, reply: Reply) -> None:
    """In the server: takes over what a worker says of the history, and out of the reply."""
    if "history" in reply:
        parents, reference = reply.pop("history")
        config.history.parents, config.history.reference = tuple(parents), str(reference)


def is_quick(request: Request) -> bool:
    """Whether it is done in the server itself: it starts no process and waits for nothing."""
    operation = str(request["op"])
    if operation == "tool":
        return str(request.get("name")) in _QUICK_TOOLS
    return operation in {"ping", "read", "write"} or operation not in _OPERATIONS


def seconds(request: Request) -> float:
    """How long an operation may take at most."""
    if request["op"] == "run":
        return float(request.get("timeout", tools.DEFAULT_SECONDS))
    return float(tools.MOST_SECONDS if request["op"] == "tool" else GIT_SECONDS)


def nothing_starts(request: Request, error: OSError) -> Reply:
    """The reply when the worker itself could not be started."""
    if request["op"] == "tool":
        return _fine(_timed(request, editing.outcome(f"{_NO_PROCESS} ({error.strerror})", ok=False), 0.0))
    return {"ok": False, "kind": "fault", "error": f"{_NO_PROCESS} ({error.strerror})"}


def was_killed(request: Request, exit_code: int, after: float) -> Reply:
    """The reply when a worker ended without one."""
    if request["op"] == "tool":
        result = editing.outcome(f"[{_KILLED}]\n[exit code {exit_code}]", changed=True, exit_code=exit_code)
        return _fine(_timed(request, result, after))
    if request["op"] == "run":
        return _fine(_command_result(exit_code, f"[{_KILLED}]", 0, timed_out=False, took=after))
    return {
        "ok": False,
        "kind": "fault",
        "error": "the operation was killed inside the sandbox, or ran out of memory",
    }


def _fine(result: Mapping[str, Any]) -> Reply:
    return {"ok": True, "result": dict(result)}


def _ping(_config: Config, request: Request) -> Mapping[str, Any]:
    return {"nonce": request.get("nonce")}


def _read(config: Config, request: Request) -> Mapping[str, Any]:
    path = str(request["path"])
    # An absolute path comes from the host's own code and means what it says.
    real = config.work / path if path.startswith("/") else locate(config, path, writing=False)
    try:
        data = read_bytes(real, int(request.get("limit", 1_000_000)))
    except Unreadable:  # a pipe in place of a report is no report
        data = None
    return {"data": None if data is None else base64.b64encode(data).decode()}


def _write(config: Config, request: Request) -> Mapping[str, Any]:
    write_bytes(
        locate(config, str(request["path"]), writing=True), base64.b64decode(request["data"], validate=True)
    )
    return {}


def _run(config: Config, request: Request) -> Mapping[str, Any]:
    capture = Capture(_RUN_OUTPUT_LIMIT)
    environment = {**config.environment, **request.get("env", {})}
    ended = execute(
        shell(str(request["command"]), environment),
        cwd=config.work,
        environment=environment,
        timeout=seconds(request),
        capture=capture,
    )
    text = capture.text()
    if ended.timed_out:
        text += f"\n[timed out after {seconds(request):g} s; the command and all its processes were stopped]"
    return _command_result(ended.exit_code, text, capture.size, timed_out=ended.timed_out, took=ended.seconds)


def _command_result(
    exit_code: int, output: str, size: int, *, timed_out: bool, took: float
) -> Mapping[str, Any]:
    return {"exit_code": exit_code, "output": output, "size": size, "timed_out": timed_out, "seconds": took}


def _tool(config: Config, request: Request) -> Mapping[str, Any]:
    started = time.monotonic()
    name = str(request["name"])
    try:
        arguments = parse_arguments(name, str(request["arguments"]))
        result = TOOLS[name](config, **arguments)
    except Refused as refused:
        result = editing.outcome(f"Error: {refused}.", ok=False)
    except GitFailed as failed:
        result = editing.outcome(f"Error: {failed}.", ok=False)
    except (OSError, ValueError) as error:
        result = editing.outcome(f"Error: {_reason(error)}.", ok=False)
    return _timed(request, result, time.monotonic() - started)


def _reason(error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.EAGAIN, errno.ENOMEM}:
        return f"{_NO_PROCESS} ({error})"
    if number == errno.E2BIG:
        return "the command is too long for the shell: put it into a script with write_file and run that"
    return f"the sandbox cannot do that: {error}"


def _timed(request: Request, result: Outcome, after: float) -> Outcome:
    return {**result, "name": str(request.get("name", "")), "seconds": after}


def _prepare(config: Config, request: Request) -> Mapping[str, Any]:
    return {"commit": Repository(config).prepare(str(request["commit"]), str(request.get("branch", "")))}


def _commit(config: Config, request: Request) -> Mapping[str, Any]:
    exported = Repository(config).export(str(request["message"]))
    return {"commit": exported.commit, "known": exported.known, "skipped": exported.skipped}


def _bundle(config: Config, request: Request) -> Mapping[str, Any]:
    piece, size = Repository(config).bundle(
        str(request["commit"]), str(request["known"]), int(request["offset"])
    )
    return {"data": base64.b64encode(piece).decode(), "size": size}


def _restore(config: Config, request: Request) -> Mapping[str, Any]:
    Repository(config).restore(str(request["commit"]))
    return {}


_OPERATIONS: dict[str, Callable[[Config, Request], Mapping[str, Any]]] = {
    "ping": _ping,
    "read": _read,
    "write": _write,
    "run": _run,
    "tool": _tool,
    "prepare": _prepare,
    "commit": _commit,
    "bundle": _bundle,
    "restore": _restore,
}
