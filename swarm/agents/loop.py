"""One agent: think, act, until its work passes the gates.

After mini-swe-agent's run → step → query → execute, made durable: each turn is two steps, `think` (the model call, with
the turn before being saved meanwhile) and `act` (its tool calls). What the agent says is never evidence: `finish`
counts only when files changed and the gates, run in a fresh container, hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from swarm.agents import guards
from swarm.agents.activities import AgentActivities
from swarm.agents.tools import FINISH
from swarm.agents.values import (
    ActDone,
    ActGiven,
    AgentEnd,
    AgentResult,
    AgentSpec,
    Examined,
    PlacedCall,
    Saved,
    SaveGiven,
    ThinkDone,
    ThinkGiven,
)
from swarm.domain.conversation import Message, ToolCall, Usage
from swarm.domain.evidence import Check
from swarm.domain.sandbox import ToolResult
from swarm.ports import Durable

Gates = Callable[[Saved, int], Awaitable[Examined]]
"""Examines a saved commit; the number is the how-manieth examination of this agent, from 1."""

MAX_NUDGES = 2
MAX_EXAMINATIONS = 5
MAX_IDLE = 3


class AgentLoop:
    """The state of one attempt, rebuilt at every replay from the recorded steps."""

    def __init__(
        self, durable: Durable, activities: AgentActivities, spec: AgentSpec, gates: Gates, turn: int
    ) -> None:
        self._durable = durable
        self._activities = activities
        self._spec = spec
        self._gates = gates
        self._turn = turn
        self._last_turn = turn + spec.turns
        self._messages = [
            Message(role="system", content=spec.system),
            Message(role="user", content=spec.prompt),
        ]
        self._checkpoint = spec.sandbox.commit
        self._unsaved: tuple[PlacedCall, ...] = ()
        self._signatures: list[str] = []
        self._usage = Usage()
        self._seconds = 0.0
        self._tool_calls = 0
        self._drift = 0
        self._nudges = 0
        self._idle = 0
        self._examinations = 0
        self._report = ""
        self._checks: tuple[Check, ...] = ()
        self._changed: tuple[str, ...] = ()
        self._why = ""
        self._refused = ""
        self._held = False

    async def run(self) -> AgentResult:
        """Turns until an end is reached."""
        while True:
            end = self._limit_reached()
            if end is None:
                end = await self._one_turn()
            if end is not None:
                return self._result(end)

    async def _one_turn(self) -> AgentEnd | None:
        self._turn += 1
        said = await self._think()
        if said.broken:
            return self._broke(said.broken)
        calls = self._placed(said.reply.tool_calls)
        if not calls:
            return self._nothing_called(said)
        self._idle = 0
        done = await self._act(tuple(p for p in calls if p.call.name != FINISH))
        if done.broken:
            return self._broke(done.broken)
        finish = next((p for p in calls if p.call.name == FINISH), None)
        texts = {result.call_id: result.text for result in done.results}
        end = None
        if finish is not None:
            held = self._held_back(done.results)
            texts[finish.id], end = (held, None) if held else await self._finish(finish.call)
        self._answer(calls, texts)
        return end or self._stuck(calls, done.results)

    async def _think(self) -> ThinkDone:
        given = ThinkGiven(
            spec=self._spec,
            turn=self._turn,
            messages=tuple(self._messages),
            checkpoint=self._checkpoint,
            unsaved=self._unsaved,
        )
        said = await self._durable.step(self._step("think"), self._activities.think, given)
        self._settle(said.checkpoint, said.refused)
        self._messages.append(said.reply.as_message())
        self._usage += said.reply.usage
        self._drift += said.reply.drift
        self._seconds += said.seconds
        return said

    async def _act(self, calls: tuple[PlacedCall, ...]) -> ActDone:
        if not calls:
            return ActDone()
        given = ActGiven(spec=self._spec, turn=self._turn, checkpoint=self._checkpoint, calls=calls)
        done = await self._durable.step(self._step("act"), self._activities.act, given)
        self._tool_calls += len(calls)
        self._seconds += done.seconds
        if any(result.changed for result in done.results):
            self._unsaved += tuple(p for p in calls if not guards.unknown_tool(p.call))
        return done

    def _held_back(self, results: tuple[ToolResult, ...]) -> str:
        """Why a `finish` waits a turn: a command beside it failed, unseen by its agent. Never twice on end."""
        failed = next((r for r in results if r.name == "run" and r.data.get("exit_code", 0) != 0), None)
        if failed is None or self._held:
            self._held = False
            return ""
        self._held = True
        return guards.HELD_BACK.format(code=failed.data["exit_code"])

    async def _finish(self, call: ToolCall) -> tuple[str, AgentEnd | None]:
        report, error = guards.finish_report(call)
        if error:
            return error, None
        self._report = report
        saved = await self._save()
        self._changed = saved.changed
        if saved.broken:
            return saved.broken, self._broke(saved.broken)
        if saved.refused:
            self._why = f"its work could not be taken: {saved.refused}"
            return guards.REFUSED.format(reason=saved.refused), None
        if self._spec.must_change and not saved.changed:
            return self._nudge()
        self._examinations += 1
        examined = await self._gates(saved, self._examinations)
        self._checks = examined.checks
        self._seconds += examined.seconds
        if not examined.findings:
            return "Accepted.", AgentEnd.FINISHED
        listing = "\n\n".join(examined.findings)
        self._why = f"its work did not pass the gates: {examined.findings[0].splitlines()[0]}"
        text = f"Not accepted. A fresh sandbox with your commit found:\n\n{listing}\n\nMend it and call `finish` again."
        return text, AgentEnd.GATES if self._examinations >= MAX_EXAMINATIONS else None

    async def _save(self) -> Saved:
        given = SaveGiven(
            spec=self._spec, turn=self._turn, checkpoint=self._checkpoint, unsaved=self._unsaved
        )
        saved = await self._durable.step(self._step("save"), self._activities.save, given)
        self._settle(saved.checkpoint, saved.refused)
        return saved

    def _settle(self, checkpoint: str, refused: str) -> None:
        """What the hub took is behind us; what it refused stays to be saved, with what follows."""
        self._refused = refused
        if not refused:
            self._checkpoint, self._unsaved = checkpoint, ()

    def _broke(self, reason: str) -> AgentEnd:
        self._why = f"it broke its sandbox: {reason}"
        return AgentEnd.BROKEN

    def _nudge(self) -> tuple[str, AgentEnd | None]:
        self._nudges += 1
        self._why = "it said it was done without changing a file"
        return guards.NOTHING_CHANGED, AgentEnd.UNCHANGED if self._nudges > MAX_NUDGES else None

    def _nothing_called(self, said: ThinkDone) -> AgentEnd | None:
        self._idle += 1
        cut_off = said.reply.finish_reason == "length"
        self._messages.append(
            Message(role="user", content=guards.CUT_OFF if cut_off else guards.NO_TOOL_CALL)
        )
        self._why = "it stopped calling tools"
        return AgentEnd.STUCK if self._idle >= MAX_IDLE else None

    def _stuck(self, calls: tuple[PlacedCall, ...], results: tuple[ToolResult, ...]) -> AgentEnd | None:
        self._signatures.append(guards.turn_signature([p.call for p in calls], [r.text for r in results]))
        count = guards.repetitions(self._signatures)
        notes = [guards.REFUSED.format(reason=self._refused)] if self._refused else []
        if count >= guards.REPEATS_POINTED_OUT:
            notes.append(guards.REPEATED.format(count=count))
        left = self._last_turn - self._turn
        if left == guards.TURNS_LEFT_TOLD:
            notes.append(guards.TURNS_LEFT.format(count=left))
        if notes:
            last = self._messages.pop()
            self._messages.append(last.model_copy(update={"content": "\n\n".join([last.content, *notes])}))
        if count >= guards.REPEATS_STOPPED:
            self._why = f"it repeated the same call {count} times"
            return AgentEnd.STUCK
        return None

    def _answer(self, calls: tuple[PlacedCall, ...], texts: dict[str, str]) -> None:
        for placed in calls:
            text = texts.get(placed.id, "Not run: `finish` may be called once in a turn.")
            self._messages.append(Message(role="tool", content=text, tool_call_id=placed.call.id))

    def _limit_reached(self) -> AgentEnd | None:
        spec = self._spec
        if self._turn >= self._last_turn:
            self._why = self._why or f"it used its {spec.turns} turns"
            return AgentEnd.TURNS
        if self._usage.tokens >= spec.tokens:
            self._why = f"it used its {spec.tokens:,} tokens"
            return AgentEnd.TOKENS
        if self._seconds >= spec.seconds:
            self._why = f"it used its {spec.seconds} seconds"
            return AgentEnd.SECONDS
        return None

    def _placed(self, calls: tuple[ToolCall, ...]) -> tuple[PlacedCall, ...]:
        prefix = f"{self._spec.label}:{self._turn}"
        limit = self._spec.command_seconds
        return tuple(
            PlacedCall(id=f"{prefix}:{number}", call=guards.bounded(call, limit))
            for number, call in enumerate(calls)
        )

    def _step(self, verb: str) -> str:
        return f"{self._spec.label}:{verb}:{self._turn}"

    def _result(self, end: AgentEnd) -> AgentResult:
        return AgentResult(
            end=end,
            commit=self._checkpoint,
            turns=self._turn,
            tool_calls=self._tool_calls,
            seconds=self._seconds,
            usage=self._usage,
            drift=self._drift,
            report=self._report,
            checks=self._checks,
            changed=self._changed,
            why="" if end is AgentEnd.FINISHED else self._why,
        )


async def run_agent(
    durable: Durable, activities: AgentActivities, spec: AgentSpec, gates: Gates, *, turns_before: int = 0
) -> AgentResult:
    """Runs one attempt of an agent. `turns_before` counts the turns of earlier attempts, so that turns stay unique."""
    return await AgentLoop(durable, activities, spec, gates, turns_before).run()
