"""An endpoint that means harm: what it sends is bounded, fit to keep, and gets neither memory nor the key."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.model_fixtures import MakeModel, MakeRequest

from swarm.adapters.model import wire
from swarm.adapters.model.endpoint import LONGEST_BODY
from swarm.adapters.model.faults import Garbage
from swarm.config.prices import Price
from swarm.domain.conversation import ModelReply
from swarm.domain.errors import ModelFault

HALF = "\ud83d"


@dataclass
class Stranger:
    """A server that answers everything alike, and keeps the headers that it was asked with."""

    url: str
    asked: list[Mapping[str, str]] = field(default_factory=list)


@contextmanager
def stranger(body: bytes, status: int = 200, **headers: str) -> Iterator[Stranger]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Says nothing."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # The client had enough of it.

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Stranger(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chat(content: Any, **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content, **more}}]}).encode()


async def refusal(make_model: MakeModel, request: Any, body: bytes, status: int = 200, **headers: str) -> str:
    with stranger(body, status, **headers) as there, pytest.raises(ModelFault) as raised:
        await make_model(there.url, retries=0).complete(request)
    return str(raised.value)


# --- size ---


async def test_a_gzip_bomb_is_no_reply(make_model: MakeModel, make_request: MakeRequest) -> None:
    body = gzip.compress(chat("x" * (3 * LONGEST_BODY)))
    assert len(body) < 100_000
    said = await refusal(make_model, make_request(), body, Content_Encoding="gzip")
    assert "more than 8,000,000 bytes" in said


async def test_a_gzip_bomb_is_never_unpacked_whole(make_model: MakeModel, make_request: MakeRequest) -> None:
    body = gzip.compress(b"x" * (10 * LONGEST_BODY))
    model = make_model("http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(ModelFault):
        await model.complete(
            make_request()
        )  # Loads the vendor's package, which is no part of what is measured.
    tracemalloc.start()
    try:
        await refusal(make_model, make_request(), body, Content_Encoding="gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * LONGEST_BODY


async def test_a_body_without_end_is_no_reply(make_model: MakeModel, make_request: MakeRequest) -> None:
    assert "more than 8,000,000 bytes" in await refusal(make_model, make_request(), chat("x" * LONGEST_BODY))


async def test_the_body_of_an_error_is_bounded_too(make_model: MakeModel, make_request: MakeRequest) -> None:
    said = await refusal(make_model, make_request(), b"x" * (LONGEST_BODY + 1), 400)
    assert "more than 8,000,000 bytes" in said


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
async def test_an_encoding_that_was_not_asked_for_is_not_unpacked(
    make_model: MakeModel, make_request: MakeRequest, encoding: str
) -> None:
    said = await refusal(make_model, make_request(), b"x", Content_Encoding=encoding)
    assert f"content encoding {encoding!r}" in said


async def test_a_charset_that_unpacks_is_not_followed(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    with stranger(chat("hi"), Content_Type="application/json; charset=zlib_codec") as there:
        assert (await make_model(there.url).complete(make_request())).content == "hi"


async def test_an_honest_reply_comes_zipped(make_model: MakeModel, make_request: MakeRequest) -> None:
    with stranger(gzip.compress(chat("hällo")), Content_Encoding="gzip") as there:
        assert (await make_model(there.url).complete(make_request())).content == "hällo"
    assert there.asked[0]["accept-encoding"] == "gzip"


async def test_broken_gzip_is_no_reply(make_model: MakeModel, make_request: MakeRequest) -> None:
    assert "broken gzip" in await refusal(make_model, make_request(), b"plain", Content_Encoding="gzip")


# --- depth ---

DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (DEEP, 200),
        (DEEP, 400),
        (b'{"choices": ' + DEEP + b"]" * 200_000 + b"}", 200),
        *((b'{"choices": %s%s}' % (b"[" * n, b"]" * n), 200) for n in range(850, 1000, 10)),
        *((chat("@").replace(b'"@"', b'{"a":' * n + b"1" + b"}" * n), 200) for n in range(990, 800, -50)),
    ],
)
async def test_a_body_nested_deeply_is_a_fault_of_the_endpoint(
    make_model: MakeModel, make_request: MakeRequest, body: bytes, status: int
) -> None:
    with stranger(body, status) as there:
        try:
            reply = await make_model(there.url, retries=0).complete(make_request())
        except ModelFault:
            return
    assert reply.content.startswith("{")


def test_an_answer_too_deep_to_be_written_again_is_garbage(make_request: MakeRequest) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for message in ({"content": deep}, {"tool_calls": [{"function": {"name": "run", "arguments": deep}}]}):
        with pytest.raises(Garbage, match="nested too deeply"):
            wire.reply({"choices": [{"message": message}]}, make_request(), None, 1.0)


# --- halves of characters ---


@pytest.fixture
def read(make_request: MakeRequest) -> Any:
    def parse(message: Any, **data: Any) -> ModelReply:
        return wire.reply({"choices": [{"message": message, **data}]}, make_request(), None, 1.0)

    return parse


@pytest.mark.parametrize("content", [f"a{HALF}", [{"text": f"a{HALF}"}]])
def test_half_a_character_is_written_out(read: Any, content: Any) -> None:
    assert read({"content": content}).content == r"a\ud83d"


def test_a_reply_with_halves_everywhere_can_be_stored(read: Any) -> None:
    call = {"id": HALF, "function": {"name": f"run{HALF}", "arguments": f'{{"a": "{HALF}"}}'}}
    reply = read({"refusal": HALF, "tool_calls": [call]}, finish_reason=HALF)
    stored = reply.model_dump_json().encode()
    assert ModelReply.model_validate_json(stored) == reply
    assert read({"content": ""}, finish_reason=HALF).model_dump_json().encode()


@pytest.mark.parametrize("given", [f'{{"a": "x{HALF}"}}', r'{"a": "x\ud83d"}', {"a": f"x{HALF}"}])
def test_arguments_hold_no_half_even_when_parsed(read: Any, given: Any) -> None:
    reply = read({"tool_calls": [{"id": "c", "function": {"name": "run", "arguments": given}}]})
    assert json.loads(reply.tool_calls[0].arguments) == {"a": "x\ufffd"}


@pytest.mark.parametrize("given", [r'{"a":"\ud83d\ude00"}', r'{"a": "\\ud83d"}', r"{broken \ud83d"])
def test_arguments_with_whole_characters_stay_as_they_came(read: Any, given: str) -> None:
    reply = read({"tool_calls": [{"id": "c", "function": {"name": "run", "arguments": given}}]})
    assert reply.tool_calls[0].arguments == given


async def test_half_a_character_in_an_error_can_be_printed(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    body = json.dumps({"error": {"message": f"no{HALF}"}}).encode()
    assert r"no\ud83d" in (await refusal(make_model, make_request(), body, 400)).encode().decode()


# --- counts ---


def test_too_many_calls_are_no_reply(read: Any) -> None:
    call = {"id": "c", "function": {"name": "run", "arguments": "{}"}}
    assert len(read({"tool_calls": [call] * wire.MOST_CALLS}).tool_calls) == 64
    with pytest.raises(Garbage, match="65 tool calls"):
        read({"tool_calls": [call] * 65})


@pytest.mark.parametrize("given", ["x" * 2_000_001, ["x" * 2_000_000]])
def test_arguments_that_are_too_long_are_no_reply(read: Any, given: Any) -> None:
    with pytest.raises(Garbage, match="characters of arguments"):
        read({"tool_calls": [{"id": "c", "function": {"name": "run", "arguments": given}}]})


@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_a_usage_beyond_belief_is_cut_and_flagged(make_request: MakeRequest, name: str) -> None:
    huge = 10**400
    said = {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": {"cache_write_tokens": huge}}
    data = {"choices": [{"message": {"content": "x"}}], "usage": said | {name: huge}}
    usage = wire.reply(data, make_request(), Price(input=1.0, output=1.0), 1.0).usage
    assert usage.estimated
    assert usage.tokens <= 10 * make_request().max_output_tokens + 5
    assert usage.usd < 1


def test_a_large_usage_that_the_call_explains_is_believed(make_request: MakeRequest) -> None:
    said = {"prompt_tokens": 90_000, "completion_tokens": 30_000}
    data = {"choices": [{"message": {"content": "x"}}], "usage": said}
    usage = wire.reply(data, make_request("x" * 300_000), None, 1.0).usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (90_000, 30_000, False)


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_names_both_addresses(
    make_model: MakeModel, make_request: MakeRequest, status: int
) -> None:
    with stranger(chat("hi")) as other:
        target = f"{other.url}/chat/completions"
        with stranger(b"", status, Location=target) as there, pytest.raises(ModelFault) as raised:
            await make_model(there.url).complete(make_request())
    assert other.asked == []
    assert len(there.asked) == 1
    assert raised.value.status == status
    assert [part for part in (there.url, target, "OPENAI_BASE_URL") if part not in str(raised.value)] == []


@pytest.mark.parametrize(("target", "shown"), [("/v2/x", "/v2/x"), ("http://[", "http://["), ("", "another")])
async def test_a_redirect_to_anything_is_a_sentence(
    make_model: MakeModel, make_request: MakeRequest, target: str, shown: str
) -> None:
    assert shown in await refusal(make_model, make_request(), b"", 307, Location=target)
