"""JSON as models write it: in prose or code fences, with comments, trailing commas or Python's constants."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING = re.compile(r",(\s*[}\]])")
_CONSTANTS = {"True": "true", "False": "false", "None": "null", "NaN": "null", "undefined": "null"}
_CONSTANT = re.compile(r"\b(True|False|None|NaN|undefined)\b")
_OPENING = re.compile(r"[{\[]")
_OBJECT = re.compile(r"\{\s*\"|\[\s*\{")
_STARTS = 40


def find_json(text: str, wanted: Callable[[object], bool]) -> object | str:
    """The first JSON value in a text that is wanted, else the first object or list, else why there is none.

    A plain string is always the reason: values of interest are objects and lists.
    """
    fallback: object = None
    reason = ""
    for candidate in _candidates(text):
        value, problem = _load(candidate)
        if isinstance(value, dict | list):
            if wanted(value):
                return value
            fallback = value if fallback is None and value else fallback
        elif problem and not reason:
            reason = problem
    if fallback is not None:
        return fallback
    if not text.strip():
        return "the answer is empty; answer with the JSON object alone"
    return reason or "there is no JSON object in the answer; answer with the JSON object alone"


def _candidates(text: str) -> Iterator[str]:
    whole = text.strip().lstrip("\ufeff")
    if whole.startswith(("{", "[")):
        yield whole
    for found in _FENCE.finditer(text):
        yield found.group(1).strip()
    at = 0
    for _ in range(_STARTS):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        end = _closing(text, opening.start())
        candidate = text[opening.start() : end or len(text)]
        yield candidate
        # What stands inside a broken object is a fragment, and a fragment must not pass for the answer.
        at = opening.start() + (len(candidate) if end or _OBJECT.match(candidate) else 1)


def _closing(text: str, start: int) -> int:
    """The place after the bracket that closes the one at `start`; 0 where none does."""
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char == '"':
            found = _STRING.match(text, at)
            if found is None:
                return 0
            at = found.end()
            continue
        depth += (char in "{[") - (char in "}]")
        at += 1
        if depth == 0:
            return at
    return 0


def _load(text: str) -> tuple[object, str]:
    """The value and no problem, or nothing and the problem with its place."""
    if not text.startswith(("{", "[")):
        return None, ""
    problem = ""
    for attempt in (text, _cleaned(text)):
        try:
            return json.loads(attempt, strict=False), ""
        except json.JSONDecodeError as error:
            ended = " (the answer ends in the middle)" if error.pos >= len(attempt.rstrip()) - 1 else ""
            problem = (
                problem
                or f"the answer is not JSON: line {error.lineno}, column {error.colno}: {error.msg}{ended}"
            )
        except RecursionError:
            return None, "the answer is not usable JSON: it is nested too deeply"
    return _as_python(text), problem


def _as_python(text: str) -> object:
    """A Python literal, as models write it now and then; None where it is none."""
    if len(text) > 200_000:
        return None
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value


def _cleaned(text: str) -> str:
    """Comments, trailing commas and Python's constants mended, strings left alone."""
    strings: list[str] = []

    def keep(found: re.Match[str]) -> str:
        strings.append(found.group(0))
        return f'"{len(strings) - 1}"'

    bare = _STRING.sub(keep, text)
    bare = _CONSTANT.sub(lambda m: _CONSTANTS[m.group(1)], _COMMENT.sub("", bare))
    bare = _TRAILING.sub(r"\1", bare)
    return re.sub(r'"(\d+)"', lambda m: strings[int(m.group(1))], bare)
