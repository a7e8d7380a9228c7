"""What the steps of an agent take and give: everything here is stored, so everything here is a value."""

from __future__ import annotations

from enum import StrEnum

from swarm.domain.base import Value
from swarm.domain.conversation import Message, ModelReply, ToolCall, Usage
from swarm.domain.evidence import Check
from swarm.domain.sandbox import SandboxSpec, ToolResult


class AgentSpec(Value):
    """An agent to run: who it is, what it reads first, where it works, and how long it may.

    `label` names its steps (unique in the workflow) and `task` its place in events and recordings. `system` and
    `prompt` are the stable prefix of its conversation. `base` is the commit against which a change is counted.
    """

    label: str
    role: str
    task: str
    model: str
    system: str
    prompt: str
    sandbox: SandboxSpec
    base: str
    turns: int
    tokens: int
    seconds: int
    command_seconds: int
    must_change: bool = True


class PlacedCall(Value):
    """A tool call with the id under which it runs at most once in a container."""

    id: str
    call: ToolCall


class ThinkGiven(Value):
    """One model call, and the work in progress to save meanwhile."""

    spec: AgentSpec
    turn: int
    messages: tuple[Message, ...]
    checkpoint: str
    unsaved: tuple[PlacedCall, ...] = ()


class ThinkDone(Value):
    """The answer, and the commit that holds all before it.

    `refused` says why the hub did not take the work, `broken` why the sandbox can't go on: its agent broke it.
    """

    reply: ModelReply
    checkpoint: str
    refused: str = ""
    broken: str = ""
    seconds: float = 0.0


class ActGiven(Value):
    """The tool calls of one turn, on a work tree that equals `checkpoint`."""

    spec: AgentSpec
    turn: int
    checkpoint: str
    calls: tuple[PlacedCall, ...]


class ActDone(Value):
    """Their results, in order.

    `recreated` says that a dead container was replaced on the way, `broken` why the sandbox can't go on.
    """

    results: tuple[ToolResult, ...] = ()
    seconds: float = 0.0
    recreated: bool = False
    broken: str = ""


class SaveGiven(Value):
    """Work in progress to save now."""

    spec: AgentSpec
    turn: int
    checkpoint: str
    unsaved: tuple[PlacedCall, ...] = ()


class Saved(Value):
    """The commit that holds the work tree, and the paths that differ from the agent's base.

    `refused` says why the hub did not take the work tree (a submodule, a link that leads out): the commit is older.
    """

    checkpoint: str
    refused: str = ""
    broken: str = ""
    changed: tuple[str, ...] = ()


class Examined(Value):
    """What the gates found of a commit; `findings` is empty when all hold."""

    findings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0


class AgentEnd(StrEnum):
    """How an agent ended."""

    FINISHED = "finished"
    UNCHANGED = "unchanged"
    BROKEN = "broken"
    GATES = "gates"
    STUCK = "stuck"
    TURNS = "turns"
    TOKENS = "tokens"
    SECONDS = "seconds"


class AgentResult(Value):
    """An agent's whole attempt. `turns` counts on from the attempt before; `why` is a sentence for a failure."""

    end: AgentEnd
    commit: str
    turns: int
    tool_calls: int = 0
    seconds: float = 0.0
    usage: Usage = Usage()
    drift: int = 0
    report: str = ""
    checks: tuple[Check, ...] = ()
    changed: tuple[str, ...] = ()
    why: str = ""

    @property
    def finished(self) -> bool:
        """Whether its work passed the gates."""
        return self.end is AgentEnd.FINISHED
