"""How values lie in the database and beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.adapters.durable.store import INLINE_BYTES, Artifacts, PlainJson, Unrecordable
from swarm.domain.errors import InternalFault, OutageFault


def test_an_exception_is_refused_with_the_original_inside() -> None:
    original = ValueError("x")
    with pytest.raises(Unrecordable) as refused:
        PlainJson().serialize(original)
    assert refused.value.error is original


def test_json_comes_back_as_it_went() -> None:
    value = {"a": [1, 2.5, None, True, "é\u2028"]}
    assert PlainJson().deserialize(PlainJson().serialize(value)) == value


@pytest.mark.parametrize("length", [0, INLINE_BYTES - 2, INLINE_BYTES - 1, INLINE_BYTES * 2])
def test_a_value_of_any_size_comes_back_as_it_went(tmp_path: Path, length: int) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    assert artifacts.unpack(artifacts.pack("x" * length)) == "x" * length


def test_only_values_over_the_limit_become_files(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    artifacts.pack("x" * (INLINE_BYTES - 2))
    assert not (tmp_path / "artifacts").exists()
    artifacts.pack("x" * (INLINE_BYTES - 1))
    artifacts.pack("x" * (INLINE_BYTES - 1))
    assert len(list((tmp_path / "artifacts").iterdir())) == 1


def test_a_damaged_file_is_told_and_never_read_as_a_value(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    packed = artifacts.pack("x" * INLINE_BYTES)
    (file,) = (tmp_path / "artifacts").iterdir()
    file.write_text('"short"')
    with pytest.raises(InternalFault, match="damaged"):
        artifacts.unpack(packed)


def test_a_folder_that_cannot_be_written_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file")
    with pytest.raises(OutageFault, match="artifacts"):
        Artifacts(tmp_path / "artifacts").pack("x" * INLINE_BYTES)


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InternalFault, match="another version"):
        Artifacts(tmp_path).unpack({"schema_version": 2, "value": 1})
