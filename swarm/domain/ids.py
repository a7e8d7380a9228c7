"""Identifiers, normalised once at the boundary."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def slug(text: object, *, limit: int = 40) -> str:
    """The canonical form of a name: `1`, `"1"` → `1`; `Test_Writer`, `test-writer`, `TestWriter` → `test-writer`.

    Returns an empty string when nothing of the text can be kept; the caller decides what that means.
    """
    spaced = _CAMEL.sub("-", str(text).strip())
    return _SEPARATORS.sub("-", spaced.lower()).strip("-")[:limit].strip("-")
