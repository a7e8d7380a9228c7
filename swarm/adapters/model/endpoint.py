"""The vendor's client, and the only import of it. What it raises leaves here as Refused or Unreachable.

Imported at the first call: the package takes longer to load than a command line may take to start.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

import openai

from swarm.adapters.model.faults import Garbage, Refused, Unreachable

CONNECT_SECONDS = 15.0

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Endpoint:
    """One connection pool, for one event loop. `timeout` bounds a whole call in seconds, however it drips."""

    def __init__(self, base_url: str, api_key: str, timeout: float) -> None:
        self._timeout = timeout
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            # The client wants a key; servers on one's own machine want none, and others answer 401.
            api_key=api_key or "none",
            timeout=openai.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            max_retries=0,
            # What listens on this machine is not reached through a proxy.
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=urlsplit(base_url).hostname not in _LOOPBACK
            ),
        )

    async def chat(self, payload: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """The JSON object that answers a chat request. Raises Refused, Unreachable, Garbage."""
        # Not `chat.completions.create`: it walks the whole history through its types at every call, which takes tens
        # of milliseconds of the one event loop that all agents share, and the payload has its final form already.
        call = self._client.post("/chat/completions", body=payload, cast_to=str, options={"headers": headers})
        return await self._asked(call)

    async def models(self) -> dict[str, Any]:
        """The JSON object that lists the models. Raises Refused, Unreachable, Garbage."""
        return await self._asked(self._client.get("/models", cast_to=str))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _asked(self, call: Awaitable[str]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                text = await call
            return _object(text)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise Unreachable(f"no answer within {self._timeout:g} s", slow=True) from error
        except openai.APIConnectionError as error:
            raise Unreachable(_root_cause(error)) from error
        except openai.APIStatusError as error:
            raise _refused(error) from error
        except openai.OpenAIError as error:
            raise Garbage(str(error)) from error


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Garbage(text) from error
    if not isinstance(data, dict):
        raise Garbage(text)
    if isinstance(data.get("error"), dict) and not data.get("choices"):
        raise _error_with_success(data["error"])
    return data


def _error_with_success(error: dict[str, Any]) -> Refused:
    # Some gateways answer 200 with the error of the server behind them.
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return Refused(status, str(error.get("message") or error), code=str(code or ""))


def _refused(error: openai.APIStatusError) -> Refused:
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message") or body.get("detail") or error.response.text or error.message
    return Refused(
        error.status_code,
        str(message),
        code=str(body.get("code") or body.get("type") or ""),
        param=str(body.get("param") or ""),
        headers={key.lower(): value for key, value in error.response.headers.items()},
    )


def _root_cause(error: BaseException) -> str:
    """The innermost error's words: "connection refused" and not "Connection error."."""
    cause = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, OSError):
        # asyncio writes its own words into some; the number says it plainly. Resolver errors have negative ones.
        number = cause.errno or 0
        return os.strerror(number) if number > 0 else str(cause.strerror or cause)
    return str(cause) or type(cause).__name__
