"""What is said between an agent and a model, and what it costs."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from pydantic import Field

from swarm.domain.base import Value

_DURATION = re.compile(r"\b\d+(?:\.\d+)?\s?(?:s|ms|seconds?)\b")


class ToolCall(Value):
    """A call that the model asks for. `arguments` is the raw JSON text: it may be malformed."""

    id: str
    name: str
    arguments: str


class Message(Value):
    """One message of a conversation, in the shape of Chat Completions."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ToolSpec(Value):
    """A tool as the model sees it; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Usage(Value):
    """Tokens and money of one or more calls. `cached_tokens` is the part of `input_tokens` read from the cache.

    `estimated` says that some of the counts are estimates, because an endpoint gave none.
    """

    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Input and output together: what budgets count."""
        return self.input_tokens + self.output_tokens

    @property
    def cached_share(self) -> float:
        """The share of the input that came from the cache, 0 to 1."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=self.usd + other.usd,
            seconds=self.seconds + other.seconds,
            estimated=self.estimated or other.estimated,
        )


class ModelRequest(Value):
    """One call. `workflow` and `step` are its durable identity, `role`, `task` and `turn` its place in the run."""

    workflow: str
    step: str
    role: str
    task: str
    turn: int
    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    response_schema: dict[str, Any] | None = None
    max_output_tokens: int = 16_000

    @property
    def fingerprint(self) -> str:
        """A hash of what the model reads, durations apart (test runs print them, and they never repeat)."""
        return digest([[m.model_dump() for m in self.messages], [t.model_dump() for t in self.tools]])

    @property
    def estimated_tokens(self) -> int:
        """A cautious count of the prompt's tokens, tools and schema included: characters / 3."""
        said = sum(len(m.content) + sum(len(c.arguments) for c in m.tool_calls) for m in self.messages)
        tools = sum(len(t.name) + len(t.description) + len(json.dumps(t.parameters)) for t in self.tools)
        schema = len(json.dumps(self.response_schema)) if self.response_schema else 0
        return (said + tools + schema) // 3


class ModelReply(Value):
    """The model's answer. `journalled` says that it came from the response journal and cost nothing this time."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage = Usage()
    drift: bool = False
    journalled: bool = Field(default=False, exclude=True)

    def as_message(self) -> Message:
        """The answer as the next message of the conversation."""
        return Message(role="assistant", content=self.content, tool_calls=self.tool_calls)


def digest(value: object) -> str:
    """A short, stable hash of a JSON-able value, with durations left out."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(_DURATION.sub("<duration>", text).encode()).hexdigest()[:16]
