"""`contracts/`: what is committed is what the domain says, and the golden samples keep their meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from swarm.cli.schemas import stale, write
from swarm.config.schemas import TYPES, files, schema

CONTRACTS = Path(__file__).parents[2] / "contracts"
SAMPLES = sorted((CONTRACTS / "samples").glob("*-v*.json"))


def name_of(sample: Path) -> str:
    """`recording.header-v1.json` is a second sample of the schema `recording`."""
    return sample.stem.rpartition("-v")[0].partition(".")[0]


def read(sample: Path) -> dict[str, Any]:
    value = json.loads(sample.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def test_committed_schemas_are_those_of_the_domain() -> None:
    assert stale(CONTRACTS) == (), "run: make schemas"


def test_no_schema_is_left_of_a_type_that_is_gone() -> None:
    assert {p.name for p in CONTRACTS.glob("*.schema.json")} == set(files())


def test_every_schema_is_valid_and_has_a_golden_sample() -> None:
    for name in TYPES:
        jsonschema.Draft202012Validator.check_schema(schema(name))
    assert {name_of(s) for s in SAMPLES} == set(TYPES)


def without_later_fields(value: dict[str, Any]) -> dict[str, Any]:
    """A schema that an older document of the same version fits too: what has a default may be missing."""
    parts = {name: without_later_fields(part) for name, part in value.get("$defs", {}).items()}
    fields = value.get("properties", {})
    needed = [name for name in value.get("required", ()) if "default" not in fields.get(name, {})]
    return {**value, "required": needed, "$defs": parts}


def keeps(old: object, new: object) -> bool:
    """Whether a value says all that an older one says; fields that came later may be there too."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and keeps(part, new[name]) for name, part in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(keeps(a, b) for a, b in zip(old, new, strict=True))
    return old == new


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.stem)
def test_a_golden_sample_fits_the_committed_schema(sample: Path) -> None:
    committed = json.loads((CONTRACTS / f"{name_of(sample)}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(read(sample), without_later_fields(committed))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.stem)
def test_a_golden_sample_is_read_without_loss(sample: Path) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(TYPES[name_of(sample)])
    value = adapter.validate_python(read(sample))
    assert keeps(read(sample), adapter.dump_python(value, mode="json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.stem)
def test_a_field_that_nobody_defined_is_refused_by_the_schema(sample: Path) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**read(sample), "surprise": 1}, schema(name_of(sample)))


def test_a_printed_document_has_all_its_fields() -> None:
    sample = read(CONTRACTS / "samples" / "report-v1.json")
    del sample["replay_drift"]
    with pytest.raises(jsonschema.ValidationError, match="replay_drift"):
        jsonschema.validate(sample, schema("report"))


def test_a_plan_written_by_hand_may_leave_defaults_out() -> None:
    task = {"id": "a", "title": "A", "description": "do a", "owns": ["a.py"]}
    jsonschema.validate({"goal": "g", "strategy": "solo", "tasks": [task]}, schema("plan"))


def test_writing_mends_what_is_missing_or_differs_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "plan.schema.json").write_text("{}")
    (tmp_path / "event.schema.json").unlink()

    assert set(write(tmp_path)) == {"plan.schema.json", "event.schema.json"}
    assert stale(tmp_path) == ()
