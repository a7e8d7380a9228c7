"""The loop of one agent: its guards, its limits, and what it costs when something goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.world import World, finish, turn, write

from swarm.adapters.fakes.durable import DirectDurable
from swarm.adapters.fakes.script import says
from swarm.agents.activities import AgentActivities
from swarm.agents.loop import run_agent
from swarm.agents.values import AgentEnd, AgentResult, AgentSpec, Examined, Saved
from swarm.domain.conversation import ModelReply, ModelRequest, ToolCall
from swarm.domain.sandbox import SandboxSpec


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    made.hub.create()
    made.hub.mirror(made.repository.path, made.repository.resolve(""))
    yield made
    await made.close()


def spec(world: World, **changes: Any) -> AgentSpec:
    base = world.repository.resolve("")
    sandbox = SandboxSpec(
        name="swarm-test-run-a",
        run="test-run",
        image="none",
        profile="python",
        hub=str(world.hub.path),
        commit=base,
    )
    given: dict[str, Any] = {
        "label": "a", "role": "coder", "task": "a", "model": "m", "system": "s", "prompt": "p", "sandbox": sandbox,
        "base": base, "turns": 12, "tokens": 1_000_000, "seconds": 600, "command_seconds": 10, **changes,
    }  # fmt: skip
    return AgentSpec(**given)


async def accept(saved: Saved, number: int) -> Examined:
    return Examined()


async def reject(saved: Saved, number: int) -> Examined:
    return Examined(findings=(f"finding {number}",))


async def run(
    world: World, replies: Sequence[ModelReply], gates: Any = accept, **changes: Any
) -> AgentResult:
    services = world.services({("coder", "a"): replies})
    durable = DirectDurable("test-run", {}, world.gate)
    return await run_agent(durable, AgentActivities(services), spec(world, **changes), gates)


def answers(world: World) -> list[str]:
    """What the last request told the model, message by message."""
    return [m.content for m in world.model.requests[-1].messages]


async def test_finish_in_the_same_turn_as_the_writing_counts_the_writing(world: World) -> None:
    result = await run(world, [turn(write("a.py", "A = 1\n"), finish("made a"))])
    assert (result.end, result.turns, result.changed, result.report) == (
        AgentEnd.FINISHED,
        1,
        ("a.py",),
        "made a",
    )
    assert world.hub.read(result.commit, "a.py") == b"A = 1\n"


async def test_a_claim_without_a_change_is_refused_twice_then_ends_the_attempt(world: World) -> None:
    result = await run(world, [turn(finish())] * 3)
    assert result.end is AgentEnd.UNCHANGED
    assert result.turns == 3
    assert "no file of the work tree has changed" in answers(world)[-1]


async def test_a_change_that_is_undone_is_no_change(world: World) -> None:
    undo = turn(("run", {"command": "rm a.py"}))
    result = await run(world, [turn(write("a.py", "A = 1\n")), undo, *[turn(finish())] * 3])
    assert result.end is AgentEnd.UNCHANGED


async def test_findings_of_the_gates_come_back_until_they_are_too_many(world: World) -> None:
    replies = [turn(write("a.py", f"A = {n}\n"), finish()) for n in range(9)]
    result = await run(world, replies, reject)
    assert result.end is AgentEnd.GATES
    assert result.turns == 5
    assert "finding 4" in answers(world)[-1]
    assert "finding 5" in result.why


async def test_an_answer_without_a_tool_call_is_pointed_out_then_stopped(world: World) -> None:
    result = await run(world, [says("Thinking."), says("Still thinking."), says("")])
    assert result.end is AgentEnd.STUCK
    assert "called no tool" in answers(world)[-1]


async def test_an_idle_answer_between_working_turns_is_forgiven(world: World) -> None:
    idle = says("Hm.")
    work = [turn(write(f"{n}.py", "A = 1\n")) for n in range(3)]
    result = await run(world, [idle, work[0], idle, idle, work[1], idle, turn(finish())])
    assert result.end is AgentEnd.FINISHED


async def test_the_same_call_again_and_again_is_pointed_out_then_stopped(world: World) -> None:
    result = await run(world, [turn(("list_files", {}))] * 9)
    assert result.end is AgentEnd.STUCK
    assert result.turns == 6
    assert "4 times in a row" not in answers(world)[5]
    assert any("3 times in a row" in text for text in answers(world))


async def test_an_unknown_tool_gets_the_names_of_the_tools(world: World) -> None:
    await run(world, [turn(("create_file", {"path": "a.py"})), turn(write("a.py", ""), finish())])
    assert "There is no tool named 'create_file'. Tools: edit_file, finish" in answers(world)[-1]


@pytest.mark.parametrize("arguments", ["{", "[]", '{"report": 5}'])
async def test_malformed_arguments_of_finish_get_the_right_form(world: World, arguments: str) -> None:
    bad = ModelReply(tool_calls=(ToolCall(id="c", name="finish", arguments=arguments),))
    result = await run(world, [bad, turn(write("a.py", "A = 1\n"), finish())])
    assert result.end is AgentEnd.FINISHED
    assert 'Call finish with {"report"' in answers(world)[-1]


async def test_malformed_arguments_of_a_tool_get_the_right_form(world: World) -> None:
    bad = ModelReply(tool_calls=(ToolCall(id="c", name="write_file", arguments='{"path": 5}'),))
    await run(world, [bad, turn(write("a.py", "A = 1\n"), finish())])
    assert "content" in answers(world)[-1]


async def test_the_last_turns_are_announced_and_then_the_attempt_ends(world: World) -> None:
    replies = [turn(write("a.py", f"A = {n}\n")) for n in range(20)]
    result = await run(world, replies, turns=8)
    assert result.end is AgentEnd.TURNS
    assert result.turns == 8
    assert any("5 turns are left" in text for text in answers(world))
    assert "8 turns" in result.why


async def test_the_token_limit_of_a_task_ends_its_attempt(world: World) -> None:
    replies = [turn(write("a.py", f"A = {n}\n")) for n in range(20)]
    result = await run(world, replies, tokens=10)
    assert result.end is AgentEnd.TOKENS


async def test_turns_of_a_second_attempt_count_on_from_the_first(world: World) -> None:
    services = world.services(
        {("coder", "a"): [turn(finish())] * 3 + [turn(write("a.py", "A = 1\n"), finish())]}
    )
    activities, durable = AgentActivities(services), DirectDurable("test-run", {}, world.gate)
    first = await run_agent(durable, activities, spec(world), accept)
    second = await run_agent(durable, activities, spec(world, label="b"), accept, turns_before=first.turns)
    assert (first.turns, second.turns, second.end) == (3, 4, AgentEnd.FINISHED)


async def test_every_message_but_the_newest_stays_as_it_was(world: World) -> None:
    replies = [turn(write("a.py", "A = 1\n")), turn(("read_file", {"path": "a.py"})), turn(finish())]
    await run(world, replies)
    for before, after in zip(world.model.requests, world.model.requests[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages


async def test_a_container_that_dies_between_turns_loses_nothing(world: World) -> None:
    def script(request: ModelRequest) -> ModelReply:
        if request.turn == 2:
            world.sandboxes.kill("swarm-test-run-a")
        return [turn(write("a.py", "A = 1\n")), turn(("read_file", {"path": "a.py"})), turn(finish())][
            request.turn - 1
        ]

    services = world.services({("coder", "a"): script})  # type: ignore[dict-item]
    durable = DirectDurable("test-run", {}, world.gate)
    result = await run_agent(durable, AgentActivities(services), spec(world), accept)
    assert result.end is AgentEnd.FINISHED
    assert "A = 1" in answers(world)[-1]


async def test_a_work_tree_that_the_hub_refuses_is_told_and_can_be_mended(world: World) -> None:
    escape = turn(write("a.py", "A = 1\n"), ("run", {"command": "ln -s /etc/passwd leak"}))
    replies = [escape, turn(("list_files", {})), turn(("run", {"command": "rm leak"})), turn(finish())]
    result = await run(world, replies)
    assert result.end is AgentEnd.FINISHED
    assert any("can't be taken as it is" in text and "leak" in text for text in answers(world))
    assert world.hub.paths(result.commit) == ("a.py",)


async def test_a_sandbox_that_dies_under_the_same_calls_again_and_again_fails_the_attempt_and_not_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = turn(("run", {"command": "true"}))
    opened = world.sandboxes.open

    def open_and_kill(spec: SandboxSpec) -> Any:
        sandbox = opened(spec)
        world.sandboxes.kill(spec.name)
        return sandbox

    monkeypatch.setattr(world.sandboxes, "open", open_and_kill)
    result = await run(world, [deadly])
    assert result.end is AgentEnd.BROKEN
    assert "died 3 times" in result.why


async def test_a_command_without_a_time_limit_gets_that_of_the_settings(world: World) -> None:
    slow = turn(write("a.py", "A = 1\n"), ("run", {"command": "sleep 30"}))
    result = await run(world, [slow, turn(finish())], command_seconds=1)
    assert result.end is AgentEnd.FINISHED
    assert result.seconds < 20


async def test_an_unknown_tool_beside_writing_does_not_stand_in_the_way_of_saving(world: World) -> None:
    mixed = turn(write("a.py", "A = 1\n"), ("teleport", {"to": "b.py"}))
    result = await run(world, [mixed, turn(("list_files", {})), turn(finish())])
    assert result.end is AgentEnd.FINISHED
    assert world.hub.paths(result.commit) == ("a.py",)


async def test_finish_beside_a_command_that_failed_waits_until_its_agent_has_seen_that(world: World) -> None:
    early = turn(write("a.py", "A = 1\n"), ("run", {"command": "exit 3"}), finish())
    examined: list[int] = []

    async def gates(saved: Saved, number: int) -> Examined:
        examined.append(number)
        return Examined()

    result = await run(world, [early, turn(("run", {"command": "exit 3"}), finish())], gates)
    assert (result.end, result.turns, examined) == (AgentEnd.FINISHED, 2, [1])
    assert "exit code 3" in answers(world)[-1]
