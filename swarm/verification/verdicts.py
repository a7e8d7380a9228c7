"""The judge's answer: its schema, flat so that every endpoint takes it, and a reading that forgives form alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from swarm.domain.verdict import Criterion, Finding, Severity, Verdict

CRITERIA = ("code_quality", "code_organisation", "tests", "security")
_MARK = "a whole number from 0 to 5"
_SYNONYMS = {
    "code_quality": ("quality",),
    "code_organisation": ("code_organization", "organisation", "organization", "structure"),
    "tests": ("testing", "test", "test_quality"),
    "security": ("security_practice", "security_practices"),
}
_SEVERITIES = {
    Severity.BLOCKER: ("blocker", "blocking", "critical", "fatal", "severe", "showstopper"),
    Severity.MAJOR: ("major", "high", "important", "error", "serious"),
}
_MAX_FINDINGS = 50


def judge_schema() -> dict[str, Any]:
    """The JSON Schema of a verdict, strict and without references: findings first, each reason before its mark."""
    finding = {
        "file": {"type": "string", "description": "Path, empty for the whole change."},
        "line": {"type": "integer", "description": "Line in the new file, 0 for the whole file."},
        "severity": {"type": "string", "enum": [s.value for s in Severity]},
        "problem": {"type": "string", "description": "What is wrong and what follows from it."},
        "action": {
            "type": "string",
            "description": "What to change, so that a fixer can do it without asking.",
        },
    }
    properties: dict[str, Any] = {
        "summary": {
            "type": "string",
            "description": "What the change does and how well, in two or three sentences.",
        },
        "findings": {"type": "array", "items": _strict(finding)},
    }
    for name in CRITERIA:
        properties[f"{name}_reason"] = {
            "type": "string",
            "description": "The evidence for the mark, in one or two sentences.",
        }
        properties[name] = {"type": "integer", "enum": [0, 1, 2, 3, 4, 5]}
    return _strict(properties)


def parse_verdict(text: str) -> Verdict | tuple[str, ...]:
    """The verdict in a model's answer, or what is wrong with it, one sentence each, to be sent back.

    Forgives fences and talk around the object, marks as text, floats, `4/5` or `{"score": 4}`, missing findings and
    reasons, and other words for severities. A missing or impossible mark is never guessed.
    """
    found = _best_object(text)
    if found is None:
        return (
            "The answer holds no JSON object. Answer with exactly one JSON object as the schema describes.",
        )
    criteria = {name: _criterion(found, name) for name in CRITERIA}
    problems = tuple(c for c in criteria.values() if isinstance(c, str))
    if problems:
        return problems
    marks = {name: c for name, c in criteria.items() if isinstance(c, Criterion)}
    return Verdict(
        **marks,
        findings=tuple(_findings(found.get("findings"))),
        summary=_string(found.get("summary")),
    )


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _best_object(text: str) -> dict[str, Any] | None:
    """The object with the most criteria among all JSON objects in the text; the last one where several have as many."""
    best: dict[str, Any] | None = None
    for candidate in _objects(text):
        for inner in (candidate, *(v for v in candidate.values() if isinstance(v, dict))):
            if best is None or _criteria_in(inner) >= max(1, _criteria_in(best)):
                best = inner
    return best


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(strict=False), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _criteria_in(value: Mapping[str, Any]) -> int:
    return sum(1 for name in CRITERIA if _raw_mark(value, name) is not None)


def _raw_mark(found: Mapping[str, Any], name: str) -> Any:
    keys = {re.sub(r"[\s-]+", "_", key.strip().lower()): value for key, value in found.items()}
    scores = keys.get("scores") or keys.get("criteria") or {}
    nested = (
        {re.sub(r"[\s-]+", "_", str(k).lower()): v for k, v in scores.items()}
        if isinstance(scores, dict)
        else {}
    )
    for alias in (name, *_SYNONYMS[name]):
        for source in (keys, nested):
            for key in (alias, f"{alias}_score"):
                if source.get(key) is not None:
                    return source[key]
    return None


def _criterion(found: Mapping[str, Any], name: str) -> Criterion | str:
    """The criterion, or a sentence about what is wrong with it."""
    raw, reason = _raw_mark(found, name), _string(found.get(f"{name}_reason"))
    if isinstance(raw, dict):
        reason = reason or _string(
            _first(raw, "reason", "rationale", "justification", "comment", "explanation")
        )
        raw = _first(raw, "score", "mark", "value", "rating", "points")
    if raw is None:
        return f"`{name}` is missing: give {_MARK}."
    mark = _mark(raw)
    if mark is None:
        return f"`{name}` is {json.dumps(raw, ensure_ascii=False)[:60]}: give {_MARK}."
    return Criterion(score=mark, reason=reason)


def _mark(raw: object) -> int | None:
    """A mark from a number or its text; halves go down, for a mark is earned. None when it is none from 0 to 5."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:(?:/|out of|of)\s*5(?:\.0)?)?\s*", raw)
        if match is None:
            return None
        raw = float(match[1])
    if not isinstance(raw, int | float) or not math.isfinite(raw) or not 0 <= raw <= 5:
        return None
    return math.ceil(raw - 0.5)


def _findings(raw: object) -> Iterator[Finding]:
    items = raw if isinstance(raw, list) else [raw] if isinstance(raw, dict | str) and raw else []
    for item in items[:_MAX_FINDINGS]:
        if isinstance(item, str) and item.strip():
            yield Finding(problem=item.strip())
        elif isinstance(item, dict):
            action = _string(
                _first(item, "action", "what_to_do", "fix", "suggestion", "recommendation", "remedy")
            )
            problem = _string(
                _first(item, "problem", "description", "issue", "message", "title", "text", "finding")
            )
            if problem or action:
                file, line = _place(item)
                yield Finding(
                    file=file,
                    line=line,
                    severity=_severity(item.get("severity")),
                    problem=problem or action,
                    action=action,
                )


def _place(item: Mapping[str, Any]) -> tuple[str, int]:
    """File and line; `a.py:12` as the file and `12-20` as the line are read, too."""
    file = _string(_first(item, "file", "path", "location", "filename"))
    joined = re.fullmatch(r"(.+?):(\d{1,9})(?:[-:]\d+)?", file)
    if joined:
        file = joined[1]
    digits = re.search(r"\d{1,9}", _string(_first(item, "line", "lines", "line_number", "start_line")))
    line = int(digits[0]) if digits else int(joined[2]) if joined else 0
    return file, min(line, 10_000_000)


def _severity(raw: object) -> Severity:
    word = _string(raw).lower()
    return next((severity for severity, words in _SEVERITIES.items() if word in words), Severity.MINOR)


def _first(item: Mapping[str, Any], *keys: str) -> Any:
    return next((item[key] for key in keys if item.get(key) not in (None, "")), None)


def _string(raw: object) -> str:
    if isinstance(raw, list):
        return " ".join(_string(x) for x in raw)
    return "" if raw is None or isinstance(raw, dict) else str(raw).strip()
