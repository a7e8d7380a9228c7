"""Secrets, taken out of whatever is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

REDACTED = "[redacted]"

_SHORTEST = 6
"""Known values shorter than this are left alone: replacing `test` everywhere would destroy the text."""

_PATTERNS = (
    # The scheme is kept, so that a reader sees that there was a key; a digit, so that prose is left alone.
    (re.compile(r"(?i)\b(bearer)\s+(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?basic)\s+[A-Za-z0-9+/=]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{12,}"), REDACTED),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{16,}"), REDACTED),
    (re.compile(r"\bgithub_pat_[A-Za-z0-9_]{20,}"), REDACTED),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{16,}"), REDACTED),
    (re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"), REDACTED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REDACTED),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), REDACTED),
    (
        re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.DOTALL),
        REDACTED,
    ),
)


class Redactor:
    """Replaces known secret values and whatever looks like a key by `[redacted]`.

    `secrets` are the values themselves (API keys, tokens); empty and very short ones are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {s for s in secrets if len(s) >= _SHORTEST}
        # The longest first: a secret may contain another.
        self._known = tuple(sorted(known, key=lambda s: (-len(s), s)))

    def clean(self, text: str) -> str:
        """The text without its secrets; the same object where there is none."""
        for secret in self._known:
            text = text.replace(secret, REDACTED)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every string in it redacted, keys of objects included."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.value(k): self.value(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v) for v in value]
        return value
