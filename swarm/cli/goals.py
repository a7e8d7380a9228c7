"""GOAL in its three forms: text, `-` for standard input, `@file`."""

from __future__ import annotations

import sys
from pathlib import Path

from swarm.domain.errors import UsageFault


def read_goal(goal: str) -> str:
    """The text of a goal. UsageFault where it is empty or its file cannot be read."""
    if goal == "-":
        text, where = _from_stdin(), "standard input"
    elif goal.startswith("@"):
        text, where = _from_file(Path(goal[1:])), goal[1:]
    else:
        text, where = goal, ""
    if not text.strip():
        raise UsageFault(
            "The goal is empty", where=where, remedy="Say in a sentence or more what is to be built."
        )
    return text.strip()


def _from_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UsageFault(
            "The goal is not UTF-8 text", where="standard input", remedy="Give it as text."
        ) from error


def _from_file(path: Path) -> str:
    if path == Path():
        raise UsageFault("`@` needs the name of a file", remedy="Write @goal.md, or the goal itself.")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageFault(
            "There is no file with the goal", where=str(path), remedy="Check the path after @."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageFault("The goal is not UTF-8 text", where=str(path), remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise UsageFault(f"The goal cannot be read: {error.strerror}", where=str(path)) from error
