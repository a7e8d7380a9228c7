"""The response journal: what was answered once is never asked again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from swarm.adapters.journal import JournaledModel
from swarm.domain.conversation import Message, ModelReply, ModelRequest, ToolCall, Usage
from swarm.domain.errors import ModelFault, OutageFault


class ScriptedModel:
    """Answers each request with a number, after an optional pause; fails or hangs where told to."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.asked: list[str] = []
        self.fail = False
        self.hang = False
        self._seconds = seconds

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request.step)
        if self.hang:
            await asyncio.sleep(3600)
        if self.fail:
            raise ModelFault("refused: Bearer abcdefgh12345678", status=401)
        await asyncio.sleep(self._seconds)
        return ModelReply(
            content=f"answer {len(self.asked)}\u2028",
            tool_calls=(ToolCall(id="1", name="run", arguments='{"command": "ls"}'),),
            usage=Usage(calls=1, input_tokens=10, output_tokens=2, usd=0.5),
        )


def ask(step: str, text: str = "hello", workflow: str = "run.task.api") -> ModelRequest:
    return ModelRequest(
        workflow=workflow,
        step=step,
        role="coder",
        task="api",
        turn=1,
        model="m",
        messages=(Message(role="user", content=text),),
    )


async def interrupted(journal: JournaledModel, request: ModelRequest) -> None:
    task = asyncio.create_task(journal.complete(request))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait({task})


async def test_a_call_that_was_answered_is_answered_from_the_journal_and_says_so(tmp_path: Path) -> None:
    model = ScriptedModel()
    journal = JournaledModel(model, tmp_path / "journal.jsonl")
    first = await journal.complete(ask("llm:1"))
    again = await journal.complete(ask("llm:1"))
    assert not first.journalled
    assert again.journalled
    assert again.model_copy(update={"journalled": False}) == first
    assert model.asked == ["llm:1"]


async def test_a_new_process_knows_the_answers_of_the_one_before(tmp_path: Path) -> None:
    first = await JournaledModel(ScriptedModel(), tmp_path / "journal.jsonl").complete(ask("llm:1"))
    model = ScriptedModel()
    journal = JournaledModel(model, tmp_path / "journal.jsonl")
    again = await journal.complete(ask("llm:1"))
    assert again.content == first.content
    assert again.tool_calls == first.tool_calls
    assert model.asked == []
    assert (journal.answered_calls(), journal.repeated_calls(), journal.duplicates()) == (1, 0, 0)


OTHERS = [ask("llm:2"), ask("llm:1", text="other"), ask("llm:1", workflow="run.task.db")]


@pytest.mark.parametrize("other", OTHERS, ids=["step", "text", "workflow"])
async def test_another_step_text_or_workflow_is_another_call(tmp_path: Path, other: ModelRequest) -> None:
    model = ScriptedModel()
    journal = JournaledModel(model, tmp_path / "journal.jsonl")
    await journal.complete(ask("llm:1"))
    assert not (await journal.complete(other)).journalled
    assert len(model.asked) == 2


async def test_a_call_on_the_wire_at_a_kill_counts_as_repeated_when_it_is_made_again(tmp_path: Path) -> None:
    hanging = ScriptedModel()
    hanging.hang = True
    await interrupted(JournaledModel(hanging, tmp_path / "journal.jsonl"), ask("llm:1"))
    journal = JournaledModel(ScriptedModel(), tmp_path / "journal.jsonl")
    assert journal.repeated_calls() == 0
    await journal.complete(ask("llm:1"))
    assert journal.repeated_calls() == 1
    assert JournaledModel(ScriptedModel(), tmp_path / "journal.jsonl").repeated_calls() == 1


async def test_a_call_that_failed_and_is_made_again_is_not_repeated(tmp_path: Path) -> None:
    model = ScriptedModel()
    journal = JournaledModel(model, tmp_path / "journal.jsonl")
    model.fail = True
    with pytest.raises(ModelFault):
        await journal.complete(ask("llm:1"))
    model.fail = False
    await JournaledModel(model, tmp_path / "journal.jsonl").complete(ask("llm:1"))
    assert JournaledModel(model, tmp_path / "journal.jsonl").repeated_calls() == 0


async def test_a_failure_is_kept_without_its_secrets(tmp_path: Path) -> None:
    model = ScriptedModel()
    model.fail = True
    with pytest.raises(ModelFault):
        await JournaledModel(model, tmp_path / "journal.jsonl").complete(ask("llm:1"))
    assert "abcdefgh12345678" not in (tmp_path / "journal.jsonl").read_text()


async def test_a_line_torn_by_a_kill_is_cut_off_and_its_call_made_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await JournaledModel(ScriptedModel(), path).complete(ask("llm:1"))
    await JournaledModel(ScriptedModel(), path).complete(ask("llm:2"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    model = ScriptedModel()
    journal = JournaledModel(model, path)
    await journal.complete(ask("llm:1"))
    await journal.complete(ask("llm:2"))
    assert model.asked == ["llm:2"]
    assert [json.loads(line)["kind"] for line in path.read_text().split("\n")[:-1]] == [
        "asked", "answered", "asked", "asked", "answered",
    ]  # fmt: skip
    assert JournaledModel(model, path).duplicates() == 0


async def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await JournaledModel(ScriptedModel(), path).complete(ask("llm:1"))
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(OutageFault, match="Line 1"):
        JournaledModel(ScriptedModel(), path)


async def test_calls_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    journal = JournaledModel(ScriptedModel(seconds=0.01), tmp_path / "journal.jsonl")
    await asyncio.gather(*(journal.complete(ask(f"llm:{n}")) for n in range(50)))
    again = JournaledModel(ScriptedModel(), tmp_path / "journal.jsonl")
    assert (again.answered_calls(), again.repeated_calls(), again.duplicates()) == (50, 0, 0)


async def test_the_same_call_twice_at_once_is_made_once(tmp_path: Path) -> None:
    model = ScriptedModel(seconds=0.05)
    journal = JournaledModel(model, tmp_path / "journal.jsonl")
    one, two = await asyncio.gather(journal.complete(ask("llm:1")), journal.complete(ask("llm:1")))
    assert model.asked == ["llm:1"]
    assert sorted([one.journalled, two.journalled]) == [False, True]


async def test_spending_is_the_sum_over_all_processes(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert JournaledModel.spent_in(path) == Usage()
    await JournaledModel(ScriptedModel(), path).complete(ask("llm:1"))
    journal = JournaledModel(ScriptedModel(), path)
    await journal.complete(ask("llm:1"))
    await journal.complete(ask("llm:2"))
    assert journal.spent() == Usage(calls=2, input_tokens=20, output_tokens=4, usd=1.0)
    assert JournaledModel.spent_in(path) == journal.spent()


async def test_a_journal_that_cannot_be_written_is_an_outage_and_no_call_is_made(tmp_path: Path) -> None:
    model = ScriptedModel()
    folder = tmp_path / "run"
    folder.mkdir()
    journal = JournaledModel(model, folder / "journal.jsonl")
    (folder / "journal.jsonl").mkdir()
    with pytest.raises(OutageFault, match=str(folder)):
        await journal.complete(ask("llm:1"))
    assert model.asked == []


async def test_duplicates_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await JournaledModel(ScriptedModel(), path).complete(ask("llm:1"))
    path.write_bytes(path.read_bytes() * 2)
    assert JournaledModel(ScriptedModel(), path).duplicates() == 1
