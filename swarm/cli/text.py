"""Numbers, times and foreign texts as a terminal shows them. Pure."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarm.domain.events import Event

REPLAY = "replay:"
"""How the model of a run begins that a recording answers."""

_TEXT_LIMIT = 300
_ONE = re.compile(r"\b1 (task|contract|turn)s\b")

# What agents and repositories wrote may hold escape sequences that would act on the user's terminal.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """A text of others without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def one_line(text: str, limit: int = 0) -> str:
    """A safe text on one line, cut to `limit` characters with an ellipsis where it is longer."""
    line = " ".join(safe(text).split())
    return line if not limit or len(line) <= limit else line[: max(0, limit - 1)] + "…"


def tokens(count: int) -> str:
    """`950`, `12.3k`, `1.25M`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.2f}M"


def money(usd: float, *, used: int = 1) -> str:
    """`$0.0123`, `$1.23`; a dash where tokens were used and no price is known."""
    if usd == 0:
        return "-" if used else "$0"
    return f"${usd:.4f}" if usd < 1 else f"${usd:.2f}"


def duration(seconds: float) -> str:
    """`4.2s`, `3m07s`, `1h02m`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def count(number: int, word: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def moment(iso: str) -> str:
    """An ISO 8601 time as local `11-20 12:10`; a text that is none as it is."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%m-%d %H:%M")
    except ValueError:
        return one_line(iso)


def clock(at: float, *, date: bool = False) -> str:
    """Seconds since the epoch as local time of day, or with the date."""
    return time.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S", time.localtime(at))


def describe(event: Event) -> str:
    """An event in one line for people: its own text, or what its data say where there is none."""
    words, data = _ONE.sub(r"1 \1", one_line(event.text, _TEXT_LIMIT)), event.data
    match event.kind:
        case "phase.started" | "phase.finished":
            took = f" after {duration(data['seconds'])}" if "seconds" in data else ""
            return f"{data.get('phase', words)} {event.kind.partition('.')[2]}{took}"
        case "check.done" | "task.gate":
            return f"check {words or data.get('name', '')}"
        case "verdict.ready":
            return words or f"score {data.get('score')} of 100 (threshold {data.get('threshold')})"
        case "plan.estimated":
            return words
        case "plan.ready":
            return _plan(data, words)
        case "task.turn":
            return f"turn {data.get('turn', '?')}  {words}".strip()
        case "task.tool":
            return f"turn {data.get('turn', '?')}  {words}" + (
                "" if data.get("ok", True) else "  (refused or failed)"
            )
    verb = event.kind.replace(".", " ").replace("-", " ")
    return f"{verb}: {words}" if words else verb


def _plan(data: dict[str, Any], words: str) -> str:
    plan = words or f"{data.get('strategy', '')}: {count(len(data.get('tasks', ())), 'task')}"
    estimate = f"; estimate {tokens(int(data['tokens']))} tokens" if data.get("tokens") else ""
    why = f". {data['rationale']}" if data.get("rationale") else ""
    return f"plan: {plan}{estimate}{why}"
