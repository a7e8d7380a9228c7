"""What users install: the built wheel carries everything that is no Python, and no test."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "asset",
    [
        "skills/coder/SKILL.md",
        "skills/judge/SKILL.md",
        "contracts/report.schema.json",
        "sandboxes/python/Dockerfile",
        "sandboxes/python/profile.toml",
        "sandboxes/seccomp.json",
        "sandboxes/base/make-base.sh",
        "sandboxes/tool_server/__main__.py",
        "examples/recordings/url-shortener.jsonl",
        "examples/exercises/url-shortener.py",
    ],
)
def test_the_wheel_carries(names: set[str], asset: str) -> None:
    assert f"swarm/_assets/{asset}" in names


def test_the_wheel_is_typed_and_has_no_tests(names: set[str]) -> None:
    assert "swarm/py.typed" in names
    assert not [name for name in names if name.startswith("tests/") or "/tests/" in name]
