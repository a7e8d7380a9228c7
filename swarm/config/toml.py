"""Reading `swarm.toml`, the user's and a repository's: every fault names the file and the line or the key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from swarm.domain.errors import UsageFault

MAX_BYTES = 256 * 1024

# Absent where the text ends too early: then it is the last line.
_LINE = re.compile(r"at line (\d+)")


def parse_toml(data: bytes, *, where: str) -> dict[str, Any]:
    """The tables of a file that is called `where` in messages; UsageFault with the line where it is not TOML."""
    if len(data) > MAX_BYTES:
        raise UsageFault(
            f"The settings file is larger than {MAX_BYTES // 1024} KiB",
            where=where,
            remedy="Is it the right file?",
        )
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageFault("The settings file is not UTF-8 text", where=f"{where}:{line}") from error
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found.group(1)) if found else data.count(b"\n") + 1
        raise UsageFault(f"The settings file is not valid TOML: {error}", where=f"{where}:{line}") from error
    except RecursionError as error:
        raise UsageFault("The settings file is nested too deeply", where=where) from error


def nearest(key: str, known: Iterable[str]) -> str:
    """A remedy that names the known key most like this one, or all of them where none is alike."""
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(names)}."


def check_keys(values: Mapping[str, Any], known: Iterable[str], *, where: str, kind: str = "setting") -> None:
    """UsageFault for the first key that is not known, with the nearest one that is."""
    names = set(known)
    for key in values:
        if key not in names:
            raise UsageFault(f"There is no {kind} {key!r}", where=where, remedy=nearest(key, names))


def first_problem(error: ValidationError) -> tuple[tuple[str, ...], str]:
    """The path of the first wrong value, and what is wrong with it. Never the value: it may be a key."""
    problem = error.errors(include_input=False, include_url=False)[0]
    text = problem["msg"].removeprefix("Value error, ")
    return tuple(str(part) for part in problem["loc"]), text[:1].lower() + text[1:]
