"""Texts of an endpoint made fit to keep: what is not UTF-8 cannot be stored, sent or printed further on."""

from __future__ import annotations

import json
import re

_SHOWN = 300
# Half of a character outside the BMP, as a server leaves it that cuts its output by UTF-16 units.
_HALF = re.compile(r"[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def storable(text: str) -> str:
    r"""The text with lone surrogates written out (`\ud83d`), which UTF-8 has no bytes for."""
    return text.encode("utf-8", "backslashreplace").decode()


def storable_json(text: str) -> str:
    """JSON text that holds no half of a character, neither as such nor as an escape; each becomes U+FFFD.

    Written out it would be a half again for whoever parses the text, and fail there. What is no JSON stays as it is.
    """
    whole = _HALF.sub("\ufffd", text)
    if not _ESCAPED_HALF.search(whole):
        return whole
    try:
        plain = json.dumps(json.loads(whole), ensure_ascii=False)
    except (ValueError, RecursionError):
        return whole
    return _HALF.sub("\ufffd", plain) if _HALF.search(plain) else whole


def shorten(text: str) -> str:
    """One storable line of at most a few hundred characters."""
    line = " ".join(text.split())
    return storable(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…")
