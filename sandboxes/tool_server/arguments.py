"""The agent tools' arguments: what they are, and errors that teach the right form."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any

from sandboxes.tool_server.files import Refused

_KINDS = {"text": str, "integer": int}


@dataclass(frozen=True)
class Form:
    """A tool's arguments: name → kind (`text` or `integer`), which of them may be left out, and an example."""

    required: dict[str, str]
    optional: dict[str, str]
    example: dict[str, Any]


FORMS: dict[str, Form] = {
    "read_file": Form(
        {"path": "text"},
        {"start_line": "integer", "end_line": "integer"},
        {"path": "src/app.py", "start_line": 1, "end_line": 80},
    ),
    "write_file": Form(
        {"path": "text", "content": "text"}, {}, {"path": "src/app.py", "content": "print('hello')\n"}
    ),
    "edit_file": Form(
        {"path": "text", "old_text": "text", "new_text": "text"},
        {},
        {"path": "src/app.py", "old_text": "retries = 1\n", "new_text": "retries = 3\n"},
    ),
    "list_files": Form({}, {"path": "text", "pattern": "text"}, {"path": "src", "pattern": "*.py"}),
    "search": Form(
        {"pattern": "text"},
        {"path": "text", "glob": "text", "max_results": "integer"},
        {"pattern": "def \\w+_url", "path": "src", "glob": "*.py"},
    ),
    "run": Form(
        {"command": "text"}, {"timeout": "integer"}, {"command": "python -m pytest -q", "timeout": 120}
    ),
}


def parse_arguments(tool: str, raw: str) -> dict[str, Any]:
    """The arguments of a call, checked against the tool's form. Raises Refused with the right form and an example."""
    form = FORMS.get(tool)
    if form is None:
        raise Refused(f"there is no tool '{tool}'; the tools are {', '.join(FORMS)}")
    try:
        given = json.loads(raw or "{}", strict=False)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{tool}: the arguments are not valid JSON: {error}. {_lesson(form)}") from error
    if not isinstance(given, dict):
        raise Refused(f"{tool}: the arguments must be one JSON object. {_lesson(form)}")
    # Models write null for an argument that they leave out.
    given = {name: value for name, value in given.items() if not (value is None and name in form.optional)}
    problems = _problems(form, given)
    if problems:
        raise Refused(f"{tool}: {'; '.join(problems)}. {_lesson(form)}")
    return given


def _problems(form: Form, given: dict[str, Any]) -> list[str]:
    kinds = {**form.required, **form.optional}
    problems = [f"'{name}' is missing" for name in form.required if name not in given]
    for name, value in given.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            problems.append(
                f"there is no argument '{name}'" + (f" (did you mean '{near[0]}'?)" if near else "")
            )
        elif not isinstance(value, _KINDS[kinds[name]]) or isinstance(value, bool):
            problems.append(f"'{name}' must be {_article(kinds[name])}, not {json.dumps(value)[:80]}")
    return problems


def _article(kind: str) -> str:
    return "an integer" if kind == "integer" else "text"


def _lesson(form: Form) -> str:
    parts = [f"{name} ({kind})" for name, kind in form.required.items()]
    parts += [f"{name} ({kind}, optional)" for name, kind in form.optional.items()]
    return f"Arguments: {', '.join(parts)}. Example: {json.dumps(form.example)}"
