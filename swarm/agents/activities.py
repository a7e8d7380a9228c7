"""The steps of an agent: think, act, save. Each runs once, or again after a kill without doing anything twice."""

from __future__ import annotations

import asyncio
import json

from swarm.agents.guards import unknown_tool
from swarm.agents.services import Services
from swarm.agents.tools import TOOLS
from swarm.agents.values import (
    ActDone,
    ActGiven,
    AgentSpec,
    PlacedCall,
    Saved,
    SaveGiven,
    ThinkDone,
    ThinkGiven,
)
from swarm.domain.base import Nothing
from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall
from swarm.domain.errors import BundleRefused, SandboxBroken
from swarm.domain.sandbox import ToolResult
from swarm.ports import Sandbox


class AgentActivities:
    """An agent's steps against the ports."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def place(self, spec: AgentSpec) -> Nothing:
        """Brings a sandbox that was used before to the agent's base."""
        await self._services.workspaces.place(spec.sandbox, spec.task, spec.sandbox.commit)
        return Nothing()

    async def think(self, given: ThinkGiven) -> ThinkDone:
        """Asks the model while the turn before is saved (or, at first, while the sandbox starts)."""
        began = self._services.clock.monotonic()
        reply, kept = await asyncio.gather(self._ask(given), self._secure(given))
        self._tell_turn(given, reply)
        seconds = self._services.clock.monotonic() - began
        return ThinkDone(
            reply=reply, checkpoint=kept.checkpoint, refused=kept.refused, broken=kept.broken, seconds=seconds
        )

    async def act(self, given: ActGiven) -> ActDone:
        """Runs the tool calls of a turn, one after the other, in the agent's own container."""
        began = self._services.clock.monotonic()
        attempts = 0

        def work(sandbox: Sandbox) -> tuple[ToolResult, ...]:
            nonlocal attempts
            attempts += 1
            return tuple(self._call(given, sandbox, placed) for placed in given.calls)

        results: tuple[ToolResult, ...] = ()
        broken = ""
        try:
            results = await self._services.workspaces.use(
                given.spec.sandbox, given.spec.task, given.checkpoint, work
            )
        except SandboxBroken as fault:
            broken = await self._give_up(given.spec, fault)
        seconds = self._services.clock.monotonic() - began
        return ActDone(results=results, seconds=seconds, recreated=attempts > 1, broken=broken)

    async def save(self, given: SaveGiven) -> Saved:
        """Makes the work tree durable and says what differs from the agent's base."""
        spec = given.spec
        kept = Saved(checkpoint=given.checkpoint)
        if given.unsaved:
            kept = await self._save(spec, given.turn, given.checkpoint, given.unsaved)
        changed = await asyncio.to_thread(self._services.hub.changed, spec.base, kept.checkpoint)
        return kept.model_copy(update={"changed": tuple(path for _, path in changed)})

    async def _ask(self, given: ThinkGiven) -> ModelReply:
        spec = given.spec
        return await self._services.model.complete(
            ModelRequest(
                workflow=f"{self._services.run}/{spec.task}",
                step=f"{spec.label}:{given.turn}",
                role=spec.role,
                task=spec.task,
                turn=given.turn,
                model=spec.model,
                messages=given.messages,
                tools=TOOLS,
                max_output_tokens=self._services.max_output_tokens,
            )
        )

    async def _secure(self, given: ThinkGiven) -> Saved:
        spec = given.spec
        if given.unsaved:
            return await self._save(spec, given.turn - 1, given.checkpoint, given.unsaved)
        if given.turn == 1:
            try:
                await self._services.workspaces.use(spec.sandbox, spec.task, given.checkpoint, _nothing)
            except SandboxBroken as fault:
                return Saved(checkpoint=given.checkpoint, broken=await self._give_up(spec, fault))
        return Saved(checkpoint=given.checkpoint)

    async def _save(
        self, spec: AgentSpec, turn: int, checkpoint: str, calls: tuple[PlacedCall, ...]
    ) -> Saved:
        """What the hub refuses or the sandbox can't export is its agent's doing: the commit before it stays."""
        try:
            saved = await self._services.workspaces.save(spec.sandbox, spec.task, turn, checkpoint, calls)
        except BundleRefused as refused:
            return Saved(checkpoint=checkpoint, refused=str(refused))
        except SandboxBroken as fault:
            return Saved(checkpoint=checkpoint, broken=await self._give_up(spec, fault))
        return Saved(checkpoint=saved)

    async def _give_up(self, spec: AgentSpec, fault: SandboxBroken) -> str:
        """Removes a sandbox that its agent broke, so that nobody attaches to it again."""
        await self._services.workspaces.remove(spec.sandbox.name)
        self._services.say("warning", task=spec.task, text=str(fault))
        return str(fault)

    def _call(self, given: ActGiven, sandbox: Sandbox, placed: PlacedCall) -> ToolResult:
        unknown = unknown_tool(placed.call)
        if unknown:
            return ToolResult(call_id=placed.id, name=placed.call.name, ok=False, text=unknown)
        result = sandbox.tool(placed.id, placed.call)
        self._services.say(
            "task.tool",
            task=given.spec.task,
            text=f"{placed.call.name} {target(placed.call)}".strip(),
            turn=given.turn,
            tool=placed.call.name,
            target=target(placed.call),
            seconds=round(result.seconds, 3),
            ok=result.ok,
        )
        return result

    def _tell_turn(self, given: ThinkGiven, reply: ModelReply) -> None:
        usage = reply.usage
        self._services.say(
            "task.turn",
            task=given.spec.task,
            text=first_line(reply.content),
            role=given.spec.role,
            turn=given.turn,
            tokens_in=usage.input_tokens,
            tokens_out=usage.output_tokens,
            cached=usage.cached_tokens,
            usd=usage.usd,
            seconds=round(usage.seconds, 3),
            drift=reply.drift,
        )


def _nothing(sandbox: Sandbox) -> None:
    """The work of starting a sandbox: `use` has opened it."""
    del sandbox


def target(call: ToolCall) -> str:
    """What a call is about, in a few words: its path, pattern or command."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return ""
    if not isinstance(arguments, dict):
        return ""
    value = next(
        (arguments[k] for k in ("command", "path", "pattern") if isinstance(arguments.get(k), str)), ""
    )
    return first_line(value)


def first_line(text: str, limit: int = 100) -> str:
    """The first line of a text, cut at a limit."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"
