"""Requests and replies in the shape of Chat Completions.

A reply may be malformed in any way; what comes out is always a well-formed ModelReply, or Garbage where there is no
answer in it at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarm.adapters.model.faults import Garbage
from swarm.adapters.model.texts import storable, storable_json
from swarm.config.prices import Price
from swarm.domain.conversation import Message, ModelReply, ModelRequest, ToolCall, Usage, digest

CHARS_PER_TOKEN = 3
MOST_CALLS = 64
LONGEST_ARGUMENTS = 2_000_000
"""Characters of one call's arguments."""

# Counts above ten times what the call can explain are not believed. The floor leaves room for the instructions that a
# gateway adds unseen, and for reasoning where an endpoint ignores the limit of the output.
_BELIEVED = 10
_BELIEVED_FLOOR = 20_000

_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Dialect:
    """What an endpoint understands: `response_format`, and the name of the output limit."""

    response_format: bool = True
    limit_name: str = "max_completion_tokens"


def payload(request: ModelRequest, dialect: Dialect) -> dict[str, Any]:
    """The body of a chat request."""
    messages = [_message(message) for message in request.messages]
    body: dict[str, Any] = {"model": request.model, dialect.limit_name: request.max_output_tokens}
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool.model_dump()} for tool in request.tools]
        body["tool_choice"] = "auto"
    if request.response_schema is not None and dialect.response_format:
        body["response_format"] = _response_format(request.response_schema)
    elif request.response_schema is not None:
        _say_schema(messages, request.response_schema)
    return body | {"messages": messages}


def headers(request: ModelRequest) -> dict[str, str]:
    """The place of a call in the run, so that a gateway's accounts can tell agents apart."""
    names = {"X-Swarm-Role": request.role, "X-Swarm-Task": request.task, "X-Swarm-Turn": str(request.turn)}
    return {name: _NAME.sub("-", value) for name, value in names.items()}


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [_call(call) for call in message.tool_calls]
        wire["content"] = message.content or None
    if message.role == "tool":
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _call(call: ToolCall) -> dict[str, Any]:
    # Some servers parse the arguments of the history and fail on what is no JSON object, for good.
    arguments = (
        call.arguments if _is_object(call.arguments) else json.dumps({"malformed_arguments": call.arguments})
    )
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    name = _NAME.sub("_", str(schema.get("title") or "answer"))
    # Not strict: strict mode takes a part of JSON Schema only (no defaults, no open maps); the reader validates anyway.
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": False}}


def _say_schema(messages: list[dict[str, Any]], schema: dict[str, Any]) -> None:
    text = f"Answer with one JSON object and nothing else. It fits this JSON Schema:\n{json.dumps(schema)}"
    messages.append({"role": "user", "content": text})


def reply(data: dict[str, Any], request: ModelRequest, price: Price | None, seconds: float) -> ModelReply:
    """The answer in a response body; Garbage where it holds none, or one beyond the limits of calls and arguments."""
    try:
        return _reply(data, request, price, seconds)
    except RecursionError as error:
        # What could just be parsed may be too deep to be written again.
        raise Garbage("JSON that is nested too deeply") from error


def _reply(data: dict[str, Any], request: ModelRequest, price: Price | None, seconds: float) -> ModelReply:
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Garbage(json.dumps(data))
    refusal = message.get("refusal")
    content = _text(message.get("content")) or _text(refusal)
    calls = _calls(message, request)
    finish = "refusal" if refusal else choice.get("finish_reason")
    fallback = "tool_calls" if calls else "stop"
    return ModelReply(
        content=content,
        tool_calls=calls,
        finish_reason=storable(finish) if isinstance(finish, str) and finish else fallback,
        usage=_usage(
            data.get("usage"), request, len(content) + sum(len(c.arguments) for c in calls), price, seconds
        ),
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return storable(content)
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return storable("".join(part for part in parts if isinstance(part, str)))
    return "" if content is None else json.dumps(content)


def _calls(message: dict[str, Any], request: ModelRequest) -> tuple[ToolCall, ...]:
    listed = message.get("tool_calls")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if not entries and isinstance(message.get("function_call"), dict):
        entries = [{"function": message["function_call"]}]
    if len(entries) > MOST_CALLS:
        # Not the first few of them: the model would believe that all were made.
        raise Garbage(f"{len(entries)} tool calls in one reply; {MOST_CALLS} are allowed")
    seen: set[str] = set()
    return tuple(_tool_call(entry, number, request, seen) for number, entry in enumerate(entries))


def _tool_call(entry: dict[str, Any], number: int, request: ModelRequest, seen: set[str]) -> ToolCall:
    function = entry.get("function")
    function = function if isinstance(function, dict) else {}
    given = entry.get("id")
    given = storable(given) if isinstance(given, str) else ""
    # Made from the place, so that a repeated call gives the same id.
    made = f"call_{digest([request.role, request.task, request.turn, number])}"
    call_id = given if given and given not in seen else made
    seen.add(call_id)
    arguments = function.get("arguments")
    name = _NAME.sub("_", str(function.get("name") or "")).strip("_") or "unnamed"
    return ToolCall(id=call_id, name=name[:64], arguments=_arguments(arguments))


def _arguments(value: object) -> str:
    if value is None or value == "":
        return "{}"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > LONGEST_ARGUMENTS:
        raise Garbage(
            f"a tool call with {len(text):,} characters of arguments; {LONGEST_ARGUMENTS:,} are allowed"
        )
    return storable_json(text)


def _usage(data: object, request: ModelRequest, chars: int, price: Price | None, seconds: float) -> Usage:
    given = data if isinstance(data, dict) else {}
    said = _count(given.get("prompt_tokens")), _count(given.get("completion_tokens"))
    prompt = min(said[0], _believed(request.estimated_tokens))
    output = min(said[1], _believed(request.max_output_tokens))
    details = given.get("prompt_tokens_details")
    detail: Callable[[str], int] = lambda name: _count(details.get(name)) if isinstance(details, dict) else 0  # noqa: E731
    usage = Usage(
        calls=1,
        input_tokens=prompt or request.estimated_tokens,
        cached_tokens=min(detail("cached_tokens"), prompt),
        output_tokens=output or (0 if prompt else -(-chars // CHARS_PER_TOKEN)),
        seconds=seconds,
        estimated=not prompt or said != (prompt, output),
    )
    usd = price.usd(usage, written=detail("cache_write_tokens")) if price else 0.0
    return usage.model_copy(update={"usd": usd})


def _believed(expected: int) -> int:
    return max(_BELIEVED * expected, _BELIEVED_FLOOR)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
