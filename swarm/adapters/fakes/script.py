"""What a scripted model says. One script drives the model in this process and the HTTP server alike.

An answer is chosen by role, task and turn alone, so that a run that is killed and resumed hears the same as one that is
not.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall
from swarm.domain.errors import InternalFault

ANY = "*"


@dataclass(frozen=True)
class HttpError:
    """An HTTP status in place of an answer."""

    status: int
    message: str = "injected"
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Garbage:
    """A body with status 200 that is no chat completion."""

    body: str = "<html>Bad Gateway</html>"


@dataclass(frozen=True)
class Drop:
    """The connection breaks before an answer."""


@dataclass(frozen=True)
class Hang:
    """No answer for that many seconds, then a broken connection."""

    seconds: float = 3600.0


Fault = HttpError | Garbage | Drop | Hang


@dataclass(frozen=True)
class Flaky:
    """An answer that comes only after these faults, one for each time it is asked for."""

    answer: ModelReply
    faults: tuple[Fault, ...]


Line = ModelReply | Flaky | Fault
Part = Sequence[Line] | Callable[[ModelRequest], Line]


class Script:
    """The parts by (role, task), with `ANY` for every task.

    A sequence is read by turn, from 1; a fault that stands in it for itself is lasting. Safe for several threads.
    """

    def __init__(self, parts: Mapping[tuple[str, str], Part]) -> None:
        self._parts = dict(parts)
        self._asked: Counter[tuple[str, str, int]] = Counter()
        self._lock = threading.Lock()

    def next(self, request: ModelRequest) -> ModelReply | Fault:
        """The answer to a request, or the fault that comes this time. InternalFault where the script has none."""
        line = self._line(request)
        if not isinstance(line, Flaky):
            return line
        place = (request.role, request.task, request.turn)
        with self._lock:
            before = self._asked[place]
            self._asked[place] += 1
        return line.faults[before] if before < len(line.faults) else line.answer

    def _line(self, request: ModelRequest) -> Line:
        part = self._parts.get((request.role, request.task), self._parts.get((request.role, ANY)))
        if part is None:
            raise InternalFault(
                "The script has no part for this call", where=f"{request.role} of {request.task}"
            )
        if callable(part):
            return part(request)
        if not 1 <= request.turn <= len(part):
            raise InternalFault(
                f"The script has {len(part)} lines, and turn {request.turn} was asked for",
                where=f"{request.role} of {request.task}",
            )
        return part[request.turn - 1]


def says(text: str) -> ModelReply:
    """A reply of text alone."""
    return ModelReply(content=text)


def calls(name: str, arguments: str, *, call_id: str = "call_1") -> ModelReply:
    """A reply that calls one tool; `arguments` is JSON text."""
    call = ToolCall(id=call_id, name=name, arguments=arguments)
    return ModelReply(tool_calls=(call,), finish_reason="tool_calls")
