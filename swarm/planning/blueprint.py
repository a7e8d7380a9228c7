"""A model's answer becomes a blueprint, or the exact sentences that say why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from swarm.domain.blueprint import Blueprint
from swarm.planning.blueprint_rules import validate_blueprint
from swarm.planning.jsonish import find_json
from swarm.planning.normalise import Raw, blueprint_shape, is_blueprint

__all__ = ["blueprint_schema", "parse_blueprint", "validate_blueprint"]

_HELP = {
    "Blueprint.summary": "What is built, in at most two sentences.",
    "Blueprint.files": "Every file that is made or changed, and the existing ones whose symbols are used.",
    "Blueprint.acceptance": "Shell commands that exit 0 on the finished tree: offline, without a server that blocks.",
    "Blueprint.dependencies": "Third-party packages as pip requirements; empty where the standard library will do.",
    "Blueprint.notes": "Decisions that every author must know, such as time zones or encodings; else empty.",
    "FileSpec.path": "Path relative to the repository, folders with /.",
    "FileSpec.purpose": "What the file is for, in one sentence.",
    "FileSpec.state": "new: to be made; changed: exists and is changed; existing: only used.",
    "FileSpec.symbols": "Every name that another file or a test may use, and no private one.",
    "FileSpec.uses": "Files of this blueprint that this file imports from.",
    "FileSpec.lines": "Expected number of lines that are written or changed in it.",
    "FileSpec.tests": "Test files that test this file alone.",
    "Symbol.name": "The bare name; for a route `POST /links`.",
    "Symbol.kind": "model: plain data, nothing but fields; class: has behaviour.",
    "Symbol.signature": "`def f(a: int) -> str`, fully annotated; `class C(Base)`; `NAME: type = value`; `GET /path`.",
    "Symbol.fields": "A model's fields, one `name: type` or `name: type = default` each.",
    "Symbol.methods": "A class's public methods, one full `def` line each, with self.",
    "Symbol.raises": "Names of the errors that callers have to expect.",
    "Symbol.description": "Behaviour that the signature doesn't say: edge cases, units, when each error is raised.",
    "Use.path": "The used file's path, exactly as in this blueprint.",
    "Use.symbols": "Names of its symbols.",
}
_DROPPED = ("title", "default", "minimum", "maximum", "description")


def parse_blueprint(text: str) -> Blueprint | tuple[str, ...]:
    """The blueprint in a model's answer, whose form is mended where it is clear what was meant; else the problems."""
    value = find_json(text, is_blueprint)
    if isinstance(value, str):
        return (_sentence(value),)
    shape = blueprint_shape(value)
    if not shape["files"]:
        return ("blueprint, files: there is none; list every file that is made or changed.",)
    try:
        return Blueprint.model_validate(shape)
    except ValidationError as error:
        return tuple(_problem(shape, e["loc"], e["msg"], e["input"]) for e in error.errors(include_url=False))


def _problem(shape: Raw, loc: tuple[int | str, ...], message: str, given: object) -> str:
    place: list[str] = []
    at: Any = shape
    for step in loc:
        at = _inside(at, step)
        name = at.get("path") or at.get("name") if isinstance(at, Mapping) else None
        place.append(f"{step}" if isinstance(step, str) else f"[{step}]" + (f" `{name}`" if name else ""))
    where = ", ".join(place).replace(", [", "[")
    shown = f" (given: {str(given)[:60]!r})" if given is not None and not isinstance(given, Mapping) else ""
    return _sentence(f"blueprint, {where}: {message}{shown}")


def _inside(value: Any, step: int | str) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and step < len(value) else None
    return value.get(step) if isinstance(value, Mapping) else None


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def blueprint_schema() -> dict[str, Any]:
    """The JSON Schema of the answer, for `response_format`: flat (no $ref), every key required, none besides."""
    schema = Blueprint.model_json_schema()
    return _flat(schema, schema.get("$defs", {}), "Blueprint")


def _flat(node: dict[str, Any], defs: Mapping[str, Any], owner: str) -> dict[str, Any]:
    if "$ref" in node:
        owner = str(node["$ref"]).rsplit("/", 1)[-1]
        return _flat(defs[owner], defs, owner)
    found = {k: v for k, v in node.items() if k not in _DROPPED and k != "$defs"}
    if "items" in found:
        found["items"] = _flat(found["items"], defs, owner)
    if "properties" in found:
        found["properties"] = {
            name: {**_flat(inner, defs, owner), "description": _HELP[f"{owner}.{name}"]}
            for name, inner in found["properties"].items()
        }
        found["required"] = list(found["properties"])
        found["additionalProperties"] = False
    return found
