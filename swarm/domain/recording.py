"""One line of a recording."""

from __future__ import annotations

from swarm.domain.base import Value
from swarm.domain.conversation import ModelReply
from swarm.domain.goal import Strategy

RECORDING_VERSION = 1


class RecordingHeader(Value):
    """The first line: the goal, the model, and the command that made it and makes it anew."""

    schema_version: int = RECORDING_VERSION
    kind: str = "header"
    goal: str
    model: str
    command: str
    recorded_at: str
    threshold: int = 70
    strategy: Strategy = Strategy.AUTO
    agents: int = 4


class RecordingEntry(Value):
    """One answered call: its place (role, task, turn), the request's fingerprint, the answer, its latency."""

    schema_version: int = RECORDING_VERSION
    kind: str = "answer"
    role: str
    task: str
    turn: int
    fingerprint: str
    reply: ModelReply
    seconds: float
