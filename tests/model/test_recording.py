from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.model_fixtures import MakeRequest

from swarm.adapters.fakes.model import ScriptedModel
from swarm.adapters.fakes.script import Script, calls, says
from swarm.adapters.recording import RecordingModel, ReplayModel, read_recording
from swarm.domain.conversation import ModelReply, ModelRequest
from swarm.domain.errors import OutageFault, ReplayFault, UsageFault
from swarm.domain.recording import RECORDING_VERSION, RecordingHeader

COMMAND = "swarm run @goal.md --record demo.jsonl"
HEADER = RecordingHeader(goal="Build it.", model="m", command=COMMAND, recorded_at="2026-11-20T12:00:00Z")
SCRIPT = Script(
    {("coder", "api"): [calls("run", '{"command": "ls"}'), says("second")], ("judge", "api"): [says("fine")]}
)


def same(text: str) -> str:
    return text


def text_of(file: Path) -> str:
    return file.read_text()


def tear(file: Path, bytes_lost: int) -> None:
    """What a kill in the middle of a write leaves."""
    file.touch()
    os.truncate(file, file.stat().st_size - bytes_lost)


def recorder(path: Path, inner: ScriptedModel | None = None, **options: Any) -> RecordingModel:
    return RecordingModel(
        inner or ScriptedModel(SCRIPT), path, HEADER, options.pop("redact", same), **options
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "demo.jsonl"


@pytest.fixture
def requests(make_request: MakeRequest) -> list[ModelRequest]:
    return [make_request("one"), make_request("two", turn=2), make_request("three", role="judge")]


async def recorded(file: Path, requests: list[ModelRequest], **options: Any) -> list[ModelReply]:
    model = recorder(file, **options)
    return [await model.complete(request) for request in requests]


async def test_a_replay_gives_what_was_recorded(file: Path, requests: list[ModelRequest]) -> None:
    replies = await recorded(file, requests)
    replay = ReplayModel(file, goal="Build it.")
    assert [await replay.complete(request) for request in requests] == replies
    assert replay.drift == 0


async def test_a_recording_of_a_replay_is_the_same_recording(
    file: Path, requests: list[ModelRequest], tmp_path: Path
) -> None:
    await recorded(file, requests)
    again = tmp_path / "again.jsonl"
    model = RecordingModel(ReplayModel(file), again, HEADER, same, monotonic=lambda: 0.0)
    for request in requests:
        await model.complete(request)
    first, second = read_recording(file), read_recording(again)
    assert second.header == first.header
    assert [e.model_copy(update={"seconds": 0.0}) for e in first.entries] == list(second.entries)


async def test_a_replay_does_not_depend_on_the_order_of_calls(
    file: Path, requests: list[ModelRequest]
) -> None:
    replies = await recorded(file, requests)
    replay = ReplayModel(file)
    assert [await replay.complete(request) for request in reversed(requests)] == list(reversed(replies))


async def test_drift_is_counted_once_a_place_and_answered_all_the_same(
    file: Path, requests: list[ModelRequest], make_request: MakeRequest
) -> None:
    replies = await recorded(file, requests)
    replay = ReplayModel(file)
    for _ in range(2):
        reply = await replay.complete(make_request("another text"))
        assert reply.drift
        assert reply.tool_calls == replies[0].tool_calls
    assert replay.drift == 1


async def test_durations_in_a_request_are_no_drift(file: Path, make_request: MakeRequest) -> None:
    await recorded(file, [make_request("3 passed in 0.12s")])
    assert not (await ReplayModel(file).complete(make_request("3 passed in 4.5s"))).drift


async def test_a_recording_that_runs_out_names_the_command_that_records_it_anew(
    file: Path, requests: list[ModelRequest], make_request: MakeRequest
) -> None:
    await recorded(file, requests)
    with pytest.raises(ReplayFault) as raised:
        await ReplayModel(file).complete(make_request(turn=3))
    assert "no answer for coder of api, turn 3" in str(raised.value)
    assert COMMAND in str(raised.value)


async def test_a_recording_of_another_goal_is_refused(file: Path, requests: list[ModelRequest]) -> None:
    await recorded(file, requests)
    with pytest.raises(ReplayFault, match="another goal") as raised:
        ReplayModel(file, goal="Build that.")
    assert COMMAND in raised.value.remedy


async def test_white_space_makes_no_other_goal(file: Path, requests: list[ModelRequest]) -> None:
    await recorded(file, requests)
    assert ReplayModel(file, goal=" Build\nit.\n").header == HEADER


def test_a_recording_of_another_version_is_refused_with_its_command(file: Path) -> None:
    header = json.loads(HEADER.model_dump_json()) | {"schema_version": RECORDING_VERSION + 1, "new_field": 1}
    file.write_text(json.dumps(header) + "\n")
    with pytest.raises(ReplayFault, match=f"schema version {RECORDING_VERSION + 1}") as raised:
        ReplayModel(file)
    assert COMMAND in raised.value.remedy


@pytest.mark.parametrize("text", ["", "no newline", "not json\n", "[]\n", '{"kind": "answer"}\n'])
def test_a_file_that_is_no_recording_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ReplayFault):
        ReplayModel(file)


