from __future__ import annotations

import pytest
from support.model_fixtures import MakeModel, MakeRequest

from swarm.adapters.fakes.model import ScriptedModel
from swarm.adapters.fakes.script import ANY, Drop, Fault, Flaky, Garbage, Hang, HttpError, Line, Part, says
from swarm.adapters.fakes.server import ModelServer
from swarm.domain.conversation import ModelRequest
from swarm.domain.errors import ContextOverflow, InternalFault, ModelFault


async def instantly(seconds: float) -> None:
    del seconds


async def test_lines_are_said_by_turn_so_that_a_new_process_goes_on(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", "api"): [says("one"), says("two")]})
    assert (await model.complete(make_request(turn=2))).content == "two"


async def test_a_part_for_any_task_serves_those_without_their_own(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", ANY): [says("any")], ("coder", "api"): [says("own")]})
    assert [(await model.complete(make_request(task=t))).content for t in ("api", "db")] == ["own", "any"]


async def test_a_function_answers_from_the_request(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", ANY): lambda request: says(f"{request.task} {request.turn}")})
    assert (await model.complete(make_request(turn=3))).content == "api 3"


async def test_requests_are_kept_in_order(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", ANY): lambda _: says("x")})
    asked = [make_request(task="a"), make_request(task="b")]
    for request in asked:
        await model.complete(request)
    assert model.requests == asked


async def test_a_call_that_the_script_has_no_line_for_is_an_error(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", "api"): [says("one")]})
    for request in (make_request(turn=2), make_request(role="judge")):
        with pytest.raises(InternalFault, match="script"):
            await model.complete(request)


async def test_a_fault_comes_as_often_as_it_is_told_to(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", "api"): [Flaky(says("ok"), (HttpError(500), HttpError(429)))]})
    statuses = []
    for _ in range(2):
        with pytest.raises(ModelFault) as raised:
            await model.complete(make_request())
        statuses.append(raised.value.status)
    assert statuses == [500, 429]
    assert (await model.complete(make_request())).content == "ok"


@pytest.mark.parametrize("line", [Drop(), Hang(60), HttpError(503)])
async def test_a_lasting_fault_is_a_model_fault(make_request: MakeRequest, line: Fault) -> None:
    model = ScriptedModel({("coder", "api"): [line]}, sleep=instantly)
    with pytest.raises(ModelFault):
        await model.complete(make_request())


async def test_garbage_is_a_reply_that_calls_nothing(make_request: MakeRequest) -> None:
    reply = await ScriptedModel({("coder", "api"): [Garbage("?!")]}).complete(make_request())
    assert (reply.content, reply.tool_calls) == ("?!", ())


async def test_an_overflow_is_told_apart(make_request: MakeRequest) -> None:
    model = ScriptedModel({("coder", "api"): [HttpError(400, code="context_length_exceeded")]})
    with pytest.raises(ContextOverflow):
        await model.complete(make_request())


async def test_server_and_model_say_the_same_from_one_script(
    make_model: MakeModel, make_request: MakeRequest
) -> None:
    def echo(request: ModelRequest) -> Line:
        return says(f"{request.messages[-1].content} {request.role} {request.task} {request.turn}")

    script: dict[tuple[str, str], Part] = {("coder", ANY): echo}
    here = await ScriptedModel(script).complete(make_request("hi"))
    with ModelServer(script) as server:
        there = await make_model(server.url).complete(make_request("hi"))
    assert there.content == here.content
    assert there.usage.tokens == here.usage.tokens


async def test_a_server_without_a_line_says_so_and_is_not_asked_again(
    make_model: MakeModel, make_request: MakeRequest, slept: list[float]
) -> None:
    with ModelServer({}) as server, pytest.raises(ModelFault, match="script has no part"):
        await make_model(server.url).complete(make_request())
    assert slept == []
