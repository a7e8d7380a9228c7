"""Malformed replies: what comes out is well-formed, and the loop above never sees an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.model_fixtures import MakeRequest

from swarm.adapters.model import wire
from swarm.adapters.model.faults import Garbage
from swarm.domain.conversation import Message, ModelReply, ToolCall

CALL = {"id": "c1", "type": "function", "function": {"name": "run", "arguments": "{}"}}


@pytest.fixture
def read(make_request: MakeRequest) -> Any:
    def parse(message: Any, **data: Any) -> ModelReply:
        return wire.reply({"choices": [{"message": message}], **data}, make_request(), None, 1.0)

    return parse


def test_no_content_and_no_call_is_an_empty_reply(read: Any) -> None:
    reply = read({"role": "assistant", "content": None})
    assert (reply.content, reply.tool_calls, reply.finish_reason) == ("", (), "stop")


def test_a_refusal_is_its_text_and_says_so(read: Any) -> None:
    reply = read({"content": None, "refusal": "I won't."})
    assert (reply.content, reply.finish_reason) == ("I won't.", "refusal")


def test_content_in_parts_is_joined(read: Any) -> None:
    assert read({"content": [{"type": "text", "text": "a"}, "b", {"type": "image"}, 3]}).content == "ab"


def test_a_call_without_an_id_gets_the_same_one_every_time(read: Any) -> None:
    message = {"tool_calls": [{"function": CALL["function"]}, {"id": 7, "function": CALL["function"]}]}
    first, second = (read(message).tool_calls for _ in range(2))
    assert first == second
    assert len({call.id for call in first}) == 2
    assert all(0 < len(call.id) <= 40 for call in first)


def test_ids_of_different_turns_differ(make_request: MakeRequest) -> None:
    data = {"choices": [{"message": {"tool_calls": [{"function": CALL["function"]}]}}]}
    ids = {wire.reply(data, make_request(turn=t), None, 1.0).tool_calls[0].id for t in (1, 2)}
    assert len(ids) == 2


def test_an_id_given_twice_is_replaced(read: Any) -> None:
    assert len({call.id for call in read({"tool_calls": [CALL, CALL]}).tool_calls}) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"a": 1}, '{"a": 1}'), (None, "{}"), ("", "{}"), ([1], "[1]"), ("{broken", "{broken")],
)
def test_arguments_are_text_whatever_came(read: Any, given: Any, expected: str) -> None:
    reply = read({"tool_calls": [{"id": "c", "function": {"name": "run", "arguments": given}}]})
    assert reply.tool_calls[0].arguments == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run", "run"),
        ("functions.run", "functions_run"),
        ("", "unnamed"),
        (None, "unnamed"),
        ("x" * 99, "x" * 64),
    ],
)
def test_a_name_is_one_that_endpoints_take_back(read: Any, given: Any, expected: str) -> None:
    assert read({"tool_calls": [{"id": "c", "function": {"name": given}}]}).tool_calls[0].name == expected


@pytest.mark.parametrize("listed", ["run", {"a": 1}, ["run", None, 3], [{}], [{"function": "run"}]])
def test_calls_of_any_shape_raise_nothing(read: Any, listed: Any) -> None:
    reply = read({"content": "x", "tool_calls": listed})
    assert ModelReply.model_validate_json(reply.model_dump_json()) == reply


def test_the_old_function_call_is_read(read: Any) -> None:
    assert read({"function_call": {"name": "run", "arguments": "{}"}}).tool_calls[0].name == "run"


@pytest.mark.parametrize("choices", [None, [], [None], ["x"], [{}], [{"message": None}], {"0": 1}])
def test_a_body_without_an_answer_is_garbage(make_request: MakeRequest, choices: Any) -> None:
    with pytest.raises(Garbage):
        wire.reply({"choices": choices}, make_request(), None, 1.0)


def test_a_missing_usage_is_estimated_and_flagged(read: Any) -> None:
    usage = read({"content": "x" * 30}).usage
    assert (usage.calls, usage.output_tokens, usage.estimated) == (1, 10, True)
    assert usage.input_tokens > 0


@pytest.mark.parametrize("usage", [None, "much", {"prompt_tokens": None}, {"prompt_tokens": -3}, []])
def test_a_malformed_usage_is_estimated(read: Any, usage: Any) -> None:
    assert read({"content": "x"}, usage=usage).usage.estimated


def test_a_usage_without_details_has_nothing_cached(read: Any) -> None:
    usage = read({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": 2}).usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.estimated) == (9, 0, 2, False)


def test_malformed_arguments_go_back_as_json(make_request: MakeRequest) -> None:
    said = Message(role="assistant", tool_calls=(ToolCall(id="c", name="run", arguments="{broken"),))
    body = wire.payload(make_request(messages=(said,)), wire.Dialect())
    arguments = body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"malformed_arguments": "{broken"}


def test_the_place_of_a_call_is_safe_in_headers(make_request: MakeRequest) -> None:
    headers = wire.headers(make_request(task="über\r\nX-Evil: 1"))
    assert headers["X-Swarm-Task"] == "-ber-X-Evil-1"
