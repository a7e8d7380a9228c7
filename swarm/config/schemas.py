"""The JSON Schemas of what is stored or exchanged, generated from `domain`. Pure; `contracts/` holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter

from swarm.domain.blueprint import Blueprint
from swarm.domain.documents import DiffText, Done, EventList, Health, RunList
from swarm.domain.events import Event
from swarm.domain.plan import Contract, Plan
from swarm.domain.recording import RecordingEntry, RecordingHeader
from swarm.domain.report import RunRecord, RunReport
from swarm.domain.verdict import Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What is read from others is described as it may come, with defaults left out; what is printed, as it is written.
_READ: Mapping[str, Any] = {
    "blueprint": Blueprint,
    "contract": Contract,
    "plan": Plan,
    "verdict": Verdict,
}
_STORED: Mapping[str, Any] = {
    "recording": RecordingHeader | RecordingEntry,
}
_PRINTED: Mapping[str, Any] = {
    "diff": DiffText,
    "done": Done,
    "event": Event,
    "event-list": EventList,
    "health": Health,
    "record": RunRecord,
    "report": RunReport,
    "run-list": RunList,
}
TYPES: Mapping[str, Any] = {**_READ, **_STORED, **_PRINTED}
"""The type behind each schema, by the schema's name."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of that name; KeyError when there is none."""
    mode: Literal["validation", "serialization"] = "validation" if name in _READ else "serialization"
    body = TypeAdapter(TYPES[name]).json_schema(mode=mode)
    if name in _PRINTED:
        body = _whole(body)
    return {"$schema": _DIALECT, "$id": f"{name}.schema.json", **body}


def files() -> dict[str, str]:
    """File name → text of every schema, as committed in `contracts/`."""
    return {f"{n}.schema.json": json.dumps(schema(n), indent=2, sort_keys=True) + "\n" for n in sorted(TYPES)}


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """A schema whose objects have all their fields: what is printed is printed whole, and a reader may count on it."""
    parts = {name: _whole(part) for name, part in body.get("$defs", {}).items()}
    result = {**body, "$defs": parts} if parts else dict(body)
    return {**result, "required": sorted(body["properties"])} if "properties" in body else result
