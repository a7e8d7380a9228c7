"""The shapes of the fixtures in tests/model/conftest.py, for the annotations of those that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from swarm.adapters.model import OpenAIModel
from swarm.domain.conversation import ModelRequest

MakeRequest = Callable[..., ModelRequest]


class MakeModel(Protocol):
    """Makes a model against a URL; it is closed when the test ends."""

    def __call__(self, url: str, **options: Any) -> OpenAIModel: ...
