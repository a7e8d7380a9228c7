from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.model_fixtures import MakeModel, MakeRequest

from swarm.adapters.model import OpenAIModel
from swarm.domain.conversation import Message, ModelRequest


@pytest.fixture
def make_request() -> MakeRequest:
    """A request of a coder; fields by name."""

    def build(text: str = "hello", **fields: Any) -> ModelRequest:
        given: dict[str, Any] = {
            "workflow": "run.api",
            "step": "llm:api:1",
            "role": "coder",
            "task": "api",
            "turn": 1,
            "model": "scripted",
            "messages": (Message(role="system", content="You code."), Message(role="user", content=text)),
        }
        return ModelRequest(**(given | fields))

    return build


@pytest.fixture
def slept() -> list[float]:
    """The seconds that the model waited, in order; no time passes."""
    return []


@pytest.fixture
async def make_model(slept: list[float]) -> AsyncIterator[MakeModel]:
    """Models against a URL, closed at the end; waits are recorded in `slept`, with the longest jitter."""
    made: list[OpenAIModel] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def build(url: str, **options: Any) -> OpenAIModel:
        given: dict[str, Any] = {"api_key": "k", "sleep": sleep, "rng": lambda: 1.0}
        model = OpenAIModel(base_url=url, **(given | options))
        made.append(model)
        return model

    yield build
    for model in made:
        await model.close()
