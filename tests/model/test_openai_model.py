"""The adapter against a real HTTP server. What it waits is recorded and not waited."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from email.utils import formatdate

import pytest
from support.model_fixtures import MakeModel, MakeRequest

from swarm.adapters.fakes.script import Drop, Fault, Flaky, Garbage, Hang, HttpError, Line, calls, says
from swarm.adapters.fakes.server import ModelServer
from swarm.config.prices import Price
from swarm.domain.conversation import Message, ModelReply, ToolSpec, Usage
from swarm.domain.errors import ContextOverflow, ModelFault

READ = ToolSpec(
    name="read_file",
    description="Reads a file.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)


def serve(*lines: Line, **options: object) -> ModelServer:
    return ModelServer({("coder", "api"): lines}, **options)  # type: ignore[arg-type]


def flaky(*faults: Fault) -> Sequence[Line]:
    return (Flaky(says("at last"), faults),)


async def test_an_answer_comes_back_with_its_usage(make_model: MakeModel, make_request: MakeRequest) -> None:
    usage = Usage(calls=1, input_tokens=1000, cached_tokens=600, output_tokens=50)
    with serve(ModelReply(content="hi", usage=usage)) as server:
        price = Price(input=2.0, cached_input=1.0, output=10.0)
        reply = await make_model(server.url, price_of=lambda _: price).complete(make_request())
    assert reply.content == "hi"
    counts = (
        reply.usage.calls,
        reply.usage.input_tokens,
        reply.usage.cached_tokens,
        reply.usage.output_tokens,
    )
    assert counts == (1, 1000, 600, 50)
    assert reply.usage.usd == pytest.approx((400 * 2 + 600 * 1 + 50 * 10) / 1e6)
    assert not reply.usage.estimated


async def test_a_conversation_with_tools_goes_over_the_wire_whole(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    with serve(calls("read_file", '{"path": "a.py"}', call_id="c1"), says("done")) as server:
        model = make_model(server.url)
        first = await model.complete(make_request(tools=(READ,)))
        result = Message(role="tool", content="print()", tool_call_id=first.tool_calls[0].id)
        messages = (*make_request().messages, first.as_message(), result)
        await model.complete(make_request(tools=(READ,), turn=2, messages=messages))
    one, two = server.received
    assert one["tools"] == [{"type": "function", "function": READ.model_dump()}]
    assert one["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in one
    assert two["messages"][: len(one["messages"])] == one["messages"]
    assert two["messages"][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "read_file", "arguments": '{"path": "a.py"}'},
                }
            ],
        },
        {"role": "tool", "content": "print()", "tool_call_id": "c1"},
    ]


async def test_without_tools_none_are_mentioned(make_model: MakeModel, make_request: MakeRequest) -> None:
    with serve(says("hi")) as server:
        await make_model(server.url).complete(make_request())
    assert not {"tools", "tool_choice", "response_format"} & set(server.received[0])


async def test_two_calls_are_under_way_at_once(make_model: MakeModel, make_request: MakeRequest) -> None:
    with ModelServer({("coder", "*"): [says("hi")]}, latency=0.3) as server:
        model = make_model(server.url)
        await asyncio.gather(*(model.complete(make_request(task=task)) for task in ("a", "b")))
        assert server.busiest == 2


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_a_passing_status_is_asked_again(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float], status: int
) -> None:
    with serve(*flaky(HttpError(status), HttpError(status))) as server:
        reply = await make_model(server.url).complete(make_request())
    assert reply.content == "at last"
    assert slept == [0.5, 1.0]


@pytest.mark.parametrize("fault", [Drop(), Garbage(), Garbage(""), Garbage("[]"), Garbage('{"choices": []}')])
async def test_a_broken_answer_is_asked_again(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float], fault: Fault
) -> None:
    with serve(*flaky(fault)) as server:
        reply = await make_model(server.url).complete(make_request())
    assert reply.content == "at last"
    assert slept == [0.5]


async def test_a_call_that_hangs_is_given_up_and_asked_again(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with serve(*flaky(Hang(30))) as server:
        reply = await make_model(server.url, timeout=0.5).complete(make_request())
    assert reply.content == "at last"
    assert slept == [0.5]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "1200", "Retry-After": "60"}, 1.2),
        ({"Retry-After": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(999_000, usegmt=True)}, 0.0),
    ],
)
async def test_the_server_says_how_long_to_wait(
    make_model: MakeModel,
    make_request: MakeRequest,
    slept: list[float],
    headers: dict[str, str],
    expected: float,
) -> None:
    with serve(*flaky(HttpError(429, headers=headers))) as server:
        model = make_model(server.url, now=lambda: 1_000_000.0, rng=lambda: 0.0)
        await model.complete(make_request())
    assert slept == pytest.approx([expected])


async def test_a_retry_after_that_makes_no_sense_is_ignored(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with serve(*flaky(HttpError(429, headers={"Retry-After": "soon"}))) as server:
        await make_model(server.url).complete(make_request())
    assert slept == [0.5]


async def test_backoff_doubles_up_to_a_limit_and_jitter_shortens_it(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with serve(HttpError(500)) as server, pytest.raises(ModelFault):
        await make_model(server.url, retries=9, rng=lambda: 0.5).complete(make_request())
    assert slept == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_waiting_has_a_limit_in_all(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with (
        serve(HttpError(429, headers={"Retry-After": "40"})) as server,
        pytest.raises(ModelFault, match="2 tries"),
    ):
        await make_model(server.url, patience=60.0, rng=lambda: 0.0).complete(make_request())
    assert slept == [40.0]


async def test_each_retry_is_told(make_model: MakeModel, make_request: MakeRequest) -> None:
    told: list[str] = []
    with serve(*flaky(HttpError(429, "slow down"))) as server:
        await make_model(server.url, on_retry=told.append).complete(make_request())
    assert told == ["api, turn 1: HTTP 429: slow down; again in 0.5 s"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (HttpError(401, "bad key"), ("refused the key", "OPENAI_API_KEY")),
        (HttpError(403, "no access"), ("may not use the model scripted", "OPENAI_API_KEY")),
        (
            HttpError(404, "no such model", code="model_not_found"),
            ("no model 'scripted'", "swarm doctor"),
        ),
        (HttpError(404, "Invalid URL"), ("no Chat Completions", "/v1")),
        (HttpError(400, "odd"), ("HTTP 400: odd", "swarm doctor")),
        (HttpError(402, "pay"), ("nothing left to spend",)),
        (HttpError(429, "quota", code="insufficient_quota"), ("nothing left to spend",)),
        (HttpError(500, "busy", headers={"x-should-retry": "false"}), ("failed with HTTP 500",)),
    ],
)
async def test_a_lasting_refusal_is_one_sentence_at_once(
    make_model: MakeModel,
    make_request: MakeRequest,
    slept: list[float],
    fault: HttpError,
    words: tuple[str, ...],
) -> None:
    with serve(fault) as server, pytest.raises(ModelFault) as raised:
        await make_model(server.url).complete(make_request())
    assert raised.value.status == fault.status
    assert [word for word in (*words, server.url) if word not in str(raised.value)] == []
    assert slept == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (HttpError(429, "too fast"), ("limits the rate of calls after 3 tries", "fewer agents")),
        (HttpError(503, "down"), ("failed after 3 tries with HTTP 503: down",)),
        (Garbage("<p>hi"), ("after 3 tries an answer that is no chat completion: <p>hi", "/v1")),
        (Garbage(""), ("an empty body",)),
        (Garbage('{"choices": []}'), ("no chat completion",)),
        (Drop(), ("did not answer after 3 tries", "OPENAI_BASE_URL")),
        (Hang(30), ("no answer within 0.2 s",)),
    ],
)
async def test_a_failure_that_lasts_through_the_retries_is_one_sentence(
    make_model: MakeModel, make_request: MakeRequest, fault: Fault, words: tuple[str, ...]
) -> None:
    with serve(fault) as server, pytest.raises(ModelFault) as raised:
        await make_model(server.url, retries=2, timeout=0.2).complete(make_request())
    assert [word for word in (*words, server.url) if word not in str(raised.value)] == []


@pytest.mark.parametrize(
    "fault",
    [
        HttpError(400, "too long", code="context_length_exceeded"),
        HttpError(400, "This model's maximum context length is 8192 tokens."),
        HttpError(400, "the request exceeds the available context size", code="exceed_context_size_error"),
        HttpError(413, "Request too large"),
    ],
)
async def test_a_conversation_that_is_too_long_is_an_overflow(
    make_model: MakeModel, make_request: MakeRequest, fault: HttpError
) -> None:
    with serve(fault) as server, pytest.raises(ContextOverflow, match="longer than the context of scripted"):
        await make_model(server.url).complete(make_request())
    assert len(server.received) == 1


async def test_nothing_at_the_address_is_said_soon(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelFault, match="Connection refused") as raised:
        await make_model(url, retries=8).complete(make_request())
    assert url in str(raised.value)
    assert "OPENAI_BASE_URL" in str(raised.value)
    assert len(slept) == 2


async def test_a_password_in_the_address_is_not_shown(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    with serve(HttpError(401)) as server, pytest.raises(ModelFault) as raised:
        await make_model(server.url.replace("//", "//me:hush@")).complete(make_request())
    assert "hush" not in str(raised.value)


async def test_an_error_with_status_200_is_taken_for_what_it_is(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with serve(*flaky(Garbage('{"error": {"code": 429, "message": "slow"}}'))) as server:
        assert (await make_model(server.url).complete(make_request())).content == "at last"
    with (
        serve(Garbage('{"error": {"code": 401, "message": "key"}}')) as server,
        pytest.raises(ModelFault) as raised,
    ):
        await make_model(server.url).complete(make_request())
    assert raised.value.status == 401
    assert slept == [0.5]


async def test_a_schema_is_sent_as_response_format(make_model: MakeModel, make_request: MakeRequest) -> None:
    schema = {"title": "Plan", "type": "object", "properties": {}}
    with serve(says("{}")) as server:
        await make_model(server.url).complete(make_request(response_schema=schema))
    form = server.received[0]["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "Plan", "schema": schema, "strict": False}}


async def test_an_endpoint_without_response_format_is_asked_once_more_without_and_remembered(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    schema = {"title": "Plan", "type": "object"}
    with serve(says("{}"), says("{}"), rejects=("response_format",)) as server:
        model = make_model(server.url)
        await model.complete(make_request(response_schema=schema))
        await model.complete(make_request(response_schema=schema, turn=2))
    assert ["response_format" in body for body in server.received] == [True, False, False]
    assert '"title": "Plan"' in server.received[1]["messages"][-1]["content"]


async def test_an_older_endpoint_gets_max_tokens_and_is_remembered(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    with serve(says("a"), says("b"), rejects=("max_completion_tokens",)) as server:
        model = make_model(server.url)
        await model.complete(make_request(max_output_tokens=77))
        await model.complete(make_request(max_output_tokens=77, turn=2))
    assert ["max_tokens" in body for body in server.received] == [False, True, True]
    assert server.received[1]["max_tokens"] == 77


async def test_an_endpoint_that_knows_neither_is_served_too(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    with serve(says("{}"), rejects=("max_completion_tokens", "response_format")) as server:
        reply = await make_model(server.url).complete(make_request(response_schema={"type": "object"}))
    assert reply.content == "{}"
    assert len(server.received) == 3


async def test_a_refusal_for_another_reason_does_not_cost_the_response_format(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    schema = {"title": "Plan", "type": "object"}
    with serve(HttpError(400, "odd"), says("{}")) as server:
        model = make_model(server.url)
        with pytest.raises(ModelFault):
            await model.complete(make_request(response_schema=schema))
        await model.complete(make_request(response_schema=schema, turn=2))
    assert "response_format" in server.received[-1]


async def test_the_models_of_an_endpoint_are_listed(make_model: MakeModel) -> None:
    with serve(models=("one", "two")) as server:
        assert await make_model(server.url).list_models() == ("one", "two")


async def test_a_list_of_models_needs_the_key_too(make_model: MakeModel) -> None:
    with serve(api_key="right") as server:
        with pytest.raises(ModelFault, match="refused the key"):
            await make_model(server.url, api_key="wrong").list_models()
        assert await make_model(server.url, api_key="right").list_models() == ("scripted",)


async def test_an_endpoint_on_this_machine_is_not_reached_through_a_proxy(
    make_model: MakeModel, make_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with serve(says("hi")) as server:
        assert (await make_model(server.url).complete(make_request())).content == "hi"


async def test_a_cancelled_call_ends_at_once(make_model: MakeModel, make_request: MakeRequest) -> None:
    with serve(Hang(30)) as server:
        call = asyncio.create_task(make_model(server.url).complete(make_request()))
        await asyncio.to_thread(server.first_arrival.wait, 10)
        began = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert time.monotonic() - began < 2


def test_one_model_serves_several_event_loops(make_request: MakeRequest) -> None:
    from swarm.adapters.model import OpenAIModel

    async def ask(turn: int) -> str:
        reply = await model.complete(make_request(turn=turn))
        await model.close()
        return reply.content

    with serve(says("one"), says("two")) as server:
        model = OpenAIModel(base_url=server.url, api_key="k")
        assert [asyncio.run(ask(1)), asyncio.run(ask(2))] == ["one", "two"]


def test_the_vendors_package_is_not_imported_before_the_first_call() -> None:
    made = "import sys, swarm.adapters.model as m; m.OpenAIModel(base_url='http://x/v1', api_key='')"
    code = f"{made}; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
