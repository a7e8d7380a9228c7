"""What can go wrong at an endpoint, which of it passes, and the sentence for each.

The three exceptions stay within this package; what leaves it is a ModelFault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from swarm.adapters.model.texts import shorten
from swarm.domain.errors import ContextOverflow, InternalFault, ModelFault

_PASSING = {408, 409, 425, 429}
_SPENT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|maximum (prompt|input) length|(prompt|input) is too long"
    r"|too many (input )?tokens|exceeds? the (available|maximum) (context|number of tokens)"
    r"|reduce the length of the messages",
    re.IGNORECASE,
)


class EndpointError(Exception):
    """The base of the three, and none beside them."""


@dataclass(eq=False)
class Refused(EndpointError):
    """An HTTP status of 400 or more, with the server's own words."""

    status: int
    message: str
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Unreachable(EndpointError):
    """No answer at all: `slow` when it timed out, otherwise the connection failed or broke."""

    reason: str
    slow: bool = False


@dataclass(eq=False)
class Garbage(EndpointError):
    """An answer that is no chat completion."""

    text: str


def passes(error: EndpointError) -> bool:
    """Whether asking again makes sense."""
    if not isinstance(error, Refused):
        return True
    if error.headers.get("x-should-retry") == "false" or error.code in _SPENT:
        return False
    return error.status in _PASSING or error.status >= 500 or error.headers.get("x-should-retry") == "true"


def too_long(error: EndpointError) -> bool:
    """Whether the conversation does not fit the model's context."""
    if not isinstance(error, Refused) or error.status not in {400, 413, 422}:
        return False
    return "context_length" in error.code or error.status == 413 or bool(_TOO_LONG.search(error.message))


def asked_wait(error: EndpointError, *, now: float) -> float | None:
    """The seconds that the server asks to wait, from `retry-after-ms` or Retry-After (seconds or an HTTP date)."""
    headers = error.headers if isinstance(error, Refused) else {}
    milliseconds, after = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    for text, scale in ((milliseconds, 0.001), (after, 1.0)):
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text):
            return float(text) * scale
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    except ValueError:
        return None


def describe(error: EndpointError) -> str:
    """What happened, in a few words, for a retry's message and a fault's."""
    match error:
        case Refused():
            return f"HTTP {error.status}: {shorten(error.message)}"
        case Unreachable():
            return shorten(error.reason)
        case Garbage():
            return f"an answer that is no chat completion: {shorten(error.text) or 'an empty body'}"
    raise InternalFault(f"An endpoint error of an unknown kind: {type(error).__name__}")


def shown(url: str) -> str:
    """A URL for messages: without a password that it may hold."""
    parts = urlsplit(url)
    return url if "@" not in parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def fault(error: EndpointError, *, url: str, model: str, tries: int) -> ModelFault:
    """The error as the user reads it. `tries` is how often the call was made."""
    where = shown(url)
    times = f" after {tries} tries" if tries > 1 else ""
    if isinstance(error, Refused):
        return _refusal(error, where, model, times)
    if isinstance(error, Unreachable):
        return ModelFault(
            f"The model endpoint did not answer{times}: {describe(error)}", where=where, remedy=_REACH
        )
    return ModelFault(f"The model endpoint gave{times} {describe(error)}", where=where, remedy=_COMPATIBLE)


_REACH = (
    "Set OPENAI_BASE_URL (or base_url in swarm.toml) to your endpoint, or start it; `swarm doctor` checks it."
)

_COMPATIBLE = "Is it an OpenAI-compatible server, and does the URL end with /v1?"


def _refusal(error: Refused, where: str, model: str, times: str) -> ModelFault:
    said = shorten(error.message)
    if too_long(error):
        return ContextOverflow(
            f"The conversation is longer than the context of {model}: {said}",
            status=error.status,
            where=where,
            remedy="Use a model with a larger context, or a plan with smaller tasks.",
        )
    if 300 <= error.status < 400:
        return _redirect(error, where)
    what, remedy = _sentences(error, model, times, said)
    return ModelFault(what, status=error.status, where=where, remedy=remedy)


def _redirect(error: Refused, where: str) -> ModelFault:
    target = error.headers.get("location", "")
    try:
        there = shown(urljoin(f"{where.rstrip('/')}/", target)) if target else "another address"
    except ValueError:
        there = f"what is no address ({target.rpartition('@')[2]})"
    return ModelFault(
        f"The model endpoint sends calls on to {shorten(there)}; "
        "the key and the conversation do not go there unasked",
        status=error.status,
        where=where,
        remedy="If you trust that address, set OPENAI_BASE_URL (or base_url in swarm.toml) to it, without the last "
        "part of the path (/chat/completions or /models).",
    )


def _sentences(error: Refused, model: str, times: str, said: str) -> tuple[str, str]:
    if error.code in _SPENT or error.status == 402:
        return (
            f"The account behind the key has nothing left to spend: {said}",
            "Top it up, then resume the run.",
        )
    if error.status == 401:
        return f"The model endpoint refused the key: {said}", "Set OPENAI_API_KEY (or api_key in swarm.toml)."
    if error.status == 403:
        remedy = "Check that the key in OPENAI_API_KEY may use this model."
        return f"The key may not use the model {model}: {said}", remedy
    if error.status == 404 and (error.code == "model_not_found" or "model" in said.lower()):
        return f"The endpoint has no model {model!r}: {said}", "`swarm doctor` lists the models that it has."
    if error.status == 404:
        return (
            f"The endpoint has no Chat Completions at this URL: {said}",
            "OPENAI_BASE_URL usually ends with /v1.",
        )
    if error.status == 429:
        return (
            f"The endpoint limits the rate of calls{times}: {said}",
            "Wait, or use fewer agents, then resume the run.",
        )
    if error.status >= 500:
        return (
            f"The model endpoint failed{times} with HTTP {error.status}: {said}",
            "Resume the run when it works again.",
        )
    return (
        f"The model endpoint refused the call with HTTP {error.status}: {said}",
        "`swarm doctor` tests the endpoint.",
    )