def test_a_line_that_cannot_be_read_is_named(file: Path) -> None:
    file.write_text(HEADER.model_dump_json() + "\n{}\n")
    with pytest.raises(ReplayFault, match=r"demo\.jsonl:2"):
        ReplayModel(file)


def test_a_missing_recording_is_bad_input(file: Path) -> None:
    with pytest.raises(UsageFault, match="No such file"):
        ReplayModel(file)


async def test_a_replay_takes_its_recorded_time_when_asked(file: Path, requests: list[ModelRequest]) -> None:
    ticks = iter([0.0, 4.0])
    await recorded(file, requests[:1], monotonic=lambda: next(ticks))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await ReplayModel(file, pace=0.5, sleep=sleep).complete(requests[0])
    await ReplayModel(file, sleep=sleep).complete(requests[0])
    assert slept == [2.0]


async def test_secrets_are_redacted_in_every_text_of_the_file(file: Path, make_request: MakeRequest) -> None:
    script = {
        ("coder", "api"): [
            says("key is hush").model_copy(update={"tool_calls": calls("run", '"hush"').tool_calls})
        ]
    }
    header = HEADER.model_copy(update={"goal": "hush", "command": "run hush"})

    def redact(text: str) -> str:
        return text.replace("hush", "***")

    model = RecordingModel(ScriptedModel(script), file, header, redact)
    reply = await model.complete(make_request())
    assert reply.content == "key is hush"
    written = text_of(file)
    assert "hush" not in written
    assert written.count("***") == 4


async def test_a_file_that_exists_is_not_written_over(file: Path, requests: list[ModelRequest]) -> None:
    await recorded(file, requests)
    before = text_of(file)
    with pytest.raises(UsageFault, match="exists"):
        recorder(file)
    assert text_of(file) == before


def test_a_full_disk_is_an_outage_that_says_so() -> None:
    with pytest.raises(OutageFault, match="No space left"):
        recorder(Path("/dev/full"))


async def test_an_empty_file_may_be_recorded_to(file: Path, requests: list[ModelRequest]) -> None:
    tear(file, 0)
    await recorded(file, requests)
    assert len(read_recording(file).entries) == 3


async def test_a_resumed_run_goes_on_with_its_recording(file: Path, requests: list[ModelRequest]) -> None:
    await recorded(file, requests[:1])
    await recorded(file, requests[1:], resume=True)
    assert [(e.role, e.turn) for e in read_recording(file).entries] == [
        ("coder", 1),
        ("coder", 2),
        ("judge", 1),
    ]


async def test_a_call_whose_answer_was_lost_gets_the_recorded_one_and_is_not_made_again(
    file: Path, requests: list[ModelRequest]
) -> None:
    replies = await recorded(file, requests)
    inner = ScriptedModel({("coder", "api"): [says("other")]})
    assert await recorder(file, inner, resume=True).complete(requests[0]) == replies[0]
    assert inner.requests == []
    assert len(read_recording(file).entries) == 3


async def test_of_two_answers_for_a_place_the_one_to_the_same_request_counts(
    file: Path, requests: list[ModelRequest], make_request: MakeRequest
) -> None:
    await recorded(file, requests)
    inner = ScriptedModel({("coder", "api"): [says("changed")]})
    await recorder(file, inner, resume=True).complete(make_request("changed prompt"))
    replay = ReplayModel(file)
    assert (await replay.complete(requests[0])).tool_calls
    assert (await replay.complete(make_request("changed prompt"))).content == "changed"
    assert (await replay.complete(make_request("a third one"))).content == "changed"


@pytest.mark.parametrize("cut", [1, 40])
async def test_a_line_torn_by_a_kill_is_dropped_at_resume(
    file: Path, requests: list[ModelRequest], cut: int
) -> None:
    await recorded(file, requests[:2])
    tear(file, cut)
    await recorded(file, requests[1:], resume=True)
    replay = ReplayModel(file)
    assert [(await replay.complete(request)).content for request in requests] == ["", "second", "fine"]


async def test_a_header_torn_by_a_kill_is_written_anew_at_resume(
    file: Path, requests: list[ModelRequest]
) -> None:
    await recorded(file, [])
    tear(file, 30)
    await recorded(file, requests, resume=True)
    assert len(read_recording(file).entries) == 3


async def test_a_resume_into_a_recording_of_another_goal_is_refused(
    file: Path, requests: list[ModelRequest]
) -> None:
    await recorded(file, requests)
    other = HEADER.model_copy(update={"goal": "other"})
    with pytest.raises(UsageFault, match="another goal"):
        RecordingModel(ScriptedModel(SCRIPT), file, other, same, resume=True)
