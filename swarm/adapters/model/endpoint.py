"""The vendor's client, and the only import of it. What it raises leaves here as Refused or Unreachable.

Imported at the first call: the package takes longer to load than a command line may take to start.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from urllib.parse import urlsplit

import openai

from swarm.adapters.model.faults import Garbage, Refused, Unreachable

CONNECT_SECONDS = 15.0
LONGEST_BODY = 8_000_000
"""Bytes, decompressed. Parsed, hostile JSON takes some 25 times as much memory; an honest reply is far below 1 MB."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


# What described the body as it came; it is handed on decompressed. The charset is left out on purpose: JSON is UTF-8,
# and Python knows charsets that decompress.
_OF_THE_BODY = ("content-encoding", "content-length", "content-type", "transfer-encoding")
_SLICE = 65_536


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
            http_client=_BoundedClient(
                trust_env=urlsplit(base_url).hostname not in _LOOPBACK,
                # The key and the conversation stay with the address that the user named.
                follow_redirects=False,
                headers={"Accept-Encoding": "gzip"},
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
            return _object(await self._answered(call))
        except RecursionError as error:
            raise Garbage("JSON that is nested too deeply") from error

    async def _answered(self, call: Awaitable[str]) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except (TimeoutError, openai.APITimeoutError) as error:
            raise Unreachable(f"no answer within {self._timeout:g} s", slow=True) from error
        except openai.APIConnectionError as error:
            raise Unreachable(_root_cause(error)) from error
        except openai.APIStatusError as error:
            raise _refused(error) from error
        except openai.OpenAIError as error:
            raise Garbage(str(error)) from error


class _BoundedClient(openai.DefaultAsyncHttpxClient):
    """Reads a body itself, up to LONGEST_BODY: the vendor's client reads to the end, whatever the size.

    Here and not in `Endpoint`, since the bodies of errors are read within the vendor's package too.
    """

    async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:  # noqa: ARG002 - the base has it
        """The response with its body read; neither of the two calls that are made streams."""
        answer = await super().send(request, stream=True, **options)
        try:
            body = await _body(answer.aiter_raw(_SLICE), answer.headers.get("content-encoding", ""))
        finally:
            await answer.aclose()
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_THE_BODY]
        return type(answer)(answer.status_code, headers=headers, content=body, request=answer.request)


async def _body(parts: AsyncIterator[bytes], encoding: str) -> bytes:
    """The decompressed body; Garbage for more than LONGEST_BODY before or after, or for an encoding not asked for."""
    if encoding.strip().lower() not in {"", "identity", "gzip", "x-gzip"}:
        raise Garbage(f"a body with the content encoding {encoding!r}, which was not asked for")
    zipped = "gzip" in encoding.lower()
    # Never more than asked for at a time: a few hundred KB can hold gigabytes.
    unzip = zlib.decompressobj(wbits=31)
    body, came = bytearray(), 0
    async for part in parts:
        came += len(part)
        try:
            body += unzip.decompress(part, LONGEST_BODY + 1 - len(body)) if zipped else part
        except zlib.error as error:
            raise Garbage("a body that is broken gzip") from error
        if max(came, len(body)) > LONGEST_BODY:
            raise Garbage(f"a body of more than {LONGEST_BODY:,} bytes")
    return bytes(body)


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
